"""What a test unpacks, counted: a bound shows in bytes, not in seconds, which a busy machine stretches."""

from __future__ import annotations

import zlib
from typing import Any

import pytest


class Unpacked:
    """Bytes that came out of every deflate stream since it was made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        made = zlib.decompressobj
        patch.setattr(zlib, "decompressobj", lambda *args, **named: _Counted(made(*args, **named), self))


class _Counted:
    def __init__(self, stream: Any, count: Unpacked) -> None:
        self._stream, self._count = stream, count

    def decompress(self, *args: Any, **named: Any) -> bytes:
        found: bytes = self._stream.decompress(*args, **named)
        self._count.bytes += len(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
