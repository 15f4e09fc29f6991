"""Evidence for "a program wrote these keys for these objects" against "a person, or something else, chose them".

Each file of this folder is one piece of evidence: it sorts a case into a level, and has a sentence for people. What a level
weighs, in bits, is counted over generated clusters (`python -m bench.calibrate` writes `weights.json`): the logarithm of how
much more often the level is seen where a program wrote the keys. A level of several parts weighs what each part does, and
what they say together beyond that: combinations that were seldom met, or never, weigh what their parts taught. The sum
decides. Adding a lesson is adding a file.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ghostkey.inference.machines import bear_identifiers
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.managers import tool_of_manager
from ghostkey.model.refs import Kind

_LEARNT = json.loads((Path(__file__).parent / "weights.json").read_text())
PROVEN_BITS: float = _LEARNT["proven"]  # hardly any wrong case that the weights were learnt from lies above
# People keep tables of what custom resources stand for, and a resource for some of it. Such a table is short; what has more keys
# than that is a program's, and a registry of which little lives is just what is looked for.
CAUTION_BITS, TABLE_KEYS = 0.7, 20
TOGETHER = " & "
LIKELY_BITS = 0.0  # from here on it is worth telling, and not enough to act on


@dataclass(frozen=True, slots=True)
class Case:
    """One template over the maps of one family: what is weighed.

    `live` are what the template makes of live objects that have a key, `gone` of those keys that have none; `near` counts the
    live objects that could have one, `keys` all keys of the maps; `shared` is the share of the live names that objects of other
    kinds, which are not their dependents, bear as well; `is_mounted`: a Pod takes one of the maps as a whole; `is_named`: a
    custom resource names one; `left_out` counts Kubernetes' own namespaces without a key; `same_size` is the size in bytes that all live
    values have, 0 where they differ.
    """

    template: Template
    kind: Kind
    maps: tuple[KeysSeen, ...]
    live: frozenset[str]
    live_names: tuple[str, ...]
    gone_names: tuple[str, ...]
    near: int
    made: int
    keys: int
    shared: float
    live_values: frozenset[str]
    gone_alike: float
    with_uid: float
    with_name: float
    is_mounted: bool
    is_named: bool
    maps_agreeing: int
    left_out: int = 0
    same_size: int = 0

    @property
    def is_custom(self) -> bool:
        """Whether the kind is a custom resource."""
        return self.kind.is_custom

    @property
    def sort(self) -> str:
        """Whose names these are: the kind's own, such as other objects bear too, or those of a kind that Kubernetes has."""
        if not self.is_custom:
            if self.kind.kind in {"Namespace", "Node", "Pod"}:
                return self.kind.kind
            return "own" if bear_identifiers(self.live_names) else "built-in"
        return "own" if self.shared < 0.5 else "like others"

    @property
    def is_of_controller(self) -> bool:
        """Whether managedFields show that something else than people's tools wrote keys."""
        return any(seen.meta is not None and not all(map(tool_of_manager, seen.meta.writers)) for seen in self.maps)

    @property
    def who(self) -> str:
        """The objects, with what sort their names are of: sentences name all that their weight is of."""
        said = {"own": " (names of their own)", "like others": " (called like other objects)", "built-in": " (a built-in kind)"}
        return f"{self.kind.resource}{said.get(self.sort, '')}"

    @property
    def keyed(self) -> float:
        """Which share of the live objects that could have a key has one."""
        return min(1.0, len(self.live) / max(1, self.near))

    @property
    def explained(self) -> float:
        """Which share of the keys that the template makes has a live object."""
        return len(self.live) / max(1, self.made)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a piece of evidence saw: the level, which may have several parts, and the sentence for people."""

    level: str | tuple[str, ...]
    sentence: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The level's parts: one, where it is plain."""
        return (self.level,) if isinstance(self.level, str) else self.level


class Piece(Protocol):
    """What a file of this folder defines as `look`."""

    def __call__(self, case: Case) -> Seen | None:
        """The level of a case; None when this says nothing about it."""
        ...


@dataclass(frozen=True, slots=True)
class Weighed:
    """One piece of evidence on the scales."""

    name: str
    level: str
    bits: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that was weighed, and the sum in bits."""

    pieces: tuple[Weighed, ...]
    bits: float
    enough: float = PROVEN_BITS

    @property
    def sentences(self) -> list[str]:
        """What spoke for it and against it, the heaviest first."""
        heaviest = sorted(self.pieces, key=lambda piece: -abs(piece.bits))
        return [
            f"{'for' if piece.bits >= 0 else 'against'} it, {abs(piece.bits):.1f} bits: {piece.sentence}" for piece in heaviest
        ]

    @property
    def is_proven(self) -> bool:
        """Whether a lost subject makes a ghost."""
        return self.bits >= self.enough

    @property
    def is_likely(self) -> bool:
        """Whether it is worth telling."""
        return self.bits >= LIKELY_BITS


@functools.cache
def pieces() -> dict[str, Piece]:
    """Every piece of evidence by its name, which is its file's."""
    found: dict[str, Piece] = {}
    for module in pkgutil.iter_modules(__path__):
        found[module.name.replace("_", "-")] = importlib.import_module(f"{__name__}.{module.name}").look
    return found


def features(name: str, seen: Seen) -> tuple[tuple[str, str], ...]:
    """What is weighed of a level, as (piece, text): each part, and all of them together where there are several."""
    parts = [(name, part) for part in seen.parts]
    return (*parts, (name, TOGETHER.join(seen.parts))) if len(parts) > 1 else (parts[0],)


@functools.cache
def weights() -> tuple[float, dict[str, dict[str, float]]]:
    """The prior, and bits by piece and part, or parts together, as the calibration learnt them."""
    return float(_LEARNT["prior"]), _LEARNT["bits"]


def look_at(case: Case) -> dict[str, Seen]:
    """What each piece of evidence sees in a case."""
    return {name: seen for name, look in pieces().items() if (seen := look(case)) is not None}


def weigh(case: Case) -> Verdict:
    """The verdict on a case. What the calibration has not met weighs nothing."""
    prior, bits = weights()

    def weighed(name: str, seen: Seen) -> Weighed:
        known = bits.get(name, {})
        return Weighed(name, ", ".join(seen.parts), sum(known.get(text, 0.0) for _, text in features(name, seen)), seen.sentence)

    found = tuple(weighed(name, seen) for name, seen in look_at(case).items())
    return Verdict(found, prior + sum(piece.bits for piece in found), enough_of(case.sort, case.made))


def enough_of(sort: str, made: int) -> float:
    """Bits that prove what so many keys are about, by the sort of names their objects have."""
    is_table = sort in {"own", "like others"} and made < TABLE_KEYS
    return round(PROVEN_BITS + CAUTION_BITS, 1) if is_table else PROVEN_BITS


def percent(share: float) -> str:
    """A share for people; neither none nor all where it is not."""
    return f"{share:.0%}" if share in {0.0, 1.0} else f"{min(0.99, max(0.01, share)):.0%}"


def bucket(number: float, bounds: tuple[float, ...], words: Callable[[float], str] = "{:g}".format) -> str:
    """The level of a number: `<0.2`, `0.2-0.5` … `>=0.95`."""
    lower = None
    for bound in bounds:
        if number < bound:
            return f"<{words(bound)}" if lower is None else f"{words(lower)}-{words(bound)}"
        lower = bound
    return f">={words(bounds[-1])}"
