"""An older build that is made of a revision, and what is said where it cannot be."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from ghostkey.churn import since
from ghostkey.churn.since import built_since, module_of
from ghostkey.model.errors import GhostkeyError, UsageError
from ghostkey.testing import testbed_directory as sources
from ghostkey.testing.binaries import cache_directory
from tests.churn.helpers import CRD, SAMPLE, SETUP
from tests.helpers import HANG_SECONDS, Program

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go")
NAME = ("-c", "user.name=t", "-c", "user.email=t@example.com")
RECIPE = "mkdir -p bin && cp operator.sh bin/operator && chmod +x bin/operator"
MAIN = 'package main\n\nvar said = "nothing"\n\nfunc main() {{ println({number}, said) }}\n'


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *NAME, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in (1, 2):
        shell, go = f"#!/bin/sh\necho {number} $*\n", MAIN.format(number=number)
        commit(
            folder,
            {"operator.sh": shell, "sub/go.mod": "module example.com/op // a comment\n\ngo 1.20\n", "sub/cmd/op/main.go": go},
        )
    subprocess.run(["sh", "-c", RECIPE], cwd=folder, check=True)
    return folder


def said(command: str) -> str:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()


def test_older_build_is_made_by_the_recipe_with_the_words_of_the_new_one(repository: Path) -> None:
    operator = f"{repository / 'bin/operator'} --name 'two words'"
    before = git(repository, "status", "--porcelain"), git(repository, "worktree", "list")
    with built_since(operator, "HEAD~1", repository / "sub", RECIPE) as older:
        assert said(operator) == "2 --name two words"
        assert said(older) == "1 --name two words"
    assert not Path(shlex.split(older)[0]).exists()
    assert (git(repository, "status", "--porcelain"), git(repository, "worktree", "list")) == before


def test_repository_that_a_hook_names_is_left_alone(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, {"mine.txt": "mine\n"})
    (other / "mine.txt").write_text("staged\n")
    git(other, "add", "-A")

    def state(folder: Path) -> tuple[str, bytes]:
        return (folder / ".git/HEAD").read_text(), (folder / ".git/index").read_bytes()

    before = state(other), state(repository)
    seen = tmp_path / "seen"
    with monkeypatch.context() as inherited:
        for name, value in (("DIR", other / ".git"), ("WORK_TREE", other), ("INDEX_FILE", other / ".git/index")):
            inherited.setenv(f"GIT_{name}", str(value))
        recipe = f"{RECIPE}; git rev-parse HEAD > {seen}"
        with built_since(str(repository / "bin/operator"), "HEAD~1", repository, recipe) as older:
            assert said(older) == "1"
    assert (state(other), state(repository)) == before
    assert seen.read_text().strip() == git(repository, "rev-parse", "HEAD~1")


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("module example.com/a\n", "example.com/a"),
        ("// module example.com/b\r\nmodule\texample.com/a // a comment\r\n", "example.com/a"),
        ("go 1.20\n\nmodule example.com/a// a comment", "example.com/a"),
        ('module "example.com/a"', "example.com/a"),
        ("module `example.com/a` // a comment", "example.com/a"),
        ("module ( // a comment\n\texample.com/a\n)\n", "example.com/a"),
        ("modules example.com/a\n", ""),
        ("go 1.20\n", ""),
    ],
)
def test_module_is_read_as_go_reads_it(text: str, module: str) -> None:
    assert module_of(text) == module


def test_build_that_does_not_end_is_ended_with_all_that_it_started(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(since, "BUILD_SECONDS", 0.5)
    pipe = repository.parent / "pipe"
    os.mkfifo(pipe)
    # whoever has the pipe open for writing is the build's; none has when the reader sees its end
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    recipe = f"exec 3>{pipe}; echo begun >&3; sleep 60 & sleep 60; true"
    with (
        pytest.raises(GhostkeyError, match=r"did not end within 0\.5 s"),
        built_since(str(repository / "bin/operator"), "HEAD~1", repository, recipe),
    ):
        pytest.fail("it was built")
    assert _told(reader) == b"begun\n"
    os.close(reader)


def _told(reader: int) -> bytes:
    """All that is written into a pipe until nobody has it open. Raises TimeoutError where somebody keeps it."""
    told = b""
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until:
        if select.select([reader], [], [], 0.5)[0]:
            more = os.read(reader, 1000)
            if not more:
                return told
            told += more
    raise TimeoutError("somebody has the pipe open")


def test_build_is_asked_nothing_and_the_end_of_what_it_says_is_told(repository: Path) -> None:
    recipe = "read answer || echo nobody answered; yes | head -c 9000000; echo; echo the last word; exit 1"
    with (
        pytest.raises(GhostkeyError, match="the last word") as raised,
        built_since(str(repository / "bin/operator"), "HEAD~1", repository, recipe),
    ):
        pytest.fail("it was built")
    assert len(str(raised.value)) < since.TAIL + 1000


@needs_go
def test_go_program_says_itself_how_it_is_built(repository: Path) -> None:
    program = repository.parent / "op"
    words = ["go", "build", "-o", str(program), "-ldflags", "-X 'main.said=a word'", "./cmd/op"]
    subprocess.run(words, cwd=repository / "sub", check=True, env={**os.environ, "GOFLAGS": "", "GOWORK": "off"})
    with built_since(str(program), "HEAD~1", repository) as older:
        assert (said(str(program)), said(older)) == ("2 a word", "1 a word")


@pytest.mark.parametrize(
    ("revision", "recipe", "error", "words"),
    [
        ("nothing", RECIPE, UsageError, "'nothing' is no revision"),
        ("--upload-pack=x", RECIPE, UsageError, "is no revision"),
        ("HEAD~1", "echo no compiler; exit 1", GhostkeyError, "no compiler"),
        ("HEAD~1", "true", GhostkeyError, "made no program bin/operator"),
        ("HEAD~1", "", UsageError, "is not known"),
    ],
)
def test_what_cannot_be_built_is_told(repository: Path, revision: str, recipe: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), built_since(str(repository / "bin/operator"), revision, repository, recipe):
        pytest.fail("it was built")


def test_folder_without_a_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git repository"), built_since("sh", "HEAD", tmp_path, RECIPE):
        pytest.fail("it was built")


@pytest.mark.whole
@needs_go
def test_revision_that_leaks_less_is_compared_with_the_build_that_leaks_more(files_program: Program, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(sources() / "tenant-operator", repository)
    git(repository, "init", "-q")
    commit(repository, {})
    main = (repository / "main.go").read_text()
    commit(repository, {"main.go": main.replace("chosen := mistakeSet{}", 'chosen := mistakeSet{"wrong-delete-key": true}')})
    program = repository / "bin" / "manager"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=repository, check=True)
    files = []
    for option, documents in (("crds", [CRD]), ("setup", SETUP), ("sample", [SAMPLE])):
        (tmp_path / f"{option}.yaml").write_text(yaml.safe_dump_all(documents))
        files.append(f"--{option}={tmp_path / option}.yaml")
    done = files_program(
        "churn", f"--operator={program}", *files, "--since=HEAD~1", f"--code={repository}", "--subjects=5", "--patience=2s",
        "--no-faults", "-o", "json", env={"GHOSTKEY_CACHE": str(cache_directory()), "HOME": os.environ["HOME"]},
    )  # fmt: skip
    assert done.code == 1, (done.out, done.err)
    assert [(one["was"], one["now"], one["change"]) for one in done.json["changes"]] == [("", "LEAK", "new")]
