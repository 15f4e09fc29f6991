"""A shop whose map has keys for widgets, as an audit log writes it down; and what is read of its logs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ghostkey import story
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.history.lines import LogWriter

DIGEST = KeyedHash(b"k")
SPOT = ("configmaps", "shop", "m")
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet")


def events(folder: Path, *files: Iterable[bytes], fields: Iterable[tuple[str, str]] = ()) -> list[HistoryEvent]:
    paths = []
    for number, lines in enumerate(files):
        paths.append(folder / f"{number}.log")
        paths[-1].write_bytes(b"".join(lines))
    return list(AuditLog(paths, DIGEST, fields).events())


def told(folder: Path, *files: Iterable[bytes]) -> story.Story:
    store = History(folder / "store")
    store.add("log", "audit", "log", events(folder, *files))
    engine = DuckEngine(store)
    story.prepare(engine, only=SPOT)
    return story.story_of(engine, *SPOT)


def keys(found: Iterable[HistoryEvent]) -> list[tuple[str, str, str]]:
    return [(e.op, e.key, e.user) for e in found if isinstance(e, KeyEvent)]


def lives(found: Iterable[HistoryEvent], kind: str) -> list[tuple[str, str, str]]:
    return [(e.op, e.namespace, e.name) for e in found if isinstance(e, SubjectEvent) and e.kind == kind]


def gaps(found: Iterable[HistoryEvent]) -> list[str]:
    return [e.why for e in found if isinstance(e, Covered) and e.is_gap]


class Shop(LogWriter):
    """A map with a key for each of nine Widgets."""

    names = tuple(f"{word}-{n}" for n, word in enumerate(WORDS))

    def begin(self) -> list[bytes]:
        found = [self.patch(0, "shop", "m", {"settings": "1"})]
        for number, name in enumerate(self.names):
            found.append(self.subject(1 + number, "create", "t1", name))
            found.append(self.patch(1.5 + number, "shop", "m", {f"t1.{name}": "v"}))
        return found
