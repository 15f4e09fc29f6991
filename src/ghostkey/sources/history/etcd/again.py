"""An object that is written again: its metadata as before but for the times of its managers, which need not be decoded."""

from __future__ import annotations

from ghostkey.sources.history.etcd.stored import SECONDS_BYTES, Stored
from ghostkey.sources.history.etcd.wire import DamagedValueError, varint


class Known:
    """An object as decoded last, and the bytes around what changes with each write: its length, its managers' times, its content."""

    __slots__ = ("_begin", "_head", "_meta", "_meta_bytes", "_pieces", "_rest", "found", "size")

    def __init__(self, found: Stored, begin: int, end: int) -> None:
        """`found` was decoded from its data, from `begin` to `end`, as protobuf."""
        data, (meta, meta_end) = found.data, found.meta
        self.found, self._begin, self._meta, self._meta_bytes = found, begin, meta, meta_end - meta
        self.size = end - begin  # bytes of the value that it holds
        # the object follows its type, and is followed by fields that are empty
        self._head, self._rest = data[begin : found.type_meta[1]] + b"\x12", data[found.end : end]
        self._pieces: list[bytes] = []
        place = meta
        for entry in found.managed:
            self._pieces.append(data[place : entry.seconds])
            place = entry.seconds + SECONDS_BYTES
        self._pieces.append(data[place:meta_end])

    def moved(self, data: bytes, begin: int, end: int) -> bool:
        """Whether other bytes hold this object in a later state; then `found` is it."""
        found = self.found
        if not data.startswith(self._head, begin):
            return False
        try:
            length, body = varint(data, begin + len(self._head), end)
            stop = body + length
            if data[stop:end] != self._rest or data[body] != 0x0A:
                return False
            size, meta = varint(data, body + 1, stop)
        except (DamagedValueError, IndexError):
            return False
        if size != self._meta_bytes or meta + size > stop:
            return False
        place = meta - SECONDS_BYTES
        for piece in self._pieces:
            if not data.startswith(piece, place + SECONDS_BYTES):
                return False
            place += SECONDS_BYTES + len(piece)
        shift = meta - self._meta
        managed = [entry.moved(data, shift) for entry in found.managed]
        if None in managed:
            return False
        found.data, found.body, found.end = data, meta + size, stop
        found.meta = meta, found.body
        found.type_meta = found.type_meta[0] + begin - self._begin, found.type_meta[1] + begin - self._begin
        self._begin, self._meta, self.size = begin, meta, end - begin
        found.written([entry for entry in managed if entry is not None])
        return True
