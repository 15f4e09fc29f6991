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
    etcd 3.7 server/storage/wal (decoder.go, wal.go), etcdutl/snapshot/v3_snapshot.go (saveWALAndSnap), api/etcdserverpb/rpc.proto and raft_internal.proto, raft/v3 raftpb
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ghostkey.model.counts import counted
from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, HistoryEvent
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.wire import NOTHING, DamagedValueError, fields, last_fields
from ghostkey.sources.history.facts import KeyedHash

ORIGIN = "etcd-wal"
METADATA, ENTRY, STATE, CRC, SNAPSHOT = 1, 2, 3, 4, 5
FRAME_BYTES = 64 << 20
Bytes = bytes | mmap.mmap
_U64 = struct.Struct("<Q")
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.wal")
_V2_METHODS = {b"PUT", b"POST", b"DELETE", b"GET", b"QGET", b"HEAD", b"SYNC"}
EQUAL, GREATER, LESS, NOT_EQUAL = range(4)
VERSION, CREATE, MOD = range(3)


class _Entry(NamedTuple):
    """An entry of the log: its place in it (raft calls that its index), and where its request lies in which file."""

    place: int
    file: Bytes
    begin: int
    end: int


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
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._progress = Path(path), progress
        self._reader = Reader(ORIGIN, digest, list(fields))
        self._bad_frames, self._first_bad = 0, ""
        self._is_restored = False

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of the log, then Covered. Raises SourceDamaged when there is no WAL file."""
        with contextlib.ExitStack() as opened:
            yield from self._events(opened)

    def _events(self, opened: contextlib.ExitStack) -> Iterator[HistoryEvent]:
        entries, commit, is_whole = self._entries(opened)
        base = 0 if is_whole else _base(entries, commit)
        replay = _Replay(1 if is_whole else (base or 0), is_whole)
        known = is_whole or base is not None
        first: int | None = None
        for count, entry in enumerate(entries, 1):
            if entry.place > commit:
                break
            if count % 50_000 == 0:
                self._progress(f"replayed {count:,} entries")
            try:
                request = entry.file[entry.begin : entry.end]
                writes = _apply(request, replay)
            except (DamagedValueError, RecursionError):
                self._bad_frames += 1
                continue
            for key, value, is_new in writes:
                revision = replay.revision if known else None
                first = replay.revision if first is None else first
                if value is None:
                    yield from self._reader.delete(key, revision)
                else:
                    yield from self._reader.put(key, request, *value, revision, is_new=is_new)
        reader = self._reader
        since, until = (first, replay.revision) if known else (None, None)
        yield Covered(ORIGIN, "*", "*", reader.first_time, reader.last_time, since, until, False, "")
        if not is_whole:
            yield Covered(ORIGIN, "*", "*", None, None, 1 if known else None, since, True, "the log begins in the middle")
        left = sum(entry.place > commit for entry in entries)
        if left:
            why = f"{counted(left, 'entry is', 'entries are')} not known to be committed"
            yield Covered(ORIGIN, "*", "*", None, None, until, None, True, why)
        if self._bad_frames:
            why = f"{counted(self._bad_frames, 'frame or entry is', 'frames or entries are')} damaged{self._first_bad}; what follows the first in its file is left out"
            yield Covered(ORIGIN, "*", "*", None, None, since, until, True, why)
        yield from reader.gaps()

    def _entries(self, opened: contextlib.ExitStack) -> tuple[list[_Entry], int, bool]:
        """All entries that were not replaced, the commit index, and whether the log has its beginning."""
        folder = self._path / "wal" if (self._path / "wal").is_dir() else self._path
        if (folder / "member" / "wal").is_dir():
            folder = folder / "member" / "wal"
        files = [folder] if folder.is_file() else sorted(f for f in folder.glob("*.wal") if _NAME.fullmatch(f.name))
        if not files:
            raise SourceDamaged(f"{self._path} holds no .wal files", "give member/wal of etcd's data folder")
        entries: list[_Entry] = []
        commit = 0
        for path in files:
            data = _mapped(path, opened)
            for kind, body, begin in self._frames(data, path.name):
                try:
                    entry = _entry(data, body, begin) if kind == ENTRY else None
                    seen = last_fields(body, 0, len(body)).get((3, 0), NOTHING)[0] if kind == STATE else 0
                    if kind == SNAPSHOT and last_fields(body, 0, len(body)).get((1, 0), NOTHING)[0]:
                        self._is_restored = self._is_restored or all(one.begin == one.end for one in entries)
                except DamagedValueError:
                    self._damage(path.name, begin)
                    return entries, commit, self._begins(entries)
                if entry is not None:
                    while entries and entries[-1].place >= entry.place:
                        entries.pop()
                    if entries and entry.place != entries[-1].place + 1:
                        # the CRC does not cover what sort of record it is: one that became another sort is missing here
                        self._damage(path.name, 0)
                        return entries, commit, self._begins(entries)
                    entries.append(entry)
                commit = max(commit, seen)
        return entries, commit, self._begins(entries)

    def _begins(self, entries: list[_Entry]) -> bool:
        """Whether revisions count from 1: not where the log goes on from a snapshot that was restored, before any request."""
        return bool(entries) and entries[0].place == 1 and not self._is_restored

    def _frames(self, data: Bytes, name: str) -> Iterator[tuple[int, bytes, int]]:
        """(type, data, where they begin) of each record whose CRC fits; ends at the preallocated zeros, or at the first damage."""
        from google_crc32c import extend

        place, crc = 0, 0
        while place + 8 <= len(data):
            (head,) = _U64.unpack_from(data, place)
            if head == 0:
                return
            # the top bit says that the three bits below the length tell how many bytes of padding follow
            length = head & ((1 << 56) - 1)
            padding = (head >> 56) & 7 if head >> 63 else 0
            place += 8
            if length > FRAME_BYTES or place + length > len(data):
                self._damage(name, place)
                return
            frame = data[place : place + length]
            try:
                found = last_fields(frame, 0, length).get
            except DamagedValueError:
                self._damage(name, place)
                return
            kind, expected, (begin, end) = found((1, 0), NOTHING)[0], found((2, 0), NOTHING)[0], found((3, 2), NOTHING)
            if kind == CRC:
                # the rolling CRC of the file before; the first file begins with 0
                crc = expected
            else:
                body = frame[begin:end]
                crc = extend(crc, body)
                if crc != expected or not METADATA <= kind <= SNAPSHOT:
                    self._damage(name, place)
                    return
                yield kind, body, place + begin
            place += length + padding

    def _damage(self, name: str, place: int) -> None:
        self._bad_frames += 1
        self._first_bad = self._first_bad or f" ({name} at byte {place:,})"


def _mapped(path: Path, opened: contextlib.ExitStack) -> Bytes:
    """The bytes of a file, which stay open until the stack is closed; they are read from the disk as they are needed."""
    try:
        with path.open("rb") as handle:
            return opened.enter_context(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        return b""  # an empty file cannot be mapped
    except OSError as error:
        raise SourceDamaged(f"cannot read {path}: {error.strerror}") from None


def _entry(file: Bytes, body: bytes, place: int) -> _Entry:
    """A raftpb.Entry, whose bytes begin at `place`; the request is empty for what is no ordinary entry."""
    found = last_fields(body, 0, len(body)).get
    is_ordinary = found((1, 0), NOTHING)[0] == 0
    begin, end = found((4, 2), NOTHING) if is_ordinary else NOTHING
    return _Entry(found((3, 0), NOTHING)[0], file, place + begin, place + end)


Write = tuple[bytes, tuple[int, int] | None, bool]  # key, where its value lies or None for a deletion, whether the key is new


def _apply(data: bytes, replay: _Replay) -> list[Write]:
    """Carries out one InternalRaftRequest; what it wrote, all at `replay.revision`."""
    writes: list[Write] = []
    if _is_of_v2(data):
        return writes
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


def _is_of_v2(data: bytes) -> bool:
    """Whether an entry is a request of etcd's second API, in which members up to 3.5 publish their addresses; it has no keys of ours.

    Its field 2 is a method as text, where an InternalRaftRequest has a message.
    Source: etcd 3.5 server/etcdserver/server.go applyEntryNormal, api/etcdserverpb/etcdserver.proto Request
    """
    if data[:1] != b"\x08":
        return False
    try:
        found = last_fields(data, 0, len(data)).get
    except DamagedValueError:
        return False
    return data[slice(*found((2, 2), NOTHING))] in _V2_METHODS


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
    found = last_fields(data, begin, end).get
    wanted = next((found((number, 0), NOTHING)[0] for number in (4, 5, 6) if found((number, 0))), 0)
    return found((1, 0), NOTHING)[0], found((2, 0), NOTHING)[0], data[slice(*found((3, 2), NOTHING))], wanted


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
    found = last_fields(data, begin, end).get
    key, value, lease = data[slice(*found((1, 2), NOTHING))], found((2, 2), NOTHING), found((3, 0), NOTHING)[0]
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
    parts = last_fields(data, begin, end).get
    key, stop = data[slice(*parts((1, 2), NOTHING))], data[slice(*parts((2, 2), NOTHING))]
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
    lease = last_fields(data, begin, end).get((1, 0), NOTHING)[0]
    for key in sorted(replay.leases.pop(lease, ())):
        _remove(key, replay, writes)


def _base(entries: list[_Entry], commit: int) -> int | None:
    """The revision before the first write of a log that begins in the middle; None when no compare tells.

    A key that was written n writes after the beginning, and is compared with revision r later, puts the beginning at r - n.
    """
    replay = _Replay(0, False)
    votes: dict[int, int] = {}
    for entry in entries:
        if entry.place > commit:
            break
        try:
            request = entry.file[entry.begin : entry.end]
            for key, wanted in _compared(request):
                known = replay.keys.get(key)
                if known is not None and known.created == -1 and wanted:
                    votes[wanted - known.modified] = votes.get(wanted - known.modified, 0) + 1
            for key, value, _ in _apply(request, replay):
                if value is not None:
                    # marks what was written since the beginning: its `modified` counts from there
                    replay.keys[key].created = -1
        except (DamagedValueError, RecursionError):
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
