"""etcd's write-ahead log: every write that was proposed, with the compares that decided whether it was done.

What it reads
    The .wal files of a member/wal folder, each frame with its CRC. Entries are replayed: a transaction whose compare failed
    wrote nothing, an entry that a later leader replaced never happened, and what is past the commit index is left out.
Coverage
    From the first write that is left to the last that is known to be committed. Revisions count from 1 where the log begins
    at the beginning, and are else found by the revisions that compares name; until one is found they are not known.
When it is wrong
    A log that begins in the middle does not say what was there before: the first write of a map is only "seen".
Source
    etcd 3.7 server/storage/wal (decoder.go, wal.go), api/etcdserverpb/rpc.proto and raft_internal.proto, raft/v3 raftpb
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, HistoryEvent
from ghostkey.sources._etcd import DamagedValueError, Reader, fields
from ghostkey.sources._states import Hash

ORIGIN = "etcd-wal"
METADATA, ENTRY, STATE, CRC, SNAPSHOT = 1, 2, 3, 4, 5
FRAME_BYTES = 64 << 20
_U64 = struct.Struct("<Q")
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.wal")
EQUAL, GREATER, LESS, NOT_EQUAL = range(4)
VERSION, CREATE, MOD = range(3)


@dataclass(slots=True)
class _Key:
    """What is known of a key of etcd: revisions of its creation and last write, its version, its lease; 0: it is not there."""

    created: int = 0
    modified: int = 0
    version: int = 0
    lease: int = 0


@dataclass(slots=True)
class _Replay:
    """Applies transactions; `revision` counts from an unknown base until `base` is known."""

    revision: int
    is_whole: bool
    keys: dict[bytes, _Key] = field(default_factory=dict)
    leases: dict[int, set[bytes]] = field(default_factory=dict)


class EtcdWal:
    """Source of the events of one write-ahead log."""

    origin = ORIGIN

    def __init__(
        self,
        path: str | Path,
        digest: Hash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._progress = Path(path), progress
        self._reader = Reader(ORIGIN, digest, list(fields))
        self._bad_frames = 0
        self._first_bad = ""

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of the log, then Covered. Raises SourceDamaged when there is no WAL file."""
        entries, commit, is_whole = self._entries()
        base = 0 if is_whole else _base(entries, commit)
        replay = _Replay(1 if is_whole else (base or 0), is_whole)
        known = is_whole or base is not None
        first: int | None = None
        for count, (index, data) in enumerate(entries, 1):
            if index > commit:
                break
            if count % 50_000 == 0:
                self._progress(f"replayed {count:,} entries")
            try:
                writes = _apply(data, replay)
            except DamagedValueError:
                self._bad_frames += 1
                continue
            for key, value, is_new in writes:
                revision = replay.revision if known else None
                first = replay.revision if first is None else first
                if value is None:
                    yield from self._reader.delete(key, revision)
                else:
                    yield from self._reader.put(key, value, revision, is_new=is_new)
        reader = self._reader
        since, until = (first, replay.revision) if known else (None, None)
        yield Covered(ORIGIN, "*", "*", reader.first_time, reader.last_time, since, until, False, "")
        if not is_whole:
            yield Covered(ORIGIN, "*", "*", None, None, 1 if known else None, since, True, "the log begins in the middle")
        left = sum(index > commit for index, _ in entries)
        if left:
            why = f"{left} entries are not known to be committed"
            yield Covered(ORIGIN, "*", "*", None, None, until, None, True, why)
        if self._bad_frames:
            why = f"{self._bad_frames} frames or entries are damaged{self._first_bad}; what follows the first in its file is left out"
            yield Covered(ORIGIN, "*", "*", None, None, since, until, True, why)
        yield from reader.gaps()

    def _entries(self) -> tuple[list[tuple[int, bytes]], int, bool]:
        """(index, request) of all entries that were not replaced, the commit index, and whether the log has its beginning."""
        folder = self._path / "wal" if (self._path / "wal").is_dir() else self._path
        if (folder / "member" / "wal").is_dir():
            folder = folder / "member" / "wal"
        files = [folder] if folder.is_file() else sorted(f for f in folder.glob("*.wal") if _NAME.fullmatch(f.name))
        if not files:
            raise SourceDamaged(f"{self._path} holds no .wal files", "give member/wal of etcd's data folder")
        entries: list[tuple[int, bytes]] = []
        commit = 0
        for path in files:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise SourceDamaged(f"cannot read {path}: {error.strerror}") from None
            for kind, body in self._frames(data, path.name):
                if kind == ENTRY:
                    index, request = _entry(body)
                    while entries and entries[-1][0] >= index:
                        entries.pop()
                    if entries and index != entries[-1][0] + 1:
                        # the CRC does not cover what sort of record it is: one that became another sort is missing here
                        self._damage(path.name, 0)
                        return entries, commit, entries[0][0] == 1
                    entries.append((index, request))
                elif kind == STATE:
                    for number, wire, value, _ in fields(body, 0, len(body)):
                        if number == 3 and wire == 0:
                            commit = max(commit, value)
        begins = bool(entries) and entries[0][0] == 1
        return entries, commit, begins

    def _frames(self, data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
        """(type, data) of each record whose CRC fits; ends at the preallocated zeros, or at the first damage."""
        from google_crc32c import extend

        place, crc = 0, 0
        end = len(data)
        while place + 8 <= end:
            (head,) = _U64.unpack_from(data, place)
            if head == 0:
                return
            # the top bit says that the three bits below the length tell how many bytes of padding follow
            length = head & ((1 << 56) - 1)
            padding = (head >> 56) & 7 if head >> 63 else 0
            place += 8
            if length > FRAME_BYTES or place + length > end:
                self._damage(name, place)
                return
            try:
                kind, expected, begin, stop = _record(data, place, place + length)
            except DamagedValueError:
                self._damage(name, place)
                return
            place += length + padding
            if kind == CRC:
                # the rolling CRC of the file before; the first file begins with 0
                crc = expected
                continue
            body = data[begin:stop]
            crc = extend(crc, body)
            if crc != expected:
                self._damage(name, place)
                return
            if not METADATA <= kind <= SNAPSHOT:
                self._damage(name, place)
                return
            yield kind, body

    def _damage(self, name: str, place: int) -> None:
        self._bad_frames += 1
        self._first_bad = self._first_bad or f" ({name} at byte {place:,})"


def _record(data: bytes, begin: int, end: int) -> tuple[int, int, int, int]:
    """Type, CRC, and where the data lie of a walpb.Record."""
    kind = crc = 0
    start = stop = begin
    for number, wire, a, b in fields(data, begin, end):
        if number == 1 and wire == 0:
            kind = a
        elif number == 2 and wire == 0:
            crc = a
        elif number == 3 and wire == 2:
            start, stop = a, b
    return kind, crc, start, stop


def _entry(body: bytes) -> tuple[int, bytes]:
    """Index and request of a raftpb.Entry; the request is empty for what is no ordinary entry."""
    index, kind, data = 0, 0, b""
    for number, wire, a, b in fields(body, 0, len(body)):
        if number == 1 and wire == 0:
            kind = a
        elif number == 3 and wire == 0:
            index = a
        elif number == 4 and wire == 2:
            data = body[a:b]
    return index, data if kind == 0 else b""


Write = tuple[bytes, bytes | None, bool]  # key, value or None for a deletion, whether the key is new


def _apply(data: bytes, replay: _Replay) -> list[Write]:
    """Carries out one InternalRaftRequest; what it wrote, all at `replay.revision`."""
    writes: list[Write] = []
    for number, wire, a, b in fields(data, 0, len(data)):
        if wire != 2:
            continue
        if number == 4:
            _put(data, a, b, replay, writes)
        elif number == 5:
            _delete(data, a, b, replay, writes)
        elif number == 6:
            _transaction(data, a, b, replay, writes)
        elif number == 9:
            _revoke(data, a, b, replay, writes)
    if writes:
        replay.revision += 1
    return writes


def _transaction(data: bytes, begin: int, end: int, replay: _Replay, writes: list[Write]) -> None:
    holds = True
    success: list[tuple[int, int]] = []
    failure: list[tuple[int, int]] = []
    for number, wire, a, b in fields(data, begin, end):
        if wire != 2:
            continue
        if number == 1:
            holds = _compare(data, a, b, replay) and holds
        elif number == 2:
            success.append((a, b))
        elif number == 3:
            failure.append((a, b))
    for a, b in success if holds else failure:
        for number, wire, c, d in fields(data, a, b):
            if wire != 2:
                continue
            if number == 2:
                _put(data, c, d, replay, writes)
            elif number == 3:
                _delete(data, c, d, replay, writes)
            elif number == 4:
                _transaction(data, c, d, replay, writes)


def _read_compare(data: bytes, begin: int, end: int) -> tuple[int, int, bytes, int]:
    """Result, target, key, and the version or revision that a compare asks for."""
    result = target = wanted = 0
    key = b""
    for number, wire, a, b in fields(data, begin, end):
        if number == 1 and wire == 0:
            result = a
        elif number == 2 and wire == 0:
            target = a
        elif number == 3 and wire == 2:
            key = data[a:b]
        elif number in (4, 5, 6) and wire == 0:
            wanted = a
    return result, target, key, wanted


def _compare(data: bytes, begin: int, end: int, replay: _Replay) -> bool:
    """Whether a compare holds. Of a key that was not seen yet in a log without its beginning it is taken to hold."""
    result, target, key, wanted = _read_compare(data, begin, end)
    known = replay.keys.get(key)
    if known is None:
        if not replay.is_whole:
            replay.keys[key] = _Key(modified=wanted if target == MOD else 0, version=1 if wanted else 0)
            return True
        known = _Key()
    if target not in (VERSION, CREATE, MOD):
        return True
    now = (known.version, known.created, known.modified)[target]
    return {EQUAL: now == wanted, GREATER: now > wanted, LESS: now < wanted, NOT_EQUAL: now != wanted}.get(result, True)


def _put(data: bytes, begin: int, end: int, replay: _Replay, writes: list[Write]) -> None:
    key = value = b""
    lease = 0
    for number, wire, a, b in fields(data, begin, end):
        if number == 1 and wire == 2:
            key = data[a:b]
        elif number == 2 and wire == 2:
            value = data[a:b]
        elif number == 3 and wire == 0:
            lease = a
    known = replay.keys.get(key)
    if known is None:
        known = replay.keys[key] = _Key()
        # without the beginning of the log a key may have been there; kube-apiserver compares, and then it is known
        is_new = replay.is_whole
    else:
        is_new = known.version == 0
    revision = replay.revision + 1
    if is_new:
        known.created = revision
    known.modified, known.version = revision, known.version + 1
    if known.lease and known.lease != lease:
        replay.leases.get(known.lease, set()).discard(key)
    known.lease = lease
    if lease:
        replay.leases.setdefault(lease, set()).add(key)
    writes.append((key, value, is_new))


def _delete(data: bytes, begin: int, end: int, replay: _Replay, writes: list[Write]) -> None:
    key = stop = b""
    for number, wire, a, b in fields(data, begin, end):
        if number == 1 and wire == 2:
            key = data[a:b]
        elif number == 2 and wire == 2:
            stop = data[a:b]
    if not stop:
        found = [key] if key in replay.keys or not replay.is_whole else []
    elif stop == b"\0":
        found = sorted(known for known in replay.keys if known >= key)
    else:
        found = sorted(known for known in replay.keys if key <= known < stop)
    for name in found:
        _remove(name, replay, writes)


def _remove(key: bytes, replay: _Replay, writes: list[Write]) -> None:
    known = replay.keys.setdefault(key, _Key(version=1))
    if not known.version:
        return
    if known.lease:
        replay.leases.get(known.lease, set()).discard(key)
    replay.keys[key] = _Key()
    writes.append((key, None, False))


def _revoke(data: bytes, begin: int, end: int, replay: _Replay, writes: list[Write]) -> None:
    for number, wire, value, _ in fields(data, begin, end):
        if number == 1 and wire == 0:
            for key in sorted(replay.leases.pop(value, ())):
                _remove(key, replay, writes)


def _base(entries: list[tuple[int, bytes]], commit: int) -> int | None:
    """The revision before the first write of a log that begins in the middle; None when no compare tells.

    A key that was written n writes after the beginning, and is compared with revision r later, puts the beginning at r - n.
    """
    replay = _Replay(0, False)
    votes: dict[int, int] = {}
    for index, data in entries:
        if index > commit:
            break
        try:
            for key, wanted in _compared(data):
                known = replay.keys.get(key)
                if known is not None and known.created == -1 and wanted:
                    votes[wanted - known.modified] = votes.get(wanted - known.modified, 0) + 1
            for key, value, _ in _apply(data, replay):
                if value is not None:
                    # marks what was written since the beginning: its `modified` counts from there
                    replay.keys[key].created = -1
        except DamagedValueError:
            continue
    return max(votes, key=votes.__getitem__) if votes else None


def _compared(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Keys that a transaction compares by their mod revision, and with which."""
    for number, wire, a, b in fields(data, 0, len(data)):
        if number != 6 or wire != 2:
            continue
        for inner, inner_wire, c, d in fields(data, a, b):
            if inner != 1 or inner_wire != 2:
                continue
            _, target, key, wanted = _read_compare(data, c, d)
            if target == MOD:
                yield key, wanted
