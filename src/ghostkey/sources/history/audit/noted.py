"""Requests on which admission noted something, out of a set of audit logs, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ghostkey.model.admission import Noted
from ghostkey.sources.history.audit.archives import unpacked
from ghostkey.sources.history.audit.event import UNREADABLE, decode_event
from ghostkey.sources.history.audit.files import paths_in, probe
from ghostkey.sources.history.audit.merge import Merged
from ghostkey.store.scratch import scratch_directory

_ANSWERED = "ResponseComplete"


class NotedRequests:
    """Reads audit logs as history does: plain, packed, wrapped, in folders, from several servers.

    After `read`, `events` counts what was read, `unread` what was damaged, `others` files that hold no audit event.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.events = self.unread = self.others = 0

    def read(self, mark: str) -> Iterator[Noted]:
        """The answered requests with an annotation that has `mark` in its name or value, by time.

        Raises NoSuchPath for a path that does not exist.
        """
        sought = mark.encode()
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
                if sought in line and (found := self._noted(line, mark)) is not None:
                    yield found

    def _noted(self, line: bytes, mark: str) -> Noted | None:
        try:
            event = decode_event(line)
        except UNREADABLE:
            self._note_damage()
            return None
        noted = {str(key): str(value) for key, value in (event.annotations or {}).items()}
        reference = event.object_ref
        if event.stage != _ANSWERED or reference is None or not any(mark in key or mark in value for key, value in noted.items()):
            return None
        at = event.request_received_timestamp or event.stage_timestamp
        user = event.impersonated_user or event.user
        return Noted(at, user.username or "?", reference.resource, reference.namespace, reference.name, noted)

    def _note_damage(self) -> None:
        self.unread += 1
