"""What kubectl says on its other channel, which somebody has led into the file of its output: warnings, and lines of its log."""

from __future__ import annotations

import re

Bytes = bytes | bytearray
_LINE = rb"(?:Warning: |[IWEF]\d{4} \d\d:\d\d:)[^\n]*"
_FIRST = re.compile(rb"(?:" + _LINE + rb"\n)+")
_LAST = re.compile(rb"(?<=\n)" + _LINE + rb"(?:\n" + _LINE + rb")*\n?\Z")
_LAST_BYTES = 1 << 16  # at the end of a file, in which they are looked for
_ERROR = re.compile(rb"^[EF]\d{4} ", re.MULTILINE)


def without_messages(content: Bytes) -> tuple[Bytes, int]:
    """The content without messages before and behind it, its lines where they were; and how many of them are errors."""
    first, last = _FIRST.match(content), _LAST.search(content, max(0, len(content) - _LAST_BYTES))
    begin, end = first.end() if first else 0, last.start() if last else len(content)
    if end - begin == len(content) or begin >= end:
        return content, 0
    errors = len(_ERROR.findall(content[:begin])) + len(_ERROR.findall(content[end:]))
    return b"\n" * content.count(b"\n", 0, begin) + content[begin:end], errors
