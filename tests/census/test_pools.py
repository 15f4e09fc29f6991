"""What a pool keeps, and what a call works with, is held by nobody; what something holds as well is that one's."""

from __future__ import annotations

import pytest

from ghostkey.census.gomap import GoMap
from ghostkey.sources.go_map_lives import is_long_lived
from tests.census.truth import built, maps_with_holders

KEPT, IN_OWN_POOL, IN_POOL, ITERATED, NESTED, SERVED, COUNTED = range(101, 108)


def maps_of(version: str, *, stripped: bool) -> dict[int, GoMap]:
    """The program's maps with their holders, by length."""
    program = built(version, module="passing", stripped=stripped)
    return {one.length: one for one in maps_with_holders(program, KEPT, COUNTED)}


@pytest.mark.parametrize("stripped", [True, False])
def test_what_a_pool_or_a_call_has_is_not_long_lived(version: str, stripped: bool) -> None:
    maps = maps_of(version, stripped=stripped)
    told = {length: (one.root, one.holder) for length, one in maps.items()}
    assert set(maps) == {KEPT, IN_OWN_POOL, IN_POOL, ITERATED, NESTED, SERVED, COUNTED}
    assert {length for length, one in maps.items() if is_long_lived(one)} == {KEPT, SERVED}, told
    assert told[KEPT][0] == "global"
    for length in (IN_OWN_POOL, IN_POOL):
        # a word of a stack may be left over of how it was made
        assert (told[length][0] == "pool" and "sync.Pool" in told[length][1]) or "→" not in told[length][1], told
    assert told[COUNTED][0] == "stack", "a number of a global looks like its address"
    assert maps[KEPT].holder.endswith("(main.keeper).kept"), "the pool has it too, and says less"
