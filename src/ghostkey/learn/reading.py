"""An incident out of what told of it: findings of a scan, a story, a receipt, what churn or lint found. All of it is a stranger's."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.learn.incident import KEYS, Cause, Incident, Pattern
from ghostkey.learn.kept import manager_of
from ghostkey.model.counts import counted, outlive
from ghostkey.model.errors import UsageError
from ghostkey.model.history import rfc3339_now
from ghostkey.model.plans import Receipt
from ghostkey.story import CLASSES, due, when

BYTES = 256 << 20
LINES = 60  # of evidence, and of a timeline
_OF_CHURN = re.compile(r"(?P<resource>configmaps|secrets) (?P<namespace>[^/ ]+)/(?P<name>\S+) (?P<where>.*)")
_KEYED = re.compile(r"\[(?P<template>[^\]]*<[A-Za-z]+>[^\]]*)\]")
_GAUGES = {"<ns>": "{namespace}", "<S>": "{name}", "<uid>": "{uid}"}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_EXPECTED = "give the JSON of scan, explain, churn or lint (-o json), an id of the last scans, or of a trim's receipt"


def read_file(path: Path, pick: str = "") -> Incident:
    """The incident in a JSON document; `pick` chooses among several by id, map (`cm/NAME`) or place. Raises UsageError."""
    try:
        with path.open("rb") as handle:
            content = handle.read(BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}", _EXPECTED) from None
    if len(content) > BYTES:
        raise UsageError(f"{path} holds more than {BYTES >> 20} MiB", _EXPECTED)
    try:
        document = decode_json(content)
        # stories of earlier builds said what the map is where others say what they are
        read = _of_story if "ghosts" in document and "growth" in document else _READERS[str(document["kind"])]
        return _checked(read(document, pick, path.name), path)
    except UnreadableError as error:
        raise UsageError(f"{path} is no JSON: {error}", _EXPECTED) from None
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path} is nothing that can be learnt from: {_amiss(document, error)}", _EXPECTED) from None


def _amiss(document: Any, error: Exception) -> str:
    """What a document lacks, or is instead."""
    if not isinstance(document, dict):
        return "its JSON is no object"
    if document.get("kind") not in _READERS:
        return f"its kind is {document['kind']!r:.80}" if "kind" in document else "it has no kind"
    return f"it has no {error}" if isinstance(error, KeyError) else "it is not as this ghostkey writes it"


def _checked(incident: Incident, path: Path) -> Incident:
    """The incident, of which namespace and name go into expressions and paths. Raises UsageError for names that no API server has."""
    if incident.resource and not (_NAME.fullmatch(incident.namespace) and _NAME.fullmatch(incident.name)):
        raise UsageError(f"{path} names a map that cannot be: {incident.namespace!r}/{incident.name!r}", _EXPECTED)
    return incident


def of_finding(record: dict[str, Any], others: Sequence[dict[str, Any]], source: str) -> Incident:
    """The incident of a finding, with those of the same map, analysis and template among the others."""
    return _of_records([record, *(one for one in others if _spot(one) == _spot(record) and one["id"] != record["id"])], source)


def of_receipt(receipt: Receipt) -> Incident:
    """The incident that a trim ended."""
    holder, keys = receipt.holder, receipt.keys
    is_secret = holder.kind.kind == "Secret"
    done = f"{counted(len(keys), 'key was', 'keys were')} trimmed (receipt {receipt.id}, {receipt.state})"
    managers = [owner.manager for owner in receipt.owners]
    return Incident(
        f"receipt {receipt.id}", _second(receipt.created_at), f"{counted(len(keys), 'key')} of {holder} had to be trimmed",
        holder.kind.resource, holder.namespace, holder.name, Pattern(manager=managers[0] if managers else ""), len(keys),
        () if is_secret else keys[:KEYS], ((_second(receipt.created_at), done),), done=(done if receipt.state == "undone" else f"{done}; undo: ghostkey undo {receipt.id}",),
        unknown=("what the keys were for: the receipt does not say (learn from the scan's finding as well)",),
    )  # fmt: skip


def _of_scan(document: dict[str, Any], pick: str, name: str) -> Incident:
    records = [record for record in document["findings"] if record["state"] == "found"]
    chosen = [one for one in records if not pick or one["id"].startswith(pick) or pick in {_named(one), _named(one, "cm")}]
    spots = dict.fromkeys(map(_spot, chosen))
    if not chosen:
        raise UsageError(f"{name} has no finding {pick!r}" if pick else f"{name} has no findings", "ghostkey scan -o json")
    if len(spots) > 1:
        ids = [next(one["id"] for one in chosen if _spot(one) == spot) for spot in spots]
        raise UsageError(f"{name} tells of {len(spots)} incidents", f"choose one with --pick: {', '.join(ids[:10])}")
    return _of_records(chosen, f"scan {name}")


def _named(record: dict[str, Any], short: str = "") -> str:
    holder = record["holder"]
    return f"{short or holder['kind'].lower()}/{holder['name']}"


def _spot(record: dict[str, Any]) -> tuple[Any, ...]:
    holder = record["holder"]
    about = (record.get("attribution") or {}).get("template", "")
    return record["analysis"], holder["kind"], holder["namespace"], holder["name"], about, record["origin"]


def _of_records(records: list[dict[str, Any]], source: str) -> Incident:
    first, holder = records[0], records[0]["holder"]
    attribution = first.get("attribution") or {}
    is_secret = holder["kind"] == "Secret"
    resource = {"ConfigMap": "configmaps", "Secret": "secrets"}.get(holder["kind"], "")
    pattern = Pattern(
        str(attribution.get("template", "")), str((attribution.get("kinds") or [""])[0]), manager_of(str(first["writer"]))
    )
    word = {"configmaps": "cm", "secrets": "secret"}.get(resource, holder["kind"])
    title = f"{first['analysis']}: {counted(len(records), 'key')} of {word}/{holder['name']} in {holder['namespace']}"
    keys = tuple("/".join([*record["path"], record["key"]]) for record in records[:KEYS])
    written = sorted(str(record["writer"]).rpartition(" ")[2] for record in records if record["writer"])
    at = rfc3339_now()
    timeline = [(written[0], f"{pattern.manager} wrote the map: the last write that is known")] if written else []
    # what is said of a Secret's key names it, and the names in a Secret are nobody's business
    proof = () if is_secret else (f"{keys[0]}: {first['message']}", *map(str, first["evidence"][:LINES]))
    return Incident(
        source, at, title, resource, holder["namespace"], holder["name"], pattern, len(records), () if is_secret else keys,
        (*timeline, (at, f"learnt from {source}")), proof=proof,
        unknown=("the names of its keys, and the evidence with them, are part of a Secret: ghostkey explain tells them",) if is_secret else (),
    )  # fmt: skip


def _of_story(document: dict[str, Any], pick: str, name: str) -> Incident:
    return of_story(document, f"story {name}")


def of_story(told: dict[str, Any], source: str) -> Incident:
    """The incident of a story, as `explain -o json` writes it."""
    ghosts, writers = told["ghosts"], told["writers"]
    resource = str(told["holder"]["resource"] if "holder" in told else told["kind"])
    is_secret = resource == "secrets"
    if not ghosts:
        raise UsageError(f"the story of {resource}/{told['name']} knows of no key that outlives its subject")
    first = ghosts[0]
    keys = tuple(f"{row['path']}/{row['key']}" if row["path"] else str(row["key"]) for row in ghosts[:KEYS])
    managers = collections.Counter(str(row["manager"] or "") for row in ghosts)
    pattern = Pattern(str(first["template"]), str(first["subject_kind"]), managers.most_common(1)[0][0])
    shown_moments = _moments(ghosts, is_secret=is_secret)
    classes = list(dict.fromkeys(str(row["class"]) for row in ghosts))
    proof = [f"{name}: {sum(row['class'] == name for row in ghosts):,} keys: {CLASSES.get(name, '')}" for name in classes]
    proof += [
        f"written by {row['user'] or '?'} as {row['manager'] or '?'}: {counted(row['events'], 'key')} {row['op']}"
        for row in writers[:5]
    ]
    gaps = [f"{row['origin']}: {row['why']}" for row in told["coverage"] if row["is_gap"]][:LINES]
    return Incident(
        source, rfc3339_now(), f"{counted(len(ghosts), 'key')} of {resource}/{told['name']} in {told['namespace']} {outlive(len(ghosts))}",
        resource if resource in ("configmaps", "secrets") else "", told["namespace"], told["name"], pattern, len(ghosts),
        () if is_secret else keys, tuple((when(at), what) for at, what in shown_moments), proof=tuple(proof),
        forecast=forecast_lines(told), unknown=tuple(gaps),
    )  # fmt: skip


def _moments(ghosts: list[dict[str, Any]], *, is_secret: bool) -> list[tuple[int, str]]:
    """When the keys were written, by whom, and when their subjects went: the first and the last of each."""
    spans: dict[str, list[tuple[int, str]]] = {}
    for row in ghosts:
        key = "a key" if is_secret else str(row["key"])
        by = f"{row['manager'] or row['writer'] or '?'} wrote "
        for at, before, behind in (
            # stories of before it was told have the first write alone
            (row["written_at"] if "written_at" in row else row["first_set_at"], by, ""),
            (row["subject_deleted_at"], "the subject of ", " went, and the key stayed"),
        ):
            if at is not None:
                spans.setdefault(before, []).append((at, f"{before}{key}{behind}"))
    found = []
    for moments in spans.values():
        moments.sort()
        found += moments[:1]
        found += [(moments[-1][0], f"{moments[-1][1]}: the last of {len(moments):,}")] if len(moments) > 1 else []
    return sorted(found)


def forecast_lines(told: dict[str, Any]) -> tuple[str, ...]:
    """How the map of a story goes on; empty where its history says too little."""
    law = told.get("forecast")
    if not law:
        return ()
    lines = [
        f"{counted(law['keys'], 'key')}, {law['keys_per_day']:,.1f} more a day (80 %: {law['low']:,.1f} to {law['high']:,.1f})"
    ]
    if law["full_at"] is not None:
        lines.append(f"full {due(law['full_at'], law['full_low'], law['full_high'])}, by {law['binding']}")
    return tuple(lines)


def _of_churn(document: dict[str, Any], pick: str, name: str) -> Incident:
    verdicts = [one for one in document["verdicts"] if one["verdict"] in ("LEAK", "PARTIAL", "STUCK")]
    chosen = [one for one in verdicts if not pick or one["fingerprint"].startswith(pick) or pick in one["signature"]]
    if not chosen:
        raise UsageError(f"{name} has no finding {pick!r}" if pick else f"{name} has no findings", "ghostkey churn -o json")
    # what is stored is what an incident was about; a map in memory of the same name is its shadow
    chosen.sort(key=lambda one: one["source"] != "api")
    if len(chosen) > 1 and not pick and len({one["source"] == "api" for one in chosen}) == 1:
        told = [f"{one['fingerprint']} ({one['signature']})" for one in chosen[:10]]
        raise UsageError(f"{name} tells of {len(chosen)} incidents", f"choose one with --pick: {', '.join(told)}")
    verdict = chosen[0]
    found = _OF_CHURN.match(verdict["signature"])
    keyed = _KEYED.search(found["where"]) if found else None
    template = keyed["template"] if keyed else ""
    for gauge, word in _GAUGES.items():
        template = template.replace(gauge, word)
    is_secret = found is not None and found["resource"] == "secrets"
    at = rfc3339_now()
    proof = [
        f"{verdict['signature']}: {verdict['because']}",
        f"dead subjects after each round: {verdict['subjects_after_each_round']}",
    ]
    proof += [f"only with {verdict['fault']}"] if verdict["fault"] else []
    proof += [f"for instance {verdict['example'][:300]}"] if verdict["example"] and not is_secret else []
    held = found if found and "data[" in found["where"] else None
    return Incident(
        f"churn {name}", at, f"{verdict['verdict']}: {verdict['signature']}", held["resource"] if held else "",
        held["namespace"] if held else "", held["name"] if held else "", Pattern(template), max(verdict["subjects_after_each_round"] or [0]),
        timeline=((at, f"churn found it ({verdict['found_by'] or 'rounds'})"),), proof=tuple(proof),
        signature=f"{verdict['source']}: {verdict['signature']}", plan=verdict["plan"] or "",
    )  # fmt: skip


def _of_lint(document: dict[str, Any], pick: str, name: str) -> Incident:
    chosen = [one for one in document["findings"] if not pick or one["fingerprint"].startswith(pick) or pick in one["path"]]
    if not chosen:
        raise UsageError(f"{name} has no finding {pick!r}" if pick else f"{name} has no findings", "ghostkey lint -o json")
    if len(chosen) > 1:
        told = [f"{one['fingerprint']} ({one['rule']} at {one['path']}:{one['line']})" for one in chosen[:10]]
        raise UsageError(f"{name} tells of {len(chosen)} incidents", f"choose one with --pick: {', '.join(told)}")
    one, at = chosen[0], rfc3339_now()
    cause = Cause(
        one["rule"], one["path"].rpartition("/")[0] or ".", one["message"], one["path"], int(one["line"]), str(one["symbol"])
    )
    proof = tuple(f"{witness['path']}:{witness['line']}: {witness['text']}" for witness in one["witnesses"][:LINES])
    return Incident(
        f"lint {name}", at, f"{one['rule']} at {one['path']}:{one['line']}", timeline=((at, "lint found it"),), causes=(cause,),
        proof=(one["message"], *proof),
    )  # fmt: skip


def _second(at: str) -> str:
    return at[:19] + "Z" if len(at) >= 20 else at


_READERS = {
    "GhostkeyScan": _of_scan,
    "GhostkeyStory": _of_story,
    "GhostkeyChurn": _of_churn,
    "GhostkeyLint": _of_lint,
}
__all__ = ["forecast_lines", "of_finding", "of_receipt", "of_story", "read_file"]
