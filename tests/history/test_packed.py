"""States of very many maps, packed: as an OrderedDict has them, in little memory."""

from __future__ import annotations

import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.packed import PackedStates
from ghostkey.sources.history.states import Holder, MapStates, States

TEXT = st.text(st.characters(), max_size=5)  # surrogates and nulls among them
FACTS = st.tuples(st.integers(0, (1 << 63) - 1), st.integers(-1, 1 << 21), TEXT)
STATES = st.dictionaries(st.tuples(TEXT, TEXT), st.dictionaries(TEXT, FACTS, max_size=4), max_size=3)
HOLDERS = st.sampled_from([("configmaps", "prod", name) for name in "abcd"])
STEPS = st.lists(st.tuples(st.sampled_from(["set", "get", "pop", "popitem", "has"]), HOLDERS, STATES), max_size=30)


@given(STEPS, st.integers(0, 6))
def test_it_has_what_a_dict_has(steps: list[tuple[str, Holder, States]], plain_keys: int) -> None:
    packed, plain = PackedStates(plain_keys), OrderedDict[Holder, States]()
    for what, holder, state in steps:
        if what == "set":
            for into in (packed, plain):
                into[holder] = dict(state)
                into.move_to_end(holder)
        elif what == "get":
            assert packed.get(holder) == plain.get(holder)
        elif what == "pop":
            assert packed.pop(holder, None) == plain.pop(holder, None)
        elif what == "popitem" and plain:
            other, oldest = packed.popitem(last=False)
            assert plain.pop(other) == oldest
        else:
            assert (holder in packed) == (holder in plain)
        assert (len(packed), set(packed)) == (len(plain), set(plain))
    assert dict(packed.items()) == dict(plain)


@pytest.mark.whole
def test_nothing_is_forgotten_of_a_million_keys_and_it_is_small() -> None:
    """A tenth of them, at a tenth of the size."""
    digest = KeyedHash(b"key")
    content = {number: {f"team-{number}.tenant-{key}": b"gold" for key in range(100)} for number in range(1000)}
    tracemalloc.start()
    states = MapStates("watch", digest, PackedStates(2000), 500_000)
    for number, values in content.items():
        list(states.changes(("configmaps", "prod", str(number)), {"data": values}, 1, 1))
    assert tracemalloc.get_traced_memory()[0] < 6 << 20
    tracemalloc.stop()
    assert states.forgotten == 0
    first = ("configmaps", "prod", "0")
    values = {**content[0], "new": b"x"}
    del values["team-0.tenant-7"]
    events = list(states.changes(first, {"data": values}, 2, 2))
    assert [(event.key, event.op) for event in events] == [("new", "set"), ("team-0.tenant-7", "delete")]
