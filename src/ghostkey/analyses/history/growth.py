"""How many keys and bytes each map had over time.

What it finds
    A row for each map and slice of time in which it changed, with keys and bytes at its end. A slice is a 256th of the
    whole span, and a second at least.
Why it matters
    The slope says when the limit that binds first will be met; whether it follows the living says whether it leaks.
When it is wrong
    A map that was there before the coverage begins at what was seen first.
Example
    cm/tenant-registry: 12,400 keys on Monday, 12,900 on Friday.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, Query

QUERY = Query(
    f"""
    WITH span AS (
        SELECT MIN(at_us) AS begin_at, CAST(GREATEST((MAX(at_us) - MIN(at_us)) / 256, 1000000) AS BIGINT) AS slice FROM key_changes
    ),
    sliced AS (
        SELECT {MAP}, k.at_us - (k.at_us - span.begin_at) % span.slice AS at_us,
            SUM(key_delta) AS keys_delta, SUM(bytes_delta) AS bytes_delta,
            SUM(CASE WHEN op = 'set' AND key_delta = 1 THEN 1 ELSE 0 END) AS added,
            SUM(CASE WHEN op = 'delete' THEN 1 ELSE 0 END) AS removed
        FROM key_changes k CROSS JOIN span
        WHERE path = '' AND k.at_us IS NOT NULL
        GROUP BY {MAP}, k.at_us - (k.at_us - span.begin_at) % span.slice
    )
    SELECT {MAP}, at_us, added, removed,
        SUM(keys_delta) OVER (PARTITION BY {MAP} ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS "keys",
        SUM(bytes_delta) OVER (PARTITION BY {MAP} ORDER BY at_us ROWS UNBOUNDED PRECEDING) AS bytes
    FROM sliced
    """,  # noqa: S608 (the names are our own)
    needs=("key_changes",),
)
