"""Makes every query's result known to an engine: links keys to subjects, and says where nobody looked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ghostkey.analyses import history as queries
from ghostkey.inference.links import Past, declared_links, link_keys
from ghostkey.model.events import Coverage, KeysSeen, Shape, SubjectsSeen
from ghostkey.model.refs import Kind, ObjectRef
from ghostkey.store.engines import Engine
from ghostkey.store.snapshot import Snapshot
from ghostkey.story import blind
from ghostkey.story.attempts import ATTEMPTS, SQL, Linked, Names, attempts
from ghostkey.story.meant import meant_by_keys
from ghostkey.story.words import kind_of

LINKS = {
    "kind": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR", "field": "VARCHAR", "path": "VARCHAR", "key": "VARCHAR",
    "subject_kind": "VARCHAR", "subject_namespace": "VARCHAR", "subject_name": "VARCHAR", "template": "VARCHAR",
    "is_told": "BOOLEAN", "namesakes": "BIGINT", "life_uid": "VARCHAR",
}  # fmt: skip
OBJECTS = {"row_number": "BIGINT", "kind": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR"}
IS = "kind = ? AND namespace = ? AND name = ?"  # the condition for one object
# the subjects of keys, the map itself, and what objects go with
_LINKED = """
    EXISTS (SELECT 1 FROM meant m WHERE m.kind = t.kind AND m.namespace = t.namespace AND m.name = t.name)
    OR EXISTS (SELECT 1 FROM key_events k WHERE k.kind = t.kind AND k.namespace = t.namespace AND k.name = t.name)
    OR t.kind IN ('namespaces', 'customresourcedefinitions.apiextensions.k8s.io')
"""
_LAST_UID = """
    COALESCE(MAX_BY(uid, CASE WHEN uid <> '' AND op IN ('created', 'seen') THEN COALESCE(revision, at_us) END),
        MAX_BY(uid, CASE WHEN uid <> '' THEN COALESCE(at_us, revision) END), '')
"""
# records of happenings and makers of other objects, which no registry is about
NO_SUBJECTS = {
    "configmaps",
    "secrets",
    "serviceaccounts",
    "controllerrevisions.apps",
    "customresourcedefinitions.apiextensions.k8s.io",
}


def prepare(engine: Engine, subjects: Sequence[str] = (), only: tuple[str, str, str] | None = None) -> int:
    """Makes every query's result known to the engine; how many keys have a subject. `subjects` are declared links.

    With `only` (kind, namespace, name) all is about that one map, in a store of however many.
    """
    if only is not None:
        focus_on(engine, only)
    snapshot, reused = _snapshot(engine)
    past = Past(_earlier(engine, snapshot, reused), partial(_is_everywhere, engine))
    found = (
        itertools.chain.from_iterable(declared_links(snapshot, text, past) for text in subjects)
        if subjects
        else link_keys(snapshot, past)
    )
    keys = meant_by_keys(found)
    # what has to be known of the lives of objects before it is told which of several a key is for
    asked = {row for key in keys.values() if only is not None or len(key.templates) > 1 for row in key.templates}
    engine.load("meant", OBJECTS, [(row, *_object(snapshot, row)) for row in sorted(asked)])
    if only is not None:
        engine.focus("subject_events", _LINKED)
    blind.load(engine)
    queries.define_one(engine, "subject_life")
    ends = _ends(engine) if any(len(key.templates) > 1 for key in keys.values()) else {}
    rows = [
        (*spot, *_object(snapshot, row), key.templates[row], not place, len(key.templates), key.uid)
        for spot, key in keys.items()
        for place, row in enumerate(key.chosen(ends, snapshot.subjects.namespaces))
    ]
    engine.load("links", LINKS, rows)
    queries.define_one(engine, "earlier_life")
    engine.load("attempts", ATTEMPTS, list(_attempts(engine, [row for row in rows if row[10]])))
    queries.define(engine)
    return len(keys)


def _earlier(engine: Engine, snapshot: Snapshot, reused: Sequence[tuple[str, str, str]]) -> list[tuple[int, str]]:
    """(row, UID) of each UID that was seen to be deleted, of names that several objects had."""
    if not reused:
        return []
    names = set(reused)
    rows = [(row, *one) for row in range(len(snapshot.subjects)) if (one := _object(snapshot, row)) in names]
    engine.load("reused", OBJECTS, rows)
    sql = """
        SELECT DISTINCT r.row_number, e.uid FROM reused r
        JOIN subject_events e ON e.kind = r.kind AND e.namespace = r.namespace AND e.name = r.name
        WHERE e.op = 'deleted' AND e.origin <> 'dumps' AND e.uid <> ''
    """
    return sorted((one["row_number"], one["uid"]) for one in engine.rows(sql))


def _object(snapshot: Snapshot, row: int) -> tuple[str, str, str]:
    """Kind, namespace and name of an object by its row."""
    return snapshot.subjects.kind(row).qualified, snapshot.subjects.namespaces[row], snapshot.subjects.names[row]


def _is_everywhere(engine: Engine, holder: ObjectRef) -> bool:
    """Whether there is a map of this name in another namespace, too."""
    sql = f"SELECT 1 AS one FROM {engine.unfocused('key_events')} t WHERE kind = ? AND name = ? AND namespace <> ? LIMIT 1"  # noqa: S608
    return bool(engine.rows(sql, [holder.kind.qualified, holder.name, holder.namespace]))


def _ends(engine: Engine) -> dict[int, int | None]:
    """Row of each object that a key may be meant for → when it went, and None while it lives."""
    sql = """
        SELECT m.row_number, l.is_alive, COALESCE(l.deleted_at, l.deleting_at, 0) AS ended_at FROM meant m
        JOIN subject_life l ON l.kind = m.kind AND l.namespace = m.namespace AND l.name = m.name
    """
    found = engine.columns(sql)
    columns = zip(*(found[name] for name in ("row_number", "is_alive", "ended_at")), strict=True)
    return {row: None if is_alive else ended for row, is_alive, ended in columns}


def _attempts(engine: Engine, links: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    missed = engine.rows(SQL)
    if not missed:
        return
    about = {(row["kind"], row["namespace"], row["name"]) for row in missed}
    lives = engine.rows(
        "SELECT kind, namespace, name, uid, is_alive, COALESCE(deleting_at, deleted_at) AS ended_at FROM subject_life"
    )
    life = {(row["kind"], row["namespace"], row["name"]): row for row in lives}
    earlier = engine.rows("SELECT uid, COALESCE(deleting_at, deleted_at) AS ended_at FROM earlier_life")
    ends = {row["uid"]: row["ended_at"] for row in earlier}
    linked: dict[tuple[str, str, str], list[Linked]] = {}
    kinds = set()
    for kind, namespace, name, field, path, key, subject_kind, subject_namespace, subject, *_, life_uid in links:
        if (kind, namespace, name) not in about:
            continue
        row = life.get((subject_kind, subject_namespace, subject))
        ended = None if row is None or row["is_alive"] else row["ended_at"]
        uid = (row["uid"] or "") if row else ""
        kinds.add(subject_kind)
        linked.setdefault((kind, namespace, name), []).append(
            Linked(
                field,
                path,
                key,
                subject_kind,
                subject_namespace,
                subject,
                life_uid or uid,
                ends.get(life_uid) if life_uid else ended,
            )
        )
    names = Names((namespace, name) for kind, namespace, name in life if kind in kinds)
    yield from attempts(missed, linked, names)


def focus_on(engine: Engine, holder: tuple[str, str, str]) -> None:
    """Makes the engine's key events those of one map: kind, namespace and name."""
    # an event that two imports hold counts once
    engine.focus("key_events", IS, holder, once="audit_id, field, path, key, op")


def keys_there(engine: Engine, holder: tuple[str, str, str]) -> dict[tuple[str, str, str], int]:
    """(field, path, key) → bytes of the value, of what a map has as far as the history tells."""
    focus_on(engine, holder)
    engine.define("key_life", queries.all_queries()["key_life"].sql)
    present = engine.rows("SELECT field, path, key, value_bytes FROM key_life WHERE is_present")
    return {(row["field"], row["path"], row["key"]): row["value_bytes"] for row in present}


def _snapshot(engine: Engine) -> tuple[Snapshot, list[tuple[str, str, str]]]:
    """Every key and object that was ever there, as if all lived at once; and the names that several had, one after the other."""
    snapshot = Snapshot("history")
    kinds: dict[str, Kind] = {}
    columns: dict[str, SubjectsSeen] = {}
    sql = f"""
        SELECT kind, namespace, name, {_LAST_UID} AS uid,
            MIN(CASE WHEN uid <> '' THEN uid END) <> MAX(uid) AS is_reused
        FROM subject_events GROUP BY kind, namespace, name ORDER BY kind
    """  # noqa: S608 (the names are our own)
    found = engine.columns(sql)
    reused = [
        one
        for one, is_reused in zip(
            zip(*(found[name] for name in ("kind", "namespace", "name")), strict=True), found["is_reused"], strict=True
        )
        if is_reused
    ]
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
    return snapshot, reused
