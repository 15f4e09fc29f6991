"""Names that a machine made up: what nobody types, and nobody calls a setting after."""

from __future__ import annotations

import re
from collections.abc import Collection

_ADDRESS = re.compile(r"(?<!\d)(?:\d{1,3}[-.]){3}\d{1,3}(?!\d)")
# three digits and more, or letters and digits in one word of four characters and more
_MADE = re.compile(r"\d{3,}|(?<![a-z0-9])(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{4,}(?![a-z0-9])")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-z])[0-9a-f]{16,}(?![0-9a-z])")
MOST = 0.8


def is_machine_made(name: str) -> bool:
    """Whether a name looks as machines make them: `ip-10-0-3-15`, `worker-a-be453`."""
    return _MADE.search(name.lower()) is not None


def bears_address(name: str) -> bool:
    """Whether an address or an identifier stands in a name: a cloud's machine has it, and no two ever had the same."""
    return _ADDRESS.search(name) is not None or bears_identifier(name)


def bears_identifier(name: str) -> bool:
    """Whether a UUID, or as much of a digest, stands in a name."""
    return _IDENTIFIER.search(name) is not None


def bear_identifiers(names: Collection[str]) -> bool:
    """Whether nearly all names have a UUID or as much of a digest in them, as `pvc-…`: no two of them are alike by chance."""
    return bool(names) and sum(map(bears_identifier, names)) >= MOST * len(names)
