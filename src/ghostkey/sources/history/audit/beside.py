"""What a map is beside its keys: how large the rest of it is, and whether anybody can change it."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.model.history import NOBODY, SEALED, SIZED, KeyEvent, Writer
from ghostkey.sources.history.audit.blind import ORIGIN
from ghostkey.sources.history.audit.credit import size_words
from ghostkey.sources.history.audit.event import Event, Object, content_of

Holder = tuple[str, str, str]


def of_map(holder: Holder, op: str, at: int | None, revision: int | None, writer: Writer) -> KeyEvent:
    """An event of a map as a whole."""
    return KeyEvent(at, revision, *holder, "data", "", "", op, -1, 0, "", 0, 0, *writer, "", ORIGIN, False)


class Beside:
    """What was told of each map beside its keys, so that it is told again only when it changes."""

    def __init__(self) -> None:
        self._sizes: dict[Holder, tuple[int, int]] = {}  # bytes of managedFields and of annotations as told last
        self._immutable: set[Holder] = set()

    def sized(self, holder: Holder, found: Object, at: int | None, revision: int | None) -> Iterator[KeyEvent]:
        """How large the map is beside its data, when that is not about as it was told before."""
        managed, annotations = len(bytes(found.metadata.managed_fields)), found.metadata.annotations or {}
        noted = sum(len(key) + len(value.encode("utf-8", "surrogatepass")) for key, value in annotations.items())
        held = self._sizes.get(holder, (-1, -1))
        if abs(managed - held[0]) <= held[0] // 20 and abs(noted - held[1]) <= held[1] // 20:
            return
        self._sizes[holder] = (managed, noted)
        if not managed and not noted:
            return
        shape = size_words(bytes(found.metadata.managed_fields), annotations, content_of(holder[0], found))
        yield of_map(holder, SIZED, at, revision, NOBODY)._replace(
            value_bytes=managed if managed else -1, bytes_delta=noted, shape=shape
        )

    def sealed(
        self, event: Event, holder: Holder, found: Object, at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[KeyEvent]:
        """A map that was made immutable: from then on nobody can remove a key of it."""
        if found.immutable is True and holder not in self._immutable:
            self._immutable.add(holder)
            if b'"immutable"' in bytes(event.request_object):
                yield of_map(holder, SEALED, at, revision, writer)
