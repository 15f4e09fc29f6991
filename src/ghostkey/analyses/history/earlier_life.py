"""The lives of objects whose UID a key bears and whose name a later one has: when each was made, and when and by whom it was deleted.

What it finds
    A row for each UID that was seen to be deleted, of which there is a key, and of whose name there was another object after it.
Why it matters
    A key of a name is about whoever has it; a key of a UID is a ghost once that object went, though another has its name now.
When it is wrong
    Where a log hides UIDs, or the deletion was not seen: then nothing is told of that life.
Example
    Pod prod/web-0 of UID 8c1f… was deleted at 10:14, and another web-0 made at 10:15; the key 8c1f… is still there.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, PEOPLE, Query

QUERY = Query(
    f"""
    WITH people AS ({PEOPLE.format("subject_events")}),
    lives AS (
        SELECT {MAP}, uid,
            MIN(CASE WHEN op IN ('created', 'seen') THEN at_us END) AS created_at,
            MAX(CASE WHEN op = 'deleting' THEN at_us END) AS deleting_at,
            MAX(CASE WHEN op = 'deleted' THEN at_us END) AS deleted_at,
            MAX(CASE WHEN op = 'deleted' THEN revision END) AS deleted_revision,
            MAX_BY(writer_code, CASE WHEN audit_id <> '' AND op IN ('deleting', 'deleted') THEN at_us END) AS deleted_by,
            MAX_BY(audit_id, CASE WHEN audit_id <> '' AND op IN ('deleting', 'deleted') THEN at_us END) AS delete_audit_id
        FROM subject_events WHERE uid IN (SELECT life_uid FROM links WHERE life_uid <> '')
        GROUP BY {MAP}, uid
        HAVING SUM(CASE WHEN op = 'deleted' AND origin <> 'dumps' THEN 1 ELSE 0 END) > 0
    )
    SELECT l.kind, l.namespace, l.name, l.uid, l.created_at, l.deleting_at, l.deleted_at, l.deleted_revision,
        people."user" AS deleter, people.agent AS deleting_agent, l.delete_audit_id,
        CASE WHEN l.delete_audit_id IS NULL THEN 0 ELSE 1 END AS is_audited
    FROM lives l
    LEFT JOIN people ON people.writer_code = l.deleted_by
    """  # noqa: S608 (the names are our own)
)
