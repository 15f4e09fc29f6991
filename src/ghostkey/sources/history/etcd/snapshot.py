"""A snapshot or data file of etcd: every revision that is left, without etcd and without its lock.

What it reads
    bbolt files: what `etcdctl snapshot save` writes, or a copy of member/snap/db. All revisions since the last compaction,
    deletions among them; with `carve` also those in pages that were freed and not yet written again, marked recovered.
Coverage
    From the compaction to the last revision. What was compacted is a gap. etcd keeps no times and no writers: times are
    those that managedFields tell (to the second), and a deletion has the time of the last write before it.
When it is wrong
    A file copied while etcd wrote to it may be torn: what does not hang together is left out, and said.
Source
    go.etcd.io/bbolt v1.4 internal/common (page.go, meta.go, bucket.go); etcd 3.7 server/storage/mvcc/revision.go
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ghostkey.model.counts import counted
from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, HistoryEvent
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.wire import NOTHING, DamagedValueError, last_fields, varint
from ghostkey.sources.history.facts import KeyedHash

ORIGIN = "etcd-snapshot"
MAGIC = 0xED0CDAED
BRANCH, LEAF = 1, 2
BUCKET = 1  # flag of a leaf element whose value is a bucket
OVERLAP = 4  # the elements are looked at for each bucket, and once more for those that were freed
DEPTH = 64  # of pages; a file with loops does not end otherwise
_META = struct.Struct("<IIIIQQQQQQ")
_BRANCH_ELEMENT = struct.Struct("<IIQ")
_LEAF_ELEMENT = struct.Struct("<IIII")
_PAGE = struct.Struct("<QHHI")
_REVISION = struct.Struct(">Q1sQ")
Item = tuple[int, int, bool, int, int, bool]  # main, sub, is a tombstone, begin and end of the value, is recovered


class EtcdSnapshot:
    """Source of the events of one snapshot."""

    origin = ORIGIN

    def __init__(
        self,
        path: str | Path,
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        *,
        carve: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._carve, self._progress = Path(path), carve, progress
        self._reader = Reader(ORIGIN, digest, list(fields))
        self._torn = 0
        self._left = 0  # bytes that elements may still take; those of a file that is whole do not overlap

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of revisions, then Covered. Raises SourceDamaged when the file is no bbolt file."""
        try:
            with self._path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield from self._events(data)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise SourceDamaged(
                f"cannot read {self._path}: {words}", "give a file of etcdctl snapshot save, or member/snap/db"
            ) from None

    def _events(self, data: mmap.mmap) -> Iterator[HistoryEvent]:
        page_bytes, root = _root(data, self._path)
        self._left = OVERLAP * len(data)
        items = self._items(data, page_bytes, root)
        compacted = self._compacted(data, page_bytes, root)
        reader, last = self._reader, 0
        there: dict[bytes, int] = {}  # the last revision of each key that is there
        for count, (main, _, is_tombstone, begin, end, is_recovered) in enumerate(items, 1):
            if count % 50_000 == 0:
                self._progress(f"read {count:,} revisions")
            try:
                raw = data[begin:end]
                key, value, stop, created, modified, version = _key_value(raw)
            except DamagedValueError:
                self._torn += 1
                continue
            if not is_tombstone and modified != main:
                self._torn += 1  # the item of another revision: what pointed here is damaged
                continue
            if is_tombstone:
                yield from reader.delete(key, main, is_recovered=is_recovered)
            else:
                is_new = created == main
                yield from reader.put(key, raw, value, stop, main, is_new=is_new, is_recovered=is_recovered, version=version)
            last = max(last, main)
            if is_tombstone:
                there.pop(key, None)
            elif not is_recovered:
                there[key] = main
        first = min((item[0] for item in items if not item[5]), default=0)
        since = max(first, compacted)
        yield Covered(ORIGIN, "*", "*", reader.first_time, reader.last_time, since, last, False, "")
        if compacted and not self._torn and _is_whole(data):
            yield from reader.still_there(there, compacted)
            # at this revision all that was there is told
            yield Covered(ORIGIN, "*", "*", reader.last_time, reader.last_time, compacted, compacted, False, "")
        if compacted:
            yield Covered(ORIGIN, "*", "*", None, None, 1, compacted, True, f"revisions before {compacted:,} were compacted")
        if self._torn:
            why = f"{counted(self._torn, 'item or page is', 'items or pages are')} damaged"
            yield Covered(ORIGIN, "*", "*", None, None, since, last, True, why)
        if not _is_whole(data):
            why = "the file's checksum does not match: it was cut or changed after etcdctl wrote it"
            yield Covered(ORIGIN, "*", "*", None, None, since, last, True, why)
        yield from reader.gaps()

    # pages

    def _items(self, data: mmap.mmap, page_bytes: int, root: int) -> list[Item]:
        """Where each revision's value lies, in the order of revisions."""
        bucket = self._bucket(data, page_bytes, root, b"key")
        items: list[Item] = []
        for _, key, begin, end in self._leaves(data, page_bytes, bucket) if bucket is not None else ():
            if (item := _item(key, begin, end, is_recovered=False)) is not None:
                items.append(item)
        if self._carve:
            known = {(item[0], item[1]) for item in items}
            items += [item for item in self._carved(data, page_bytes) if (item[0], item[1]) not in known]
        items.sort()
        return items

    def _carved(self, data: mmap.mmap, page_bytes: int) -> Iterator[Item]:
        """Revisions in all pages that look like leaves of the key bucket, those on the free list too."""
        found: set[tuple[int, int]] = set()
        for place in range(2, len(data) // page_bytes):
            number, flags, count, _ = _PAGE.unpack_from(data, place * page_bytes)
            if number != place or flags != LEAF or not count:
                continue
            for element_flags, key, begin, end in self._elements(data, page_bytes, place, quiet=True):
                if element_flags == 0 and len(key) in (17, 18) and key[8:9] == b"_":
                    item = _item(key, begin, end, is_recovered=True)
                    if item is not None and (item[0], item[1]) not in found:
                        found.add((item[0], item[1]))
                        yield item

    def _bucket(self, data: mmap.mmap, page_bytes: int, root: int, name: bytes) -> tuple[int, int] | None:
        """(page, 0) of a bucket's root, or (0, place) of a bucket that lies within its parent's leaf."""
        for flags, key, begin, end in self._leaves(data, page_bytes, (root, 0)):
            if flags & BUCKET and key == name:
                if end - begin < 16:
                    break
                page = int.from_bytes(data[begin : begin + 8], "little")
                return (page, 0) if page else (0, begin + 16)
        return None

    def _compacted(self, data: mmap.mmap, page_bytes: int, root: int) -> int:
        bucket = self._bucket(data, page_bytes, root, b"meta")
        for _, key, begin, end in self._leaves(data, page_bytes, bucket) if bucket is not None else ():
            if key == b"finishedCompactRev" and end - begin >= 17:
                return int(_REVISION.unpack_from(data, begin)[0])
        return 0

    def _leaves(self, data: mmap.mmap, page_bytes: int, where: tuple[int, int]) -> Iterator[tuple[int, bytes, int, int]]:
        """(flags, key, begin and end of the value) of all leaf elements below a page, in order."""
        page, inline = where
        if inline:
            yield from self._leaf_elements(data, inline, len(data))
            return
        stack = [(page, 0)]
        visited: set[int] = set()
        while stack:
            page, depth = stack.pop()
            start = page * page_bytes
            if page in visited or depth > DEPTH or start + 16 > len(data):
                self._torn += 1
                continue
            visited.add(page)
            number, flags, count, _ = _PAGE.unpack_from(data, start)
            if number != page or not flags & (BRANCH | LEAF):
                self._torn += 1
                continue
            if flags & LEAF:
                yield from self._elements(data, page_bytes, page)
                continue
            children = []
            for place in range(count):
                at = start + 16 + 16 * place
                if at + 16 > len(data):
                    self._torn += 1
                    break
                children.append((_BRANCH_ELEMENT.unpack_from(data, at)[2], depth + 1))
            stack.extend(reversed(children))

    def _elements(
        self, data: mmap.mmap, page_bytes: int, page: int, *, quiet: bool = False
    ) -> Iterator[tuple[int, bytes, int, int]]:
        start = page * page_bytes
        overflow = _PAGE.unpack_from(data, start)[3]
        end = min(len(data), start + (overflow + 1) * page_bytes)
        yield from self._leaf_elements(data, start, end, quiet=quiet)

    def _leaf_elements(
        self, data: mmap.mmap, start: int, end: int, *, quiet: bool = False
    ) -> Iterator[tuple[int, bytes, int, int]]:
        count = _PAGE.unpack_from(data, start)[2] if start + 16 <= end else 0
        if start + 16 + 16 * count > end:
            self._torn += not quiet
            return
        elements = _LEAF_ELEMENT.iter_unpack(data[start + 16 : start + 16 + 16 * count])
        for place, (flags, offset, key_bytes, value_bytes) in zip(itertools.count(start + 16, 16), elements, strict=False):
            begin = place + offset
            if begin + key_bytes + value_bytes > end or begin < place:
                self._torn += not quiet
                continue
            self._left -= 16 + key_bytes + value_bytes
            if self._left < 0:
                self._torn += 1
                return
            yield flags, data[begin : begin + key_bytes], begin + key_bytes, begin + key_bytes + value_bytes


def _item(key: bytes, begin: int, end: int, *, is_recovered: bool) -> Item | None:
    if len(key) not in (17, 18) or (len(key) == 18 and key[17:] != b"t"):
        return None
    main, separator, sub = _REVISION.unpack_from(key)
    return (main, sub, len(key) == 18, begin, end, is_recovered) if separator == b"_" else None


def _key_value(raw: bytes) -> tuple[bytes, int, int, int, int, int]:
    """Key, begin and end of the value, create revision, mod revision and version of a mvccpb.KeyValue."""
    numbers: list[int] = []
    end = len(raw)
    try:
        # as etcd writes it: a field after the other, each once, and no lease
        place = 2 + raw[1] if raw[0] == 0x0A and raw[1] < 0x80 else end
        for tag in b"\x10\x18\x20\x2a":
            if raw[place] != tag:
                break
            number, place = varint(raw, place + 1, end)
            numbers.append(number)
        else:
            created, modified, version, length = numbers
            if place + length == end:
                return raw[2 : 2 + raw[1]], place, end, created, modified, version
    except IndexError:
        pass
    found = last_fields(raw, 0, end).get
    key, value = found((1, 2), NOTHING), found((5, 2), NOTHING)
    return raw[slice(*key)], *value, found((2, 0), NOTHING)[0], found((3, 0), NOTHING)[0], found((4, 0), NOTHING)[0]


def _root(data: mmap.mmap, path: Path) -> tuple[int, int]:
    """Page size, and root page of the newer of the two meta pages that are whole."""
    best: tuple[int, int, int] | None = None
    # the second meta page lies one page after the first, and only the first says how large a page is
    for page_bytes in (0, 4096, 8192, 16384, 32768, 65536):
        if page_bytes + 16 + _META.size > len(data):
            continue
        magic, version, size, _, root, _, _, _, txid, checksum = _META.unpack_from(data, page_bytes + 16)
        is_whole = checksum == _fnv64a(data[page_bytes + 16 : page_bytes + 16 + _META.size - 8])
        if (
            magic == MAGIC
            and version == 2
            and is_whole
            and size in (1 << n for n in range(9, 17))
            and (best is None or txid > best[0])
        ):
            best = (txid, size, root)
    if best is None:
        raise SourceDamaged(
            f"{path} is no etcd snapshot: it has no whole bbolt meta page", "give a file of etcdctl snapshot save"
        )
    return best[1], best[2]


def _fnv64a(raw: bytes) -> int:
    state = 0xCBF29CE484222325
    for byte in raw:
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def _is_whole(data: mmap.mmap) -> bool:
    """Whether the SHA-256 that etcdctl appends fits; a copied data file has none, and passes."""
    if len(data) % 512 != hashlib.sha256().digest_size:
        return True
    sha = hashlib.sha256()
    end = len(data) - sha.digest_size
    for place in range(0, end, 1 << 24):
        sha.update(data[place : min(end, place + (1 << 24))])
    return sha.digest() == data[end:]
