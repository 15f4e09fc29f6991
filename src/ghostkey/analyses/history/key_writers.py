"""Who wrote each key last, and who removed it last.

What it finds
    A row for each key that any source saw: user, manager, agent and audit id of its last write, user and manager of its last
    removal, and which sort of source told.
Why it matters
    Who writes a key and who removes it are often two programs, and the second has a mistake.
When it is wrong
    From etcd alone there are managers, and no users. Where the last write was seen by etcd alone, its user is not known,
    even if an audit log names that of an older one.
Example
    `prod.bakery` was last written by tenant-operator, and never removed by anybody.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import KNOWN, MAP, MAPS, PEOPLE, Query

# which of several writes is the last: etcd's order; of those who saw the same write, who knows the user
_NUMBER = """2 * revision + CASE WHEN "user" <> '' THEN 1 ELSE 0 END"""
_BY_SOMEBODY = """("user" <> '' OR manager <> '')"""
_WRITE = f"CASE WHEN {KNOWN} AND revision IS NOT NULL THEN {_NUMBER} END"
# a removal that was only noticed beats none that was seen; neither counts when the key was written since
_REMOVAL = f"CASE WHEN op = 'delete' AND {_BY_SOMEBODY} AND revision IS NOT NULL THEN {_NUMBER} END"
# what was only seen beats no known write, unless it is another value, which somebody wrote unseen
_WHICH = """
    CASE
        WHEN numbered IS NULL AND t.timed IS NULL THEN 'seen'
        WHEN s.seen_hash <> COALESCE(set_hash, s.seen_hash) AND s.seen_at > GREATEST(COALESCE(numbered_at, 0), COALESCE(t.timed, 0))
            THEN 'seen'
        WHEN numbered IS NULL OR COALESCE(t.timed, 0) > COALESCE(numbered_at, 0) THEN 'timed'
        ELSE 'numbered'
    END
"""

# what has no revision, and what was only seen, is little of most stores: each is grouped by itself, and joined
QUERY = Query(
    f"""
    WITH maps AS ({MAPS}),
    people AS ({PEOPLE.format("key_events")}),
    last AS (
        SELECT map_code, field, path, key, MIN(key_code) AS key_code,
            MAX({_WRITE}) AS numbered, MAX(CASE WHEN {KNOWN} AND revision IS NOT NULL THEN at_us END) AS numbered_at,
            MAX_BY(writer_code, {_WRITE}) AS numbered_by, MAX_BY(audit_id, {_WRITE}) AS numbered_id,
            MAX_BY(value_hash, {_WRITE}) AS set_hash, MAX_BY(writer_code, {_REMOVAL}) AS removed_by, MAX({_REMOVAL}) AS removal,
            MAX(CASE WHEN op = 'delete' THEN revision END) AS noticed
        FROM key_events
        WHERE op IN ('set', 'seen', 'delete')
        GROUP BY map_code, field, path, key
    ),
    t AS (
        SELECT key_code, MAX(at_us) AS timed, MAX_BY(writer_code, at_us) AS timed_by, MAX_BY(audit_id, at_us) AS timed_id
        FROM key_events WHERE {KNOWN} AND revision IS NULL GROUP BY key_code
    ),
    s AS (
        SELECT key_code, MAX(at_us) AS seen_at, MAX_BY(writer_code, at_us) AS seen_by, MAX_BY(value_hash, at_us) AS seen_hash
        FROM key_events WHERE op IN ('set', 'seen') AND NOT ({KNOWN}) GROUP BY key_code
    ),
    d AS (
        SELECT key_code, MAX(at_us) AS timed_removal, MAX_BY(writer_code, at_us) AS timed_removed_by
        FROM key_events WHERE op = 'delete' AND {_BY_SOMEBODY} AND revision IS NULL GROUP BY key_code
    ),
    chosen AS (
        SELECT last.*, t.timed_by, t.timed_id, s.seen_by, d.timed_removal, d.timed_removed_by, {_WHICH} AS which
        FROM last LEFT JOIN t ON t.key_code = last.key_code LEFT JOIN s ON s.key_code = last.key_code
        LEFT JOIN d ON d.key_code = last.key_code
    )
    SELECT {MAP}, field, path, key,
        COALESCE(w.origin, r.origin) AS origin, w."user" AS writer, w.manager, w.agent,
        CASE which WHEN 'seen' THEN '' WHEN 'timed' THEN timed_id ELSE numbered_id END AS audit_id,
        CASE which WHEN 'seen' THEN 0 ELSE 1 END AS is_written,
        r."user" AS deleter, r.manager AS deleting_manager
    FROM chosen JOIN maps ON maps.map_code = chosen.map_code
    LEFT JOIN people w
        ON w.writer_code = CASE which WHEN 'seen' THEN seen_by WHEN 'timed' THEN timed_by ELSE numbered_by END
    LEFT JOIN people r
        ON r.writer_code = CASE
            -- written after the last removal that was seen, and gone again: by whom nobody knows
            WHEN removal < numbered AND 2 * noticed > numbered THEN NULL
            WHEN timed_removal > COALESCE(numbered_at, 0) OR removal IS NULL THEN timed_removed_by
            ELSE removed_by
        END
    """  # noqa: S608 (the names are our own)
)
