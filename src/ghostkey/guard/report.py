"""What a guard would have refused, and whom: counted from audit logs, before it is made to refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ghostkey.guard.objects import POLICY
from ghostkey.model.admission import Noted

WRITERS = 10_000  # pairs of map and writer that are told apart
KEYS = 100  # of a map that are named
_FAILED = "validation.policy.admission.k8s.io/validation_failure"
_RETRIES = 3  # refusals of one writer within a minute: it does not take no for an answer


@dataclass(slots=True)
class RefusedWrites:
    """Writes of one user to one map past its cap: how many, when first and last, and the most within one minute."""

    map: str
    namespace: str
    user: str
    count: int = 0
    first: str = ""
    last: str = ""
    keys: set[str] = field(default_factory=set)
    most_in_a_minute: int = 0
    _minute: str = ""
    _in_minute: int = 0

    @property
    def loops(self) -> bool:
        """Whether the writer tried again and again: what is refused to it, it will go on trying."""
        return self.most_in_a_minute >= _RETRIES

    def add(self, noted: Noted) -> None:
        """Counts one write; writes come by time."""
        at = noted.at
        self.count += 1
        self.first, self.last = min(self.first or at, at), max(self.last, at)
        self._minute, self._in_minute = at[:16], self._in_minute + 1 if at[:16] == self._minute else 1
        self.most_in_a_minute = max(self.most_in_a_minute, self._in_minute)
        added = noted.annotations.get(f"{POLICY}/added-keys", "").split(",")[:KEYS]
        if len(self.keys) < KEYS:
            self.keys |= set(filter(None, added))


def refused_writes(requests: Iterable[Noted]) -> list[RefusedWrites]:
    """What is, or would have been, refused, the most often first."""
    found: dict[tuple[str, str, str], RefusedWrites] = {}
    for noted in requests:
        told = noted.annotations.get(f"{POLICY}/map")
        if not told and POLICY not in noted.annotations.get(_FAILED, ""):
            continue
        key = (told or f"{noted.resource}/{noted.name}", noted.namespace, noted.user)
        if key in found or len(found) < WRITERS:
            found.setdefault(key, RefusedWrites(*key)).add(noted)
    return sorted(found.values(), key=lambda one: (-one.count, one.map, one.user))
