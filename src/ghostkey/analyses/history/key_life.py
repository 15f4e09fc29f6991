"""The life of each key: first and last write, last deletion, what it holds, and whether it is there.

What it finds
    A row for each key that any source saw.
Why it matters
    A ghost key is one that is there after its subject went; whether anybody ever removed it is the beginning of why.
When it is wrong
    Before the first coverage: `first_set_at` is then empty and `first_seen_at` says since when it is known.
Example
    `prod.bakery` was set on Monday, set again on Tuesday, and never deleted.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import KNOWN, MAP, MAPS, SHOWN, Query

_WRITTEN = "op IN ('set', 'seen')"
# a removal of what was not there, or not known to be, leaves it not there
_GONE = "op IN ('delete', 'missed-delete')"
_TOLD = "op IN ('set', 'seen', 'delete', 'missed-delete') AND (op <> 'missed-delete' OR error = '')"
# etcd's order where it is known, and time for what has none: dumps, and logs that hide the answers. The later of the two
# counts; a snapshot has times to the second only, so that what is told by revisions has that much more weight.
_IS_PRESENT = """
    CASE
        WHEN writes = 0 THEN FALSE
        WHEN deletes = 0 THEN TRUE
        WHEN GREATEST(COALESCE(timed_set_at, 0), COALESCE(timed_delete_at, 0))
            > GREATEST(COALESCE(numbered_set_at, 0), COALESCE(numbered_delete_at, 0))
            THEN COALESCE(timed_set_at, 0) >= COALESCE(timed_delete_at, 0)
        WHEN last_set_revision IS NULL AND last_delete_revision IS NULL THEN COALESCE(last_set_at, 0) > COALESCE(last_delete_at, 0)
        ELSE COALESCE(last_set_revision, -1) > COALESCE(last_delete_revision, -1)
    END
"""
_BY_TIME = "last_set_revision IS NULL OR COALESCE(timed_set_at, 0) > COALESCE(numbered_set_at, 0)"

QUERY = Query(
    f"""
    WITH maps AS ({MAPS}),
    life AS (
        SELECT map_code, field, path, key, MIN(key_code) AS key_code,
            MIN(CASE WHEN op = 'set' AND key_delta = 1 THEN at_us END) AS first_set_at,
            MIN(at_us) AS first_seen_at,
            MAX(CASE WHEN {_WRITTEN} THEN at_us END) AS last_set_at,
            MAX(CASE WHEN {KNOWN} THEN at_us END) AS last_known_set_at,
            MAX(CASE WHEN {_WRITTEN} THEN revision END) AS last_set_revision,
            MAX(CASE WHEN {_GONE} THEN at_us END) AS last_delete_at,
            MAX(CASE WHEN {_GONE} THEN revision END) AS last_delete_revision,
            MAX(CASE WHEN {_WRITTEN} AND revision IS NOT NULL THEN at_us END) AS numbered_set_at,
            MAX(CASE WHEN {_GONE} AND revision IS NOT NULL THEN at_us END) AS numbered_delete_at,
            SUM(CASE WHEN {_WRITTEN} THEN 1 ELSE 0 END) AS writes,
            SUM(CASE WHEN {_GONE} THEN 1 ELSE 0 END) AS deletes,
            MAX_BY(value_bytes, CASE WHEN {_WRITTEN} THEN revision END) AS numbered_bytes,
            MAX_BY(shape, CASE WHEN {_WRITTEN} THEN revision END) AS numbered_shape,
            MAX(CASE WHEN is_recovered THEN 1 ELSE 0 END) AS is_recovered,
            MAX(CASE WHEN {_WRITTEN} AND origin <> 'dumps' THEN at_us END) AS told_set_at,
            MAX(CASE WHEN {_WRITTEN} AND origin = 'dumps' THEN at_us END) AS dumped_set_at,
            MAX(CASE WHEN op = 'delete' AND origin = 'dumps' THEN at_us END) AS dumped_delete_at
        FROM key_events
        WHERE {_TOLD}
        GROUP BY map_code, field, path, key
    ),
    timed AS (
        SELECT key_code, MAX(CASE WHEN {_WRITTEN} THEN at_us END) AS timed_set_at,
            MAX(CASE WHEN {_GONE} THEN at_us END) AS timed_delete_at,
            MAX_BY(value_bytes, CASE WHEN {_WRITTEN} THEN at_us END) AS timed_bytes,
            MAX_BY(shape, CASE WHEN {_WRITTEN} THEN at_us END) AS timed_shape
        FROM key_events WHERE revision IS NULL AND {_TOLD} GROUP BY key_code
    ),
    -- where etcd or a watch shows a map for the first time, or again after what was compacted or went unseen, all its keys are shown
    -- and one that is made has no key of the one before
    views AS (
        SELECT viewed, MAX(revision) AS view_revision FROM (
            SELECT map_code AS viewed, revision FROM key_events
            WHERE op = 'seen' AND origin IN ('etcd-snapshot', 'watch') AND field IN ('data', 'binaryData') AND NOT is_recovered
            UNION ALL
            SELECT maps.map_code, s.revision FROM subject_events s
            JOIN maps ON maps.kind = s.kind AND maps.namespace = s.namespace AND maps.name = s.name
            WHERE s.op = 'created' AND s.kind IN ('configmaps', 'secrets') AND s.revision IS NOT NULL
        ) v GROUP BY viewed
    ),
    -- a dump shows all keys of the maps in it, and tells those alone that changed since the one before; what others told has gone by then
    dumped AS (
        SELECT maps.map_code AS in_dump, MAX(s.at_us) AS dumped_at FROM subject_events s
        JOIN maps ON maps.kind = s.kind AND maps.namespace = s.namespace AND maps.name = s.name
        WHERE s.origin = 'dumps' AND s.op = 'seen' AND s.kind IN ('configmaps', 'secrets')
            AND s."user" = '' AND s.audit_id = '' -- a commit shows what is in Git, and not what others have written into a map
        GROUP BY maps.map_code
    ),
    -- and a map that a snapshot does not show went with all its keys
    shown AS ({SHOWN}),
    vanished AS (
        SELECT maps.map_code AS vanished_map, MIN(shown_revision) AS vanished_by, MIN(shown_at) AS vanished_at FROM subject_events s
        JOIN maps ON maps.kind = s.kind AND maps.namespace = s.namespace AND maps.name = s.name
        CROSS JOIN shown
        WHERE s.kind IN ('configmaps', 'secrets') AND s.op IN ('created', 'seen') AND s.revision IS NOT NULL
            AND s.kind IN (SELECT e.kind FROM subject_events e CROSS JOIN shown w WHERE e.origin = 'etcd-snapshot' AND e.revision >= w.shown_revision)
        GROUP BY maps.map_code HAVING MAX(s.revision) < MIN(shown_revision)
    ),
    -- a map goes with its namespace, whether or not a log shows the maps that went
    ends AS (
        SELECT name AS ended, MAX(at_us) AS ended_at FROM subject_events WHERE kind = 'namespaces' AND op = 'deleted' GROUP BY name
    )
    SELECT {MAP}, field, path, key, first_set_at, first_seen_at, last_set_at, last_known_set_at, last_set_revision, last_delete_at,
        last_delete_revision, writes, deletes,
        CASE WHEN {_BY_TIME} THEN timed_bytes ELSE numbered_bytes END AS value_bytes,
        CASE WHEN {_BY_TIME} THEN timed_shape ELSE numbered_shape END AS shape, is_recovered,
        {_IS_PRESENT} AND COALESCE(ended_at, 0) <= COALESCE(last_set_at, first_seen_at, 0)
            -- a key that is not among them went unseen
            AND (view_revision IS NULL OR last_set_revision IS NULL OR timed_set_at IS NOT NULL OR last_set_revision >= view_revision)
            AND (dumped_at IS NULL OR field NOT IN ('data', 'binaryData') OR COALESCE(told_set_at, 0) >= dumped_at
                OR COALESCE(dumped_set_at, 0) > COALESCE(dumped_delete_at, 0))
            AND (vanished_by IS NULL OR last_set_revision IS NULL OR last_set_revision >= vanished_by OR timed_set_at > vanished_at)
            AS is_present
    FROM life JOIN maps ON maps.map_code = life.map_code
    LEFT JOIN timed ON timed.key_code = life.key_code
    LEFT JOIN ends ON ended = namespace
    LEFT JOIN views ON viewed = life.map_code
    LEFT JOIN dumped ON in_dump = life.map_code
    LEFT JOIN vanished ON vanished_map = life.map_code
    WHERE writes > 0
    """  # noqa: S608 (the names are our own)
)
