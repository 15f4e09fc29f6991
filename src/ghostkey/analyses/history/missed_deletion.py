"""Why a key is still there although its subject went.

What it finds
    For each key whose subject was seen to go: how long it outlives it, and what should have removed it but did not:
    `no-delete` nobody tried · `wrong-key-name` somebody removed a key of another spelling, which was not there ·
    `delete-failed` the API server refused (its words are kept) · `written-again` it was removed and came back ·
    `ownership-stuck` its manager gave it up, another still owns it · `tombstone` its value was emptied ·
    `retention` keys of this map are removed some time after their subject, all after about the same, and this one's time has not
    come · `unknown` the sources would not have shown it. Each with its confidence.
Why it matters
    Each class is another mistake in the operator, and another line of code to mend.
When it is wrong
    `no-delete` says that no request was seen, so it needs an audit log that shows requests, and every moment from the subject's
    end to the end of what was seen within it, and from when the key was seen to be there last; else it is unknown. Which of
    several keys a wrong name was meant for is told by what the two have in common. What ghostkey trimmed and put back is nobody's
    removal, and nobody's write.
Example
    Tenant prod/bakery went at 10:14; at 10:14 tenant-operator removed `bakery`, but the key is `prod.bakery`.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import SKEW, Query

_SAME_MAP = "{0}.kind = g.kind AND {0}.namespace = g.namespace AND {0}.name = g.name"
_SAME_KEY = _SAME_MAP + " AND {0}.field = g.field AND {0}.path = g.path AND {0}.key = g.key"
_SAME_LIFE = _SAME_KEY.replace("g.", "k.")  # as a row of key_life
# when the removals of a map are so alike that they follow a rule: the longest wait, and how much it may differ from the mean
_ALIKE = "kept.longest - kept.shortest <= 0.5 * kept.mean"
# microseconds: a map of which a request says that it is too large takes no write of anybody
_TOO_LARGE = "(error LIKE '413%' OR error LIKE '%too large%' OR error LIKE '%Too long%' OR error LIKE '%must have at most%')"
_BLIND_UNTIL = "GREATEST(COALESCE(h1.until, 0), COALESCE(h2.until, 0), COALESCE(h3.until, 0), COALESCE(h4.until, 0), COALESCE(shown.hidden_at, 0))"
# what ghostkey itself puts back it had trimmed: neither says anything of those whose task the key is
_IS_OURS = "{0}.op IN ('set', 'delete') AND {0}.agent LIKE 'ghostkey/%'"
_KEY = "{0}.kind, {0}.namespace, {0}.name, {0}.field, {0}.path, {0}.key"
# the latest of them; of those who saw the same one, who knows the user
_SET, _DELETE = (
    f"""CASE WHEN e.op = '{op}' THEN 2 * e.at_us + CASE WHEN e."user" <> '' THEN 1 ELSE 0 END END""" for op in ("set", "delete")
)
# whether the key may have gone unseen since it was seen to be there
_IS_UNSURE = f"{_BLIND_UNTIL} > GREATEST(COALESCE(shown.at_us, 0), COALESCE(g.last_set_at, 0))"
# or nobody would have seen a request at some time from its subject's end on
_IS_BLIND = f"({_BLIND_UNTIL} >= g.ended_at - {SKEW} OR {_IS_UNSURE})"

QUERY = Query(
    f"""
    WITH ours AS (SELECT DISTINCT {_KEY.format("e")}, e.op, e.revision, e.at_us FROM key_events e WHERE {_IS_OURS.format("e")}),
    trimmed AS (
        SELECT {_KEY.format("g")}, MIN(CASE WHEN g.op = 'delete' THEN g.at_us END) AS trimmed_at,
            MAX(CASE WHEN g.op = 'delete' THEN g.at_us END) AS trimmed_last, MAX(CASE WHEN g.op = 'set' THEN g.at_us END) AS put_back_at
        FROM ours g GROUP BY {_KEY.format("g")}
    ),
    put_back AS (SELECT * FROM trimmed WHERE put_back_at IS NOT NULL),
    theirs AS (
        SELECT {_KEY.format("g")}, CAST(FLOOR(MAX({_DELETE}) / 2) AS BIGINT) AS removed_at, MAX_BY(e."user", {_DELETE}) AS remover,
            CAST(FLOOR(MAX({_SET}) / 2) AS BIGINT) AS set_at, MAX_BY(e."user", {_SET}) AS writer, MAX_BY(e.manager, {_SET}) AS manager,
            MAX_BY(e.agent, {_SET}) AS agent, MAX_BY(e.audit_id, {_SET}) AS audit_id
        FROM put_back g
        JOIN key_events e ON {_SAME_KEY.format("e")} AND e.op IN ('set', 'delete') AND NOT ({_IS_OURS.format("e")})
        -- another source shows the same write, and not whose it is
        LEFT JOIN ours o ON {_SAME_KEY.format("o")} AND (o.revision = e.revision
            OR ((o.revision IS NULL OR e.revision IS NULL) AND o.op = e.op AND o.at_us BETWEEN e.at_us - {SKEW} AND e.at_us + {SKEW}))
        WHERE o.key IS NULL
        GROUP BY {_KEY.format("g")}
    ),
    -- a key of a UID is about that object, whoever has its name now
    lives AS (
        SELECT kind, namespace, name, '' AS life_uid, uid, created_at, deleting_at, deleted_at, deleted_revision, deleter, deleting_agent,
            delete_audit_id, is_audited, went_with, is_alive FROM subject_life
        UNION ALL
        SELECT kind, namespace, name, uid, uid, created_at, deleting_at, deleted_at, deleted_revision, deleter, deleting_agent,
            delete_audit_id, is_audited, '', FALSE FROM earlier_life
    ),
    gone AS (
        SELECT k.kind, k.namespace, k.name, k.field, k.path, k.key, k.shape, k.value_bytes, k.first_set_at, k.first_seen_at,
            CASE WHEN p.key IS NULL THEN k.last_set_at ELSE COALESCE(t.set_at, k.first_seen_at) END AS last_set_at,
            CASE WHEN p.key IS NULL THEN k.last_known_set_at ELSE t.set_at END AS last_known_set_at,
            CASE WHEN p.key IS NULL THEN k.deletes WHEN t.removed_at IS NULL THEN 0 ELSE 1 END AS deletes,
            CASE WHEN p.key IS NULL THEN k.last_delete_at ELSE t.removed_at END AS last_delete_at,
            k.is_present, p.put_back_at, m.trimmed_at, m.trimmed_last, t.remover, t.writer, t.manager, t.agent, t.audit_id,
            l.subject_kind, l.subject_namespace, l.subject_name, l.template, l.namesakes, s.uid AS subject_uid,
            s.created_at AS subject_created_at, s.deleted_at AS subject_deleted_at, s.deleted_revision,
            s.deleter AS subject_deleter, s.deleting_agent, s.delete_audit_id, s.is_audited, s.went_with,
            COALESCE(s.deleting_at, s.deleted_at) AS ended_at
        FROM key_life k
        -- of several that a key may be for, the one that went last, and none of them lives
        JOIN links l ON {_SAME_LIFE.format("l")} AND l.is_told
        JOIN lives s ON s.kind = l.subject_kind AND s.namespace = l.subject_namespace AND s.name = l.subject_name
            AND s.life_uid = l.life_uid
        LEFT JOIN trimmed m ON {_SAME_LIFE.format("m")}
        LEFT JOIN theirs t ON {_SAME_LIFE.format("t")}
        -- what they removed after they had written it is theirs, whoever put it back
        LEFT JOIN put_back p ON {_SAME_LIFE.format("p")}
            AND COALESCE(t.removed_at, 0) <= COALESCE(t.set_at, k.first_seen_at)
        WHERE NOT s.is_alive
    ),
    missed AS (
        SELECT g.kind, g.namespace, g.name, g.field, g.path, g.key,
            MAX_BY(a.wrong_key, a.at_us) AS wrong_key, MAX_BY(a."user", a.at_us) AS attempt_by,
            MAX_BY(a.agent, a.at_us) AS attempt_agent, MAX(a.at_us) AS attempt_at, MAX_BY(a.audit_id, a.at_us) AS attempt_audit_id,
            MAX_BY(a.error, a.at_us) AS error, MAX_BY(a.score, a.at_us) AS score
        FROM gone g
        JOIN attempts a ON {_SAME_KEY.format("a")} AND a.at_us >= g.ended_at - {SKEW}
        WHERE g.is_present
        GROUP BY g.kind, g.namespace, g.name, g.field, g.path, g.key
    ),
    refused AS (
        SELECT kind, namespace, name, key, MAX_BY(error, at_us) AS error, MAX_BY("user", at_us) AS attempt_by,
            MAX_BY(agent, at_us) AS attempt_agent, MAX(at_us) AS attempt_at, MAX_BY(audit_id, at_us) AS attempt_audit_id,
            MAX_BY(verb, at_us) AS verb
        FROM key_events
        WHERE (op = 'refused-delete' AND key <> '')
            OR (op IN ('refused-set', 'refused-delete') AND key = '' AND verb IN ('update', 'patch') AND {_TOO_LARGE})
        GROUP BY kind, namespace, name, key
    ),
    released AS (
        SELECT kind, namespace, name, key, MAX(at_us) AS attempt_at, MAX_BY("user", at_us) AS attempt_by,
            MAX_BY(agent, at_us) AS attempt_agent, MAX_BY(audit_id, at_us) AS attempt_audit_id
        FROM key_events WHERE op = 'released' GROUP BY kind, namespace, name, key
    ),
    kept AS (
        SELECT kind, namespace, name, COUNT(*) AS removed_late, MAX(last_delete_at - subject_deleted_at) AS longest,
            MIN(last_delete_at - subject_deleted_at) AS shortest, AVG(last_delete_at - subject_deleted_at) AS mean
        FROM gone
        WHERE NOT is_present AND last_delete_at > subject_deleted_at + 1000000
            -- what ghostkey removes says nothing of how long others wait
            AND (trimmed_last IS NULL OR trimmed_last < last_delete_at - {SKEW})
        GROUP BY kind, namespace, name
    ),
    shown AS (
        SELECT kind, namespace, name, MAX(CASE WHEN origin = 'audit' AND op <> 'hidden-write' THEN 1 ELSE 0 END) AS is_audited,
            -- an answer, or another source, shows all of a map; a request shows what it names
            MAX(CASE WHEN revision IS NOT NULL OR origin <> 'audit' THEN at_us END) AS at_us,
            -- a write of which nobody knows what it changed, or whether it was stored
            MAX(CASE WHEN op = 'hidden-write' THEN at_us END) AS hidden_at
        FROM key_events GROUP BY kind, namespace, name
    ),
    hidden AS (
        SELECT kind, namespace, MAX(COALESCE(until, 9000000000000000)) AS until FROM blind GROUP BY kind, namespace
    ),
    seen AS (
        SELECT MAX(until) AS until, MAX(CASE WHEN origin = 'audit' THEN 1 ELSE 0 END) AS has_audit
        FROM coverage WHERE NOT is_gap
    ),
    told AS (
        SELECT g.kind, g.namespace, g.name, g.field, g.path, g.key, g.subject_kind, g.subject_namespace, g.subject_name,
            g.subject_uid, g.template, g.namesakes, g.shape, g.value_bytes,
            CASE WHEN g.put_back_at IS NULL THEN w.writer ELSE g.writer END AS writer,
            CASE WHEN g.put_back_at IS NULL THEN w.manager ELSE g.manager END AS manager,
            CASE WHEN g.put_back_at IS NULL THEN w.agent ELSE g.agent END AS agent,
            CASE WHEN g.put_back_at IS NULL THEN w.audit_id ELSE g.audit_id END AS audit_id, w.is_written, g.put_back_at,
            -- the write of the one who is told as the writer
            CASE WHEN g.put_back_at IS NOT NULL OR w.is_written = 1 THEN g.last_known_set_at END AS written_at,
            g.first_set_at, g.first_seen_at, g.last_set_at, g.subject_created_at, g.ended_at, g.subject_deleted_at,
            g.subject_deleter, g.deleting_agent, g.delete_audit_id, g.went_with,
            seen.until - g.subject_deleted_at AS outliving, m.wrong_key,
            COALESCE(m.attempt_by, r.attempt_by, rm.attempt_by, o.attempt_by) AS attempt_by,
            COALESCE(m.attempt_agent, r.attempt_agent, rm.attempt_agent, o.attempt_agent) AS attempt_agent,
            COALESCE(m.attempt_at, r.attempt_at, rm.attempt_at, o.attempt_at) AS attempt_at,
            COALESCE(m.attempt_audit_id, r.attempt_audit_id, rm.attempt_audit_id, o.attempt_audit_id) AS attempt_audit_id,
            COALESCE(m.error, r.error, rm.error) AS error, m.score,
            CASE WHEN g.put_back_at IS NULL THEN w.deleter ELSE g.remover END AS key_deleter, g.last_delete_at,
            CASE
                -- at its subject's end it was not there, and nobody had anything to remove
                WHEN g.put_back_at >= g.ended_at AND g.trimmed_at < g.ended_at THEN 'unknown'
                WHEN g.shape = 'empty' AND g.last_set_at >= g.ended_at - {SKEW} THEN 'tombstone'
                WHEN g.deletes > 0 AND g.last_delete_at >= g.ended_at - {SKEW} THEN 'written-again'
                WHEN r.attempt_at >= g.ended_at - {SKEW} AND r.attempt_at >= COALESCE(m.attempt_at, 0)
                    -- an update removes what it leaves out, if it is there
                    AND (r.verb <> 'update' OR NOT {_IS_UNSURE}) THEN 'delete-failed'
                WHEN m.key IS NOT NULL THEN 'wrong-key-name'
                WHEN rm.attempt_at >= g.ended_at - {SKEW} THEN 'delete-failed'
                WHEN o.attempt_at >= g.ended_at - {SKEW} THEN 'ownership-stuck'
                WHEN g.deletes > 0 AND g.last_known_set_at >= g.ended_at THEN 'written-again'
                WHEN {_IS_BLIND} THEN 'unknown'
                WHEN {_BLIND_UNTIL} > 0 AND g.first_set_at = g.first_seen_at AND g.first_set_at > g.ended_at THEN 'unknown'
                WHEN kept.removed_late >= 3 AND {_ALIKE} AND seen.until - g.subject_deleted_at <= kept.longest THEN 'retention'
                WHEN seen.has_audit = 0 OR g.is_audited = 0 OR shown.is_audited = 0 THEN 'unknown'
                ELSE 'no-delete'
            END AS class,
            CASE WHEN {_IS_BLIND} THEN 1 ELSE 0 END AS is_blind
        FROM gone g
        JOIN key_writers w ON {_SAME_KEY.format("w")}
        CROSS JOIN seen
        LEFT JOIN missed m ON {_SAME_KEY.format("m")}
        LEFT JOIN refused r ON {_SAME_MAP.format("r")} AND r.key = g.key AND g.path = ''
        LEFT JOIN refused rm ON {_SAME_MAP.format("rm")} AND rm.key = ''
        LEFT JOIN released o ON {_SAME_MAP.format("o")} AND o.key = g.key AND g.path = ''
        LEFT JOIN kept ON {_SAME_MAP.format("kept")}
        JOIN shown ON {_SAME_MAP.format("shown")}
        LEFT JOIN hidden h1 ON h1.kind = '*' AND h1.namespace = '*'
        LEFT JOIN hidden h2 ON h2.kind = g.kind AND h2.namespace = g.namespace
        LEFT JOIN hidden h3 ON h3.kind = g.kind AND h3.namespace = '*'
        LEFT JOIN hidden h4 ON h4.kind = '*' AND h4.namespace = g.namespace
        WHERE g.is_present
    )
    SELECT told.*,
        CASE
            WHEN class = 'unknown' THEN 'none'
            WHEN class = 'retention' THEN 'medium'
            WHEN class = 'wrong-key-name' THEN CASE WHEN score >= 0.9 AND is_blind = 0 THEN 'high' WHEN score >= 0.75 THEN 'medium' ELSE 'low' END
            WHEN is_blind = 1 THEN 'medium'
            ELSE 'high'
        END AS confidence
    FROM told
    """,  # noqa: S608 (the names are our own)
    needs=("key_life", "key_writers", "subject_life", "earlier_life"),
)
