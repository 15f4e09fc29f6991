"""How many keys and bytes each map had over time.

What it finds
    A row for each map and slice of time in which it changed, with keys and bytes at its end. A slice is a
    1024th of the whole span, and a second at least; its row has the time of the last change in it.
Why it matters
    The slope says when the limit that binds first will be met; whether it follows the living says whether it leaks. An audit
    log, a snapshot and the log of etcd that overlap show the same write three times: each counts once, and so does a key that
    several sources find there.
When it is wrong
    A map that was there before the coverage begins at what was seen first.
Example
    cm/tenant-registry: 12,400 keys on Monday, 12,900 on Friday.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, MAPS, Query

QUERY = Query(
    f"""
    WITH maps AS ({MAPS}),
    steps AS (
        SELECT map_code, op, at_us, value_bytes, LENGTH(key) AS name_bytes,
            LAG(op) OVER (PARTITION BY key_code ORDER BY at_us, COALESCE(revision, 0), op DESC) AS op_before,
            LAG(value_bytes) OVER (PARTITION BY key_code ORDER BY at_us, COALESCE(revision, 0), op DESC) AS bytes_before
        FROM key_events
        WHERE path = '' AND op IN ('set', 'seen', 'delete') AND at_us IS NOT NULL
    ),
    counted AS (
        SELECT map_code, op, at_us, value_bytes, name_bytes,
            CASE WHEN COALESCE(op_before, 'delete') = 'delete' THEN 0 ELSE 1 END AS was_there,
            CASE WHEN op = 'delete' THEN 0 ELSE 1 END AS is_there,
            CASE WHEN COALESCE(op_before, 'delete') = 'delete' THEN 0 ELSE GREATEST(bytes_before, 0) END AS bytes_before
        FROM steps
    ),
    changes AS (
        SELECT map_code, op, at_us, is_there - was_there AS key_delta,
            CASE WHEN is_there = 1 THEN GREATEST(value_bytes, 0) ELSE 0 END - bytes_before
                + name_bytes * (is_there - was_there) AS bytes_delta
        FROM counted
    ),
    span AS (
        SELECT MIN(at_us) AS begin_at, CAST(GREATEST((MAX(at_us) - MIN(at_us)) / 1024, 1000000) AS BIGINT) AS slice
        FROM key_events WHERE op IN ('set', 'delete', 'seen')
    ),
    sliced AS (
        SELECT map_code, MAX(k.at_us) AS at_us,
            SUM(key_delta) AS keys_delta, SUM(bytes_delta) AS bytes_delta,
            SUM(CASE WHEN op = 'set' AND key_delta = 1 THEN 1 ELSE 0 END) AS added,
            SUM(CASE WHEN key_delta = -1 THEN 1 ELSE 0 END) AS removed
        FROM changes k CROSS JOIN span
        WHERE key_delta <> 0 OR bytes_delta <> 0
        GROUP BY map_code, k.at_us - (k.at_us - span.begin_at) % span.slice
    )
    SELECT {MAP}, at_us, added, removed,
        SUM(keys_delta) OVER (PARTITION BY s.map_code ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS "keys",
        SUM(bytes_delta) OVER (PARTITION BY s.map_code ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS bytes
    FROM sliced s JOIN maps ON maps.map_code = s.map_code
    """  # noqa: S608 (the names are our own)
)
