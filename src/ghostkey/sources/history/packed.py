"""The last states of very many maps in little memory: those that changed last as they are, all others packed."""

from __future__ import annotations

import marshal
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import Any

from ghostkey.sources.history.facts import Facts
from ghostkey.sources.history.states import Holder, States

PLAIN_KEYS = 20_000  # about 5 MB
PACKED_KEYS = 5_000_000  # about 100 MB: twenty bytes a key, of which eight are its value's hash


class PackedStates(MutableMapping[Holder, States]):
    """As an OrderedDict of states, oldest first. A state that was got may be changed in place until the next one is set."""

    def __init__(self, plain_keys: int = PLAIN_KEYS) -> None:
        self._most, self._count = plain_keys, 0
        self._plain: OrderedDict[Holder, States] = OrderedDict()
        self._packed: OrderedDict[Holder, bytes] = OrderedDict()

    def __getitem__(self, holder: Holder) -> States:
        state = self._plain.get(holder)
        if state is None:
            state = self._plain[holder] = _unpacked(self._packed.pop(holder))
            self._count += _keys(state)
        return state

    def __setitem__(self, holder: Holder, state: States) -> None:
        self._packed.pop(holder, None)
        self._count += _keys(state) - _keys(self._plain.pop(holder, {}))
        self._plain[holder] = state
        while self._count > self._most and len(self._plain) > 1:
            other, oldest = self._plain.popitem(last=False)
            self._count -= _keys(oldest)
            self._packed[other] = _packed(oldest)

    def __delitem__(self, holder: Holder) -> None:
        if holder in self._plain:
            self._count -= _keys(self._plain.pop(holder))
        else:
            del self._packed[holder]

    def __contains__(self, holder: object) -> bool:
        return holder in self._plain or holder in self._packed

    def __iter__(self) -> Iterator[Holder]:
        yield from list(self._packed)
        yield from list(self._plain)

    def __len__(self) -> int:
        return len(self._packed) + len(self._plain)

    def move_to_end(self, holder: Holder) -> None:
        """As that of an OrderedDict."""
        self._plain.move_to_end(holder)

    def popitem(self, last: bool = True) -> tuple[Holder, States]:
        """As that of an OrderedDict."""
        holder = next(reversed(self._plain)) if last and self._plain else next(iter(self._packed or self._plain))
        return holder, self.pop(holder)


def _keys(state: States) -> int:
    return 1 + sum(map(len, state.values()))


def _packed(state: States) -> bytes:
    """Columns, since keys are like each other, and so are sizes; marshal takes every text that Python has."""
    tables = []
    for place, facts in state.items():
        rows = facts.values()
        hashes = array("q", [code for code, _, _ in rows]).tobytes()
        tables.append((*place, list(facts), hashes, [size for _, size, _ in rows], [shape for _, _, shape in rows]))
    return zlib.compress(marshal.dumps(tables), 1)


def _unpacked(packed: bytes) -> States:
    tables: list[Any] = marshal.loads(zlib.decompress(packed))  # noqa: S302 (packed above, and never out of this process)
    state: States = {}
    for field, path, keys, hashes, sizes, shapes in tables:
        facts: list[Facts] = list(zip(array("q", hashes), sizes, shapes, strict=True))
        state[field, path] = dict(zip(keys, facts, strict=True))
    return state
