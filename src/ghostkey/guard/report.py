"""What a guard would have refused, and whom: counted from audit logs, before it is made to refuse."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.guard.objects import POLICY
from ghostkey.model.errors import UsageError

LINE_BYTES = 4 << 20
WRITERS = 10_000  # pairs of map and writer that are told apart
_FAILED = "validation.policy.admission.k8s.io/validation_failure"
_RETRIES = 3  # refusals of one writer within a minute: it does not take no for an answer
_MARK = POLICY.encode()


@dataclass(slots=True)
class Refused:
    """Writes of one user to one map past its cap: how many, when first and last, and the most within one minute."""

    map: str
    namespace: str
    user: str
    count: int = 0
    first: str = ""
    last: str = ""
    keys: set[str] = field(default_factory=set)
    minutes: dict[str, int] = field(default_factory=dict)

    @property
    def loops(self) -> bool:
        """Whether the writer tried again and again: what is refused to it, it will go on trying."""
        return max(self.minutes.values(), default=0) >= _RETRIES


@dataclass(slots=True)
class Report:
    """What the logs say; `unread` lines were no audit events, or too long."""

    refused: list[Refused]
    events: int
    unread: int
    since: str
    until: str


def report(paths: Iterable[Path]) -> Report:
    """Counts in audit logs (JSON lines, also gzip). Raises UsageError for a file that cannot be read."""
    found: dict[tuple[str, str, str], Refused] = {}
    events = unread = 0
    since = until = ""
    for path in paths:
        for line in _lines(path):
            if line is None:
                unread += 1
                continue
            events += 1
            if _MARK not in line:
                continue
            try:
                event = decode_json(line)
                at = str(event.get("requestReceivedTimestamp") or event.get("stageTimestamp") or "")
            except (UnreadableError, AttributeError):
                unread += 1
                continue
            since, until = min(since or at, at), max(until, at)
            _count(found, event, at)
    return Report(sorted(found.values(), key=lambda one: (-one.count, one.map, one.user)), events, unread, since, until)


def _count(found: dict[tuple[str, str, str], Refused], event: dict[str, Any], at: str) -> None:
    annotations = event.get("annotations") or {}
    reference = event.get("objectRef") or {}
    if event.get("stage") != "ResponseComplete" or not isinstance(annotations, dict) or not isinstance(reference, dict):
        return
    told = annotations.get(f"{POLICY}/map")
    if not told and POLICY not in str(annotations.get(_FAILED, "")):
        return
    user = str((event.get("user") or {}).get("username", "?"))
    name = str(told or f"{reference.get('resource')}/{reference.get('name')}")
    key = (name, str(reference.get("namespace", "")), user)
    if key not in found and len(found) >= WRITERS:
        return
    one = found.setdefault(key, Refused(*key))
    one.count += 1
    one.first, one.last = min(one.first or at, at), max(one.last, at)
    one.minutes[at[:16]] = one.minutes.get(at[:16], 0) + 1
    if len(one.keys) < 100:
        one.keys |= set(filter(None, str(annotations.get(f"{POLICY}/added-keys", "")).split(",")[:100]))


def _lines(path: Path) -> Iterator[bytes | None]:
    """Lines of a log; None for one that is too long."""
    try:
        with path.open("rb") as handle:
            is_packed = handle.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_packed else path.open("rb") as lines:
            is_rest = False
            while line := lines.readline(LINE_BYTES):
                is_whole = line.endswith(b"\n") or len(line) < LINE_BYTES
                if not is_rest:
                    yield line if is_whole else None
                is_rest = not is_whole
    except (OSError, EOFError) as error:
        raise UsageError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", "name an audit log of the API server"
        ) from None
