"""Who wrote and who removed keys of each map, and how often.

What it finds
    A row for each map, user, manager and operation.
Why it matters
    Two writers of one map that do not know of each other are the most common cause of keys that come back.
When it is wrong
    From etcd alone there are managers, and no users.
Example
    tenant-operator set 1,204 keys and removed none; alice removed 12.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

from ghostkey.analyses.history._base import MAP, Query

QUERY = Query(
    f"""
    SELECT {MAP}, "user", manager, op, COUNT(*) AS events, MIN(at_us) AS first_at, MAX(at_us) AS last_at, MAX(agent) AS agent, MAX(CASE WHEN op = 'hidden-write' THEN error END) AS error
    FROM key_events
    WHERE op NOT IN ('seen', 'sized')
    GROUP BY {MAP}, "user", manager, op, CASE WHEN op = 'hidden-write' THEN error ELSE '' END
    """  # noqa: S608 (the names are our own)
)
