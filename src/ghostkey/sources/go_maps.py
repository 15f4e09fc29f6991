"""The maps in the memory of a running Go process, as maps whose keys may be for objects of the cluster.

What it reads
    The keys of every map that texts or names are keys of, before the cluster is asked what lives: an entry that is made
    meanwhile is not missed as a subject. Values are never read.
What it leaves out
    Maps that mirror what lives (informer stores, indexes, workqueues, API objects in caches), and those nothing leads to.
Source
    client-go tools/cache and util/workqueue, controller-runtime pkg/controller/priorityqueue: the types of the stores.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

from ghostkey.census.census import Census, Process
from ghostkey.census.gomap import GoMap
from ghostkey.census.keys import Keys
from ghostkey.census.remote import RemoteProcess
from ghostkey.model.events import Event, Gap, HolderMeta, KeysSeen, Note, Shape
from ghostkey.model.findings import Finding
from ghostkey.model.refs import GO_MAPS, ObjectRef

FIELD = "entries"
KEYS_MOST = 200_000  # of one map
KEYS_TOTAL = 2_000_000
MAPS_MOST = 100_000  # whose keys are read, the longest first
HELD_MOST = 500  # maps that are about objects, whose holders are looked for
SAMPLE = 32  # keys by which it is told whether a map may be about objects at all
SETTLE_SECONDS = 2.0  # an operator that has seen a deletion may not have come to its own delete yet
ENTRY = Shape("entry")  # what a value in memory is, of which nothing is read

# Types of client-go, controller-runtime and the API server that hold what lives, and forget it when it goes
_MIRRORS = re.compile(
    r"\((?:cache\.(?:threadSafeMap|storeIndex|DeltaFIFO|RealFIFO|FIFO|cache|ExpirationCache|sharedProcessor|sharedIndexInformer"
    r"|watchCache|watchCacheHistory)"
    r"|cacher\.\w+|etcd3\.\w+|store\.\w*[sS]tore\w*|(?:workqueue|priorityqueue)\.[^)]+|controller\.(?:UIDTrackingControllerExpectations|ControllerExpectations))\b"
)
# an API object within a cache: its labels, and the data of a ConfigMap, are as the cluster has them
_API_OBJECTS = re.compile(
    r"\.ObjectMeta\.|\((?:v\d\w*|core)\.(?:ConfigMap|Secret)\)\.(?:\w*Data)\b|\(unstructured\.Unstructured\)"
)
_REFLECTOR = re.compile(r"^goroutine \d+ in cache\.\(\*Reflector\)")
_GOROUTINE = re.compile(r"^goroutine \d+(?: in )?")


class GoMaps:
    """Source of the maps of one process. `seen` are their keys, read when this is made."""

    def __init__(self, process: Process | RemoteProcess) -> None:
        self._process = process
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
        maps = sorted((found for found in self._census.maps if found.length), key=lambda found: -found.length)[:MAPS_MOST]
        read, self._left_out = self._process.text_keys(maps, KEYS_MOST, KEYS_TOTAL)
        by_address = {found.address: found for found in maps}
        yield from ((by_address[address], keys) for address, keys in read)

    def events(self, may_be_about: Callable[[list[str]], bool] = lambda _: True) -> Iterator[Event]:
        """The keys of each map that may be about objects: `may_be_about` is asked for a sample of them, and knows what lives."""
        chosen = [(found, keys) for found, keys in self._seen if may_be_about(_sample(keys.texts))]
        if self._left_out:
            yield Gap(f"{self._left_out} maps of {self._process.name} were not looked into", "their keys are more than 2 million")
        if len(chosen) > HELD_MOST:
            yield Gap(
                f"{len(chosen) - HELD_MOST} maps of {self._process.name} were not looked into",
                "more than 500 may be about objects",
            )
        chosen = chosen[:HELD_MOST]
        self._process.find_holders([found for found, _ in chosen], self._census.maps)
        mirrors = 0
        for found, keys in chosen:
            found.mirror = mirror_of(found.holder)
            mirrors += bool(found.mirror)
            if found.mirror or not is_long_lived(found):
                continue
            yield self._event(found, keys)
        if mirrors:
            yield Note(
                f"{mirrors} maps of {self._process.name} mirror what lives (informer stores, indexes, queues, cached objects)"
            )

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


def place_of(found: GoMap) -> str:
    """By what a map is known from one run to the next: the field that holds it, else the path without a goroutine's number."""
    place = found.holder.rfind(" → (")
    return found.holder[place + 3 :] if place >= 0 else _GOROUTINE.sub("stack of ", found.holder).strip()


# what holds more than a call does: a value of a type with a name, and what a closure has captured
_HOLDS = re.compile(r"func |\((?!(?:noalg\.)?map\.)(?P<type>\w+\.\w+)")
# values with which one call does its work: an iterator, an encoder, a request and what goes with it
_OF_A_CALL = re.compile(r"(?:reflect|runtime|maps|json|yaml|fmt|context)\.|(?:http|rest)\.(?:Request|Response|Result)$")


def is_long_lived(found: GoMap) -> bool:
    """Whether something holds a map that may outlive a call: no garbage, and no library's own local.

    Of what a stack leads to, an unknown object says nothing. A map that is itself a local belongs to a call, unless its header is in
    the frame of a function of package main, which runs as long as the program: a mere word of a stack that points to a map may be
    left over from a call that ended long ago, such as a document that was decoded once. Values of types without a name in between,
    as decoding makes them, and those that a call works with change nothing of that.
    """
    if found.root != "stack":
        return found.root == "global"
    steps = [held for step in found.holder.split(" → ")[1:] if (held := _HOLDS.match(step))]
    is_local = all(step["type"] and _OF_A_CALL.match(step["type"]) for step in steps)
    is_own = found.place == "stack" and _GOROUTINE.sub("", found.holder).startswith("main.")
    return "→ ?" not in found.holder and (not is_local or is_own)


def mirror_of(holder: str) -> str:
    """What of a path says that the map mirrors what lives; empty when nothing does."""
    found = _MIRRORS.search(holder) or _API_OBJECTS.search(holder) or _REFLECTOR.search(holder)
    return found[0] if found is not None else ""


def _sample(keys: list[str]) -> list[str]:
    if len(keys) <= SAMPLE:
        return keys
    step = len(keys) // SAMPLE
    return keys[: SAMPLE * step : step]
