"""One control plane for all tests of the guard: it is one for a whole cluster."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program


@pytest.fixture(scope="package")
def guarded() -> Iterator[ControlPlane]:
    """A control plane of its own: the guard is one for the whole cluster."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def program(guarded: ControlPlane, tmp_path: Path) -> Iterator[Program]:
    running = Program(tmp_path / "state", guarded.kubeconfig)
    yield running
    done = running("guard", "remove", "--apply")
    assert done.code == 0, done.err


@pytest.fixture
def space(guarded: ControlPlane) -> str:
    name = f"g-{uuid.uuid4().hex[:8]}"
    guarded.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name
