"""The marker and `assert_no_ghosts`, in a test of somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ghostkey.testing import binary
from tests.churn.helpers import CRD, SAMPLE, SETUP
from tests.helpers import HANG_SECONDS

TESTS = """
import pytest
from ghostkey.churn.testing import assert_no_ghosts

GIVEN = {"crds": ["crd.yaml"], "samples": ["sample.yaml"], "setup": ["setup.yaml"], "patience": 0.5, "subjects": 3}


@pytest.mark.churn("OPERATOR --mistake=wrong-delete-key", **GIVEN)
def test_leaks(churned):
    assert_no_ghosts(churned)


@pytest.mark.churn("OPERATOR", **GIVEN)
def test_leaks_nothing(churned):
    assert_no_ghosts(churned)


def test_names_no_operator(churned):
    pass
"""


@pytest.mark.whole
def test_marked_tests_fail_on_what_leaks_alone_and_say_what(tmp_path: Path) -> None:
    for name, documents in (("crd", [CRD]), ("setup", SETUP), ("sample", [SAMPLE])):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    (tmp_path / "test_operator.py").write_text(TESTS.replace("OPERATOR", str(binary("tenant-operator"))))
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-rA", "."]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert "1 failed, 1 passed, 1 error" in done.stdout, done.stdout
    assert "LEAK api: configmaps tenant-system/tenant-registry data[<ns>.<S>] (key)" in done.stdout
    assert "needs @pytest.mark.churn" in done.stdout
