"""From a store of history to answers: links keys to subjects, runs the queries, tells the story of a map and of a key."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ghostkey.analyses import history as queries
from ghostkey.inference.links import declared_links, link_keys
from ghostkey.kube.sizes import OBJECT_LIMIT, VALUES_LIMIT
from ghostkey.model.events import Coverage, KeysSeen, Shape, SubjectsSeen
from ghostkey.model.history import rfc3339
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.sources.history.open import open_source, sort_of
from ghostkey.sources.history.states import KeyedHash
from ghostkey.store.engines import Engine
from ghostkey.store.history import SCHEMA_VERSION, History, Imported, content_id
from ghostkey.store.scratch import scratch_directory
from ghostkey.store.snapshot import Snapshot

if TYPE_CHECKING:
    from ghostkey.sources.history.audit.log import AuditLog

_EVENTS = ("key_events", "subject_events")
DAY = 86_400_000_000  # microseconds
LINKS = {
    "kind": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR", "field": "VARCHAR", "path": "VARCHAR", "key": "VARCHAR",
    "subject_kind": "VARCHAR", "subject_namespace": "VARCHAR", "subject_name": "VARCHAR", "template": "VARCHAR",
}  # fmt: skip
_LINKED = """
    EXISTS (SELECT 1 FROM links l WHERE l.subject_kind = t.kind AND l.subject_namespace = t.namespace AND l.subject_name = t.name)
"""
# records of happenings and makers of other objects, which no registry is about
NO_SUBJECTS = {"configmaps", "secrets", "serviceaccounts", "controllerrevisions.apps"}
CLASSES = {
    "no-delete": "nobody tried to remove it",
    "wrong-key-name": "what was removed is a key of another spelling, which was not there",
    "delete-failed": "the API server refused the removal",
    "written-again": "it was removed, and written again",
    "ownership-stuck": "its manager gave it up, and another manager still owns it",
    "tombstone": "its value was emptied, and the key stayed",
    "retention": "keys of this map go some time after their subject, and its time has not come",
    "unknown": "the sources would not have shown whether anybody tried",
}


def kind_of(qualified: str, *, namespaced: bool) -> Kind:
    """The kind that a qualified resource stands for; its CamelCase name is made up of the plural, which is all that is known."""
    if qualified == "configmaps":
        return CONFIG_MAPS
    if qualified == "secrets":
        return SECRETS
    resource, _, group = qualified.partition(".")
    single = resource[:-3] + "y" if resource.endswith("ies") else resource.removesuffix("s")
    return Kind(group, "v1", single.capitalize(), resource, namespaced)


def kind_name(qualified: str) -> str:
    """`Tenant` for `tenants.demo.example.com`."""
    return kind_of(qualified, namespaced=True).kind


def import_paths(
    history: History,
    paths: Sequence[str | Path],
    sort: str = "",
    fields: Sequence[tuple[str, str]] = (),
    *,
    carve: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    processes: int = 0,
) -> list[Imported]:
    """Imports files and folders, each told by its content unless `sort` says what they are; audit logs come as one set.

    The same content again changes nothing. An audit log that has grown since takes the place of what was imported of it.
    A large audit log is read by so many processes, 0 for one a processor. Raises SourceDamaged when one cannot be read at all.
    """
    sorts: dict[str, list[Path]] = {}
    for path in map(Path, paths):
        sorts.setdefault(sort or sort_of(path), []).append(path)
    digest = KeyedHash(history.secret)
    salt = repr((sorted(fields), carve, SCHEMA_VERSION))
    done = []
    for found, members in sorts.items():
        for group in [members] if found == "audit" else [[member] for member in members]:
            with _spooled(group) as files:
                import_id = content_id(files, salt=salt + found)
                source = open_source(files, found, digest, fields, carve=carve, progress=progress)
                events = (
                    source.events()
                    if found != "audit"
                    else partial(cast("AuditLog", source).events, processes=processes or _processors())
                )
                made = history.has(import_id) or history.add(import_id, source.origin, " ".join(map(str, group)), events)
            done.append(made)
            for older in history.imports():
                # the same paths with other content: a log that grew, a snapshot that was taken anew in its place
                if found == "audit" and made.is_new and older.id != made.id and older.source == made.source:
                    history.drop(older.id)
    return done


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _spooled(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The paths, with standard input written to a file: it is read twice, for its id and for its events."""
    if not any(str(path) == "-" for path in paths):
        yield list(paths)
        return
    with scratch_directory("stdin") as folder:
        spooled = folder / "stdin"
        with spooled.open("wb") as handle:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        yield [spooled if str(path) == "-" else path for path in paths]


def prepare(engine: Engine, subjects: Sequence[str] = (), only: tuple[str, str, str] | None = None) -> int:
    """Makes every query's result known to the engine; how many keys have a subject. `subjects` are declared links.

    With `only` (kind, namespace, name) all is about that one map, in a store of however many.
    """
    if only is not None:
        engine.focus("key_events", _is(*only))
    snapshot = _snapshot(engine)
    rows = []
    found: Iterable[tuple[KeysSeen, int, int, str]] = (
        (link for text in subjects for link in declared_links(snapshot, text)) if subjects else link_keys(snapshot)
    )
    for seen, i, row, template in found:
        kind, holder = snapshot.subjects.kind(row), seen.holder
        rows.append(
            (
                holder.kind.qualified, holder.namespace, holder.name, seen.field, "/".join(seen.path), seen.keys[i],
                kind.qualified, snapshot.subjects.namespaces[row], snapshot.subjects.names[row], template,
            )
        )  # fmt: skip
    engine.load("links", LINKS, rows)
    if only is not None:
        engine.focus("subject_events", _LINKED)
    queries.define(engine)
    return len(rows)


def focus_on(engine: Engine, holder: tuple[str, str, str]) -> None:
    """Makes the engine's key events those of one map: kind, namespace and name."""
    engine.focus("key_events", _is(*holder))


def keys_there(engine: Engine, holder: tuple[str, str, str]) -> dict[tuple[str, str, str], int]:
    """(field, path, key) → bytes of the value, of what a map has as far as the history tells."""
    focus_on(engine, holder)
    engine.define("key_life", queries.all_queries()["key_life"].sql)
    present = engine.rows("SELECT field, path, key, value_bytes FROM key_life WHERE is_present")
    return {(row["field"], row["path"], row["key"]): row["value_bytes"] for row in present}


def _snapshot(engine: Engine) -> Snapshot:
    """Every key and object that was ever there, as if all lived at once."""
    snapshot = Snapshot("history")
    kinds: dict[str, Kind] = {}
    columns: dict[str, SubjectsSeen] = {}
    sql = "SELECT kind, namespace, name, MAX(uid) AS uid FROM subject_events GROUP BY kind, namespace, name ORDER BY kind"
    found = engine.columns(sql)
    begin = 0
    for qualified, members in itertools.groupby(found["kind"]):
        end = begin + sum(1 for _ in members)
        if qualified not in NO_SUBJECTS:
            kind = kinds[qualified] = kind_of(qualified, namespaced=bool(found["namespace"][begin]))
            namespaces, names, uids = (found[name][begin:end] for name in ("namespace", "name", "uid"))
            columns[qualified] = SubjectsSeen(kind, namespaces, names, uids)
        begin = end
    snapshot.absorb(columns.values())
    snapshot.absorb(Coverage(known) for known in kinds.values())
    sql = """
        SELECT kind, namespace, name, field, path, key, MAX(shape) AS shape FROM key_events
        WHERE op IN ('set', 'seen') GROUP BY kind, namespace, name, field, path, key
        ORDER BY kind, namespace, name, field, path, key
    """
    maps: dict[tuple[str, ...], KeysSeen] = {}
    shapes: dict[str, Shape] = {}
    for row in engine.rows(sql):
        spot = (row["kind"], row["namespace"], row["name"], row["field"], row["path"])
        seen = maps.get(spot)
        if seen is None:
            holder = ObjectRef(kind_of(row["kind"], namespaced=True), row["namespace"], row["name"])
            path = tuple(row["path"].split("/")) if row["path"] else ()
            seen = maps[spot] = KeysSeen(holder, row["field"], path, [], [], [])
        seen.keys.append(row["key"])
        seen.sizes.append(0)
        seen.shapes.append(shapes.setdefault(row["shape"], Shape(row["shape"])))
    snapshot.absorb(maps.values())
    return snapshot


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a map grows. Slopes are per day, robust (Theil–Sen over troughs), with their quartiles; `full_at` is when the
    limit that binds first is met, None when it is not growing. `follows_subjects`: it grows as its subjects do."""

    keys: int
    bytes: int
    keys_per_day: float
    low: float
    high: float
    bytes_per_day: float
    binding: str = ""
    full_at: int | None = None
    keys_per_subject: float | None = None
    follows_subjects: bool = False


@dataclass(slots=True)
class Story:
    """What is known of one map: points of growth, its keys, ghosts with their class, writers, gaps."""

    kind: str
    namespace: str
    name: str
    growth: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    links: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    ghosts: list[dict[str, Any]] = field(default_factory=list)
    writers: list[dict[str, Any]] = field(default_factory=list)
    encoded_twice: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)
    forecast: Forecast | None = None

    @property
    def names_bytes(self) -> int:
        """Bytes of the names of the keys that are there, which a limit on values does not count."""
        return sum(len(row["key"]) for row in self.keys if row["is_present"] and not row["path"])


def _same(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _is(kind: str, namespace: str, name: str) -> str:
    """The SQL condition for one object."""
    return f"kind = {_same(kind)} AND namespace = {_same(namespace)} AND name = {_same(name)}"


def present_keys(engine: Engine, kind: str, namespace: str, name: str) -> list[dict[str, Any]]:
    """The lives of the keys that a map has now, by path and key."""
    return _lives(engine, f"{_is(kind, namespace, name)} AND is_present")


def is_known(engine: Engine, kind: str, namespace: str, name: str) -> bool:
    """Whether anything is known of one map, gone or empty as it may be."""
    return any(bool(engine.rows(f"SELECT 1 AS one FROM {table} WHERE {_is(kind, namespace, name)} LIMIT 1")) for table in _EVENTS)  # noqa: S608


def _lives(engine: Engine, where: str) -> list[dict[str, Any]]:
    """Rows of key_life, each with the rest of what key_writers tells."""
    return engine.rows(
        f"SELECT * FROM (SELECT * FROM key_life WHERE {where}) k "  # noqa: S608
        "JOIN key_writers w USING (kind, namespace, name, field, path, key) ORDER BY field, path, key"
    )


def key_named(engine: Engine, kind: str, namespace: str, name: str, words: str) -> tuple[str, str]:
    """Path and key that a person means: a key of the map, else an entry of a document, `DOCUMENT/PATH/ENTRY`."""
    if "/" in words:
        where = f"{_is(kind, namespace, name)} AND path || '/' || key = {_same(words)} AND path <> ''"
        for row in engine.rows(f"SELECT DISTINCT path, key FROM key_life WHERE {where}"):  # noqa: S608
            return str(row["path"]), str(row["key"])
    return "", words


def story_of(engine: Engine, kind: str, namespace: str, name: str, key: str = "", path: str = "") -> Story:
    """The story of one map (of one key of it, when `key` is given); `prepare` has to be called before."""
    where = _is(kind, namespace, name)
    one = (f" AND key = {_same(key)}" if key else "") + (f" AND path = {_same(path)}" if path else "")
    story = Story(kind, namespace, name)
    story.keys = _lives(engine, where + one)
    story.ghosts = engine.rows(f"SELECT * FROM missed_deletion WHERE {where}{one} ORDER BY ended_at, path, key")  # noqa: S608
    story.growth = engine.rows(f"SELECT * FROM growth WHERE {where} ORDER BY at_us")  # noqa: S608
    story.writers = engine.rows(f'SELECT * FROM writers WHERE {where} ORDER BY events DESC, "user", manager, op')  # noqa: S608
    story.encoded_twice = engine.rows(f"SELECT * FROM encoded_twice WHERE {where} ORDER BY since")  # noqa: S608
    story.coverage = engine.rows("SELECT * FROM coverage ORDER BY is_gap, origin, kind, namespace, since")
    linked = engine.rows(
        f"SELECT l.*, s.uid, s.created_at, s.deleting_at, s.deleted_at, s.deleter, s.is_alive "  # noqa: S608
        f"FROM (SELECT * FROM links WHERE {where}{one}) l JOIN subject_life s "
        "ON s.kind = l.subject_kind AND s.namespace = l.subject_namespace AND s.name = l.subject_name"
    )
    for row in linked:
        story.links[row["field"], row["path"], row["key"]] = row
        story.subjects[row["subject_kind"], row["subject_namespace"], row["subject_name"]] = row
    story.forecast = forecast(story)
    return story


def forecast(story: Story) -> Forecast | None:
    """The growth law of a map; None when there is nothing to tell one from."""
    points = [point for point in story.growth if point["at_us"] is not None]
    if not points:
        return None
    last = points[-1]
    keys, size = int(last["keys"]), int(last["bytes"])
    if len(points) < 3 or points[-1]["at_us"] - points[0]["at_us"] < 3_000_000:
        return Forecast(keys, size, 0.0, 0.0, 0.0, 0.0)
    bottoms = _troughs(points)
    low, slope, high = _theil_sen([(p["at_us"], float(p["keys"])) for p in bottoms])
    _, bytes_slope, _ = _theil_sen([(p["at_us"], float(p["bytes"])) for p in bottoms])
    created = sum(int(p["added"]) for p in points)
    living = sum(bool(row["is_alive"]) for row in story.subjects.values())
    follows = bool(story.subjects) and not story.ghosts and living >= 0.8 * keys
    known = Forecast(
        keys, size, slope * DAY, low * DAY, high * DAY, bytes_slope * DAY,
        keys_per_subject=keys / max(1, len(story.subjects)) if story.subjects and created else None, follows_subjects=follows,
    )  # fmt: skip
    if bytes_slope <= 0:
        return known
    # values, and key names with protobuf around them, and managedFields, which hold each key once more
    names = story.names_bytes
    overhead = 6 * keys
    stored = size + overhead
    with_fields = stored + names + 8 * keys
    grown = max(1.0, bytes_slope * DAY)
    limits = {
        "values/1 MiB": (size - names, VALUES_LIMIT, 1.0),
        "stored object/1.5 MiB": (stored, OBJECT_LIMIT, stored / max(1, size)),
        "stored object with managedFields/1.5 MiB": (with_fields, OBJECT_LIMIT, with_fields / max(1, size)),
    }
    days = {limit: (allowed - used) / (grown * factor) for limit, (used, allowed, factor) in limits.items()}
    binding = min(days, key=days.__getitem__)
    full_at = last["at_us"] + int(max(0.0, days[binding]) * DAY)
    return dataclasses.replace(known, binding=binding, full_at=full_at)


def _troughs(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lower edge of a saw: points not above all that follow within the next eighth of the span."""
    reach = (points[-1]["at_us"] - points[0]["at_us"]) / 8
    kept = []
    for place, point in enumerate(points):
        later = [p["keys"] for p in points[place + 1 :] if p["at_us"] - point["at_us"] <= reach]
        if not later or point["keys"] <= min(later):
            kept.append(point)
    return kept if len(kept) >= 3 else points


def _theil_sen(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the slopes between all pairs of points."""
    import statistics

    slopes = [
        (right[1] - left[1]) / (right[0] - left[0])
        for place, left in enumerate(points)
        for right in points[place + 1 :]
        if right[0] > left[0]
    ]
    if len(slopes) < 2:
        return (slopes[0],) * 3 if slopes else (0.0, 0.0, 0.0)
    low, middle, high = statistics.quantiles(slopes, n=4)
    return low, middle, high


def when(at: int | None) -> str:
    """A time for people, RFC 3339 in UTC; `?` where it is not known."""
    return rfc3339(at) if at is not None else "?"


def gap_line(row: dict[str, Any]) -> str:
    """One row of the coverage in words: `audit: not seen from … to …: …`."""
    if row["since"] is not None or row["until"] is not None:
        span = f"from {when(row['since'])} to {when(row['until'])}"
    elif row["since_revision"] is not None or row["until_revision"] is not None:
        begin, end = (f"{value:,}" if value is not None else "?" for value in (row["since_revision"], row["until_revision"]))
        span = f"between revisions {begin} and {end}"
    else:
        span = "at some time"
    about = "" if row["kind"] == "*" else f"{row['kind']} " + (f"in {row['namespace']} " if row["namespace"] != "*" else "")
    if row["is_gap"]:
        return f"{row['origin']}: {about}not seen {span}: {row['why']}"
    return f"{row['origin']}: {about}seen {span}"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: when (None: not known), what in words, and the audit id or origin that shows it."""

    at: int | None
    what: str
    proof: str
    kind: str = ""  # set, delete, missed, refused, created, deleting, deleted, now


_KEY_WORDS = {
    "set": "key written", "seen": "key seen", "delete": "key removed", "missed-delete": "tried to remove",
    "refused-set": "write refused", "refused-delete": "removal refused", "released": "key given up by its manager, and kept by another",
}  # fmt: skip
_SUBJECT_WORDS = {
    "created": "was created{}", "seen": "was seen", "deleting": "was deleted{}, and waits for its finalizers",
    "deleted": "is gone: deleted{}",
}  # fmt: skip


def timeline(engine: Engine, story: Story, key: str, path: str = "") -> list[Moment]:
    """What happened to one key and its subject, in order; one line for what several sources saw."""
    where = _is(story.kind, story.namespace, story.name) + (f" AND path IN ('', {_same(path)})" if path else "")
    wrong = {row["wrong_key"] for row in story.ghosts if row["key"] == key and row["wrong_key"]}
    named = ", ".join(_same(word) for word in [key, *sorted(wrong)])
    events = engine.rows(f"SELECT * FROM key_events WHERE {where} AND (key IN ({named}) OR (key = '' AND op LIKE 'refused%'))")  # noqa: S608
    ghost = next((row for row in story.ghosts if row["key"] == key), None)
    since = ghost["ended_at"] if ghost else None
    moments: list[tuple[Any, ...]] = []
    for row in events:
        if path and row["key"] == key and row["path"] != path:
            continue
        if row["key"] in wrong and row["key"] != key and row["op"] != "missed-delete":
            continue
        if row["op"].startswith("refused") and not row["key"] and (since is None or (row["at_us"] or 0) < since):
            continue
        what = _KEY_WORDS[row["op"]]
        what += f" `{row['key']}`, which is not there" if row["op"] == "missed-delete" else ""
        what += f" ({row['value_bytes']:,} bytes)" if row["op"] in ("set", "seen") and row["value_bytes"] >= 0 else ""
        by = _by(row)
        what += f" by {by}" if by else ""
        what += f": {row['error']}" if row["error"] else ""
        moments.append((row["revision"], row["op"], row["at_us"], what, row["audit_id"] or row["origin"], row["op"]))
    for link in (row for spot, row in story.links.items() if spot[2] == key):
        place = f"{link['subject_namespace']}/" if link["subject_namespace"] else ""
        about = f"{kind_name(link['subject_kind'])} {place}{link['subject_name']}"
        where = _is(link["subject_kind"], link["subject_namespace"], link["subject_name"])
        for row in engine.rows(f"SELECT * FROM subject_events WHERE {where}"):  # noqa: S608
            by = _by(row)
            what = f"{about} {_SUBJECT_WORDS[row['op']].format(f' by {by}' if by else '')}"
            # the revision of a deletion differs between an audit log and etcd: the object's last one, and the deletion's own
            moments.append((None if row["op"] == "deleted" else row["revision"], about + row["op"], row["at_us"], what,
                            row["audit_id"] or row["origin"], row["op"]))  # fmt: skip
    return [Moment(*moment[2:]) for moment in _once(moments)]


def _once(moments: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each happening once, the audit log's word first, in the order of time."""
    best: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for moment in moments:
        spot = (moment[0], moment[1]) if moment[0] is not None or moment[5] == "deleted" else moment[1:4]
        held = best.get(spot)
        if held is None or _weight(moment) > _weight(held):
            best[spot] = moment
    return sorted(best.values(), key=lambda moment: (moment[2] is None, moment[2] or 0, moment[0] or 0))


def _weight(moment: tuple[Any, ...]) -> tuple[bool, bool]:
    return "-" in moment[4] and len(moment[4]) == 36, moment[2] is not None


def _by(row: dict[str, Any]) -> str:
    names = [name for name in (row["user"], row["manager"]) if name]
    return " as ".join(dict.fromkeys(names)) + (f" from {row['source_ip']}" if row["source_ip"] else "")
