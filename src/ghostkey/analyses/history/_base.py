"""What a query over the history is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """SQL over `key_events`, `subject_events`, `coverage`, `links` and the queries in `needs`, whose results are kept.

    Only what DuckDB and Spark understand alike: times are microseconds as integers, names are quoted by `"`. Events have
    codes, which an engine makes of several columns and which mean nothing elsewhere: `map_code` of the object, `key_code` of
    the key in it, `writer_code` of origin, user, manager and agent. Grouping by one number is several times quicker than by words.
    """

    sql: str
    needs: tuple[str, ...] = ()


# which of several writes is the last: etcd's order where it is known; of those who saw the same write, who knows the user
ORDER = """2 * COALESCE(revision, at_us) + CASE WHEN "user" <> '' THEN 1 ELSE 0 END"""
PEOPLE = """
    SELECT writer_code, MIN(origin) AS origin, MIN("user") AS "user", MIN(manager) AS manager, MIN(agent) AS agent
    FROM {0} GROUP BY writer_code
"""
MAPS = "SELECT map_code, MIN(kind) AS kind, MIN(namespace) AS namespace, MIN(name) AS name FROM key_events GROUP BY map_code"
MAP = "kind, namespace, name"
# what somebody is known to have done; a dump shows only what became of it
KNOWN = """op = 'set' AND ("user" <> '' OR manager <> '')"""
SKEW = 2_000_000  # microseconds by which the clocks of two servers, or of a server and a log, may differ
# the last snapshot of etcd that tells all that was there at a revision, as `shown_revision` and `shown_at`; none where revisions
# were used again, after a restore to an older state
SHOWN = """
    SELECT MAX(since_revision) AS shown_revision, MAX_BY(until, since_revision) AS shown_at FROM coverage
    WHERE origin = 'etcd-snapshot' AND NOT is_gap AND kind = '*' AND since_revision = until_revision AND since IS NOT NULL
    HAVING MAX_BY(until, since_revision) = MAX(until) AND MAX(since_revision) >= (
        SELECT MAX(since_revision) FROM coverage WHERE origin = 'etcd-snapshot' AND NOT is_gap AND kind = '*'
    )
"""
