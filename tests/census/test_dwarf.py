"""A map in a field of a global is called by that field, where there is debug information."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostkey.census.dwarf import Dwarf
from ghostkey.census.elf import Executable
from tests.census.truth import built, maps_with_holders

FIELDS = {"table.byName", "table.in.m", "table.shards[2].m", "tables[1].in.m", "named.items", "plain"}


def holders(program: Path) -> set[str]:
    return {one.holder for one in maps_with_holders(program, 100, 100)}


def test_fields_of_globals_have_their_names(version: str) -> None:
    assert holders(built(version, module="globals", stripped=False)) == {f"main.{name}" for name in FIELDS}


@pytest.mark.whole(but=["-ldflags=-w"])
@pytest.mark.parametrize("flag", ["-ldflags=-compressdwarf=false", "-ldflags=-w", "-buildmode=pie"])
def test_other_ways_to_link(flag: str) -> None:
    found = holders(built(module="globals", stripped=False, flags=(flag,)))
    if flag == "-ldflags=-w":
        assert "main.table+0x18" in found, "a symbol and no debug information"
        assert "main.plain" in found
    else:
        assert found == {f"main.{name}" for name in FIELDS}


def test_damage_tells_nothing() -> None:
    program = Executable(str(built(module="globals", stripped=False)))
    whole = Dwarf(program)
    place = whole.info.find(b"main.table\0\x09\x03")
    address = int.from_bytes(whole.info[place + 13 : place + 21], "little")
    assert whole.field("main.table", address, 0x18) == ".byName"
    assert whole.field("main.table", address, 1 << 40) == ""
    assert whole.field("main.nothing", address, 0) == ""
    for start in range(place, place + 40):
        broken = Dwarf(program)
        content = bytearray(broken.info)
        content[start] ^= 0xFF
        broken._info = bytes(content)
        assert broken.field("main.table", address, 0x18) in {"", ".byName"}
    program.close()
