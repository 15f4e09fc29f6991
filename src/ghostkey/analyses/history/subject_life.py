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

from ghostkey.analyses.history._base import MAP, PEOPLE, SHOWN, SKEW, Query

_BEGAN = "op IN ('created', 'seen')"
# the request that asked for the deletion: the last one that met finalizers, else the one that ended it
_ASKED = """
    CASE WHEN audit_id <> '' AND op = 'deleting' THEN 1000000000000000000 + at_us WHEN audit_id <> '' AND op = 'deleted' THEN at_us END
"""
# no UID comes again: whatever clocks say, the object of a UID that was deleted is gone, and the last one that was made lives where
# all deletions were of others at about that time or before. Else: recreated after the last deletion, by etcd's order where it is known
_IS_ALIVE = f"""
    CASE
        WHEN deleted = 0 THEN TRUE
        WHEN dead_uid IS NOT NULL THEN FALSE
        WHEN born_uid IS NOT NULL AND deleted = deleted_by_uid AND last_created_at >= deleted_at - {SKEW} THEN TRUE
        WHEN last_created_revision IS NOT NULL AND deleted_revision IS NOT NULL THEN last_created_revision > deleted_revision
        WHEN last_created_at IS NOT NULL AND deleted_at IS NOT NULL THEN last_created_at > deleted_at
        ELSE FALSE
    END
"""
# a dump only shows that an object has gone: when, who saw it go tells, unless it was there again since
_DELETED_AT = """
    CASE WHEN dead_uid IS NOT NULL OR told_deleted_at > COALESCE(last_created_at, 0) THEN told_deleted_at ELSE last_deleted_at END
"""

QUERY = Query(
    f"""
    WITH people AS ({PEOPLE.format("subject_events")}),
    life AS (
        SELECT {MAP},
            MIN(CASE WHEN {_BEGAN} THEN at_us END) AS created_at,
            MAX(CASE WHEN {_BEGAN} THEN at_us END) AS last_created_at,
            MAX(CASE WHEN {_BEGAN} THEN revision END) AS last_created_revision,
            MAX(CASE WHEN {_BEGAN} AND revision IS NULL THEN at_us END) AS timed_created_at,
            MAX(CASE WHEN op = 'deleting' THEN at_us END) AS deleting_at,
            MAX(CASE WHEN op = 'deleted' THEN at_us END) AS last_deleted_at,
            MAX(CASE WHEN op = 'deleted' AND origin <> 'dumps' THEN at_us END) AS told_deleted_at,
            MAX(CASE WHEN op = 'deleted' THEN revision END) AS deleted_revision,
            SUM(CASE WHEN op = 'deleted' THEN 1 ELSE 0 END) AS deleted,
            SUM(CASE WHEN op = 'deleted' AND origin <> 'dumps' AND uid <> '' THEN 1 ELSE 0 END) AS deleted_by_uid,
            MAX_BY(uid, CASE WHEN uid <> '' THEN COALESCE(at_us, revision) END) AS uid,
            MAX_BY(uid, CASE WHEN {_BEGAN} AND uid <> '' THEN COALESCE(revision, at_us) END) AS born_uid,
            MAX_BY(writer_code, {_ASKED}) AS deleted_by,
            MAX_BY(audit_id, {_ASKED}) AS delete_audit_id
        FROM subject_events
        GROUP BY {MAP}
    ),
    deaths AS (
        SELECT DISTINCT kind AS dead_kind, namespace AS dead_namespace, name AS dead_name, uid AS dead_uid
        FROM subject_events WHERE op = 'deleted' AND origin <> 'dumps' AND uid <> ''
    ),
    ends AS (
        SELECT 'namespace' AS what, name, MAX(at_us) AS at_us, MAX_BY(writer_code, {_ASKED}) AS by, MAX_BY(audit_id, {_ASKED}) AS id
        FROM subject_events
        WHERE kind = 'namespaces' AND op IN ('deleting', 'deleted')
        GROUP BY name HAVING SUM(CASE WHEN op = 'deleted' THEN 1 ELSE 0 END) > 0
        UNION ALL
        SELECT 'kind' AS what, name, MAX(at_us) AS at_us, MAX_BY(writer_code, {_ASKED}) AS by, MAX_BY(audit_id, {_ASKED}) AS id
        FROM subject_events
        WHERE kind = 'customresourcedefinitions.apiextensions.k8s.io' AND op IN ('deleting', 'deleted')
        GROUP BY name HAVING SUM(CASE WHEN op = 'deleted' THEN 1 ELSE 0 END) > 0
    ),
    alone AS (
        SELECT *, {_IS_ALIVE} AS is_there FROM (
            SELECT life.*, dead_uid, {_DELETED_AT} AS deleted_at
            FROM life LEFT JOIN deaths ON dead_kind = kind AND dead_namespace = namespace AND dead_name = name AND dead_uid = born_uid
        ) l
    ),
    -- a dump that lists the objects of a kind, of everywhere or of a namespace, shows that what is not among them has gone by then
    listed AS (
        SELECT kind AS listed_kind, namespace AS listed_namespace, MAX(until) AS listed_at FROM coverage
        WHERE origin = 'dumps' AND NOT is_gap AND kind <> '*' GROUP BY kind, namespace
    ),
    -- so does a snapshot, of the kinds that are in it, and of what was there at the revision of its compaction
    shown AS ({SHOWN}),
    held AS (
        SELECT DISTINCT e.kind AS held_kind, shown_revision, shown_at FROM subject_events e CROSS JOIN shown
        WHERE e.origin = 'etcd-snapshot' AND e.revision >= shown_revision
    ),
    own AS (
        SELECT m.*, m.is_there AND COALESCE(m.unlisted_at, m.unshown_at) IS NULL AS lives,
            CASE WHEN m.is_there THEN COALESCE(m.unlisted_at, m.unshown_at) END AS missed_at,
            m.deleting_at > COALESCE(m.last_created_at, 0) AS is_asked
        FROM (
            SELECT a.*,
                CASE WHEN GREATEST(COALESCE(l1.listed_at, 0), COALESCE(l2.listed_at, 0)) > COALESCE(a.last_created_at, 0) + {SKEW}
                    THEN GREATEST(COALESCE(l1.listed_at, 0), COALESCE(l2.listed_at, 0)) END AS unlisted_at,
                CASE WHEN a.last_created_revision < h.shown_revision AND COALESCE(a.timed_created_at, 0) <= h.shown_at
                    THEN h.shown_at END AS unshown_at
            FROM alone a
            LEFT JOIN held h ON h.held_kind = a.kind
            LEFT JOIN listed l1 ON l1.listed_kind = a.kind AND l1.listed_namespace = a.namespace AND a.namespace <> ''
            LEFT JOIN listed l2 ON l2.listed_kind = a.kind AND l2.listed_namespace = '*'
        ) m
    ),
    whole AS (
        SELECT o.*, n.at_us AS namespace_at, k.at_us AS kind_at,
            CASE WHEN o.lives AND n.at_us > COALESCE(o.last_created_at, 0) THEN 'namespace'
                WHEN o.lives AND k.at_us > COALESCE(o.last_created_at, 0) THEN 'kind' ELSE '' END AS went_with,
            n.by AS namespace_by, k.by AS kind_by, n.id AS namespace_id, k.id AS kind_id
        FROM own o
        LEFT JOIN ends n ON n.what = 'namespace' AND n.name = o.namespace AND o.namespace <> ''
        LEFT JOIN ends k ON k.what = 'kind' AND k.name = o.kind
    ),
    told AS (
        SELECT {MAP}, created_at, last_created_at, last_created_revision, deleted, lives, went_with,
            -- the last that was heard of, but for another server's clock
            CASE WHEN lives THEN COALESCE(born_uid, uid) ELSE uid END AS uid,
            CASE went_with WHEN 'namespace' THEN namespace_at WHEN 'kind' THEN kind_at
                ELSE CASE WHEN missed_at IS NULL OR is_asked THEN deleting_at END END AS deleting_at,
            CASE went_with WHEN 'namespace' THEN namespace_at WHEN 'kind' THEN kind_at ELSE COALESCE(missed_at, deleted_at) END AS deleted_at,
            CASE WHEN went_with = '' AND missed_at IS NULL THEN deleted_revision END AS deleted_revision,
            -- what went unseen was deleted by nobody who is known, unless that was asked for and had to wait
            CASE went_with WHEN 'namespace' THEN namespace_by WHEN 'kind' THEN kind_by
                ELSE CASE WHEN missed_at IS NULL OR is_asked THEN deleted_by END END AS deleted_by,
            CASE went_with WHEN 'namespace' THEN namespace_id WHEN 'kind' THEN kind_id
                ELSE CASE WHEN missed_at IS NULL OR is_asked THEN delete_audit_id END END AS delete_audit_id
        FROM whole
    )
    SELECT {MAP}, created_at, last_created_at, last_created_revision, deleting_at, deleted_at, deleted_revision, deleted, uid,
        people."user" AS deleter, people.agent AS deleting_agent, delete_audit_id, went_with,
        CASE WHEN delete_audit_id IS NULL THEN 0 ELSE 1 END AS is_audited, lives AND went_with = '' AS is_alive
    FROM told LEFT JOIN people ON people.writer_code = told.deleted_by
    """  # noqa: S608 (the names are our own)
)
