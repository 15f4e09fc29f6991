"""The maps in the memory of a running Go process, as maps whose keys may be for objects of the cluster.

What it reads
    The keys of every map that texts or names are keys of, before the cluster is asked what lives: an entry that is made
    meanwhile is not missed as a subject. Values are never read.
What it leaves out
    Maps that mirror what lives (informer stores, indexes, workqueues, API objects in caches), those that forget by themselves
    (the least recently used, compression tables of HTTP/2), and those nothing leads to.
Source
    client-go tools/cache and util/workqueue, controller-runtime pkg/controller/priorityqueue: the types of the stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence

from ghostkey.census.census import Census, Process
from ghostkey.census.gomap import GoMap
from ghostkey.census.keys import Keys
from ghostkey.census.remote import RemoteProcess
from ghostkey.model.counts import counted
from ghostkey.model.events import Event, Gap, HolderMeta, KeysSeen, Note, Shape
from ghostkey.model.findings import Finding
from ghostkey.model.refs import GO_MAPS, ObjectRef
from ghostkey.sources.go_map_lives import forgets_by_itself, is_long_lived, mirror_of, place_of

FIELD = "entries"
KEYS_MOST = 200_000  # of one map
KEYS_TOTAL = 2_000_000
MAPS_MOST = 100_000  # whose keys are read, the longest first
KEYS_LEAST = 3  # a map with fewer, as labels are, proves nothing
HELD_MOST = 500  # maps that are about objects, whose holders are looked for
SAMPLE = 32  # keys by which it is told whether a map may be about objects at all
SETTLE_SECONDS = 2.0  # an operator that has seen a deletion may not have come to its own delete yet
ENTRY = Shape("entry")  # what a value in memory is, of which nothing is read


class GoMaps:
    """Source of the maps of one process, or of those at some addresses. `seen` are their keys, read when this is made."""

    def __init__(self, process: Process | RemoteProcess, addresses: Collection[int] | None = None) -> None:
        self._process, self._addresses = process, addresses
        self._census: Census = process.census()
        self._at = time.monotonic()
        self._maps: dict[str, GoMap] = {}
        process.name_types(self._census.maps)
        self._seen = list(self._read())

    @property
    def census(self) -> Census:
        """All maps of the process, as they were when this was made."""
        return self._census

    def _read(self) -> Iterator[tuple[GoMap, Keys]]:
        asked = [one for one in self._census.maps if one.length and (self._addresses is None or one.address in self._addresses)]
        maps = sorted(asked, key=lambda found: -found.length)[:MAPS_MOST]
        read, self._left_out = self._process.text_keys(maps, KEYS_MOST, KEYS_TOTAL)
        by_address = {found.address: found for found in maps}
        yield from ((by_address[address], keys) for address, keys in read)

    def events(self, may_be_about: Callable[[list[str]], bool] = lambda _: True) -> Iterator[Event]:
        """The keys of each map that may be about objects: `may_be_about` is asked for a sample of them, and knows what lives."""
        chosen = [(found, keys) for found, keys in self._seen if may_be_about(_sample(keys.texts))]
        name = self._process.name
        were = f"map of {name} was", f"maps of {name} were"
        if self._left_out:
            yield Gap(f"{counted(self._left_out, *were)} not looked into", "their keys are more than 2 million")
        rest = chosen[HELD_MOST:]
        larger = sum(len(keys.texts) >= KEYS_LEAST for _, keys in rest)
        if larger:
            yield Gap(f"{counted(larger, *were)} not looked into", "more than 500 may be about objects")
        if len(rest) > larger:
            entries = "with one or two entries"
            small = counted(len(rest) - larger, f"map of {name} {entries} was", f"maps of {name} {entries} were")
            yield Note(f"{small} not looked into")
        chosen = chosen[:HELD_MOST]
        self._process.find_holders([found for found, _ in chosen], self._census.maps)
        mirrors = forgetful = 0
        for found, keys in chosen:
            found.mirror = mirror_of(found.holder)
            mirrors += bool(found.mirror)
            if found.mirror or not is_long_lived(found):
                continue
            if forgets_by_itself(found):
                forgetful += 1
                continue
            yield self._event(found, keys)
        if mirrors:
            said = counted(mirrors, f"map of {name} mirrors", f"maps of {name} mirror")
            yield Note(f"{said} what lives (informer stores, indexes, queues, cached objects)")
        if forgetful:
            what = "caches that forget by themselves (least recently used, or after a time)"
            said = counted(forgetful, f"map of {name} is, by its type", f"maps of {name} are, by their types")
            yield Note(f"{said}, {what}")

    def _event(self, found: GoMap, keys: Keys) -> KeysSeen:
        name = place_of(found)
        if self._maps.setdefault(name, found) is not found:
            name = f"{name} {found.type}"
            while self._maps.setdefault(name, found) is not found:
                name += "'"
        place = getattr(self._process, "place", "")
        number = f"pid {self._process.pid}" + (f", {place}" if place else "")
        process = f"{self._process.name} ({number})" if self._process.pid else f"a core dump of {self._process.name}"
        meta = HolderMeta({}, {"type": found.type or "map", "process": process, "holder": found.holder})
        texts = list(dict.fromkeys(keys.texts))
        holder = ObjectRef(GO_MAPS, "", name, cluster=self._process.name)
        return KeysSeen(holder, FIELD, (), texts, [0] * len(texts), [ENTRY] * len(texts), meta=meta)

    def name_of(self, address: int) -> str:
        """The holder by which findings name the map at an address; empty when none of them can be about it."""
        return next((name for name, found in self._maps.items() if found.address == address), "")

    def confirm(self, findings: Sequence[Finding], wait: Callable[[float], None] = time.sleep) -> list[Finding]:
        """The findings whose entries are still there, at least SETTLE_SECONDS after they were seen first; those of others pass."""
        own = {finding.key.holder.name for finding in findings if self._is_own(finding)}
        if not own or not self._process.pid:
            return list(findings)
        wait(max(0.0, SETTLE_SECONDS - (time.monotonic() - self._at)))
        again: dict[str, set[str]] = {}
        self._process.refresh()
        for name in own:
            found = self._process.again(self._maps[name])
            is_held = found is not None and self._is_still_held(found)
            again[name] = set(self._process.read_keys(found).texts) if found is not None and is_held else set()
        return [f for f in findings if not self._is_own(f) or f.key.key in again[f.key.holder.name]]

    def _is_still_held(self, found: GoMap) -> bool:
        """Whether the same holder leads to it as before: what passes by on a stack is another after seconds."""
        before = place_of(found)
        self._process.forget_holder(found)
        self._process.find_holders([found], self._census.maps)
        return is_long_lived(found) and (found.root == "global" or place_of(found) == before)

    def _is_own(self, finding: Finding) -> bool:
        return finding.key.holder.kind == GO_MAPS and finding.key.holder.name in self._maps


def _sample(keys: list[str]) -> list[str]:
    if len(keys) <= SAMPLE:
        return keys
    step = len(keys) // SAMPLE
    return keys[: SAMPLE * step : step]
