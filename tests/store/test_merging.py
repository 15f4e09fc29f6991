"""Parts of a recording, put together: the same rows in fewer files, whatever ends in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.model.history import Covered, HistoryEvent
from ghostkey.store import merging
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.store.merging import PARTS, merge
from tests.history.stories import StoryTeller

ORIGIN, SERVER = "watch", "https://cluster"


def part(number: int, since: int, until: int) -> Iterator[HistoryEvent]:
    teller = StoryTeller(ORIGIN)
    teller.key(f"prod.tenant-{number}")
    yield from teller.events
    for kind in ("configmaps", "tenants.demo"):
        yield Covered(ORIGIN, kind, "*", since, until, None, None, False, "")
    if number == 5:
        yield Covered(ORIGIN, "configmaps", "*", since, until, None, None, True, "it broke")


def add(history: History, count: int, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        history.add(f"record-{number:04d}", ORIGIN, SERVER, part(number, number * 1000, (number + 1) * 1000))


def rows(history: History, table: str, columns: str) -> list[tuple[object, ...]]:
    found = DuckEngine(history).rows(f"SELECT {columns} FROM {table}")
    return sorted(tuple(row.values()) for row in found)


def test_many_parts_become_one_with_all_that_they_have(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, PARTS - 1)
    assert merge(history, ORIGIN, SERVER) == []
    add(history, 1, PARTS - 1)
    history.add("record-other", ORIGIN, "https://another", part(99, 0, 1))
    history.add("0123", "audit", SERVER, part(98, 0, 1))
    before = rows(history, "key_events", "at_us, key, op")
    (made,) = merge(history, ORIGIN, SERVER)
    assert {one.id for one in history.imports()} == {made.id, "record-other", "0123"}
    assert (made.key_events, made.since, made.until) == (PARTS, 0, PARTS * 1000)
    assert rows(history, "key_events", "at_us, key, op") == before
    covered = [row for row in rows(history, "coverage", "kind, is_gap, since, until") if row[3] != 1]
    assert covered == [
        ("configmaps", False, 0, PARTS * 1000), ("configmaps", True, 5000, 6000), ("tenants.demo", False, 0, PARTS * 1000),
    ]  # fmt: skip
    assert merge(history, ORIGIN, SERVER) == []


def test_a_store_of_days_is_a_few_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "PARTS", 3)
    history = History(tmp_path)
    for number in range(40):
        add(history, 1, number)
        merge(history, ORIGIN, SERVER)
    assert len(history.imports()) <= 2 * 4
    assert len(rows(history, "key_events", "key")) == 40
    on_disk = len([path for path in (tmp_path / "parts").iterdir() if not path.name.startswith(".")])
    assert on_disk <= len(history.imports()) + 2 * 3, "what is replaced goes with the next merge"


def test_whoever_ends_in_between_loses_nothing_and_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path)
    add(history, PARTS)
    wanted = rows(history, "key_events", "key")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(merging, "_copy", full)
        with pytest.raises(OSError, match="no space"):
            merge(history, ORIGIN, SERVER)
    assert rows(history, "key_events", "key") == wanted
    assert len(history.imports()) == PARTS
    (made,) = merge(history, ORIGIN, SERVER)
    # those that it replaces are there still, for who is reading them; a file of one that goes is none of anybody's
    assert len(history.files("key_events")) == 1
    shutil.rmtree(tmp_path / "parts" / "record-0000")
    assert rows(history, "key_events", "key") == wanted
    history.drop(made.id)
    assert history.imports() == [], "nothing comes back"


def test_of_two_at_once_one_merges(tmp_path: Path) -> None:
    history = History(tmp_path)
    add(history, PARTS)
    with merging._alone(tmp_path) as is_alone:
        assert is_alone
        assert merge(history, ORIGIN, SERVER) == []
    assert len(merge(history, ORIGIN, SERVER)) == 1
