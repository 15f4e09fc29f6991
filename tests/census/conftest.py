"""The versions of Go whose programs are read: the testbed's own, and with `--all` every one that has another layout."""

from __future__ import annotations

import pytest

from tests.census.truth import EXPERIMENTS, VERSIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_all = metafunc.config.getoption("--all")
    if "version" in metafunc.fixturenames and "experiment" in metafunc.fixturenames:
        metafunc.parametrize(("version", "experiment"), EXPERIMENTS)
    elif "version" in metafunc.fixturenames:
        metafunc.parametrize("version", VERSIONS if is_all else VERSIONS[:1])
