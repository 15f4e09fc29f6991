"""Objects that a log showed to end and that are written after that: it was not their end, or another one has their name.

A deletion whose answer the level hides may have met finalizers: a later write of the object shows that it was still there, and the
last one that is in the log is the earliest time at which it can have gone. What was made with finalizers, or was given some later,
waits for them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from ghostkey.model.history import DELETED, DELETING, SEEN, SubjectEvent
from ghostkey.sources.history.audit.event import Event, gives_finalizers, object_of
from ghostkey.sources.history.audit.moments import AT_ONCE
from ghostkey.sources.history.common import revision_of

KEPT = 100_000  # objects that ended last
_REFERENCE = re.compile(rb'"objectRef":\{"resource":"([^"]+)"(?:,"namespace":"([^"]*)")?,"name":"([^"]*)"')
FINALIZERS = b"finalizers"  # in an object, in a merge patch, in a path of a JSON patch
Holder = tuple[str, str, str]


def _named(holder: Holder) -> tuple[bytes, ...]:
    return tuple(word.encode("utf-8", "surrogatepass") for word in (holder[0].partition(".")[0], *holder[1:]))


class Ended:
    """The last end of each object, of as many as are kept."""

    def __init__(self) -> None:
        self.ends: OrderedDict[Holder, tuple[SubjectEvent, bool]] = OrderedDict()
        self._names: set[bytes] = set()
        # the objects that were made last, or were given finalizers: whether they have any
        self.made: OrderedDict[Holder, bool] = OrderedDict()
        self._waiting: set[tuple[bytes, ...]] = set()  # those that have, as a line names them

    def begin(self, holder: Holder, *, has_finalizers: bool) -> None:
        """An object was made, or given finalizers."""
        self.made.pop(holder, None)
        self.made[holder] = has_finalizers
        if has_finalizers:
            self._waiting.add(_named(holder))
        else:
            self._waiting.discard(_named(holder))
        if len(self.made) > KEPT:
            self._waiting.discard(_named(self.made.popitem(last=False)[0]))

    def may_give_finalizers(self, line: bytes, begin: int, end: int) -> bool:
        """Whether a line that changes an object, and names finalizers, may be news of some that it has."""
        found = _REFERENCE.search(line, begin, end)
        return found is None or (found[1], found[2] or b"", found[3]) not in self._waiting

    def finalized(self, event: Event, holder: Holder) -> None:
        """Notes that a write of an object showed it with finalizers, or gave it some."""
        if self.made.get(holder):
            return
        if (FINALIZERS in bytes(event.response_object) or FINALIZERS in bytes(event.request_object)) and gives_finalizers(event):
            self.begin(holder, has_finalizers=True)

    def join(self, made: Iterable[tuple[Holder, bool]]) -> None:
        """Takes what another reader knows of objects that were made after these."""
        for holder, has_finalizers in made:
            self.begin(holder, has_finalizers=has_finalizers)

    def note(self, event: SubjectEvent, *, is_hidden: bool) -> None:
        """An object began or ended; `is_hidden`: the answer that would tell is not in the log."""
        holder = (event.kind, event.namespace, event.name)
        self.ends.pop(holder, None)
        if event.op == DELETED:
            self.ends[holder] = (event, is_hidden)
            self._names.add(event.name.encode("utf-8", "surrogatepass"))
            if len(self.ends) > KEPT:
                self.ends.popitem(last=False)
                self._names = {name.encode("utf-8", "surrogatepass") for _, _, name in self.ends}

    def may_be_of(self, line: bytes, begin: int, end: int) -> bool:
        """Whether a line is a request for something that ended, by its name alone; nothing may be where there are no `ends`."""
        found = _REFERENCE.search(line, begin, end)
        return found is None or found[3] in self._names

    def written(self, event: Event, holder: Holder) -> Iterator[SubjectEvent]:
        """What a write that was answered tells of an object that had ended."""
        known = self.ends.get(holder)
        if known is None or event.verb not in {"update", "patch"} or event.at is None:
            return
        last, is_hidden = known
        # a write that was made before the end may be logged after it, and by another clock
        if last.at is None or event.at <= last.at + (0 if is_hidden else AT_ONCE):
            return
        found = object_of(event.response_object)
        meta = found.metadata if found is not None and found.kind != "Status" else None
        if meta is None or not meta.uid:
            if is_hidden:
                yield last._replace(op=DELETING)
                yield last._replace(at=event.at)
        elif not meta.deletion_timestamp and meta.uid != last.uid:
            yield last._replace(
                at=event.at, revision=revision_of(meta.resource_version), uid=meta.uid, op=SEEN,
                user="", manager="", agent="", source_ip="", audit_id="", verb="",
            )  # fmt: skip
            self.ends.pop(holder)
