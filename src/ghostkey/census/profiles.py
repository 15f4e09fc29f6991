"""Profiles as pprof writes and reads them: gzip around protocol buffers, decoded and encoded by hand.

Source: github.com/google/pprof/proto/profile.proto.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ghostkey.census.errors import ProfileDamaged
from ghostkey.census.functions import Frame
from ghostkey.census.leb128 import unsigned

BYTES_MOST = 256 << 20  # of a profile, unpacked
SAMPLES_MOST = 2_000_000
FRAMES_MOST = 1024  # of one stack
_CUT = "it ends in the middle"


@dataclass(slots=True)
class Profile:
    """Stacks (innermost call first) with their numbers, which mean what `types` say: (`inuse_space`, `bytes`) …"""

    types: list[tuple[str, str]]
    stacks: dict[tuple[Frame, ...], tuple[int, ...]] = field(default_factory=dict)
    time_nanoseconds: int = 0
    duration_nanoseconds: int = 0

    def column(self, name: str) -> int:
        """Which number is of a type. Raises ProfileDamaged where the profile has none."""
        for place, (known, _) in enumerate(self.types):
            if known == name:
                return place
        raise ProfileDamaged(f"the profile has no {name}: it has {', '.join(known for known, _ in self.types) or 'nothing'}")


def decode(content: bytes) -> Profile:
    """The profile in some bytes, packed or not. Raises ProfileDamaged."""
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(BYTES_MOST + 1)
        if len(content) > BYTES_MOST:
            raise ProfileDamaged(f"the profile is larger than {BYTES_MOST >> 20} MiB")
        return _decode(content)
    except (OSError, EOFError, zlib.error):
        raise ProfileDamaged("the profile is no gzip, or it is cut off") from None
    except (IndexError, struct.error, KeyError, ValueError) as error:
        raise ProfileDamaged(
            f"the profile is damaged: {error}", "curl -o heap.pb.gz 'http://HOST:PORT/debug/pprof/heap?gc=1'"
        ) from None


def _decode(content: bytes) -> Profile:
    texts: list[str] = []
    types: list[tuple[int, int]] = []
    samples: list[tuple[list[int], list[int]]] = []
    locations: dict[int, list[tuple[int, int]]] = {}
    functions: dict[int, tuple[int, int]] = {}
    times = {9: 0, 10: 0}
    for number, value in _fields(content):
        if isinstance(value, int):
            if number in times:
                times[number] = value
            continue
        if number == 6:
            texts.append(value.decode("utf-8", "replace"))
        elif number == 1:
            found = dict(_numbers(value))
            types.append((found.get(1, 0), found.get(2, 0)))
        elif number == 2 and len(samples) < SAMPLES_MOST:
            samples.append(_sample(value))
        elif number == 4:
            key, lines = _location(value)
            locations[key] = lines
        elif number == 5:
            found = dict(_numbers(value))
            functions[found.get(1, 0)] = (found.get(2, 0), found.get(4, 0))
    profile = Profile([(texts[kind], texts[unit]) for kind, unit in types], {}, times[9], times[10])
    if not profile.types:
        raise ValueError("it says not what its numbers are")
    frames = {
        key: [Frame(texts[functions[function][0]], texts[functions[function][1]], line) for function, line in lines]
        for key, lines in locations.items()
    }
    for places, values in samples:
        if len(values) != len(types):
            raise ValueError("a sample with too many numbers, or too few")
        stack = tuple(frame for place in places for frame in frames[place])
        held = profile.stacks.get(stack)
        profile.stacks[stack] = tuple(a + b for a, b in zip(held, values, strict=True)) if held else tuple(values)
    return profile


def _sample(content: bytes) -> tuple[list[int], list[int]]:
    places: list[int] = []
    values: list[int] = []
    for number, value in _fields(content):
        if number in (1, 2):
            into = places if number == 1 else values
            into += _packed(value) if isinstance(value, bytes) else [value]
    return places[:FRAMES_MOST], [value - (1 << 64) if value >> 63 else value for value in values]


def _location(content: bytes) -> tuple[int, list[tuple[int, int]]]:
    key, lines = 0, []
    for number, value in _fields(content):
        if number == 1 and isinstance(value, int):
            key = value
        elif number == 4 and isinstance(value, bytes):
            found = dict(_numbers(value))
            lines.append((found.get(1, 0), found.get(2, 0)))
    return key, lines


def _numbers(content: bytes) -> Iterator[tuple[int, int]]:
    return ((number, value) for number, value in _fields(content) if isinstance(value, int))


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: a number, or bytes."""
    place = 0
    while place < len(content):
        key, place = unsigned(content, place)
        match key & 7:
            case 0:
                value, place = unsigned(content, place)
                yield key >> 3, value
            case 2:
                size, place = unsigned(content, place)
                if place + size > len(content):
                    raise ValueError(_CUT)
                yield key >> 3, content[place : place + size]
                place += size
            case 1:
                place += 8
            case 5:
                place += 4
            case other:
                raise ValueError(f"a field of type {other}")


def _packed(content: bytes) -> list[int]:
    values, place = [], 0
    while place < len(content):
        value, place = unsigned(content, place)
        values.append(value)
    return values


# writing


class _Texts:
    """The table of strings, and the numbers of those in it."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))


def encode(profile: Profile) -> bytes:
    """The profile as `go tool pprof` reads it, packed."""
    texts = _Texts()
    out = bytearray()
    for kind, unit in profile.types:
        out += _message(1, _number(1, texts(kind)) + _number(2, texts(unit)))
    frames: dict[Frame, int] = {}
    functions: dict[tuple[str, str], int] = {}
    for stack, values in profile.stacks.items():
        places = [frames.setdefault(frame, len(frames) + 1) for frame in stack]
        out += _message(
            2, _message(1, b"".join(map(_raw, places))) + _message(2, b"".join(_raw(v & (1 << 64) - 1) for v in values))
        )
    # a mapping with functions: pprof then looks for no binary
    out += _message(3, _number(1, 1) + _number(7, 1) + _number(8, 1) + _number(9, 1))
    for frame, place in frames.items():
        function = functions.setdefault((frame.function, frame.file), len(functions) + 1)
        line = _message(4, _number(1, function) + _number(2, max(frame.line, 0)))
        out += _message(4, _number(1, place) + _number(2, 1) + _number(3, place) + line)
    for (name, file), place in functions.items():
        out += _message(5, _number(1, place) + _number(2, texts(name)) + _number(3, texts(name)) + _number(4, texts(file)))
    for text in texts.places:
        out += _message(6, text.encode("utf-8", "replace"))
    out += _number(9, profile.time_nanoseconds) + _number(10, profile.duration_nanoseconds)
    return gzip.compress(bytes(out), mtime=0)


def _raw(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field_number: int, value: int) -> bytes:
    return _raw(field_number << 3) + _raw(value)


def _message(field_number: int, content: bytes) -> bytes:
    return _raw(field_number << 3 | 2) + _raw(len(content)) + content


# what profiles tell of maps

_ASSIGN = (
    "runtime.mapassign",
    "runtime.hashGrow",
    "runtime.growWork",
    "runtime.makemap",
    "runtime.(*hmap)",
    "internal/runtime/maps.",
)
_RUNTIME = ("runtime.", "internal/runtime/", "internal/abi.", "reflect.")


def growth(before: Profile | None, after: Profile, column: str = "inuse_space") -> tuple[dict[tuple[Frame, ...], int], bool]:
    """For each stack, from the program's own call on, how much more is in use than before; and whether these are maps alone.

    Where a profile keeps the runtime's own calls, only stacks that assign to a map are taken. Heap profiles of Go leave them out:
    then all are, for nothing in them tells a map from the rest.
    """
    grown: dict[tuple[Frame, ...], int] = {}
    is_of_maps = any(assigning(stack) for stack in after.stacks)
    for profile, sign in ((after, 1), (before, -1)):
        if profile is None:
            continue
        place = profile.column(column)
        for stack, values in profile.stacks.items():
            own = assigning(stack) if is_of_maps else stack
            if own:
                grown[own] = grown.get(own, 0) + sign * values[place]
    return {stack: value for stack, value in grown.items() if value}, is_of_maps


def assigning(stack: Sequence[Frame]) -> tuple[Frame, ...]:
    """The calls of the program above an assignment to a map; nothing when the stack has none of that innermost."""
    place = 0
    while place < len(stack) and stack[place].function.startswith(_RUNTIME):
        place += 1
    is_map = any(frame.function.startswith(_ASSIGN) for frame in stack[:place])
    return tuple(stack[place:]) if is_map else ()


@dataclass(slots=True)
class Branch:
    """A call, with what stands below it: the sum, and the callers that it comes from."""

    frame: Frame
    value: int = 0
    callers: dict[Frame, Branch] = field(default_factory=dict)


def tree(stacks: Mapping[tuple[Frame, ...], int]) -> list[Branch]:
    """Stacks put together by their innermost call, the largest first."""
    top: dict[Frame, Branch] = {}
    for stack, value in stacks.items():
        level = top
        for frame in stack:
            branch = level.setdefault(frame, Branch(frame))
            branch.value += value
            level = branch.callers
    return _largest(top.values())


def _largest(branches: Iterable[Branch]) -> list[Branch]:
    return sorted(branches, key=lambda branch: -abs(branch.value))


def callers_of(branch: Branch) -> list[Branch]:
    """Where a call comes from, the largest first."""
    return _largest(branch.callers.values())
