"""Every change of a key once, however many sources saw it.

What it finds
    One row for each change (set or delete) of a key at a revision; sources without revisions are told apart by time.
Why it matters
    An audit log, a snapshot and the log of etcd that overlap show the same write three times; sums must not.
When it is wrong
    When one source knows revisions and another does not: then both are kept.
Example
    A key set at revision 4,711, seen by the audit log and the snapshot, is one row.
Source
    etcd 3.7: every write has a revision of its own
"""

from __future__ import annotations

from ghostkey.analyses.history._base import KEY, Query

QUERY = Query(
    f"""
    SELECT {KEY}, op, revision, MAX(at_us) AS at_us, MAX(key_delta) AS key_delta, MAX(bytes_delta) AS bytes_delta
    FROM key_events
    WHERE op IN ('set', 'delete', 'seen') AND revision IS NOT NULL
    GROUP BY {KEY}, op, revision
    UNION ALL
    SELECT {KEY}, op, revision, at_us, MAX(key_delta) AS key_delta, MAX(bytes_delta) AS bytes_delta
    FROM key_events
    WHERE op IN ('set', 'delete', 'seen') AND revision IS NULL
    GROUP BY {KEY}, op, revision, at_us
    """  # noqa: S608 (the names are our own)
)
