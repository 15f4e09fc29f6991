"""An operator in Python, with kopf: convicted when it leaks, acquitted when it does not."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from ghostkey.testing import binary
from ghostkey.testing.binaries import cache_directory
from tests.churn.helpers import CRD, SAMPLE
from tests.helpers import Program

OPERATOR = Path(__file__).with_name("kopf_operator.py")


@pytest.mark.whole
@pytest.mark.parametrize("leak", ["1", ""])
def test_operator_with_kopf_is_judged_by_its_keys(files_program: Program, tmp_path: Path, leak: str) -> None:
    files = []
    for option, document in (("crds", CRD), ("sample", SAMPLE)):
        (tmp_path / f"{option}.yaml").write_text(yaml.safe_dump(document))
        files.append(f"--{option}={tmp_path / option}.yaml")
    done = files_program(
        "churn", f"--operator={shlex.join([sys.executable, '-m', 'kopf', 'run', '--standalone', '--all-namespaces', str(OPERATOR)])}",
        *files, f"--env=KUBECTL={binary('kubectl')}", f"--env=LEAK={leak}", "--subjects=4", "--patience=2s", "--no-faults", "-o", "json",
        env={"GHOSTKEY_CACHE": str(cache_directory())},
    )  # fmt: skip
    told = [(one["verdict"], one["signature"]) for one in done.json["verdicts"] if one["verdict"] != "SLOW"]
    assert told == ([("LEAK", "configmaps default/kopf-registry data[<ns>.<S>] (key)")] if leak else []), (done.out, done.err)
    assert not done.json["inconclusive"]
    assert done.code == (1 if leak else 0)
    if leak:
        assert done.json["verdicts"][0]["life"]["class"] == "wrong-key-name"
