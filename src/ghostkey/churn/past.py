"""Why a trace outlives its subject, from the memory of the run's own control plane: its audit log, and etcd's log of writes (WAL)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostkey.churn.audited import WritesOfSecret, stories_of
from ghostkey.churn.judge import Verdict
from ghostkey.churn.tokens import tokens_in
from ghostkey.churn.traces import Signature, place_masked
from ghostkey.model.errors import GhostkeyError
from ghostkey.store.scratch import scratch_directory
from ghostkey.story import story_of
from ghostkey.story.opening import Past, opened

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

FIELDS = ("data", "binaryData", "stringData")  # of maps, whose keys have a history
MAPS_MOST = 20  # of which the history is asked, about a second each
_TRACE = re.compile(r"^/api/v1/namespaces/([^/]+)/(configmaps|secrets)/([^/ ]+) (.+)$")
Holder = tuple[str, str, str]  # resource, namespace, name


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of the keys of one signature: how many are of which class of `ghostkey explain`, and one of them in full.

    `ghost`: a row of the analysis missed_deletion; None where the history does not tell; and of what is no key, whose story are the
    lines `told`. `unknown`: why there is no class.
    """

    holder: Holder
    classes: dict[str, int] = field(default_factory=dict)
    ghost: dict[str, Any] | None = None
    unknown: str = ""
    told: tuple[str, ...] = ()


def lives_of(verdicts: Iterable[Verdict], control_plane: ControlPlane) -> dict[Signature, Life]:
    """The life behind each verdict: of keys, and of entries of documents, of ConfigMaps and Secrets all; of other traces one.

    Reads the logs once, whatever the number of verdicts. A history that cannot be read becomes an `unknown`.
    """
    asked: dict[Holder, list[tuple[Verdict, str]]] = {}
    others = []
    for verdict in verdicts:
        match = _TRACE.match(verdict.example) if verdict.signature.source == "api" else None
        if match and match[4].startswith(FIELDS):
            asked.setdefault((match[2], match[1], match[3]), []).append((verdict, match[4]))
        else:
            others.append(verdict)
    found = _others(others, control_plane.audit_log)
    logs = (str(control_plane.audit_log), str(control_plane.directory / "etcd" / "member" / "wal"))
    with scratch_directory("churn-history") as store:
        for number, (holder, traces) in enumerate(asked.items()):
            if number >= MAPS_MOST:
                found |= {v.signature: Life(holder, unknown=f"only {MAPS_MOST} maps are asked about") for v, _ in traces}
                continue
            found |= _lives(holder, traces, logs if number == 0 else (), store, control_plane)
    return found


def _others(verdicts: list[Verdict], log: Path) -> dict[Signature, Life]:
    """The lives of traces that are no keys."""
    try:
        told = stories_of(verdicts, log)
    except OSError as error:
        return {verdict.signature: Life(("", "", ""), unknown=str(error)) for verdict in verdicts}
    return {
        verdict.signature: Life(story.place, dict(story.classes), unknown=story.unknown, told=story.lines)
        for verdict, story in told.items()
    }


def _lives(
    holder: Holder, traces: Iterable[tuple[Verdict, str]], logs: tuple[str, ...], store: Path, control_plane: ControlPlane
) -> dict[Signature, Life]:
    try:
        with opened(holder, Past(logs, store=str(store))) as engine:
            ghosts = story_of(engine, *holder).ghosts
        if holder[0] == "secrets":
            writes = WritesOfSecret(control_plane, *holder[1:])
            ghosts = [_known_better(row, writes) for row in ghosts]
    except (GhostkeyError, OSError) as error:
        return {verdict.signature: Life(holder, unknown=str(error)) for verdict, _ in traces}
    return {verdict.signature: _life(holder, [row for row in ghosts if place in _places(row)]) for verdict, place in traces}


def _known_better(row: dict[str, Any], writes: WritesOfSecret) -> dict[str, Any]:
    """A ghost of a Secret, of whose writes the audit log shows that they were there alone: the proxies saw whom they named."""
    token = next(iter(sorted(tokens_in(str(row["subject_name"]).encode()))), "")
    gone = row["subject_deleted_at"]
    if row["class"] == "unknown" and token and gone is not None and writes.left_alone(token, gone):
        return {**row, "class": "no-delete"}
    return row


def _life(holder: Holder, ghosts: list[dict[str, Any]]) -> Life:
    if not ghosts:
        return Life(holder, unknown="the logs show no such key of a subject that has gone")
    classes = Counter(str(row["class"]) for row in ghosts)
    most, _ = classes.most_common(1)[0]
    # the first of those whose reason most have: its subject went first, so no cleanup of it is late
    return Life(holder, dict(classes.most_common()), next(row for row in ghosts if row["class"] == most))


def _places(row: dict[str, Any]) -> set[str]:
    """How traces call the place of a key, or of the document that an entry is in."""
    name = row["path"].partition("/")[0] or row["key"]
    return {place_masked(f"{row['field']}[{name}]"), place_masked(f"{row['field']}.{name}")}
