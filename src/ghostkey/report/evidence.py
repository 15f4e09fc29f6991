"""Why findings are believed, as lines for people: what is the same of all keys of a map is told once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.api import TRIMMED
from ghostkey.model.counts import counted

SHOWN = 20  # keys of a group that are named
OF_A_DUMP = "--from"
"""In the place of the words that lead to a cluster: what was found in a dump is of a cluster that we do not know."""


def chain_lines(record: dict[str, Any], where: str) -> Iterator[str]:
    """The evidence of one finding, as `finding_record` gives it; `where` are the words that lead a command to its cluster."""
    yield f"{record['analysis']} {record['id']} ({record['severity']}, {record['state']})"
    yield f"{_place(record)}: {_name(record) or record['field']}"
    yield f"  {record['message']}"
    yield from _numbered(record["evidence"])
    yield from _next(record, where)


def group_lines(records: Sequence[dict[str, Any]], where: str) -> Iterator[str]:
    """The evidence of findings of one map that are alike: what holds of all of them first, then what differs, key by key."""
    if len(records) == 1:
        yield from chain_lines(records[0], where)
        return
    first = records[0]
    told = [[_general(step, record) for step in record["evidence"]] for record in records]
    shared = [step for step in told[0] if all(step in others for others in told[1:])]
    severities = dict.fromkeys(record["severity"] for record in records)
    yield f"{first['analysis']}: {counted(len(records), 'key')} of {_place(first)} ({'/'.join(severities)}, {first['state']})"
    if shared:
        yield "  of each of them:"
        yield from _numbered(shared)
    for record, steps in list(zip(records, told, strict=True))[:SHOWN]:
        own = [step for step, general in zip(record["evidence"], steps, strict=True) if general not in shared]
        yield "; ".join([f"  {record['id']}  {_name(record) or record['field']}: {record['message']}", *own])
    if len(records) > SHOWN:
        yield f"  … and {len(records) - SHOWN:,} more; name a KEY"
    yield from _next(first, where)


def _general(step: str, record: dict[str, Any]) -> str:
    """What a step says of any key: without the names of its own key and subject."""
    for subject in record["subjects"]:
        space = f"{subject['namespace']}/" if subject["namespace"] else ""
        step = step.replace(f"{subject['kind']} {space}{subject['name']}", "its subject")
    name = _name(record)
    return step.replace(f"key {name}, ", "key, ") if name else step


def _numbered(steps: Sequence[str]) -> Iterator[str]:
    return (f"  {number}. {step}" for number, step in enumerate(steps, 1))


def _next(record: dict[str, Any], where: str) -> Iterator[str]:
    if record["analysis"] in TRIMMED and record["state"] == "found":
        of_dump = where == OF_A_DUMP
        place = " --context ITS-CLUSTER" if of_dump else where
        yield f"  next{', in the cluster that the dump is of' if of_dump else ''}: ghostkey trim {_short(record)}{place} --ghosts"


def _name(record: dict[str, Any]) -> str:
    return "/".join([*record["path"], record["key"]])


def _word(record: dict[str, Any]) -> str:
    holder = record["holder"]
    word = {"ConfigMap": "cm", "Secret": "secret"}.get(holder["kind"], holder["kind"])
    return f"{word}/{holder['name']}"


def _short(record: dict[str, Any]) -> str:
    """The words that lead a command to the map."""
    namespace = record["holder"]["namespace"]
    return shlex.quote(_word(record)) + (f" -n {shlex.quote(namespace)}" if namespace else "")


def _place(record: dict[str, Any]) -> str:
    namespace = record["holder"]["namespace"]
    return _word(record) + (f" -n {shlex.quote(namespace)}" if namespace else "")
