"""What a copy of the server runs is what a process that was started runs."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.cli import COMMANDS
from tests import forked
from tests.helpers import HANG_SECONDS, Program

DUMP = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}}],
}


@pytest.mark.parametrize(
    "words",
    [("--help",), ("scan", "--from", "dump.json"), ("scan", "--from", "none.json", "-o", "json"), ("nonsense",), ("lint", ".")],
    ids=" ".join,
)
def test_a_copy_ends_and_prints_as_a_process_of_its_own_does(
    files_program: Program, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "dump.json").write_text(json.dumps(DUMP))
    environment = files_program.environment()
    assert forked.can_run(environment)
    started = subprocess.run(
        [sys.executable, "-m", "ghostkey", *words],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert forked.run(list(words), environment, tmp_path, HANG_SECONDS) == (started.returncode, started.stdout, started.stderr)


def test_copies_know_nothing_of_each_other(tmp_path: Path) -> None:
    def told(number: int) -> str:
        (dump := tmp_path / f"{number}.json").write_text(json.dumps(DUMP).replace('"m"', f'"map-{number}"'))
        done = Program(tmp_path / str(number) / "state", None)("explain", f"cm/map-{number}", "-n", "n", "--from", str(dump))
        return done.out + done.err

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, text in enumerate(pool.map(told, range(8))):
            assert f"map-{number}" in text
            assert text.replace(f"map-{number}", "").count("map-") == 0


def test_what_python_looks_at_when_it_starts_asks_for_a_process(files_program: Program) -> None:
    environment = files_program.environment()
    for name in ("PYTHONIOENCODING", "LC_ALL", "TZ", "LD_PRELOAD"):
        assert not forked.can_run({**environment, name: "other"})


def test_visitor_who_leaves_ends_nothing(files_program: Program) -> None:
    assert files_program("--version").code == 0
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(forked._server())
    assert files_program("--version").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_command_needs_no_other_to_have_been_imported(files_program: Program, command: str) -> None:
    """Copies have all of them: here each is alone."""
    words = [sys.executable, "-m", "ghostkey", command, "--help"]
    done = subprocess.run(words, env=files_program.environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
