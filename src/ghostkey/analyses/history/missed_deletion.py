"""Why a key is still there although its subject went.

What it finds
    For each key whose subject was seen to go: how long it outlives it, and what should have removed it but did not:
    `no-delete` nobody tried · `wrong-key-name` somebody removed a key of another spelling, which was not there ·
    `delete-failed` the API server refused (its words are kept) · `written-again` it was removed and came back ·
    `ownership-stuck` its manager gave it up, another still owns it · `tombstone` its value was emptied ·
    `retention` keys of this map are removed some time after their subject, and this one's time has not come ·
    `unknown` the source would not have shown it.
Why it matters
    Each class is another mistake in the operator, and another line of code to mend.
When it is wrong
    `no-delete` says that no request was seen, so it needs an audit log that shows requests; from etcd alone it is unknown.
Example
    Tenant prod/bakery went at 10:14; at 10:14 tenant-operator removed `bakery`, but the key is `prod.bakery`.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import Query

# the spellings by which an operator may try to remove the key of a subject
_SPELLINGS = (
    "s.name", "CONCAT(s.namespace, '.', s.name)", "CONCAT(s.namespace, '-', s.name)", "CONCAT(s.namespace, '_', s.name)",
    "CONCAT(s.namespace, '/', s.name)", "CONCAT(s.name, '.', s.namespace)", "CONCAT(s.namespace, '--', s.name)", "s.uid",
)  # fmt: skip
_SPELT = "\n        UNION ALL\n".join(
    f"        SELECT kind, namespace, name, field, path, key, {text} AS spelling, ended_at FROM present s2".replace(  # noqa: S608
        "s.name", "subject_name"
    )
    .replace("s.namespace", "subject_namespace")
    .replace("s.uid", "subject_uid")
    for text in _SPELLINGS
)
_SAME_MAP = "{0}.kind = g.kind AND {0}.namespace = g.namespace AND {0}.name = g.name"
_SAME_KEY = _SAME_MAP + " AND {0}.field = g.field AND {0}.path = g.path AND {0}.key = g.key"

QUERY = Query(
    f"""
    WITH gone AS (
        SELECT k.kind, k.namespace, k.name, k.field, k.path, k.key, k.shape, k.value_bytes, k.first_set_at, k.first_seen_at,
            k.last_set_at, k.last_set_revision, k.deletes, k.last_delete_at, k.is_present,
            l.subject_kind, l.subject_namespace, l.subject_name, l.template, s.uid AS subject_uid,
            s.created_at AS subject_created_at, s.deleted_at AS subject_deleted_at, s.deleted_revision,
            s.deleter AS subject_deleter, s.deleting_agent, s.delete_audit_id, s.is_audited,
            COALESCE(s.deleting_at, s.deleted_at) AS ended_at
        FROM key_life k
        JOIN links l ON l.kind = k.kind AND l.namespace = k.namespace AND l.name = k.name AND l.field = k.field
            AND l.path = k.path AND l.key = k.key
        JOIN subject_life s ON s.kind = l.subject_kind AND s.namespace = l.subject_namespace AND s.name = l.subject_name
        WHERE NOT s.is_alive
    ),
    mistaken AS (
        SELECT DISTINCT kind, namespace, name FROM key_events WHERE op = 'missed-delete'
    ),
    present AS (
        SELECT gone.* FROM gone
        JOIN mistaken m ON m.kind = gone.kind AND m.namespace = gone.namespace AND m.name = gone.name
        WHERE gone.is_present
    ),
    spelt AS (
{_SPELT}
    ),
    missed AS (
        SELECT s.kind, s.namespace, s.name, s.field, s.path, s.key,
            MAX_BY(e.key, e.at_us) AS wrong_key, MAX_BY(e."user", e.at_us) AS attempt_by, MAX_BY(e.agent, e.at_us) AS attempt_agent,
            MAX(e.at_us) AS attempt_at, MAX_BY(e.audit_id, e.at_us) AS attempt_audit_id
        FROM spelt s
        JOIN key_events e ON e.op = 'missed-delete' AND e.kind = s.kind AND e.namespace = s.namespace AND e.name = s.name
            AND e.key = s.spelling AND e.at_us >= s.ended_at
        WHERE e.key <> s.key
        GROUP BY s.kind, s.namespace, s.name, s.field, s.path, s.key
    ),
    refused AS (
        SELECT kind, namespace, name, key, MAX_BY(error, at_us) AS error, MAX_BY("user", at_us) AS attempt_by,
            MAX_BY(agent, at_us) AS attempt_agent, MAX(at_us) AS attempt_at, MAX_BY(audit_id, at_us) AS attempt_audit_id
        FROM key_events
        WHERE op = 'refused-delete' OR (op = 'refused-set' AND key = '' AND verb IN ('update', 'patch'))
        GROUP BY kind, namespace, name, key
    ),
    released AS (
        SELECT kind, namespace, name, key, MAX(at_us) AS attempt_at, MAX_BY("user", at_us) AS attempt_by,
            MAX_BY(agent, at_us) AS attempt_agent, MAX_BY(audit_id, at_us) AS attempt_audit_id
        FROM key_events WHERE op = 'released' GROUP BY kind, namespace, name, key
    ),
    kept AS (
        SELECT kind, namespace, name, COUNT(*) AS removed_late, MAX(last_delete_at - subject_deleted_at) AS longest
        FROM gone
        WHERE NOT is_present AND last_delete_at > subject_deleted_at + 1000000
        GROUP BY kind, namespace, name
    ),
    seen AS (
        SELECT MAX(until) AS until, MAX(CASE WHEN origin IN ('audit') THEN 1 ELSE 0 END) AS has_audit
        FROM coverage WHERE NOT is_gap
    )
    SELECT g.kind, g.namespace, g.name, g.field, g.path, g.key, g.subject_kind, g.subject_namespace, g.subject_name, g.subject_uid,
        g.template, g.shape, g.value_bytes, w.writer, w.manager, w.agent, w.audit_id, g.first_set_at, g.first_seen_at,
        g.last_set_at, g.subject_created_at, g.ended_at, g.subject_deleted_at, g.subject_deleter, g.deleting_agent,
        g.delete_audit_id, seen.until - g.subject_deleted_at AS outliving, m.wrong_key,
        COALESCE(m.attempt_by, r.attempt_by, rm.attempt_by, o.attempt_by) AS attempt_by,
        COALESCE(m.attempt_agent, r.attempt_agent, rm.attempt_agent, o.attempt_agent) AS attempt_agent,
        COALESCE(m.attempt_at, r.attempt_at, rm.attempt_at, o.attempt_at) AS attempt_at,
        COALESCE(m.attempt_audit_id, r.attempt_audit_id, rm.attempt_audit_id, o.attempt_audit_id) AS attempt_audit_id,
        COALESCE(r.error, rm.error) AS error, w.deleter AS key_deleter, g.last_delete_at,
        CASE
            WHEN g.shape = 'empty' AND g.last_set_at >= g.ended_at THEN 'tombstone'
            WHEN g.deletes > 0 AND g.last_delete_at >= g.ended_at THEN 'written-again'
            WHEN m.key IS NOT NULL THEN 'wrong-key-name'
            WHEN r.attempt_at >= g.ended_at OR rm.attempt_at >= g.ended_at THEN 'delete-failed'
            WHEN o.attempt_at >= g.ended_at THEN 'ownership-stuck'
            WHEN kept.removed_late >= 3 AND seen.until - g.subject_deleted_at <= kept.longest THEN 'retention'
            WHEN g.deletes > 0 AND g.last_set_at >= g.ended_at THEN 'written-again'
            WHEN seen.has_audit = 0 OR g.is_audited = 0 THEN 'unknown'
            ELSE 'no-delete'
        END AS class
    FROM gone g
    JOIN key_writers w ON {_SAME_KEY.format("w")}
    CROSS JOIN seen
    LEFT JOIN missed m ON {_SAME_KEY.format("m")}
    LEFT JOIN refused r ON {_SAME_MAP.format("r")} AND r.key = g.key AND g.path = ''
    LEFT JOIN refused rm ON {_SAME_MAP.format("rm")} AND rm.key = ''
    LEFT JOIN released o ON {_SAME_MAP.format("o")} AND o.key = g.key AND g.path = ''
    LEFT JOIN kept ON {_SAME_MAP.format("kept")}
    WHERE g.is_present
    """,  # noqa: S608 (the names are our own)
    needs=("key_life", "key_writers", "subject_life"),
)
