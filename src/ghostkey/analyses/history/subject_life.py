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

from ghostkey.analyses.history._base import MAP, Query

_BEGAN = "op IN ('created', 'seen')"
_ENDS = "op IN ('deleting', 'deleted')"


def _first(column: str) -> str:
    """The column of the request that asked for the deletion: the one that met finalizers, else the one that ended it."""
    asked, ended = (
        f"MAX_BY(\"{column}\", CASE WHEN op = '{op}' AND audit_id <> '' THEN at_us END)" for op in ("deleting", "deleted")
    )
    return f"CASE WHEN MAX(CASE WHEN op = 'deleting' AND audit_id <> '' THEN 1 ELSE 0 END) = 1 THEN {asked} ELSE {ended} END"


QUERY = Query(
    f"""
    SELECT life.*,
        CASE
            WHEN deleted = 0 THEN TRUE
            WHEN last_created_revision IS NOT NULL AND deleted_revision IS NOT NULL
                THEN last_created_revision > deleted_revision
            WHEN last_created_at IS NOT NULL AND deleted_at IS NOT NULL THEN last_created_at > deleted_at
            ELSE FALSE
        END AS is_alive
    FROM (
        SELECT {MAP},
            MIN(CASE WHEN {_BEGAN} THEN at_us END) AS created_at,
            MAX(CASE WHEN {_BEGAN} THEN at_us END) AS last_created_at,
            MAX(CASE WHEN {_BEGAN} THEN revision END) AS last_created_revision,
            MAX(CASE WHEN op = 'deleting' THEN at_us END) AS deleting_at,
            MAX(CASE WHEN op = 'deleted' THEN at_us END) AS deleted_at,
            MAX(CASE WHEN op = 'deleted' THEN revision END) AS deleted_revision,
            SUM(CASE WHEN op = 'deleted' THEN 1 ELSE 0 END) AS deleted,
            MAX_BY(uid, CASE WHEN uid <> '' THEN COALESCE(revision, at_us) END) AS uid,
            {_first("user")} AS deleter,
            {_first("agent")} AS deleting_agent,
            {_first("audit_id")} AS delete_audit_id,
            MAX(CASE WHEN {_ENDS} AND audit_id <> '' THEN 1 ELSE 0 END) AS is_audited
        FROM subject_events
        GROUP BY {MAP}
    ) life
    """  # noqa: S608 (the names are our own)
)
