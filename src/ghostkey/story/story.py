"""The story of one map: its keys and their subjects, why ghosts are there, who wrote it, how it grows, and what is not known."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ghostkey.analyses import history as queries
from ghostkey.model.nearest import meant_map
from ghostkey.store.engines import Engine
from ghostkey.story import blind
from ghostkey.story.forecast import Forecast, forecast
from ghostkey.story.limits import Size, size_of
from ghostkey.story.prepare import IS, focus_on

# of the object that a key of a UID is about, and not of a later one of its name
_OF_LIFE = ", ".join(
    f"CASE WHEN l.life_uid = '' THEN s.{name} ELSE e.{name} END AS {name}"
    for name in ("uid", "created_at", "deleting_at", "deleted_at", "deleter")
)
_EVENTS = ("key_events", "subject_events")
LOOKED_THROUGH = 20_000  # names of maps that may have been meant
IDLE = 60_000_000  # microseconds within which a write that changed nothing is told as perhaps meant for a key


@dataclass(slots=True)
class Story:
    """What is known of one map: points of growth, its keys, ghosts with their class, writers, gaps.

    `links` has the subject of each key, and of several that it may be for the one that lives, or went last; `others` the others,
    and `subjects` all.
    """

    kind: str
    namespace: str
    name: str
    growth: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    links: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    others: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    ghosts: list[dict[str, Any]] = field(default_factory=list)
    writers: list[dict[str, Any]] = field(default_factory=list)
    encoded_twice: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)
    forecast: Forecast | None = None
    size: Size = field(default_factory=Size)

    @property
    def names_bytes(self) -> int:
        """Bytes of the names of the keys that are there, which a limit on values does not count."""
        return sum(len(row["key"]) for row in self.keys if row["is_present"] and not row["path"])

    @property
    def peak_of_living(self) -> int:
        """The most keys it had at once whose subject was there, or is not known: what it needs, and not what was left behind in it."""
        steps: Counter[int] = Counter()
        for row in self.keys:
            link = self.links.get((row["field"], row["path"], row["key"]))
            begin = row["first_set_at"] if row["first_set_at"] is not None else row["first_seen_at"]
            ends = [None if row["is_present"] else row["last_delete_at"]]
            if link is not None and not link["is_alive"]:
                ends.append(link["deleted_at"] if link["deleted_at"] is not None else link["deleting_at"])
            end = min((at for at in ends if at is not None), default=None)
            if not row["path"] and begin is not None and (end is None or end > begin):
                steps[begin] += 1
                steps[begin if end is None else end] -= end is not None
        # keys that come and go are here all the time: so many at once as there ever were is the most
        most = max((int(point["keys"]) for point in self.growth), default=0)
        return min(max(itertools.accumulate(steps[at] for at in sorted(steps)), default=0), most)

    @property
    def unlinked(self) -> list[dict[str, Any]]:
        """Keys that are there and of which no source showed the subject: settings, or of objects that nobody saw."""
        linked = set(self.links)
        documents = {(field, path.split("/")[0]) for field, path, _ in linked}
        return [
            row
            for row in self.keys
            if row["is_present"]
            and not row["path"]
            and (row["field"], row["path"], row["key"]) not in linked
            and (row["field"], row["key"]) not in documents
        ]


def present_keys(engine: Engine, kind: str, namespace: str, name: str) -> list[dict[str, Any]]:
    """The lives of the keys that a map has now, by path and key."""
    return _lives(engine, f"{IS} AND is_present", [kind, namespace, name])


def is_known(engine: Engine, kind: str, namespace: str, name: str) -> bool:
    """Whether anything is known of one map, gone or empty as it may be."""
    asked = f"SELECT 1 AS one FROM {{}} WHERE {IS} LIMIT 1"  # noqa: S608 (names of our own)
    return any(engine.rows(asked.format(table), [kind, namespace, name]) for table in _EVENTS)


def meant(engine: Engine, kind: str, namespace: str, name: str) -> str:
    """What may have been meant by a map of which nothing is known; empty where no name is like it.

    The engine has the events of all maps of the kind from then on: for when there is nothing more to tell.
    """
    engine.focus("key_events", "kind = ?", [kind])
    known = engine.rows(f"SELECT DISTINCT namespace, name FROM key_events ORDER BY 1, 2 LIMIT {LOOKED_THROUGH}")  # noqa: S608
    here = [row["name"] for row in known if row["namespace"] == namespace]
    return meant_map(name, here, [row["namespace"] for row in known if row["name"] == name])


def _lives(engine: Engine, where: str, values: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of key_life, each with the rest of what key_writers tells."""
    return engine.rows(
        f"SELECT * FROM (SELECT * FROM key_life WHERE {where}) k "  # noqa: S608
        "JOIN key_writers w USING (kind, namespace, name, field, path, key) ORDER BY field, path, key",
        values,
    )


def key_named(engine: Engine, kind: str, namespace: str, name: str, words: str) -> tuple[str, str]:
    """Path and key that a person means: a key of the map, else an entry of a document, `DOCUMENT/PATH/ENTRY`."""
    if "/" in words:
        where = f"{IS} AND path || '/' || key = ? AND path <> ''"
        for row in engine.rows(f"SELECT DISTINCT path, key FROM key_life WHERE {where}", [kind, namespace, name, words]):  # noqa: S608
            return str(row["path"]), str(row["key"])
    return "", words


def story_of(engine: Engine, kind: str, namespace: str, name: str, key: str = "", path: str = "") -> Story:
    """The story of one map (of one key of it, when `key` is given); `prepare` has to be called before."""
    where = " AND ".join([IS, *(["key = ?"] if key else []), *(["path = ?"] if path else [])])
    holder = [kind, namespace, name]
    values = [*holder, *filter(None, (key, path))]
    story = Story(kind, namespace, name)
    story.keys = _lives(engine, where, values)
    story.ghosts = engine.rows(f"SELECT * FROM missed_deletion WHERE {where} ORDER BY ended_at, path, key", values)  # noqa: S608
    story.growth = engine.rows(f"SELECT * FROM growth WHERE {IS} ORDER BY at_us", holder)  # noqa: S608
    story.writers = engine.rows(f'SELECT * FROM writers WHERE {IS} ORDER BY events DESC, "user", manager, op', holder)  # noqa: S608
    story.encoded_twice = engine.rows(f"SELECT * FROM encoded_twice WHERE {IS} ORDER BY since", holder)  # noqa: S608
    story.coverage = blind.coverage(engine)
    linked = engine.rows(
        f"SELECT l.*, {_OF_LIFE}, s.is_alive AND l.life_uid = '' AS is_alive "  # noqa: S608
        f"FROM (SELECT * FROM links WHERE {where}) l JOIN subject_life s "
        "ON s.kind = l.subject_kind AND s.namespace = l.subject_namespace AND s.name = l.subject_name "
        "LEFT JOIN earlier_life e ON e.uid = l.life_uid",
        values,
    )
    for row in linked:
        if row["is_told"]:
            story.links[row["field"], row["path"], row["key"]] = row
        else:
            story.others.setdefault((row["field"], row["path"], row["key"]), []).append(row)
        story.subjects[row["subject_kind"], row["subject_namespace"], row["subject_name"]] = row
    _note_idle(engine, story)
    story.size = _size(engine, holder)
    story.forecast = forecast(story)
    return story


def growth_of(engine: Engine, holder: tuple[str, str, str]) -> Forecast | None:
    """How one map grows, without the rest of its story; the bytes are those of its values."""
    focus_on(engine, holder)
    for name in ("key_life", "growth"):
        queries.define_one(engine, name)
    told = Story(*holder)
    told.growth = engine.rows("SELECT * FROM growth ORDER BY at_us")
    told.keys = engine.rows("SELECT field, path, key, is_present, value_bytes FROM key_life")
    told.coverage = blind.coverage(engine)
    told.size = _size(engine, holder)
    law = forecast(told)
    # the history counts names and values
    return replace(law, bytes=law.bytes - told.names_bytes) if law else None


def _size(engine: Engine, holder: Sequence[str]) -> Size:
    sized = engine.rows(f"SELECT * FROM key_events WHERE {IS} AND op = 'sized' ORDER BY at_us DESC LIMIT 1", holder)  # noqa: S608
    return size_of(sized[0] if sized else None)


def _note_idle(engine: Engine, story: Story) -> None:
    """Says of each ghost who wrote the map soon after its subject went, and changed nothing."""
    sql = f"""SELECT at_us, "user", agent, audit_id FROM key_events WHERE {IS} AND op = 'unchanged' ORDER BY at_us"""  # noqa: S608
    idle = [row for row in engine.rows(sql, [story.kind, story.namespace, story.name]) if row["at_us"] is not None]
    times = [row["at_us"] for row in idle]
    for ghost in story.ghosts:
        ended = ghost["ended_at"]
        place = bisect_left(times, ended) if ended is not None else len(times)
        found = idle[place] if place < len(times) and times[place] - ended <= IDLE else None
        ghost["idle_by"], ghost["idle_agent"] = (found["user"], found["agent"]) if found else (None, None)
        ghost["idle_at"], ghost["idle_audit_id"] = (found["at_us"], found["audit_id"]) if found else (None, None)
