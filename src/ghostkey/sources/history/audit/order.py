"""In which order the events of a file are: of one server, of several that a collector put together, or of copies one after the other."""

from __future__ import annotations

import itertools

from ghostkey.sources.history.audit.event import done_at
from ghostkey.sources.history.common import REVISION_DIGITS

WINDOW = 2_500_000  # microseconds: clocks that differ by a second, and requests that take as long
AT_ONCE = 20_000  # within which one server writes down what ends at the same time
META_BYTES = 1_000
_ID = b'"auditID":"'
_RESPONSE = b',"responseObject":{'
_VERSION = b'"resourceVersion":"'
_REFERENCE = b'"objectRef":{"resource":"'
_COMPLETE = b'"stage":"ResponseComplete"'


def mark_of(line: bytes) -> bytes:
    """Audit id, stage and time, since a client may choose the same id again; empty where there is no id."""
    begin = line.find(_ID)
    if begin < 0:
        return b""
    begin += len(_ID)
    end = line.find(b'"', begin)
    if end <= begin:
        return b""
    stage = b"+" if _COMPLETE in line[end : end + 400] else line[end : end + 40]
    return line[begin:end] + stage + str(done_at(line)).encode()


def spot_of(line: bytes) -> tuple[bytes, int] | None:
    """Object and revision of a line that shows both."""
    response = line.find(_RESPONSE)
    if response < 0:
        return None
    version = line.find(_VERSION, response, response + META_BYTES)
    begin = line.find(_REFERENCE, 0, response)
    if version < 0 or begin < 0:
        return None
    version += len(_VERSION)
    digits = line[version : line.find(b'"', version)]
    name = line.find(b'"name":"', begin, begin + META_BYTES)
    if not digits.isdigit() or len(digits) > REVISION_DIGITS or name < 0:
        return None
    return line[begin : line.find(b'"', name + 8)], int(digits)


class Order:
    """The order of a file, as some of its events tell."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.is_mixed = False  # events of several servers, or one twice: they must be put in order before they are read
        self._marks: set[bytes] = set()
        self._versions: dict[bytes, tuple[int, int]] = {}  # of each object the last one, and when

    def add(self, event: bytes) -> None:
        """Takes the next event."""
        if (at := done_at(event)) is None:
            return
        self.is_mixed = self.is_mixed or (bool(self.times) and at < self.times[-1] - AT_ONCE)
        self.times.append(at)
        if (mark := mark_of(event)) and not self.is_mixed:
            self.is_mixed = mark in self._marks
            self._marks.add(mark)
        if not self.is_mixed and (found := spot_of(event)) is not None:
            spot, version = found
            last, then = self._versions.get(spot, (0, at))
            # one server writes down what ends at the same time in any order
            self.is_mixed = version < last and at > then + AT_ONCE
            self._versions[spot] = version, at

    @property
    def is_ordered(self) -> bool:
        """Whether no event comes longer after a later one than clocks differ."""
        return all(later - earlier >= -WINDOW for earlier, later in itertools.pairwise(self.times))

    @property
    def spacing(self) -> int:
        """Nine in ten events come within so many microseconds of the one before."""
        gaps = sorted(later - earlier for earlier, later in itertools.pairwise(sorted(self.times)))
        return gaps[len(gaps) * 9 // 10] if gaps else 0
