"""What a copy of the server runs is what a process that was started runs."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
from pathlib import Path

import pytest

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
