"""All maps of a Go process at one moment, from its memory alone."""

from __future__ import annotations

import gc
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ghostkey.census import classic, layouts, swiss
from ghostkey.census.core import CoreMemory
from ghostkey.census.dwarf import Dwarf
from ghostkey.census.elf import Executable, executable_of, name_of
from ghostkey.census.errors import MemoryFault, UnknownRuntime
from ghostkey.census.functions import Functions
from ghostkey.census.gomap import GoMap
from ghostkey.census.goroutines import Goroutine, goroutines
from ghostkey.census.headers import Header, heap_headers, stack_headers
from ghostkey.census.holders import Holders
from ghostkey.census.keys import KEYS_MOST, KeyReader, Keys
from ghostkey.census.map_types import MapTypes
from ghostkey.census.memory import LiveMemory, Memory
from ghostkey.census.paths import SECONDS, find_paths
from ghostkey.census.plausible import Contents
from ghostkey.census.references import References
from ghostkey.census.runtime import Runtime
from ghostkey.census.trie import tries
from ghostkey.census.types import Types

STACK_MOST = 64 << 20  # of all stacks together
PROVING = 20  # candidates from which on a runtime that we do not know has to prove itself
PROOF = 0.95  # of them have to be maps


@dataclass(slots=True)
class Census:
    """What was seen. `lost`: maps that changed so fast that they could not be read; `notes`: what a reader should know."""

    maps: list[GoMap]
    lost: int = 0
    notes: list[str] = field(default_factory=list)


class Process:
    """A Go process, or what a core dump holds of one. Raises what opening it raises."""

    def __init__(self, memory: Memory, executable: Executable, name: str, pid: int = 0) -> None:
        self.memory, self.executable, self.name, self.pid = memory, executable, name, pid
        self.runtime = Runtime(memory, executable)
        self.types = Types(self.runtime)
        self.map_types = MapTypes(self.runtime, self.types)
        self.contents = Contents(self.runtime, self.types, self.map_types)
        self.functions = Functions(self.runtime)
        self.dwarf = Dwarf(executable)
        self.keys = KeyReader(self.runtime, self.types)
        self.goroutines: list[Goroutine] = []

    @property
    def version(self) -> str:
        """The Go that built it: `go1.26.8`."""
        return self.runtime.build.version

    def census(self) -> Census:
        """Every map of the heap, and those whose header is on a goroutine's stack. Raises UnknownRuntime, MemoryFault.

        Cost: 50,000 maps in a fifth of a second; nothing of what the maps hold is read.
        """
        is_collecting = gc.isenabled()
        gc.disable()  # of some hundred thousand objects that all stay; looking through them for cycles would only take time
        try:
            return self._census()
        finally:
            if is_collecting:
                gc.enable()

    def _census(self) -> Census:
        self.runtime.read_spans()
        found = Census([])
        headers = self._heap_headers(found)
        if self.runtime.is_swiss:
            found.maps, found.lost = swiss.decode(self.runtime, headers)
            found.maps += tries(self.runtime)
        else:
            found.maps = classic.decode(self.runtime, headers)
        self._prove(headers, found)
        self.goroutines = goroutines(self.runtime)
        found.maps += self._stack_maps(found)
        if not self.runtime.has_bitmaps:
            found.notes.append(f"{self.version} does not tell empty maps from other objects: they are not counted")
        return found

    def _heap_headers(self, found: Census) -> list[Header]:
        if self.runtime.is_swiss:
            return list(heap_headers(self.runtime, layouts.SWISS_MASK))
        if self.runtime.build.minor >= 24:
            # noswissmap: clearSeq makes the header 56 bytes, and moves its last pointer
            return [
                (address, classic.without_clear_seq(self.runtime, words))
                for address, words in heap_headers(self.runtime, layouts.CLASSIC_MASK_24, 64)
            ]
        return list(heap_headers(self.runtime, layouts.CLASSIC_MASK))

    def _prove(self, headers: Sequence[Header], found: Census) -> None:
        """A runtime that no table of ours is of has to look like the newest one, or is refused."""
        if not self.runtime.is_newer:
            return
        maps = sum(one.place == "heap" and one.design != "sync" for one in found.maps)
        if len(headers) >= PROVING and maps < PROOF * len(headers):
            raise UnknownRuntime(
                f"{self.version} is newer than Go 1.{layouts.NEWEST}, the newest that is known, and keeps its maps otherwise: "
                f"{maps} of {len(headers)} candidates look like one",
                "a newer ghostkey may know this version; ghostkey pprof reads its heap profiles",
            )
        found.notes.append(f"{self.version} is newer than Go 1.{layouts.NEWEST}, the newest that is known: read as that one")

    def _stack_maps(self, census: Census) -> list[GoMap]:
        """Maps whose header is in a frame: they do not escape. What looks like one has to hold what it says."""
        found: list[GoMap] = []
        room = STACK_MOST
        for routine in self.goroutines:
            room -= routine.high - routine.low_used
            if room < 0:
                census.notes.append("the stacks hold more than 64 MiB: maps on those of some goroutines were not looked for")
                break
            try:
                words = array("Q", self.memory.read(routine.low_used, (routine.high - routine.low_used) & ~7))
            except MemoryFault:
                continue
            candidates = list(stack_headers(words, routine.low_used, self.runtime.is_swiss))
            found += self._sound_swiss(candidates) if self.runtime.is_swiss else self._sound_classic(candidates)
        return found

    def _sound_swiss(self, candidates: Sequence[Header]) -> Iterator[GoMap]:
        sound = [header for header in candidates if swiss.sort_of(self.runtime, header[1]) in {"small", "full"}]
        if not sound:
            return
        for found in swiss.decode(self.runtime, sound, "stack")[0]:
            is_sound = found.slots > layouts.GROUP_SLOTS or swiss.has_sound_group(self.runtime, found)
            if is_sound and found.is_consistent:
                yield found

    def _sound_classic(self, candidates: Sequence[Header]) -> Iterator[GoMap]:
        if self.runtime.build.minor >= 24:
            candidates = [(address, (*words[:5], 0)) for address, words in candidates]
        found = classic.decode(self.runtime, candidates, "stack")
        if found:
            self.map_types.name(found)
            self.map_types.count_classic(found)
            for one in found:
                if one.tombstones >= 0 or (one.groups == 1 and classic.has_sound_bucket(self.runtime, one)):
                    one.is_consistent = True
                    yield one

    def name_types(self, maps: Sequence[GoMap]) -> None:
        """Says of each map which type it has, or may have, as far as sizes and pointers tell."""
        self.map_types.name(maps)

    def describe(self, maps: Sequence[GoMap]) -> None:
        """Looks into these maps: types that entries tell, tombstones that buckets tell."""
        self.contents.settle(maps)
        self.map_types.count_classic(maps)

    def read_keys(self, found: GoMap, most: int = KEYS_MOST) -> Keys:
        """The keys of a map; `why` says so when it changes so fast that none could be read."""
        keys = self.keys.read(found, most)
        if keys.texts or keys.why or not found.length or found.design == "sync" or not self._length_now(found):
            return keys
        self.runtime.read_spans()  # it may have grown into memory that is new to us
        keys = self.keys.read(found, most)
        return keys if keys.texts else Keys([], False, "it changed while it was read")

    def _length_now(self, found: GoMap) -> int:
        try:
            return self.runtime.word(found.address)
        except MemoryFault:
            return 0

    def text_keys(self, maps: Sequence[GoMap], most: int, total: int) -> tuple[list[tuple[int, Keys]], int]:
        """(address, keys) of those of the maps whose keys can be names, and how many were left out since `total` was reached."""
        self.contents.settle(maps)
        found: list[tuple[int, Keys]] = []
        left_out = 0
        for one in maps:
            kind = self.keys.key_type(one)
            if one.design != "sync" and (kind is None or not self.keys.is_text(kind)):
                continue
            if total <= 0:
                left_out += 1
                continue
            keys = self.read_keys(one, min(most, total))
            total -= len(keys.texts)
            if keys.texts:
                found.append((one.address, keys))
        return found, left_out

    def word(self, address: int) -> int:
        """The 8 bytes at an address, as a number. Raises MemoryFault."""
        return self.runtime.word(address)

    def forget_holder(self, found: GoMap) -> None:
        """Has the holder of a map be looked for anew."""
        found.holder = ""

    def refresh(self) -> None:
        """Reads anew which spans and goroutines there are; a census does so by itself."""
        self.runtime.read_spans()
        self.goroutines = goroutines(self.runtime)

    def find_holders(self, maps: Sequence[GoMap], every: Sequence[GoMap], seconds: float = SECONDS) -> None:
        """Says of each of these maps who holds it; `every` are all maps of the census. A map may be held in many ways: one is told.

        Cost: a look through all pointers of the process for each hop of the longest path, however many maps are asked about.
        """
        wanted = [found for found in maps if not found.holder]
        heap = [found for found in wanted if found.place == "heap"]
        references = References(self.runtime, self.map_types, self.types, self.goroutines)
        sizes = {found.address: (self.runtime.object_at(found.address) or (0, layouts.HEADER_BYTES))[1] for found in heap}
        paths, is_cut = find_paths(self.runtime, references, sorted(sizes.items()), seconds)
        known = {found.address: found for found in every}
        holders = Holders(self.runtime, self.types, self.map_types, self.functions, self.goroutines, known, self.dwarf)
        holders.prepare([(found, path) for found in heap for path in paths.get(found.address, ())])
        for found in wanted:
            if found.place == "stack":
                found.holder, found.root = holders.stack_place(found.address), "stack"
            elif found.address in paths:
                holders.tell_best(found, paths[found.address])
            else:
                found.holder, found.root = f"no root found in {seconds:.0f} s" if is_cut else "no root found", "none"

    def again(self, found: GoMap) -> GoMap | None:
        """The same map as it is now, with what is known of its type and holder; None when it is gone.

        A map that was emptied gets another seed: then it is the same only while its type and holder are.
        """
        now = self._read_again(found)
        if now is None:
            self.runtime.read_spans()  # it may have grown into memory that is new to us
            now = self._read_again(found)
        if now is None or (now.seed != found.seed and now.length > found.length):
            return None
        now.type, now.type_address, now.certainty = found.type, found.type_address, found.certainty
        now.candidates, now.holder, now.root, now.mirror = found.candidates, found.holder, found.root, found.mirror
        return now

    def _read_again(self, found: GoMap) -> GoMap | None:
        if found.design == "sync":
            return next((one for one in tries(self.runtime) if one.address == found.address), None)
        read = swiss.again if found.design == "swiss" else classic.again
        return read(self.runtime, found.address, found.place)

    def close(self) -> None:
        """Lets go of the process, or of the files."""
        close = getattr(self.memory, "close", None)
        if close is not None:
            close()
        self.executable.close()


def open_process(pid: int) -> Process:
    """A running Go process. Raises NoSuchProcess, NotReadable, NotGo, UnknownRuntime."""
    memory = LiveMemory(pid)
    return Process(memory, Executable(executable_of(pid)), name_of(pid), pid)


def open_core(path: str, executable: str | None = None) -> Process:
    """The process of a core dump; its executable is where the dump says, unless another path is given.

    Raises CoreDamaged, NotGo, UnknownRuntime.
    """
    memory = CoreMemory(path, executable)
    program = Executable(memory.executable)
    memory.lend(program)
    return Process(memory, program, os.path.basename(memory.executable))
