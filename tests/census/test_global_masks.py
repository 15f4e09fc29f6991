"""The linker's program of bits: literals, repeats, and what no linker has written."""

from __future__ import annotations

import pytest

from ghostkey.census.global_masks import unrolled


@pytest.mark.parametrize(
    ("program", "mask"),
    [
        (b"\x00", ""),
        (b"\x03\x05\x00", "101"),
        (b"\x0a\xff\x01\x00", "1111111110"),
        (b"\x02\x01\x82\x03\x00", "10101010"),  # the last two, three times more
        (b"\x01\x01\x80\x01\x88\x01\x00", "1" * 137),  # both numbers as varints: one bit, 136 times
    ],
)
def test_program_is_unrolled(program: bytes, mask: str) -> None:
    assert "".join(map(str, unrolled(program, 200))) == mask


@pytest.mark.parametrize(
    "program",
    [
        b"",  # cut off
        b"\x0a\xff",
        b"\x81\x05\x00",  # repeats what is not there
        b"\x01\x01\x81\xff\xff\xff\xff\x0f\x00",  # 4 G times
        b"\x01\x01\x81\xff\xff\xff\xff\xff\xff\x00",  # a number without an end
        b"\x7f" + b"\xff" * 16 + b"\x7f" + b"\xff" * 16 + b"\x00",  # longer than its globals
    ],
)
def test_what_no_linker_has_written_is_refused(program: bytes) -> None:
    with pytest.raises(ValueError, match="GC program"):
        unrolled(program, 200)
