"""Which files lie within a folder."""

from __future__ import annotations

from ghostkey.sources._folders import Folders

PLACES = ["a/b/one.yaml", "a/b.yaml", "a/b", "a/bc/two.yaml", "a/b/c/three.yaml", "a/b-d/four.yaml", "a/b/one.yaml"]


def test_within_are_the_file_itself_and_all_below_it() -> None:
    folders = Folders(PLACES)
    assert sorted(folders.within("a/b")) == [0, 2, 4, 6]
    assert sorted(folders.within("a/b/c")) == [4]
    assert folders.within("a/bc/two.yaml") == [3]


def test_within_are_no_folders_that_only_begin_alike() -> None:
    assert Folders(PLACES).within("a/b-") == []
    assert Folders([]).within("a") == []
