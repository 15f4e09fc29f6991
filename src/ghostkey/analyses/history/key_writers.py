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

from ghostkey.analyses.history._base import MAP, MAPS, ORDER, PEOPLE, Query

_WRITE = f"CASE WHEN op <> 'delete' THEN {ORDER} END"
_REMOVAL = f"CASE WHEN op = 'delete' THEN {ORDER} END"

QUERY = Query(
    f"""
    WITH maps AS ({MAPS}),
    people AS ({PEOPLE.format("key_events")}),
    last AS (
        SELECT map_code, field, path, key, MIN(origin) AS origin, MAX_BY(writer_code, {_WRITE}) AS written_by,
            MAX_BY(audit_id, {_WRITE}) AS audit_id, MAX_BY(writer_code, {_REMOVAL}) AS removed_by
        FROM key_events
        WHERE op IN ('set', 'seen', 'delete')
        GROUP BY map_code, field, path, key
    )
    SELECT {MAP}, field, path, key, origin, w."user" AS writer, w.manager, w.agent, audit_id, r."user" AS deleter,
        r.manager AS deleting_manager
    FROM last JOIN maps ON maps.map_code = last.map_code
    LEFT JOIN people w ON w.writer_code = last.written_by
    LEFT JOIN people r ON r.writer_code = last.removed_by
    """  # noqa: S608 (the names are our own)
)
