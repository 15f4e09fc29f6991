"""What an error says of a write: that nothing was stored, or that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.history.test_what_logs_tell import GROUP, Shop, told

WORDS = {
    # the request was never stored
    'Internal error occurred: failed calling webhook "v.example.com": context deadline exceeded': "delete-failed",
    "etcdserver: request is too large": "delete-failed",
    "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2200000 vs. 2097152)": "delete-failed",
    "etcdserver: mvcc: database space exceeded": "delete-failed",
    # it may have been
    "etcdserver: request timed out": "unknown",
    "etcdserver: request timed out, possibly due to previous leader failure": "unknown",
    "etcdserver: leader changed": "unknown",
    "rpc error: code = Unavailable desc = transport is closing": "unknown",
    "rpc error: code = Unavailable desc = error reading from server: EOF": "unknown",
    "context canceled": "unknown",
    "conversion webhook for example.com/v1, Kind=Widget failed: EOF": "unknown",
    "": "unknown",
}


@pytest.mark.parametrize("code", [500, 503])
@pytest.mark.parametrize("words", WORDS)
def test_error_of_the_server_is_a_refusal_only_by_its_words(tmp_path: Path, words: str, code: int) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    refused = log.patch(21, "shop", "m", {"t1.amber-0": None}, code=code)
    lines.append(refused.replace(b'"message":"no"', b'"message":' + json.dumps(words).encode()))
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    assert {row["key"]: row["class"] for row in told(tmp_path, lines).ghosts} == {"t1.amber-0": WORDS[words]}


@pytest.mark.parametrize(
    ("code", "words", "is_gap"),
    [
        (403, 'widgets is forbidden: User "op" cannot deletecollection resource "widgets"', False),
        (404, "", False),
        # some of them went, and the one after them did not
        (403, "admission webhook denied the request", True),
        (409, "the object has been modified", True),
        (500, "etcdserver: request timed out", True),
    ],
)
def test_collection_of_subjects_that_was_refused_half_way_may_have_taken_some(
    tmp_path: Path, code: int, words: str, is_gap: bool
) -> None:
    """`birch-1` may be gone: what keys of the kind are about is no longer known for sure."""
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    reference = {"resource": "widgets", "apiGroup": GROUP, "namespace": "t1"}
    lines.append(log.line(21, "deletecollection", reference, code=code, message=words))
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    found = told(tmp_path, lines)
    assert {row["key"]: row["class"] for row in found.ghosts} == {"t1.amber-0": "no-delete"}
    assert any(row["kind"] == f"widgets.{GROUP}" and row["is_gap"] for row in found.coverage) == is_gap
