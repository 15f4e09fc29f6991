"""Random histories with random holes, levels, verbs, servers and clocks: no class is told that could not be known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.history.worlds import World

HISTORIES = 10_000
BATCHES = 20


def told_of(world: World, folder: Path) -> dict[str, dict[str, object]]:
    """The row of each key whose subject went."""
    folder.mkdir()
    store = History(folder / "store")
    story.import_paths(store, world.write(folder), processes=1)
    engine = DuckEngine(store)
    story.prepare(engine)
    return {str(row["key"]): row for row in engine.rows("SELECT key, class, confidence, is_blind FROM missed_deletion")}


def check(seeds: range, folder: Path) -> Counter[str]:
    """Holds each history to the model; how often each class was told."""
    told: Counter[str] = Counter()
    for seed in seeds:
        world = World(seed)
        rows, may = told_of(world, folder / str(seed)), world.may()
        for key, classes in may.items():
            row = rows.pop(key, None)
            assert (row["class"] if row else "") in classes, (seed, key, row, classes)
            assert row is None or (row["confidence"] == "none") == (row["class"] == "unknown")
            told[str(row["class"]) if row else ""] += 1
        assert not rows, (seed, rows)
    return told


def test_no_class_is_told_against_a_gap(tmp_path: Path) -> None:
    told = check(range(15), tmp_path)
    # and where it can be known it is said
    assert min(told[name] for name in ("unknown", "no-delete", "wrong-key-name", "delete-failed", "tombstone")) > 2, told


@pytest.mark.whole
@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_class_is_told_against_a_gap_in_ten_thousand_histories(tmp_path: Path, batch: int) -> None:
    size = HISTORIES // BATCHES
    told = check(range(1_000_000 + batch * size, 1_000_000 + (batch + 1) * size), tmp_path)
    assert min(told[name] for name in ("unknown", "no-delete", "wrong-key-name", "delete-failed", "tombstone")) > 50, told
