"""Packed text in one line of a log: base64 of gzip, within bounds of the whole line."""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Iterator

from ghostkey.sources._archives import BOMB_RATIO

PACKED = "H4sI"  # how base64 of gzip begins: what CloudWatch hands to Lambda and Kinesis
# all that is packed in a line unpacks to: CloudWatch packs at most 1 MiB, and below that nobody asks for the ratio
LEAST_BYTES, MOST_BYTES = 1 << 20, 64 << 20


class PackedText:
    """What packed text in a line may still unpack to, and whether anything in that line is damaged, unpacked or not."""

    __slots__ = ("_is_open", "_left", "is_damaged")

    def __init__(self, line_bytes: int) -> None:
        self._left = min(MOST_BYTES, max(LEAST_BYTES, BOMB_RATIO * line_bytes))
        self._is_open = self.is_damaged = False

    @contextlib.contextmanager
    def opened(self, text: str) -> Iterator[bytes]:
        """What a text holds; nothing, and damage, where it is cut, holds too much, or stands in another one."""
        if self._is_open:
            self.is_damaged = True
            yield b""
            return
        self._is_open = True
        try:
            yield self._unpacked(text)
        finally:
            self._is_open = False

    def _unpacked(self, text: str) -> bytes:
        stream = zlib.decompressobj(31)
        found = b""
        with contextlib.suppress(ValueError, zlib.error):
            found = stream.decompress(base64.b64decode(text, validate=True), self._left + 1)
        # more than one byte too much is not unpacked: what is not at its end is cut, or a bomb
        if not stream.eof or stream.unused_data or len(found) > self._left:
            self.is_damaged = True
            found = b""
            self._left = 0 if stream.unconsumed_tail else self._left
        self._left -= len(found)
        return found
