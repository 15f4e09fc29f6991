"""When values began to be encoded twice, and which write began it.

What it finds
    For each map and kind of double encoding: since when, by whom, and how many keys have had it.
Why it matters
    The write that began it is the release that broke it.
When it is wrong
    When it began before the coverage: `is_first_seen` is then 1.
Example
    Since 2026-11-02 10:14 tenant-operator writes JSON in a JSON string.
Source
    k8s.io/api core/v1: Secret.data, Secret.stringData
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, Query

QUERY = Query(
    f"""
    SELECT {MAP}, shape, MIN(at_us) AS since, COUNT(DISTINCT key) AS "keys",
        MIN_BY(key, COALESCE(revision, at_us)) AS key, MIN_BY("user", COALESCE(revision, at_us)) AS writer,
        MIN_BY(manager, COALESCE(revision, at_us)) AS manager, MIN_BY(audit_id, COALESCE(revision, at_us)) AS audit_id,
        MAX(CASE WHEN op = 'seen' THEN 1 ELSE 0 END) AS is_first_seen
    FROM key_events
    WHERE shape LIKE 'doubled:%' AND path = '' AND (kind = 'secrets' OR shape NOT LIKE 'doubled:base64%')
    GROUP BY {MAP}, shape
    """  # noqa: S608 (the names are our own)
)
