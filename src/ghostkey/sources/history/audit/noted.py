"""Requests on which admission noted something, out of a set of audit logs, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ghostkey.model.admission import Noted
from ghostkey.sources.history.audit.archives import unpacked
from ghostkey.sources.history.audit.event import UNREADABLE, decode_event, is_dry_run
from ghostkey.sources.history.audit.files import paths_in, probe
from ghostkey.sources.history.audit.merge import Merged
from ghostkey.store.scratch import scratch_directory

_ANSWERED = "ResponseComplete"
_WRITES = frozenset({"create", "update", "patch"})


class NotedRequests:
    """Reads audit logs as history does: plain, packed, wrapped, in folders, from several servers.

    After `read`, `events` counts what was read, `unread` what was damaged, `others` files that hold no audit event. `writes` are the
    answered creates and changes of the resources asked for, `first` and `last` their times as in the log; dry runs are none of them.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.events = self.unread = self.others = self.writes = 0
        self.first = self.last = ""

    def read(self, mark: str, resources: Iterable[str]) -> Iterator[Noted]:
        """The answered writes of core `resources` with an annotation that has `mark` in its name or value, by time.

        Raises NoSuchPath for a path that does not exist.
        """
        wanted = frozenset(resources)
        sought = [resource.encode() for resource in wanted]
        with scratch_directory("audit") as scratch:
            files = []
            for path, name in unpacked(paths_in(self._paths), scratch, lambda *_: self._note_damage()):
                file = probe(path, name)
                if file is None:
                    self.others += 1
                else:
                    files.append(file)
            files.sort(key=lambda file: (file.first or 0, file.said))
            for line in Merged(files, scratch, self._note_damage, lambda _: None, {}).lines():
                self.events += 1
                if any(word in line for word in sought) and (found := self._noted(line, mark, wanted)) is not None:
                    yield found

    def _noted(self, line: bytes, mark: str, wanted: frozenset[str]) -> Noted | None:
        try:
            event = decode_event(line)
        except UNREADABLE:
            self._note_damage()
            return None
        reference = event.object_ref
        if event.stage != _ANSWERED or reference is None or event.verb not in _WRITES or is_dry_run(event):
            return None
        if reference.resource not in wanted or reference.api_group or reference.subresource:
            return None
        at = event.request_received_timestamp or event.stage_timestamp
        self.writes += 1
        self.first, self.last = min(self.first or at, at), max(self.last, at)
        noted = {str(key): str(value) for key, value in (event.annotations or {}).items()}
        if not any(mark in key or mark in value for key, value in noted.items()):
            return None
        user = event.impersonated_user or event.user
        return Noted(at, user.username or "?", reference.resource, reference.namespace, reference.name, noted)

    def _note_damage(self) -> None:
        self.unread += 1
