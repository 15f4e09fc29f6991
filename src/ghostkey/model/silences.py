"""What is known and need not be told again: which findings, until when, and why."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ghostkey.model.findings import Finding


@dataclass(frozen=True, slots=True)
class Silence:
    """Findings that somebody knows of. What is empty matches all; every part that is given has to match.

    `origin` says who silences, for people. `maps` are patterns over `cm/NAME` and `secret/NAME` (or KIND.GROUP/NAME), `keys`
    over keys, `namespaces` and `analyses` over theirs; `ids` are fingerprints. `until` is the first moment at which it is over,
    `until_text` how that was written.
    """

    origin: str
    reason: str = ""
    until: datetime.datetime | None = None
    until_text: str = ""
    namespaces: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()
    ids: frozenset[str] | None = None

    def matches(self, finding: Finding) -> bool:
        """Whether it is about this finding, over or not."""
        holder = finding.key.holder
        if self.ids is not None and finding.fingerprint not in self.ids:
            return False
        return (
            _is_any(self.namespaces, holder.namespace)
            and _is_any(self.maps, str(holder).partition(" -n ")[0])
            and _is_any(self.analyses, finding.analysis)
            and _is_any(self.keys, finding.key.key, str(finding.key))
        )

    def is_over(self, now: datetime.datetime) -> bool:
        """Whether it has expired."""
        return self.until is not None and now >= self.until

    def __str__(self) -> str:
        until = f" until {self.until_text}" if self.until_text else ""
        return f"{self.origin}{until}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding, and who silences it (or did, when that is over)."""

    finding: Finding
    silence: Silence


@dataclass(frozen=True, slots=True)
class Heard:
    """Findings sorted by whether they are to be told. `expired` are among the spoken: their silence is over."""

    spoken: list[Finding]
    silenced: list[Silenced]
    expired: list[Silenced]


def listen(findings: Iterable[Finding], silences: Sequence[Silence], now: datetime.datetime | None = None) -> Heard:
    """Sorts findings by the silences that match: one that is not over is enough to silence."""
    at = now or datetime.datetime.now(datetime.UTC)
    heard = Heard([], [], [])
    if not silences:
        heard.spoken.extend(findings)
        return heard
    for finding in findings:
        matching = [silence for silence in silences if silence.matches(finding)]
        current = next((silence for silence in matching if not silence.is_over(at)), None)
        if current is not None:
            heard.silenced.append(Silenced(finding, current))
            continue
        heard.spoken.append(finding)
        if matching:
            heard.expired.append(Silenced(finding, matching[0]))
    return heard


def _is_any(patterns: tuple[str, ...], *words: str) -> bool:
    return not patterns or any(fnmatchcase(word, pattern) for pattern in patterns for word in words)
