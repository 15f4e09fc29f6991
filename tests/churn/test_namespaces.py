"""Namespaces as subjects, and an operator that is no Go program."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from ghostkey.testing import binary
from ghostkey.testing.binaries import cache_directory
from tests.helpers import Program

OPERATOR = Path(__file__).with_name("namespace_operator.py")


@pytest.mark.parametrize("how", ["leak", pytest.param("clean", marks=pytest.mark.whole)])
def test_keys_of_namespaces_that_are_gone(files_program: Program, tmp_path: Path, how: str) -> None:
    (tmp_path / "sample.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n")
    operator = shlex.join([sys.executable, str(OPERATOR), str(binary("kubectl")), how])
    done = files_program(
        "churn", f"--operator={operator}", f"--sample={tmp_path / 'sample.yaml'}", "--subjects=4", "--patience=2s", "--no-faults",
        "-o", "json", env={"GHOSTKEY_CACHE": str(cache_directory())},
    )  # fmt: skip
    told = [
        (verdict["verdict"], verdict["signature"], verdict["only"])
        for verdict in done.json["verdicts"]
        if verdict["verdict"] != "SLOW"
    ]
    assert told == ([("LEAK", "configmaps default/registry data[<S>] (key)", "")] if how == "leak" else []), done.out
    assert done.code == (1 if how == "leak" else 0)
