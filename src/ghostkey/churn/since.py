"""An older build of the operator, made of a revision of its repository: checked out beside it, built, and gone afterwards.

A Go program says itself how it was built (package, flags, tags): so it is built again. Anything else needs the command that builds it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ghostkey.census.elf import BuildInfo, Executable
from ghostkey.census.errors import NotGo
from ghostkey.churn.operator import TAIL, command_line
from ghostkey.foreign import git
from ghostkey.model.errors import GhostkeyError, UsageError

BUILD_SECONDS = 1800.0
GIT_SECONDS = 300.0
# of what a program says of its build: what a build with the same source has to be given again. Source: cmd/go/internal/load/pkg.go
_FLAGS = ("-tags", "-ldflags", "-gcflags", "-asmflags", "-mod")
_VARIABLES = ("CGO_ENABLED", "GOEXPERIMENT", "GOAMD64", "GOARM64")
_COMMENT = re.compile(r"//.*")
# Source: https://go.dev/ref/mod#go-mod-file-module (the path may be quoted, and stand in parentheses)
_MODULE = re.compile(r"""^[ \t]*module\b[ \t]*(?:\(\s*)?(?:"([^"\n]+)"|`([^`\n]+)`|([^\s()"`]+))""", re.MULTILINE)


@contextlib.contextmanager
def built_since(operator: str, revision: str, folder: Path, recipe: str = "") -> Iterator[str]:
    """How the build of that revision is started: the operator's words with another program.

    `folder`: any of the repository. `recipe`: a shell command that builds the program where it is in the repository; run at its top.
    Raises UsageError where there is no such repository or revision, GhostkeyError with the last words of a build that fails.
    """
    argv = command_line(operator)
    top = Path(_git(folder, "rev-parse", "--show-toplevel"))
    commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", what=revision)
    with tempfile.TemporaryDirectory(prefix="ghostkey-since-") as name:
        tree = Path(name) / "tree"
        # a clone that shares objects: nothing is written into their repository
        _git(top, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(tree))
        _git(tree, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit)
        program = (
            _by_recipe(tree, top, Path(argv[0]), recipe) if recipe else _by_build_info(tree, Path(argv[0]), Path(name) / "built")
        )
        yield shlex.join([str(program), *argv[1:]])


def _by_recipe(tree: Path, top: Path, program: Path, recipe: str) -> Path:
    try:
        place = program.resolve().relative_to(top.resolve())
    except ValueError:
        raise UsageError(
            f"{program} is not in the repository {top}, so where --build puts it is not known",
            "build it there, or name the older build with --against",
        ) from None
    made = tree / place
    made.parent.mkdir(parents=True, exist_ok=True)
    _run(["sh", "-c", recipe], tree, {})
    if not os.access(made, os.X_OK):
        raise GhostkeyError(f"--build {recipe!r} made no program {place} of the older revision", "run it by hand in a checkout")
    return made


def _by_build_info(tree: Path, program: Path, target: Path) -> Path:
    told = _build_info(program)
    package = told.main_path.removeprefix(told.module)
    for file in sorted(tree.rglob("go.mod")):
        if module_of(file.read_text(errors="replace")) == told.module and (file.parent / package.strip("/")).is_dir():
            words = [
                "go",
                "build",
                "-o",
                str(target),
                *(f"{flag}={told.settings[flag]}" for flag in _FLAGS if told.settings.get(flag)),
            ]
            words += ["-trimpath"] if told.settings.get("-trimpath") == "true" else []
            variables = {name: told.settings[name] for name in _VARIABLES if name in told.settings}
            _run([*words, f"./{package.strip('/')}"], file.parent, variables)
            return target
    raise UsageError(f"the older revision has no package {told.main_path}", "say how it is built: --build 'make build'")


def _build_info(program: Path) -> BuildInfo:
    try:
        with contextlib.closing(Executable(str(program))) as executable:
            told = executable.build_info()
    except (NotGo, OSError) as error:
        raise UsageError(f"how {program} was built is not known: {error}", "say it: --build 'make build'") from None
    if not told.module or not told.main_path.startswith(told.module):
        raise UsageError(f"{program} does not say of which module it was built", "say how it is built: --build 'make build'")
    return told


def module_of(text: str) -> str:
    """Of which module a go.mod is; "" where it does not say."""
    found = _MODULE.search(_COMMENT.sub("", text))
    return next(filter(None, found.groups()), "") if found else ""


def _run(words: Sequence[str], folder: Path, variables: dict[str, str]) -> None:
    # a file, since of what a build says the end alone is kept, and what it leaves running would hold a pipe open
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                words, cwd=folder, env={**git.environment(), **variables}, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise UsageError(
                f"{words[0]} is not installed", "build the older revision yourself, and name it with --against"
            ) from None
        try:
            code = process.wait(BUILD_SECONDS)
        except BaseException as error:
            # whatever ends the wait, Ctrl-C too, which a session of its own does not hear: the compilers that sh started end with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise GhostkeyError(f"the build of the older revision did not end within {BUILD_SECONDS:g} s") from None
            raise
        if code:
            raise GhostkeyError(f"the older revision cannot be built ({shlex.join(words)}):\n{_tail(said)}")


def _tail(file: IO[bytes]) -> str:
    """The last characters of a file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * TAIL))  # of UTF-8, a character has no more than 4 bytes
    return file.read().decode(errors="replace")[-TAIL:]


def _git(folder: Path, *words: str, what: str = "") -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GIT_SECONDS,
            check=False, env={**git.environment(), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError("git is not installed", "build the older revision yourself, and name it with --against") from None
    except subprocess.TimeoutExpired:
        raise GhostkeyError(f"git {words[0]} did not end within {GIT_SECONDS:.0f} s") from None
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0].removeprefix("fatal: ") or f"{what!r} is no revision of {folder}"
        raise UsageError(f"--since: {said}", "git log shows the revisions there are; --code DIR names the repository")
    return done.stdout.strip()
