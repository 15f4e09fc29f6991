"""Names that a machine made up: what nobody types, and nobody calls a setting after."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

_ADDRESS = re.compile(r"(?<!\d)(?:\d{1,3}[-.]){3}\d{1,3}(?!\d)")
# three digits and more, or letters and digits in one word of four characters and more
_MADE = re.compile(r"\d{3,}|(?<![a-z0-9])(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{4,}(?![a-z0-9])")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-z])[0-9a-f]{16,}(?![0-9a-z])")
_NUMBERED = re.compile(r"(.*?)(\d{1,6})(\D*)")
MOST = 0.8
LEAST_COUNTED, SPARSE = 2, 0.5  # machines that show how they are counted, and how many of the numbers there are at most


def is_machine_made(name: str) -> bool:
    """Whether a name looks as machines make them: `ip-10-0-3-15`, `worker-a-be453`."""
    return _MADE.search(name.lower()) is not None or (_ADDRESS.search(name) is not None and not name[0].isdigit())


def bears_address(name: str) -> bool:
    """Whether an address or an identifier stands in a name: a cloud's machine has it, and no two ever had the same."""
    return _ADDRESS.search(name) is not None or bears_identifier(name)


def bears_identifier(name: str) -> bool:
    """Whether a UUID, or as much of a digest, stands in a name."""
    return _IDENTIFIER.search(name) is not None


def bear_identifiers(names: Collection[str]) -> bool:
    """Whether nearly all names have a UUID or as much of a digest in them, as `pvc-…`: no two of them are alike by chance."""
    return bool(names) and sum(map(bears_identifier, names)) >= MOST * len(names)


def in_series(gone: Collection[str], live: Collection[str]) -> set[str]:
    """The lost names that only differ from live ones by their number, where few of the numbers are taken: `node-21` beside `node-0`.

    A plan or an inventory of machines counts them all: where hardly one is left out, nothing is said.
    """
    there, lost = _by_stem(live), _by_stem(gone)
    found: set[str] = set()
    for stem, numbers in lost.items():
        have = there.get(stem, {})
        every = have.keys() | numbers.keys()
        if len(have) >= LEAST_COUNTED and len(every) < SPARSE * (max(every) - min(every) + 1):
            found.update(numbers.values())
    return found


def of_no_series(gone: Collection[str], live: Collection[str]) -> set[str]:
    """The lost names that are called otherwise than every live one: `nas-01` beside `worker-1`, `hermes` beside `zeus`.

    What a machine made up is none of them: a pool of machines of another size has its own beginning.
    """
    there = _by_stem(live)
    counted = {name for stem, names in _by_stem(gone).items() if stem in there for name in names.values()}
    return {name for name in gone if name not in counted and not is_machine_made(name)}


def _by_stem(names: Collection[str]) -> dict[tuple[str, str], dict[int, str]]:
    """What stands around the last number of each name → numbers → names."""
    found: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for name in names:
        if numbered := _NUMBERED.fullmatch(name.partition(".")[0]):
            found[numbered[1], numbered[3] + name.partition(".")[2]][int(numbered[2])] = name
    return found
