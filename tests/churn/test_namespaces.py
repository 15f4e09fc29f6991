"""Namespaces as subjects, and an operator that is no Go program."""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.churn import memory_text
from ghostkey.churn.tokens import new_token
from ghostkey.testing import binary
from ghostkey.testing.binaries import cache_directory
from tests.helpers import Done, Program

OPERATOR = Path(__file__).with_name("namespace_operator.py")


HOLDS = """
import sys
seen = []
for line in sys.stdin:
    words = line.split()
    seen = seen + words if sys.argv[1] == "keeps" else words[-1:]
    del words
    print("done", flush=True)
    line = "x" * 200
"""


@pytest.mark.parametrize("how", ["keeps", "forgets"])
def test_names_in_the_memory_of_a_program_in_another_language(how: str) -> None:
    chance = random.Random(7)
    rounds = {new_token(chance): 1 + number // 40 for number in range(120)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number in (1, 2, 3):
            for token in (token for token, when in rounds.items() if when == number):
                program.stdin.write(token + "\n")
                program.stdin.flush()
                assert program.stdout.readline() == "done\n"
        found, _ = memory_text.traces(program.pid, rounds)
        one, _ = memory_text.traces(program.pid, {token: 1 for token, when in rounds.items() if when == 1})
    assert not one  # the newest round alone says nothing
    assert {len(trace.tokens) for trace in found.values()} == ({120} if how == "keeps" else set())


@pytest.mark.whole
def test_names_that_a_cache_may_hold_are_a_note(files_program: Program, tmp_path: Path) -> None:
    done = _churned(files_program, tmp_path, "remember")
    assert done.json["notes"] == [
        "the names of all 12 dead subjects are in its memory, as a cache would have them: try --subjects 100"
    ]
    assert done.code == 0


@pytest.mark.whole
@pytest.mark.parametrize("how", ["leak", pytest.param("clean", marks=pytest.mark.whole)])
def test_keys_of_namespaces_that_are_gone(files_program: Program, tmp_path: Path, how: str) -> None:
    done = _churned(files_program, tmp_path, how)
    told = [
        (verdict["verdict"], verdict["signature"], verdict["only"])
        for verdict in done.json["verdicts"]
        if verdict["verdict"] != "SLOW"
    ]
    assert told == ([("LEAK", "configmaps default/registry data[<S>] (key)", "")] if how == "leak" else []), done.out
    assert done.code == (1 if how == "leak" else 0)


@pytest.mark.whole
@pytest.mark.parametrize("how", ["leak", "clean"])
def test_operator_that_rests_between_its_writes_is_waited_for_as_long_as_it_goes_on(
    files_program: Program, tmp_path: Path, how: str
) -> None:
    done = _churned(files_program, tmp_path, how, "waits", "--subjects=6", "--patience=10s")
    assert not done.json["inconclusive"], done.out
    leaks = [verdict["signature"] for verdict in done.json["verdicts"] if verdict["verdict"] == "LEAK"]
    assert leaks == (["configmaps default/registry data[<S>] (key)"] if how == "leak" else []), done.out


@pytest.mark.whole
@pytest.mark.parametrize("how", ["leak", "clean"])
def test_operator_that_comes_late_to_a_round_is_waited_for(files_program: Program, tmp_path: Path, how: str) -> None:
    done = _churned(files_program, tmp_path, how, "ponders", "--subjects=6", "--patience=20s")
    assert not done.json["inconclusive"], done.out
    leaks = [verdict["signature"] for verdict in done.json["verdicts"] if verdict["verdict"] == "LEAK"]
    assert leaks == (["configmaps default/registry data[<S>] (key)"] if how == "leak" else []), done.out


def _churned(program: Program, folder: Path, *how: str) -> Done:
    (folder / "sample.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n")
    ways, options = [word for word in how if word[0] != "-"], [word for word in how if word[0] == "-"]
    operator = shlex.join([sys.executable, str(OPERATOR), str(binary("kubectl")), *ways])
    return program(
        "churn", f"--operator={operator}", f"--sample={folder / 'sample.yaml'}", "--subjects=4", "--patience=500ms", "--no-faults",
        "-o", "json", *options, env={"GHOSTKEY_CACHE": str(cache_directory())},
    )  # fmt: skip
