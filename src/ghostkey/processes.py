"""The front door to running Go processes: which maps they have, how these grow, and what of them was kept.

>>> with opened(4711) as process:                                  # doctest: +SKIP
...     seen = take(process, Wanted(sort="bytes", top=20))
...     print(seen.rows[0].map.length, seen.rows[0].map.holder)
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.census.census import Census, Process, open_core, open_process
from ghostkey.census.gomap import GoMap
from ghostkey.census.keys import Keys
from ghostkey.census.remote import RemoteProcess
from ghostkey.census.writers import WAYS, Watched
from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.counts import counted
from ghostkey.model.errors import SourceDamaged, UsageError, unreadable
from ghostkey.model.nearest import nearest

SORTS = ("bytes", "len", "vacancy", "growth")
SCHEMA_VERSION = 1
HELD_MOST = 1000  # maps of one census whose holders are looked for, unless they are asked about by name
FILE_BYTES = 256 << 20
DRAINED_SLOTS, DRAINED_SHARE = 64, 0.25  # a map of so many slots that uses fewer than this share of them keeps what it had


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which maps are asked for: sorted how, how many (0: all), which of them, and how many keys of each (0: none)."""

    sort: str = "bytes"
    top: int = 0
    min_len: int = 0
    type: str = ""
    holder: str = ""
    keys: int = 0
    text: str = ""  # in the type or the holder
    is_held: bool = True  # whether to look for holders: of a big process that takes seconds


@dataclass(frozen=True, slots=True)
class Growth:
    """How a map changed since it was seen before. `is_new`: it was not there then."""

    len: int
    slots: int
    bytes: int
    seconds: float
    is_new: bool = False

    @property
    def len_per_minute(self) -> float:
        """Entries a minute."""
        return 60 * self.len / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class Row:
    """One map as it is shown."""

    map: GoMap
    keys: Keys | None = None
    growth: Growth | None = None

    @property
    def note(self) -> str:
        """What a drained map keeps: slots do not come back on delete."""
        found = self.map
        if found.slots >= DRAINED_SLOTS and found.length < DRAINED_SHARE * found.slots:
            return f"keeps {found.slots:,} slots, {found.bytes:,} bytes, for {found.length:,} entries"
        return ""


@dataclass(slots=True)
class Taken:
    """What was seen of a process at one moment: the rows that were asked for, out of all maps."""

    at: datetime.datetime
    name: str
    pid: int
    version: str
    census: Census
    rows: list[Row]
    gone: list[dict[str, Any]] = field(default_factory=list)  # records of maps that were there before and are not now

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the census."""
        lost = self.census.lost
        said = (
            [counted(lost, "map changed so fast that it", "maps changed so fast that they") + " could not be read"]
            if lost
            else []
        )
        return [*self.census.notes, *said]


AnyProcess = Process | RemoteProcess
"""A process that is read here, or by a helper in a Pod: the same can be asked of both."""


@contextlib.contextmanager
def opened(pid: int | None = None, core: str | None = None, executable: str | None = None) -> Iterator[Process]:
    """A running process by its number, or what a core dump holds of one. Raises what `open_process` and `open_core` raise."""
    process = open_core(core, executable) if core is not None else open_process(pid or 0)
    try:
        yield process
    finally:
        process.close()


def take(process: AnyProcess, wanted: Wanted, before: Before | None = None) -> Taken:
    """A census of the process, and of it the maps that are wanted. Raises UsageError, UnknownRuntime, NoSuchProcess."""
    if wanted.sort == "growth" and before is None:
        raise UsageError("--sort growth needs something to compare with", "add --diff FILE or --every 5s")
    at = datetime.datetime.now(datetime.UTC)
    census = process.census()
    process.name_types(census.maps)
    if before is not None:
        before.remind(census.maps)
    return choose(process, Taken(at, process.name, process.pid, process.version, census, []), wanted, before)


def choose(process: AnyProcess, taken: Taken, wanted: Wanted, before: Before | None = None) -> Taken:
    """The maps that are wanted, of a census that was taken already. Raises what `take` raises."""
    rows = [Row(found) for found in taken.census.maps]
    gone: list[dict[str, Any]] = []
    if before is not None:
        gone = before.compare(rows, taken.at)
    rows = _chosen(process, taken.census, rows, wanted)
    process.describe([row.map for row in rows])
    if wanted.keys:
        for row in rows:
            row.keys = sample_keys(process, row.map, wanted.keys)
    return dataclasses.replace(taken, rows=rows, gone=gone)


def sample_keys(process: AnyProcess, found: GoMap, most: int) -> Keys:
    """Keys of a map to look at; none of a Secret, whose keys are nobody's to read here."""
    if _SECRET.search(found.holder) or (found.type in _SECRET_TYPES and _UNTOLD.search(found.holder)):
        return Keys([], False, "they may be those of a Secret, and are not shown")
    return process.read_keys(found, most)


_SECRET = re.compile(r"\(\w+\.Secret")
# where the holder does not tell what it is: Secret.data has this type
_UNTOLD, _SECRET_TYPES = re.compile(r"^$|^no root found|[…?](\+0x\w+)?$"), frozenset({"map[string][]uint8", "map[string][]byte"})


def _chosen(process: AnyProcess, census: Census, rows: list[Row], wanted: Wanted) -> list[Row]:
    rows = [row for row in rows if row.map.length >= wanted.min_len]
    rows.sort(key=_ORDERS[wanted.sort], reverse=True)
    if wanted.holder or wanted.type or wanted.text:
        # the holder may tell the type of a map that nothing else tells
        asked = [row.map for row in rows if wanted.holder or wanted.text or not row.map.type] if wanted.is_held else []
        process.describe(asked)
        process.find_holders(asked, census.maps)
        rows = [row for row in rows if _is_like(row.map.holder, wanted.holder) and _is_of_type(row.map, wanted.type)]
        rows = [row for row in rows if _is_like(row.map.holder, wanted.text) or _is_of_type(row.map, wanted.text)]
    rows = rows[: wanted.top] if wanted.top else rows
    if wanted.is_held:
        process.find_holders([row.map for row in rows[:HELD_MOST]], census.maps)
    return rows


_ORDERS: dict[str, Callable[[Row], tuple[float, int, int]]] = {
    "bytes": lambda row: (row.map.bytes, row.map.length, row.map.address),
    "len": lambda row: (row.map.length, row.map.bytes, row.map.address),
    "vacancy": lambda row: (row.map.slots - row.map.length, row.map.bytes, row.map.address),
    "growth": lambda row: (row.growth.len if row.growth else 0, row.growth.bytes if row.growth else 0, row.map.address),
}


def _is_like(text: str, wanted: str) -> bool:
    """Whether a text holds the words, or is as the pattern says when they have a `*`."""
    return fnmatch.fnmatchcase(text, wanted) if "*" in wanted and not wanted.startswith("map[") else wanted in text


def _is_of_type(found: GoMap, wanted: str) -> bool:
    return not wanted or any(_is_like(name, wanted) for name in ((found.type,) if found.type else found.candidates))


def asked_for(word: str | None) -> str:
    """The word for a map. Raises UsageError for none, and for one of a variable of the shell that is not set: every name holds it."""
    if word is None or not word.strip():
        raise UsageError("no map of the process is named", "add --map HOLDER, TYPE or ADDRESS; ghostkey maps PID lists them")
    return word


def named(process: AnyProcess, census: Census, word: str) -> list[GoMap]:
    """The maps that a word means: an address (`0xc000…`), a holder, or a type; those of one type biggest first.

    Raises UsageError when it means none.
    """
    asked_for(word)
    if word.startswith("0x"):
        try:
            address = int(word, 16)
        except ValueError:
            raise UsageError(f"{word!r} is no address", "ghostkey maps -o wide shows the addresses of maps") from None
        found = [one for one in census.maps if one.address == address]
    else:
        ordered = sorted(census.maps, key=lambda one: -one.bytes)
        asked = [one for one in ordered if one.length or one.slots]
        if word.startswith("map["):  # a type: of maps whose type is known, the holders of those alone are wanted
            asked = [one for one in asked if not one.type or word in one.type]
        process.find_holders(asked, census.maps)
        found = [one for one in ordered if word in {one.holder, one.type}]
        found = found or [one for one in ordered if _is_like(one.holder, word) or (one.type and _is_like(one.type, word))]
        found = [one for one in found if one.root != "none"] or found
    if not found:
        raise UsageError(f"no map of {process.name} is held by, of the type, or at {word!r}", _meant(census, word, word))
    process.find_holders(found, census.maps)
    return found


def not_watched(found: Sequence[GoMap]) -> str:
    """That one of several maps of a name is watched, for those that `named` gives; empty where there is one."""
    others = counted(len(found) - 1, "other like it is", "others like it are")
    return f" (and {others} not watched)" if len(found) > 1 else ""


def check_any(process: AnyProcess, taken: Taken, wanted: Wanted) -> None:
    """Raises UsageError where no map at all has the holder and the type that are wanted: a slip of the pen, and no empty process."""
    if taken.rows or not (wanted.holder or wanted.type):
        return
    all_sizes = dataclasses.replace(wanted, min_len=0, top=0, keys=0)
    if not _chosen(process, taken.census, [Row(found) for found in taken.census.maps], all_sizes):
        said = [f"held by {wanted.holder!r}"] * bool(wanted.holder) + [f"of type {wanted.type!r}"] * bool(wanted.type)
        raise UsageError(f"no map of {taken.name} is {' and '.join(said)}", _meant(taken.census, wanted.holder, wanted.type))


def _meant(census: Census, holder: str, type_word: str) -> str:
    """Holders and types that are like the words, of those that were found."""
    held = {found.holder.rpartition(" → ")[2] for found in census.maps} - {""} if holder else set()
    # `(main.reconciler).memory` may be called by its field, or by its type
    known = [*held, *(word for text in sorted(held) for word in re.findall(r"[A-Za-z_]\w+", text))]
    if type_word:
        known += [found.type for found in census.maps if found.type]
    return f"{nearest(holder or type_word, known)} ghostkey maps PID lists them".strip()


def watch(
    process: AnyProcess, maps: Sequence[GoMap], seconds: float, way: str = "perf", tell: Callable[[float], None] = lambda _: None
) -> Watched:
    """Who changes these maps, by one of `WAYS`. Raises CannotWatch; `tell` is called meanwhile, where the process is here."""
    if any(found.design == "sync" for found in maps):
        raise UsageError("a sync.Map has no word with its length", "ghostkey maps PID --every 5s shows how it grows")
    if isinstance(process, RemoteProcess):
        return process.watch(maps, seconds, way)
    return WAYS[way](process, maps, seconds, tell)


# what was seen before


def state_of(pid: int, thread: str = "") -> str:
    """The letter for what a process of this machine, or one of its threads, does: R runs, T is stopped, Z has ended. Raises OSError.

    Source: proc_pid_stat(5): the state follows the name, which may itself hold parentheses.
    """
    place = Path(f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat")
    return place.read_bytes().rpartition(b")")[2][1:2].decode("ascii", "replace")


class Before:
    """An earlier census: maps are the same when their address and seed are. `whose` is the name and number of its process."""

    def __init__(self, at: datetime.datetime, maps: dict[int, dict[str, Any]], whose: tuple[str, int]) -> None:
        self.at, self._maps, self.whose = at, maps, whose
        self._told: dict[int, GoMap] = {}

    @classmethod
    def of(cls, taken: Taken) -> Before:
        """What a census has to be compared with later."""
        return cls(taken.at, {found.address: map_record(found) for found in taken.census.maps}, (taken.name, taken.pid))

    def remind(self, maps: Sequence[GoMap]) -> None:
        """Tells maps that were there what was found out about them then, so that it need not be found out again."""
        for found in maps:
            known = self._maps.get(found.address)
            if known is not None and known["seed"] == hex(found.seed) and known.get("holder") and not found.holder:
                found.holder, found.root = str(known["holder"]), str(known.get("root") or "")
            told = self._told.get(found.address)
            if told is not None and told.seed == found.seed and not found.holder:
                found.holder, found.root = told.holder, told.root

    def learn(self, maps: Sequence[GoMap]) -> None:
        """Keeps whose holders were found meanwhile, for the next reminder."""
        self._told = {found.address: found for found in maps if found.holder}

    def compare(self, rows: Sequence[Row], at: datetime.datetime) -> list[dict[str, Any]]:
        """Says of each row how it grew, and gives the records of maps that are gone."""
        seconds = max(0.0, (at - self.at).total_seconds())
        seen = set()
        for row in rows:
            found, known = row.map, self._maps.get(row.map.address)
            if known is None or not _is_same(found, known):
                row.growth = Growth(found.length, found.slots, found.bytes, seconds, is_new=True)
                continue
            seen.add(found.address)
            row.growth = Growth(found.length - known["len"], found.slots - known["slots"], found.bytes - known["bytes"], seconds)
        return [known for address, known in self._maps.items() if address not in seen]


def _is_same(found: GoMap, known: dict[str, Any]) -> bool:
    """Whether a map is the one it was: a Swiss map that was emptied gets another seed, and keeps its type."""
    if known["seed"] == hex(found.seed):
        return True
    return found.design == "swiss" and known["design"] == "swiss" and bool(found.type) and known.get("type") == found.type


def map_record(found: GoMap) -> dict[str, Any]:
    """A map as JSON; fields are added to it in later versions, never given another meaning."""
    return {
        "address": hex(found.address),
        "seed": hex(found.seed),
        "design": found.design,
        "type": found.type or None,
        "type_candidates": list(found.candidates),
        "type_from": found.certainty or None,
        "len": found.length,
        "slots": found.slots,
        "tombstones": found.tombstones if found.tombstones >= 0 else None,
        "vacancy": round(found.vacancy, 4),
        "bytes": found.bytes,
        "place": found.place,
        "is_consistent": found.is_consistent,
        "holder": found.holder or None,
        "root": found.root or None,
    }


def save(taken: Taken, path: Path) -> None:
    """Writes all maps of a census to a file, for `load` and a later comparison; keys are not kept."""
    import json

    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "GhostkeyMaps",
        "at": taken.at.isoformat().replace("+00:00", "Z"),
        "process": {"name": taken.name, "pid": taken.pid, "go": taken.version},
        "maps": [map_record(found) for found in taken.census.maps],
    }
    path.write_text(json.dumps(document) + "\n")


def load(path: Path) -> Before:
    """An earlier census from a file, as `save` or `ghostkey maps -o json` wrote it. Raises SourceDamaged."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            raise SourceDamaged(f"{path} is larger than a census can be: {FILE_BYTES >> 20} MiB")
        document = decode_json(content)
        if document["kind"] != "GhostkeyMaps" or not isinstance(document["maps"], list):
            raise KeyError("kind")
        at = datetime.datetime.fromisoformat(document["at"])
        maps = {int(one["address"], 16): _checked(one) for one in document["maps"]}
        whose = str(document["process"]["name"]), int(document["process"]["pid"])
        if at.tzinfo is None:
            raise ValueError("no time zone")
    except OSError as error:
        raise unreadable(path, error, "ghostkey maps PID --save FILE writes one") from None
    except (UnreadableError, KeyError, TypeError, ValueError):
        raise SourceDamaged(f"{path} is no census of maps, or damaged", "ghostkey maps PID --save FILE writes one") from None
    return Before(at, maps, whose)


def _checked(record: Any) -> dict[str, Any]:
    if not all(type(record[name]) is int for name in ("len", "slots", "bytes")) or not isinstance(record["seed"], str):
        raise ValueError("not as it was written")
    if not isinstance(record["design"], str):
        raise TypeError("not as it was written")
    return dict(record)
