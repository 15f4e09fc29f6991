"""Random histories of maps and their subjects, written through several API servers, with holes, levels and clocks that differ.

What happens is known here, and so is what of it any log shows: `World.may` is the model of what could be known, in some twenty lines.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.history.lines import GROUP, LogWriter, at

SECONDS, STEP = 600, 2
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord")
LEVELS = ("RequestResponse", "RequestResponse", "Request", "Metadata")
TRIES = (
    "no-delete",
    "no-delete",
    "wrong-key-name",
    "delete-failed",
    "written-again",
    "tombstone",
    "removed",
    "early",
    "recreated",
)
HIDES = "Metadata"


@dataclass
class Server:
    """An API server: by how many seconds its clock is wrong, and from when to when its log is lost."""

    offset: float
    holes: list[tuple[float, float]]
    files: list[list[bytes]]

    def keeps(self, second: float, line: bytes) -> bool:
        """Writes a line, unless it falls into a hole."""
        if any(begin <= second <= end for begin, end in self.holes):
            return False
        self.files[sum(second > end for _, end in self.holes)].append(line)
        return True


@dataclass
class Ghost:
    """A key whose subject went: when, whether that was seen, and what was seen to be tried."""

    end: float
    is_seen: bool
    map: tuple[str, str]
    key: str
    subject: str
    tried: str
    told: str = ""
    is_implied: bool = False  # by an update that left the key out, which says nothing where it may not have been there
    is_back: bool = False  # its subject came back, and that was seen


@dataclass
class World:
    """A history, all of whose lines are written by `write`."""

    seed: int
    maps: int = 2
    log: LogWriter = field(default_factory=LogWriter)
    ghosts: list[Ghost] = field(default_factory=list)
    hidden: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # times of what a level hid of a map
    shown: dict[tuple[str, str], float] = field(default_factory=dict)  # when all of a map was shown last
    set_at: dict[tuple[tuple[str, str], str], float] = field(default_factory=dict)  # when each key was seen to be set last
    removed_at: dict[tuple[tuple[str, str], str], float] = field(default_factory=dict)  # and to be removed
    known_at: dict[tuple[tuple[str, str], str], float] = field(default_factory=dict)  # when it was seen to be there first
    dumps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        count = rng.choice([1, 1, 2, 3, 5])
        self.servers = [self._server(rng.uniform(-0.5, 0.5) if count > 1 else 0.0) for _ in range(count)]
        self.levels = {f"ns-{n}": (rng.choice(LEVELS), rng.uniform(60, SECONDS), rng.choice(LEVELS)) for n in range(self.maps)}
        spaces = list(self.levels)
        self.log.secrets = {(space, f"map-{n}") for n, space in enumerate(spaces) if rng.random() < 0.3}
        # maps whose operator writes by server-side apply, and levels at which objects are seen
        self.applied = {space for space in spaces if rng.random() < 0.3}
        self.subject_levels = {space: rng.choice(("RequestResponse", "RequestResponse", HIDES)) for space in spaces}
        steps = [step for number in range(self.maps) for step in self._life(f"ns-{number}", f"map-{number}")]
        steps += [(float(s), self._tick, ()) for s in range(0, SECONDS + 1, STEP)]
        if rng.random() < 0.25:
            self.dumps = [rng.uniform(100, SECONDS), SECONDS + rng.uniform(5, 500)]
            steps += [(second, self._dump, (second,)) for second in self.dumps]
        self.dumped: dict[float, list[dict[str, Any]]] = {}
        self.alive: dict[tuple[str, str], dict[str, Any]] = {}
        for second, act, words in sorted(steps, key=lambda step: step[0]):
            self.now = second
            act(*words)

    def _server(self, offset: float) -> Server:
        begins = sorted(self.rng.sample(range(60, SECONDS - 100), self.rng.choice([0, 0, 1, 1, 2])))
        holes = [(begin, begin + self.rng.randint(25, 80)) for begin in begins]
        return Server(offset, holes, [[] for _ in range(len(holes) + 1)])

    # what happens

    def _life(self, space: str, name: str) -> Iterator[tuple[float, Any, tuple[Any, ...]]]:
        rng, second = self.rng, self.rng.uniform(1, 20)
        names = [f"{word}-{rng.randrange(10**6)}" for word in WORDS]
        yield second, self._create, (space, name)
        for subject in names:
            yield second + 0.5, self._subject, ("create", space, subject)
            yield second + 0.6, self._change, (space, name, {f"{space}.{subject}": "v"})
            second += 1
        for subject in rng.sample(names, 3):
            second = max(second + 8, rng.uniform(second, SECONDS - 30))
            key, tried = f"{space}.{subject}", rng.choice(TRIES)
            ghost = Ghost(second, False, (space, name), key, subject, tried)
            if tried == "early":
                yield second - rng.uniform(4, 7), self._change, (space, name, {key: None})
            yield second, self._end, (ghost,)
            after = second + rng.uniform(0.1, 3)
            if tried == "written-again":
                yield after, self._change, (space, name, {key: None})
                yield after + rng.uniform(1.5, 3), self._change, (space, name, {key: "v"}, ghost, tried)
            elif tried == "removed":
                yield after, self._change, (space, name, {key: None})
            elif tried == "recreated":
                yield after + 1.5, self._back, (ghost,)
            elif tried not in ("no-delete", "early"):
                made = {"wrong-key-name": {subject: None}, "delete-failed": {key: None}, "tombstone": {key: ""}}[tried]
                yield after, self._change, (space, name, made, ghost, tried)
            for number in range(rng.choice([0, 0, 1, 4])):  # others, at the same moment
                yield after + rng.uniform(-0.01, 0.01), self._change, (space, name, {f"other-{number}": str(second)})
        if rng.random() < 0.1:
            yield rng.uniform(second - 60, SECONDS), self._collection, (space, name)

    def _tick(self) -> None:
        for server in self.servers:
            second = self.now + server.offset
            server.keeps(
                self.now, self.log.line(second, "update", {"resource": "leases", "namespace": "kube-system", "name": "l"})
            )

    def _level(self, space: str) -> str:
        before, change, after = self.levels[space]
        return before if self.now < change else after

    def _subject(self, verb: str, space: str, name: str) -> bool:
        server = self.rng.choice(self.servers)
        line = self.log.subject(self.now + server.offset, verb, space, name, level=self.subject_levels[space])
        self.alive.pop((space, name), None)
        if verb == "create":
            self.alive[space, name] = {
                "apiVersion": f"{GROUP}/v1",
                "kind": "Widget",
                "metadata": {"name": name, "namespace": space},
            }
        return server.keeps(self.now, line)

    def _end(self, ghost: Ghost) -> None:
        ghost.is_seen = self._subject("delete", ghost.map[0], ghost.subject)
        self.ghosts.append(ghost)

    def _back(self, ghost: Ghost) -> None:
        ghost.is_back = self._subject("create", ghost.map[0], ghost.subject)

    def _create(self, space: str, name: str) -> None:
        self.log.maps[space, name] = {"settings": "1"}
        self.log.changed(space, name)
        self._written(space, name, "create", {"metadata": {"name": name}, "data": {"settings": "1"}}, {}, code=201)

    def _change(self, space: str, name: str, keys: dict[str, str | None], ghost: Ghost | None = None, tried: str = "") -> None:
        """A write of some keys by any verb, or one that is refused."""
        state = self.log.maps.get((space, name))
        if state is None:
            return
        after = {key: value for key, value in (state | keys).items() if value is not None}
        form = "apply" if space in self.applied else self.rng.choice(["merge", "merge", "json", "put"])
        code = 403 if tried == "delete-failed" else 200
        kind = "Secret" if (space, name) in self.log.secrets else "ConfigMap"
        whole = {"kind": kind, "apiVersion": "v1", "metadata": {"name": name}, "data": self.log.written(space, name, after)}
        made = self.log.written(space, name, keys)
        body: Any = {"data": made} if form == "merge" else whole
        if form == "put":
            body["metadata"]["resourceVersion"] = str(self.log.versions[space, name])
        elif form == "json":
            body = [{"op": "remove", "path": f"/data/{key}"} if value is None else {"op": "add", "path": f"/data/{key}", "value": value}
                    for key, value in made.items()]  # fmt: skip
            code = 422 if any(value is None and key not in state for key, value in keys.items()) else code
        # an update from which a key of another spelling was taken is one that changes nothing, and shows no trace of it; so is an apply
        trace = None if form in ("put", "apply") and tried == "wrong-key-name" else ghost
        if code == 200:
            self.log.maps[space, name] = after
            self.log.changed(space, name, is_other=after != state)
        self._written(space, name, form, body, keys, code=code, ghost=trace, tried=tried)

    def _written(
        self, space: str, name: str, form: str, body: Any, keys: dict[str, str | None], *, code: int, ghost: Ghost | None = None, tried: str = ""
    ) -> None:  # fmt: skip
        server, level, place = self.rng.choice(self.servers), self._level(space), (space, name)
        response = self.log.shown(space, name) if code < 400 else {"kind": "Status", "metadata": {}, "code": code}
        reference = {"resource": self._resource(place), "namespace": space, "name": name}
        verb = {"put": "update", "create": "create"}.get(form, "patch")
        query = "?fieldManager=op&force=true" if form == "apply" else ""
        line = self.log.line(
            self.now + server.offset, verb, reference, code=code, request=body, response=response, level=level, query=query
        )
        if not server.keeps(self.now, line):
            return
        if level == HIDES:
            self.hidden.setdefault(place, []).append(self.now)
            return
        if ghost is not None:
            ghost.told, ghost.is_implied = tried, form in ("put", "apply")
        if form == "apply" and level == "Request" and code < 400:
            self.hidden.setdefault(place, []).append(self.now)  # what it removes
        if code < 400:
            if level == "RequestResponse" or verb in ("create", "update"):
                self.shown[place] = self.now
                self.known_at = {(place, key): self.now for key in self.log.maps[place]} | self.known_at
            # an apply names all that is to be there, and else nobody writes these maps
            named = self.log.maps[place] if form == "apply" else [key for key, value in keys.items() if value is not None]
            self.set_at |= {(place, key): self.now for key in named}
            self.known_at = {(place, key): self.now for key in named} | self.known_at
            gone = [key for key, value in keys.items() if value is None and form != "apply"]
            if self.shown.get(place) == self.now:
                gone += [key for where, key in self.known_at if where == place and key not in self.log.maps[place]]
            self.removed_at |= dict.fromkeys([(place, key) for key in gone], self.now)

    def _resource(self, place: tuple[str, str]) -> str:
        return "secrets" if place in self.log.secrets else "configmaps"

    def _collection(self, space: str, name: str) -> None:
        state = self.log.maps.get((space, name))
        if state is None:
            return
        server, level = self.rng.choice(self.servers), self._level(space)
        shown = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [self.log.shown(space, name)]}
        del self.log.maps[space, name]
        line = self.log.line(
            self.now + server.offset,
            "deletecollection",
            {"resource": self._resource((space, name)), "namespace": space},
            response=shown,
            level=level,
        )
        if server.keeps(self.now, line) and level != "RequestResponse":
            self.hidden.setdefault((space, name), []).append(self.now)

    def _dump(self, second: float) -> None:
        maps = [self.log.shown(*place) for place in self.log.maps]
        self.dumped[second] = maps + list(self.alive.values())
        self.shown |= dict.fromkeys(self.log.maps, second)

    # what is left of it

    def write(self, folder: Path) -> list[Path]:
        """The logs, under names that say nothing, and the folder of dumps."""
        paths = []
        for number, lines in enumerate(lines for server in self.servers for lines in server.files if lines):
            paths.append(folder / f"{self.rng.randrange(10**9)}-{number}.log")
            paths[-1].write_bytes(b"".join(lines))
        if self.dumps:
            paths.append(folder / "dumps")
            for second, items in self.dumped.items():
                moment = paths[-1] / at(second)[:19].replace(":", "-")
                moment.mkdir(parents=True)
                (moment / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        return paths

    # the model

    def may(self) -> dict[str, set[str]]:
        """For each key whose subject went, the classes that may be told of it; the empty one: nothing."""
        found = {}
        for ghost in self.ghosts:
            value = self.log.maps.get(ghost.map, {}).get(ghost.key)
            shown, set_at, removed_at = (
                self.shown.get(ghost.map, 0.0), *(times.get((ghost.map, ghost.key), 0.0) for times in (self.set_at, self.removed_at))
            )  # fmt: skip
            # until when somebody may have done something to the key that nothing shows
            holes = [end for server in self.servers for _, end in server.holes]
            blind_until = max([*holes, *self.hidden.get(ghost.map, ()), *self.dumps[1:]], default=0.0)
            is_sure = ghost.is_seen and not ghost.is_back and value is not None
            told = ghost.told if ghost.told != "written-again" or removed_at > ghost.end else ""
            classes = {told} if told else set()
            if ghost.tried == "tombstone" and max(shown, set_at) > ghost.end:
                classes |= {"tombstone"}  # whoever emptied it
            if removed_at > ghost.end and (value is not None or ghost.tried == "written-again"):
                classes |= {"written-again"}  # whoever wrote it
            # nobody tried: neither after the subject's end, nor since the key was seen to be there
            if is_sure and not told and blind_until < ghost.end and blind_until <= max(shown, set_at):
                classes |= {"no-delete"}
            if not is_sure or (blind_until > 0 and (not told or ghost.is_implied)):
                classes |= {"unknown", ""}
            if len(self.servers) > 1 and "Request" in self.levels[ghost.map[0]]:
                classes |= {"unknown", ""}  # requests have no order where clocks differ
            if self.levels[ghost.map[0]][0] == HIDES or self.known_at.get((ghost.map, ghost.key), SECONDS) > ghost.end:
                classes |= {"unknown", ""}  # nothing shows that it was there when its subject went
            found[ghost.key] = classes
        return found
