"""What an error says of a write: that nothing was stored, or that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import Covered, KeyEvent
from tests.history.lines import GROUP
from tests.history.shop import Shop, events, keys, lives, told

ERRORS = {
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


@pytest.mark.whole(
    but=[
        'Internal error occurred: failed calling webhook "v.example.com": context deadline exceeded-500',
        "words2-500",
        "etcdserver: request timed out-500",
        "etcdserver: leader changed-500",
        "rpc error: code = Unavailable desc = error reading from server: EOF-500",
        "conversion webhook for example.com/v1, Kind=Widget failed: EOF-500",
    ]
)
@pytest.mark.parametrize("code", [500, 503])
@pytest.mark.parametrize("words", ERRORS)
def test_error_of_the_server_is_a_refusal_only_by_its_words(tmp_path: Path, words: str, code: int) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    refused = log.patch(21, "shop", "m", {"t1.amber-0": None}, code=code)
    lines.append(refused.replace(b'"message":"no"', b'"message":' + json.dumps(words).encode()))
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    assert {row["key"]: row["class"] for row in told(tmp_path, lines).ghosts} == {"t1.amber-0": ERRORS[words]}


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


WHOLE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


@pytest.mark.whole(
    but=[
        "patch-body0-403-delete-failed",
        "patch-body3-422-no-delete",
        "delete-None-404-no-delete",
        "patch-body9-409-delete-failed",
    ]
)
@pytest.mark.parametrize(
    ("verb", "body", "code", "class_"),
    [
        ("patch", {"data": None}, 403, "delete-failed"),
        ("patch", {"data": {"$patch": "delete"}}, 403, "delete-failed"),
        ("patch", [{"op": "replace", "path": "/data", "value": {"settings": "1"}}], 422, "delete-failed"),
        ("patch", [{"op": "replace", "path": "/data", "value": {"t1.amber-0": "2"}}], 422, "no-delete"),
        ("patch", {"data": {"other": "1"}}, 409, "no-delete"),
        ("delete", None, 403, "delete-failed"),
        ("delete", None, 404, "no-delete"),
        ("deletecollection", None, 401, "no-delete"),  # of all maps there are, by somebody with no right to: no key was meant
        ("deletecollection", None, 403, "unknown"),  # some may have gone before the one that was refused
        ("patch", {**WHOLE, "data": {"t1.birch-1": "v"}}, 409, "delete-failed"),  # applied by the one who applied both before
        ("patch", {**WHOLE, "data": {"t1.amber-0": "w"}}, 409, "no-delete"),
        # what became of these nobody knows
        ("panic", {"data": {"t1.amber-0": None}}, 500, "unknown"),
        ("patch", {"data": {"t1.amber-0": None}}, 504, "unknown"),
    ],
)
def test_refused_write_is_a_removal_of_what_it_would_have_removed(
    tmp_path: Path, verb: str, body: Any, code: int, class_: str
) -> None:
    log = Shop()
    lines = log.begin()
    applied = {**WHOLE, "data": {"t1.amber-0": "v", "t1.birch-1": "v"}}
    lines.append(log.patch(15, "shop", "m", {"t1.amber-0": "v", "t1.birch-1": "v"}, body=applied))
    lines.append(log.subject(20, "delete", "t1", "amber-0"))
    if verb.startswith("delete"):
        reference = {"resource": "configmaps", "namespace": "shop"} | ({"name": "m"} if verb == "delete" else {})
        line = log.line(21, verb, reference, code=code)
    else:
        line = log.patch(21, "shop", "m", {}, code=code, body=body)
    lines.append(line.replace(b'"ResponseComplete"', b'"Panic"') if verb == "panic" else line)
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    assert {row["key"]: row["class"] for row in told(tmp_path, lines).ghosts} == {"t1.amber-0": class_}


@pytest.mark.parametrize("verb", ["delete", "create"])
@pytest.mark.parametrize("stage", ["Panic", "ResponseComplete"])
def test_request_that_was_given_up_is_neither_done_nor_refused(tmp_path: Path, verb: str, stage: str) -> None:
    log = Shop()
    lines = [log.patch(1, "shop", "m", {"a": "1"}), log.subject(2, "create", "t1", "amber-0")]
    for reference in (
        {"resource": "configmaps", "namespace": "shop", "name": "m"},
        {"resource": "widgets", "apiGroup": GROUP, "namespace": "t1", "name": "amber-0"},
    ):
        line = log.line(3, verb, reference, code=500 if stage == "Panic" else 504)
        lines.append(line.replace(b'"ResponseComplete"', f'"{stage}"'.encode()))
    lines.append(log.patch(4, "shop", "m", {"b": "1"}))
    found = events(tmp_path, lines)
    assert [(op, key) for op, key, _ in keys(found)] == [("set", "a"), ("hidden-write", ""), ("set", "b")]
    assert lives(found, f"widgets.{GROUP}") == [("created", "t1", "amber-0")]
    assert [e.kind for e in found if isinstance(e, Covered) and "whether it was stored" in e.why] == [f"widgets.{GROUP}"]
    assert ["whether it was stored" in e.error for e in found if isinstance(e, KeyEvent)] == [False, True, False]


def test_refused_apply_of_which_nobody_knows_what_it_had_makes_the_answer_unknown(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lines.append(log.patch(21, "shop", "m", {}, code=409, body={**WHOLE, "data": {"x": "1"}}))
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == ["unknown"]


def test_error_of_a_write_of_another_map_hides_nothing_of_this_one(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lines.append(log.patch(21, "shop", "leader-election", {"leader": "a"}, code=500))
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    assert {row["key"]: row["class"] for row in told(tmp_path, lines).ghosts} == {"t1.amber-0": "no-delete"}


def came_in(line: bytes) -> bytes:
    """The first line of a request, which is written before anybody knows its answer."""
    event = json.loads(line) | {"stage": "RequestReceived"}
    kept = {name: value for name, value in event.items() if name not in ("responseStatus", "requestObject", "responseObject")}
    return json.dumps(kept, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "is_answered", "class_"), [("m", False, "unknown"), ("m", True, "no-delete"), ("n", False, "no-delete")]
)
def test_request_whose_answer_is_not_in_the_log_may_have_done_anything(
    tmp_path: Path, name: str, is_answered: bool, class_: str
) -> None:
    log = Shop()
    written = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lines = [one for line in written for one in (came_in(line), line)]
    line = log.patch(21, "shop", name, {"late": "1"})
    lines += [came_in(line), line] if is_answered else [came_in(line)]
    lines.append(log.patch(30, "shop", "other", {"last": "1"}))
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == [class_]
