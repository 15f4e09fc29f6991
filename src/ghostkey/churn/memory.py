"""Go maps of the operator that gain an entry for every subject and never lose one.

A map counts when it grew, at the same address, by at least one entry a subject in each of at least three rounds; where its keys are
text they have to name the dead (where they cannot be read nothing is said of it), and where it mirrors API objects, as an informer's store does, it is no leak of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ghostkey.census.census import Process, open_process
from ghostkey.census.errors import NotGo, UnknownRuntime
from ghostkey.census.gomap import GoMap
from ghostkey.census.keys import Keys
from ghostkey.churn import memory_text
from ghostkey.churn.tokens import Named, Spellings
from ghostkey.churn.traces import Found, Signature, Trace
from ghostkey.model.errors import GhostkeyError
from ghostkey.sources.go_map_lives import forgets_by_itself, is_come_to_unknown, is_held_by_what_forgets, mirror_of, place_of

ROUNDS_LEAST = 3
KEYS_MOST = 100_000  # of one map at one look: about 2 s of a busy machine
READS_MOST = 3  # of keys and pointers that a writer is moving
# what waits for its turn, and is no state: Source: controller-runtime/pkg/controller/priorityqueue, client-go/util/workqueue/queue.go
QUEUES = ("priorityqueue.", "workqueue.", "delayingType")


@dataclass(slots=True)
class Memory:
    """Lengths of all maps of one process after each round. `note` says why there are none, when it is no Go program.

    `unread`: why nothing can be said of maps that grew, at the last look.
    """

    pid: int = 0
    note: str = ""
    gap: str = ""
    unread: list[str] = field(default_factory=list)
    bounded: set[tuple[int, int]] = field(default_factory=set)  # (address, seed) of those that are known to be
    samples: list[dict[tuple[int, int], int]] = field(default_factory=list)

    @property
    def gaps(self) -> list[str]:
        """What could not be seen of it: without that, silence is worth nothing."""
        return [*filter(None, [self.gap]), *self.unread]

    def sample(self, pid: int) -> None:
        """Looks once; a process that was started anew begins a new series."""
        if pid != self.pid:
            self.pid, self.samples, self.bounded = pid, [], set()
        if self.note:
            return
        try:
            process = open_process(pid)
            try:
                self.samples.append({(found.address, found.seed): found.length for found in process.census().maps})
            finally:
                process.close()
        except (NotGo, UnknownRuntime) as error:
            self.note = f"maps in memory are not looked at, only names: {error}"
        except GhostkeyError as error:
            self.gap = f"maps in memory could not be read: {error}"

    def growing(self, per_round: int) -> list[tuple[int, int]]:
        """(address, seed) of the maps that grew by so many entries in every round."""
        if len(self.samples) <= ROUNDS_LEAST:
            return []
        first, *rest = self.samples
        return [
            place
            for place in first
            if all(place in sample for sample in rest)
            and all(later[place] - earlier[place] >= per_round for earlier, later in zip(self.samples, rest, strict=False))
        ]

    def names(self, rounds: Mapping[str, int]) -> Found:
        """Of a program that is not Go's: whether the names of the dead of all rounds are in its memory. Raises OSError."""
        found, unread = memory_text.traces(self.pid, rounds) if self.note else ({}, "")
        self.unread += filter(None, [unread])
        if not found or len(rounds) >= memory_text.CACHED:
            return found
        self.note = (
            f"the names of all {len(rounds)} dead subjects are in its memory, as a cache would have them: try --subjects 100"
        )
        return {}

    def traces(self, per_round: int, dead: Iterable[Named]) -> Found:
        """Signature → trace of the maps that grew and still hold what they gained. Raises what reading the process raises."""
        self.unread = []  # `names` adds to it, and comes after this
        if not self.growing(per_round):
            return {}
        names = list(dead)
        process = open_process(self.pid)
        try:
            found: Found = {}
            for one in self.maps(process, per_round):
                if is_held_by_what_forgets(one):
                    self.bounded.add((one.address, one.seed))
                if (one.address, one.seed) in self.bounded:
                    continue
                lengths = [sample.get((one.address, one.seed), 0) for sample in self.samples]
                self.unread += filter(None, [_judge(process, one, names, found, lengths)])
            return found
        finally:
            process.close()

    def maps(self, process: Process, per_round: int) -> list[GoMap]:
        """The maps that grew and still hold what they gained, with type and holder."""
        wanted = set(self.growing(per_round))
        if not wanted:
            return []
        census = process.census()
        least = {place: self.samples[0][place] + per_round * ROUNDS_LEAST for place in wanted}
        maps = [m for m in census.maps if (m.address, m.seed) in wanted and m.length >= least[m.address, m.seed]]
        process.name_types(census.maps)
        process.describe(maps)
        process.find_holders(maps, census.maps)
        for _ in range(READS_MOST - 1):
            # what grew is held by somebody: where pointers moved meanwhile, they are followed again
            if not (lost := [one for one in maps if is_come_to_unknown(one)]):
                break
            process.refresh()
            for one in lost:
                process.forget_holder(one)
            process.find_holders(lost, census.maps)
        return maps


def signature_of(one: GoMap) -> Signature:
    """What a map is called from run to run. By which goroutine it was come to differs from look to look, and is left out."""
    held = f" at {place_of(one)}" if one.holder else ""
    return Signature("memory", f"{one.type or 'a map'}{held}")


def _judge(process: Process, one: GoMap, names: list[Named], found: Found, lengths: list[int]) -> str:
    """Adds the trace of a map to those found. Why nothing can be said of it; "" where that is known."""
    if (
        mirror_of(one.holder)
        or forgets_by_itself(one)
        or any(word in text for word in QUEUES for text in (one.holder, one.type, *one.candidates))
    ):
        return ""
    signature = signature_of(one)
    keys = _keys_of(process, one)
    if keys is not None and not keys.texts:
        return f"the keys of {signature.place} in memory could not be read: whether they name the dead is not known"
    spellings = Spellings(names)
    hits = {token for text in (keys.texts if keys is not None else ()) for token in spellings.find(str(text).encode())}
    every = {name.token for name in names}
    if keys is not None and not keys.is_whole and hits != every:
        seen = f"{len(hits)} of {len(every)} dead subjects are named by the first {len(keys.texts):,} keys"
        return f"{signature.place} in memory has {one.length:,} keys: {seen}; whether the others are is not known"
    if keys is not None and not hits:
        return ""
    grown = ", ".join(map(str, lengths))
    found[signature] = Trace(hits or every, f"{signature.place}: {grown} entries", series=1, is_weak=False)
    return ""


def _keys_of(process: Process, one: GoMap) -> Keys | None:
    """The keys of a map; none of them where they could not be read, None where by their type they are no text, such as numbers."""
    kind = process.keys.key_type(one)
    if one.design != "sync" and kind is not None and not process.keys.is_text(kind):
        return None
    for number in range(READS_MOST):
        if number:
            process.refresh()  # it may have grown into memory that is new to us
        for _, keys in process.text_keys([one], KEYS_MOST, KEYS_MOST)[0]:
            if keys.texts:
                return keys
    return Keys([], is_whole=False)
