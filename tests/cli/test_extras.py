"""What an extra brings and is not there is named, with the command that installs it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ghostkey.cli import EXTRAS

ROOT = Path(__file__).parents[2]
# a package that is not there: Python refuses to import what is None
RUN = "import sys; sys.modules[sys.argv[1]] = None; from ghostkey.cli import run; sys.exit(run(sys.argv[2:]))"


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("cryptography", ("lab",)),
        ("cryptography", ("churn", "--operator", "/bin/true", "--crds", "CRD")),
    ],
)
def test_missing_package_is_named_with_its_extra(package: str, words: tuple[str, ...]) -> None:
    crd = str(ROOT / "testbed" / "tenant-operator" / "crd.yaml")
    line = [sys.executable, "-c", RUN, package, *(crd if word == "CRD" else word for word in words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done
    assert f"this needs {package}, which is not installed" in done.stderr
    assert "pip install '.[testing]'" in done.stderr


def test_extras_are_those_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in EXTRAS.items():
        assert any(line.startswith(package.replace("_", "-")) for line in extras[extra]), package
