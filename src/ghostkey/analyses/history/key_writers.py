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
_WRITE = f"CASE WHEN {KNOWN} AND revision IS NOT NULL THEN {_NUMBER} END"
_TIMED = f"CASE WHEN {KNOWN} AND revision IS NULL THEN at_us END"
_SEEN = f"CASE WHEN op IN ('set', 'seen') AND NOT ({KNOWN}) THEN at_us END"
# a removal that was only noticed beats none that was seen; neither counts when the key was written since
_REMOVED = """op = 'delete' AND ("user" <> '' OR manager <> '')"""
_REMOVAL = f"CASE WHEN {_REMOVED} AND revision IS NOT NULL THEN {_NUMBER} END"
_TIMED_REMOVAL = f"CASE WHEN {_REMOVED} AND revision IS NULL THEN at_us END"
# what was only seen beats no known write, unless it is another value, which somebody wrote unseen
_WHICH = """
    CASE
        WHEN numbered IS NULL AND timed IS NULL THEN 'seen'
        WHEN seen_hash <> COALESCE(set_hash, seen_hash) AND seen_at > COALESCE(set_at, 0) THEN 'seen'
        WHEN numbered IS NULL OR COALESCE(timed, 0) > COALESCE(numbered_at, 0) THEN 'timed'
        ELSE 'numbered'
    END
"""

QUERY = Query(
    f"""
    WITH maps AS ({MAPS}),
    people AS ({PEOPLE.format("key_events")}),
    last AS (
        SELECT map_code, field, path, key,
            MAX({_WRITE}) AS numbered, MAX({_TIMED}) AS timed, MAX({_SEEN}) AS seen_at,
            MAX(CASE WHEN {KNOWN} AND revision IS NOT NULL THEN at_us END) AS numbered_at,
            MAX(CASE WHEN {KNOWN} THEN at_us END) AS set_at,
            MAX_BY(value_hash, CASE WHEN {KNOWN} THEN at_us END) AS set_hash, MAX_BY(value_hash, {_SEEN}) AS seen_hash,
            MAX_BY(origin, {_WRITE}) AS numbered_origin, MAX_BY(origin, {_TIMED}) AS timed_origin,
            MIN(origin) AS origin, MAX_BY(origin, {_SEEN}) AS seen_origin,
            MAX_BY(writer_code, {_WRITE}) AS numbered_by, MAX_BY(writer_code, {_TIMED}) AS timed_by,
            MAX_BY(writer_code, {_SEEN}) AS seen_by,
            MAX_BY(audit_id, {_WRITE}) AS numbered_id, MAX_BY(audit_id, {_TIMED}) AS timed_id,
            MAX_BY(writer_code, {_REMOVAL}) AS removed_by, MAX_BY(writer_code, {_TIMED_REMOVAL}) AS timed_removed_by,
            MAX({_REMOVAL}) AS removal, MAX({_TIMED_REMOVAL}) AS timed_removal,
            MAX(CASE WHEN {_REMOVED} AND revision IS NOT NULL THEN at_us END) AS removed_at,
            MAX(CASE WHEN op = 'delete' THEN revision END) AS noticed
        FROM key_events
        WHERE op IN ('set', 'seen', 'delete')
        GROUP BY map_code, field, path, key
    ),
    chosen AS (SELECT last.*, {_WHICH} AS which FROM last)
    SELECT {MAP}, field, path, key,
        CASE which WHEN 'seen' THEN COALESCE(seen_origin, chosen.origin) WHEN 'timed' THEN timed_origin ELSE numbered_origin END AS origin,
        w."user" AS writer, w.manager, w.agent,
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
            WHEN removal IS NULL OR COALESCE(timed_removal, 0) > COALESCE(removed_at, 0)
            THEN timed_removed_by ELSE removed_by END
    """  # noqa: S608 (the names are our own)
)
