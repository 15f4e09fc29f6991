"""Git trees of manifests: maps in several files, commits of one second, clocks that were behind, renames and reverts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.model.history import KeyEvent, SubjectEvent
from ghostkey.sources.history.dated_dumps import DatedDumps
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.history.test_sources_of_the_past import DIGEST, Repository, registry

SPOT = ("configmaps", "prod", "registry")


def keys_of(tree: Repository, folder: Path) -> set[str]:
    """The keys that are there at the end."""
    store = History(folder)
    story.import_paths(store, [tree.folder])
    engine = DuckEngine(store)
    story.prepare(engine)
    return {row["key"] for row in engine.rows("SELECT key FROM key_life WHERE is_present")}


@pytest.fixture
def tree(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "tree")


@pytest.mark.parametrize("seconds", [-7_200, -3_600])  # before the last commit, and in the same second
def test_commit_comes_after_its_parent_whatever_its_clock_says(tree: Repository, tmp_path: Path, seconds: int) -> None:
    tree.commit({"cm.yaml": registry("a", "b")})
    tree.commit({"cm.yaml": registry("a", "b", "c")})
    tree.second += seconds
    tree.commit({"cm.yaml": registry("b")})
    assert keys_of(tree, tmp_path / "store") == {"prod.b"}


def test_map_in_a_base_and_an_overlay_has_the_keys_of_both(tree: Repository, tmp_path: Path) -> None:
    tree.commit({"base/cm.yaml": registry("a", "b")})
    tree.commit({"overlays/prod/cm.yaml": registry("c")})
    tree.commit({"base/cm.yaml": registry("a")})
    found = list(DatedDumps(tree.folder, DIGEST).events())
    told = [(event.op, event.key) for event in found if isinstance(event, KeyEvent)]
    assert told == [("seen", "prod.a"), ("seen", "prod.b"), ("set", "prod.c"), ("delete", "prod.b")]
    assert keys_of(tree, tmp_path / "one") == {"prod.a", "prod.c"}
    tree.commit({"overlays/prod/cm.yaml": None})
    assert keys_of(tree, tmp_path / "two") == {"prod.a"}
    tree.commit({"base/cm.yaml": None})
    assert keys_of(tree, tmp_path / "three") == set()


def test_map_that_is_moved_renamed_and_reverted_keeps_its_keys(tree: Repository, tmp_path: Path) -> None:
    tree.commit({"a/cm.yaml": registry("a", "b")})
    tree.commit({"a/cm.yaml": None, "b/registry.yaml": registry("a", "b")})
    tree.commit({"b/registry.yaml": None, "a/cm.yaml": registry("a")})
    tree.git("revert", "--no-edit", "HEAD", GIT_COMMITTER_DATE=f"{tree.second + 1} +0000")
    found = list(DatedDumps(tree.folder, DIGEST).events())
    assert [event.op for event in found if isinstance(event, SubjectEvent)] == ["seen"]
    assert [(event.op, event.key) for event in found if isinstance(event, KeyEvent)][2:] == [
        ("delete", "prod.b"),
        ("set", "prod.b"),
    ]
    assert keys_of(tree, tmp_path / "store") == {"prod.a", "prod.b"}


def test_merge_is_told_once(tree: Repository, tmp_path: Path) -> None:
    tree.commit({"cm.yaml": registry("a"), "other.yaml": "{}"})
    main = tree.git("branch", "--show-current").strip()
    tree.git("checkout", "-qb", "side")
    tree.commit({"cm.yaml": registry("a", "b")})
    tree.git("checkout", "-q", main)
    tree.commit({"other.yaml": "[]"})
    tree.git("merge", "-q", "--no-ff", "-m", "m", "side", GIT_COMMITTER_DATE=f"{tree.second + 60} +0000")
    found = [event for event in DatedDumps(tree.folder, DIGEST).events() if isinstance(event, KeyEvent)]
    assert [(event.op, event.key) for event in found] == [("seen", "prod.a"), ("set", "prod.b")]
    assert keys_of(tree, tmp_path / "store") == {"prod.a", "prod.b"}
