"""Text that is printed, on terminals of several encodings."""

from __future__ import annotations

import codecs
import io
import json
from pathlib import Path

from ghostkey.cli import terminal

codecs.register_error("ghostkey", terminal._replaced)


def seeds() -> list[bytes]:
    """Letters of many kinds."""
    return [
        b"plain", "größe → 🐈 日本".encode(), b"a\tb\nc", b"\x1b[31mred\x1b[0m", "\u202eevil\u2066\u200b".encode(), b'{"a": "\\u202e"}',
    ]  # fmt: skip


def read(raw: bytes, folder: Path) -> None:
    """Nothing that moves, turns or hides text comes out, and JSON stays what it was."""
    text = raw.decode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252", "latin-1", "ascii"):
        buffer = io.BytesIO()
        out = terminal.Terminal(buffer, encoding, "ghostkey", write_through=True)
        out.write(text)
        out.flush()
        assert not terminal.INVISIBLE.search(buffer.getvalue().decode(encoding))
    assert terminal.safe(text).isprintable() or any(ord(c) > 0x2FF for c in terminal.safe(text))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    assert repr(
        json.loads(terminal.json_safe(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")))
    ) == repr(document)
