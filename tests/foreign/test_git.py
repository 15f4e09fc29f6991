"""A repository is read by its folder, also where a hook of another one has set variables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ghostkey.foreign.git import LOCAL_VARIABLES
from ghostkey.lint.source import files_of_revision
from ghostkey.sources.history.dated_dumps import has_commits
from ghostkey.sources.history.git_tree import _git

SETTINGS = {"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"}


def repository(folder: Path, text: str, commits: int) -> Path:
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(commits):
        (folder / "a.go").write_text(f"package a // {text} {number}\n")
        git(folder, "add", "-A")
        git(folder, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", text)
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout


def test_variables_are_those_that_git_names(tmp_path: Path) -> None:
    assert set(git(tmp_path, "rev-parse", "--local-env-vars").split()) - SETTINGS <= LOCAL_VARIABLES


def test_repository_of_a_hook_is_not_taken_for_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, hook = repository(tmp_path / "named", "named", 2), repository(tmp_path / "hook", "hook", 1)
    monkeypatch.setenv("GIT_DIR", str(hook / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(hook))
    assert [raw for _, raw in files_of_revision(named, "HEAD")] == [b"package a // named 1\n"]
    assert has_commits(named)
    with _git(named, "log", "--format=%s") as said:
        assert said.read() == b"named\nnamed\n"
