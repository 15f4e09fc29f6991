"""What a pool keeps, and what a call works with, is held by nobody; what something holds as well is that one's."""

from __future__ import annotations

import subprocess

import pytest

from ghostkey.census.census import open_process
from ghostkey.census.gomap import GoMap
from ghostkey.sources.go_map_lives import is_long_lived
from tests.census.truth import built

KEPT, IN_OWN_POOL, IN_POOL, ITERATED, NESTED, SERVED = range(101, 107)


def maps_of(version: str, *, stripped: bool) -> dict[int, GoMap]:
    """The program's maps with their holders, by length."""
    program = built(version, module="passing", stripped=stripped)
    running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        process = open_process(running.pid)
        census = process.census()
        process.name_types(census.maps)
        chosen = {one.length: one for one in census.maps if KEPT <= one.length <= SERVED}
        process.find_holders(list(chosen.values()), census.maps)
        return chosen
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("stripped", [True, False])
def test_what_a_pool_or_a_call_has_is_not_long_lived(version: str, stripped: bool) -> None:
    maps = maps_of(version, stripped=stripped)
    told = {length: (one.root, one.holder) for length, one in maps.items()}
    assert set(maps) == {KEPT, IN_OWN_POOL, IN_POOL, ITERATED, NESTED, SERVED}
    assert {length for length, one in maps.items() if is_long_lived(one)} == {KEPT, SERVED}, told
    assert told[KEPT][0] == "global"
    for length in (IN_OWN_POOL, IN_POOL):
        # a word of a stack may be left over of how it was made
        assert (told[length][0] == "pool" and "sync.Pool" in told[length][1]) or "→" not in told[length][1], told
    assert maps[KEPT].holder.endswith("(main.keeper).kept"), "the pool has it too, and says less"
