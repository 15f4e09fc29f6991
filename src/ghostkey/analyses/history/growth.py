"""How many keys and bytes each map had over time.

What it finds
    A row for each map and slice of time in which it changed, with keys and bytes at its end. A slice is a 256th of the
    whole span, and a second at least.
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
    seen AS (
        SELECT map_code, key_code, MIN(at_us) AS at_us, MIN_BY(bytes_delta, at_us) AS bytes_delta
        FROM key_events WHERE op = 'seen' AND path = '' GROUP BY map_code, key_code
    ),
    known AS (
        SELECT DISTINCT s.key_code FROM seen s JOIN key_events e ON e.key_code = s.key_code AND e.op = 'set' AND e.at_us < s.at_us
    ),
    changes AS (
        SELECT map_code, 'seen' AS op, at_us, 1 AS key_delta, bytes_delta
        FROM seen LEFT JOIN known ON known.key_code = seen.key_code
        WHERE known.key_code IS NULL
        UNION ALL
        SELECT map_code, op, MAX(at_us) AS at_us, MAX(key_delta) AS key_delta, MAX(bytes_delta) AS bytes_delta
        FROM key_events
        WHERE path = '' AND op IN ('set', 'delete')
        GROUP BY map_code, key_code, op, revision, CASE WHEN revision IS NULL THEN at_us END
    ),
    span AS (
        SELECT MIN(at_us) AS begin_at, CAST(GREATEST((MAX(at_us) - MIN(at_us)) / 256, 1000000) AS BIGINT) AS slice
        FROM key_events WHERE op IN ('set', 'delete', 'seen')
    ),
    sliced AS (
        SELECT map_code, k.at_us - (k.at_us - span.begin_at) % span.slice AS at_us,
            SUM(key_delta) AS keys_delta, SUM(bytes_delta) AS bytes_delta,
            SUM(CASE WHEN op = 'set' AND key_delta = 1 THEN 1 ELSE 0 END) AS added,
            SUM(CASE WHEN op = 'delete' THEN 1 ELSE 0 END) AS removed
        FROM changes k CROSS JOIN span
        WHERE k.at_us IS NOT NULL
        GROUP BY map_code, k.at_us - (k.at_us - span.begin_at) % span.slice
    )
    SELECT {MAP}, at_us, added, removed,
        SUM(keys_delta) OVER (PARTITION BY s.map_code ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS "keys",
        SUM(bytes_delta) OVER (PARTITION BY s.map_code ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS bytes
    FROM sliced s JOIN maps ON maps.map_code = s.map_code
    """  # noqa: S608 (the names are our own)
)
