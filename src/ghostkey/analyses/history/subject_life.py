"""The life of each object: when it was made, when and by whom it was deleted, and whether it lives.

What it finds
    A row for each object that any source saw, by kind, namespace and name; recreated objects share a row, and the last life
    decides.
Why it matters
    A key is a ghost from the moment its subject goes.
When it is wrong
    Before the first coverage: an object that was deleted then is not known at all.
Example
    Tenant prod/bakery was created on Monday, deleted by alice on Wednesday at 10:14, and gone when its finalizer went.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, PEOPLE, Query

_BEGAN = "op IN ('created', 'seen')"
# the request that asked for the deletion: the last one that met finalizers, else the one that ended it
_ASKED = """
    CASE WHEN audit_id <> '' AND op = 'deleting' THEN 1000000000000000000 + at_us WHEN audit_id <> '' AND op = 'deleted' THEN at_us END
"""

QUERY = Query(
    f"""
    WITH people AS ({PEOPLE.format("subject_events")}),
    life AS (
        SELECT {MAP},
            MIN(CASE WHEN {_BEGAN} THEN at_us END) AS created_at,
            MAX(CASE WHEN {_BEGAN} THEN at_us END) AS last_created_at,
            MAX(CASE WHEN {_BEGAN} THEN revision END) AS last_created_revision,
            MAX(CASE WHEN op = 'deleting' THEN at_us END) AS deleting_at,
            MAX(CASE WHEN op = 'deleted' THEN at_us END) AS deleted_at,
            MAX(CASE WHEN op = 'deleted' THEN revision END) AS deleted_revision,
            SUM(CASE WHEN op = 'deleted' THEN 1 ELSE 0 END) AS deleted,
            MAX_BY(uid, CASE WHEN uid <> '' THEN COALESCE(revision, at_us) END) AS uid,
            MAX_BY(writer_code, {_ASKED}) AS deleted_by,
            MAX_BY(audit_id, {_ASKED}) AS delete_audit_id
        FROM subject_events
        GROUP BY {MAP}
    )
    SELECT {MAP}, created_at, last_created_at, last_created_revision, deleting_at, deleted_at, deleted_revision, deleted, uid,
        people."user" AS deleter, people.agent AS deleting_agent, delete_audit_id,
        CASE WHEN delete_audit_id IS NULL THEN 0 ELSE 1 END AS is_audited,
        CASE
            WHEN deleted = 0 THEN TRUE
            WHEN last_created_revision IS NOT NULL AND deleted_revision IS NOT NULL
                THEN last_created_revision > deleted_revision
            WHEN last_created_at IS NOT NULL AND deleted_at IS NOT NULL THEN last_created_at > deleted_at
            ELSE FALSE
        END AS is_alive
    FROM life LEFT JOIN people ON people.writer_code = life.deleted_by
    """  # noqa: S608 (the names are our own)
)
