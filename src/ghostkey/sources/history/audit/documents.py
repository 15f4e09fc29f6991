"""JSON over several lines and long arrays, cut into the values in them as they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ghostkey.foreign import DEPTH, SupportsRead

BLOCK_BYTES = 1 << 20
LEVELS = 4  # of what lies in a value and is passed over at once where it is all there
_TEXT = rb'[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+"'


def _up_to(levels: int) -> bytes:
    """A pattern of text with what is nested in it, so many levels deep."""
    return rb"(?:" + _TEXT + (rb"|[{\[]" + _up_to(levels - 1) + rb"[}\]]" if levels else rb"") + rb")*+"


_STEP = re.compile(rb"(?s)" + _up_to(0) + rb"[{}\[\]]")
_LEAP = re.compile(rb"(?s)" + _up_to(LEVELS) + rb"[{}\[\]]")


def split_values(stream: SupportsRead, note_damage: Callable[[], None], most: int) -> Iterator[bytes]:
    """Each JSON object of a stream, and of an array each item, as its bytes; one that is longer than `most` is damage."""
    buffer = bytearray()
    place = start = depth = base = 0
    while block := stream.read(BLOCK_BYTES):
        buffer += block
        while (step := (_LEAP if depth > base else _STEP).match(buffer, place)) is not None:
            place = step.end()
            mark = buffer[place - 1]
            if mark in b"{[":
                if depth == base:
                    if mark == 0x5B and depth == 0:
                        base = 1  # an array: its items are what is looked for
                    else:
                        start = place - 1
                depth += 1
            else:
                depth -= 1
                if depth == base:
                    yield bytes(buffer[start:place])
                elif depth < base:
                    depth = base = 0
            if depth > DEPTH or depth < 0:
                note_damage()
                return
        if depth <= base:
            # what stands between two values is not looked at again
            del buffer[:place]
            place = 0
        elif start:
            del buffer[:start]
            place -= start
            start = 0
        if len(buffer) > most:
            note_damage()
            return
    if depth:
        note_damage()
