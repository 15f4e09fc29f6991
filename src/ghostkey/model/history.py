"""What sources of the past yield. These come by the million, so they are named tuples, and times are plain numbers.

A time is microseconds since 1970 in UTC, None where the source knows only the order. A revision is etcd's, which the API
shows as `resourceVersion`; None where the source does not tell. No value is ever in an event: `value_hash` is keyed.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

SET, DELETE, SEEN = "set", "delete", "seen"
MISSED_DELETE = "missed-delete"  # somebody removed a key that was not there
REFUSED_SET, REFUSED_DELETE = "refused-set", "refused-delete"  # the API server said no
HIDDEN_WRITE = "hidden-write"  # somebody wrote the map, and the level of the log hides which keys; the key is empty
# ends the reason of a gap in which a hidden write of each map concerned is an event: of other maps nothing is hidden
BY_MAP = "in the maps that were written"
UNCHANGED = "unchanged"  # somebody wrote the map, and nothing in it changed; the key is empty
# how large a map is beside its data: `value_bytes` are those of managedFields (-1: not shown), `bytes_delta` those of
# annotations, `shape` says the rest in words
SIZED = "sized"
SEALED = "sealed"  # somebody made the map immutable; the key is empty
RELEASED = "released"  # its manager gave a key up by server-side apply, and it stays: somebody else owns it too

CREATED, DELETING, DELETED = "created", "deleting", "deleted"


class Writer(NamedTuple):
    """Who did it: user, manager (field manager), user agent, source IP, audit id, verb; each empty when not known."""

    user: str = ""
    manager: str = ""
    agent: str = ""
    source_ip: str = ""
    audit_id: str = ""
    verb: str = ""


NOBODY = Writer()


class KeyEvent(NamedTuple):
    """A key was set, deleted, seen, or somebody tried to.

    `kind` is the qualified resource of the holder (`configmaps`), `path` leads into a document within a value, joined by
    `/`, and is empty for a key of the map itself. `value_bytes` is -1 where there is no value. `key_delta` is 1 when the
    key appeared, -1 when it went, else 0; `bytes_delta` counts key and value.
    """

    at: int | None
    revision: int | None
    kind: str
    namespace: str
    name: str
    field: str
    path: str
    key: str
    op: str
    value_bytes: int
    value_hash: int
    shape: str
    key_delta: int
    bytes_delta: int
    user: str
    manager: str
    agent: str
    source_ip: str
    audit_id: str
    verb: str
    error: str
    origin: str
    is_recovered: bool


class SubjectEvent(NamedTuple):
    """An object was created, began to be deleted (it has finalizers), was deleted, or was seen. `kind` is qualified."""

    at: int | None
    revision: int | None
    kind: str
    namespace: str
    name: str
    uid: str
    op: str
    user: str
    manager: str
    agent: str
    source_ip: str
    audit_id: str
    verb: str
    origin: str
    is_recovered: bool


class Covered(NamedTuple):
    """Where and when a source would have noticed: `kind` and `namespace` are `*` for all. `why` says why it is a gap, and
    of what is none, what it was recognised as, where that is worth saying."""

    origin: str
    kind: str
    namespace: str
    since: int | None
    until: int | None
    since_revision: int | None
    until_revision: int | None
    is_gap: bool
    why: str


HistoryEvent = KeyEvent | SubjectEvent | Covered

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_RFC3339 = "%Y-%m-%dT%H:%M:%SZ"
_MICROSECOND = datetime.timedelta(microseconds=1)


def microseconds(text: str) -> int | None:
    """RFC 3339 as Kubernetes writes it, as microseconds since 1970; None for anything else."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment - _EPOCH) // _MICROSECOND


def rfc3339_now(*, is_exact: bool = False) -> str:
    """This moment in UTC, to the second; to the microsecond where moments are told apart."""
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z") if is_exact else now.strftime(_RFC3339)


def rfc3339(at: int | None) -> str:
    """The time in UTC to the second, or nothing."""
    if at is None:
        return ""
    try:
        return (_EPOCH + at * _MICROSECOND).strftime(_RFC3339)
    except OverflowError:
        return ""  # a year that no calendar here has
