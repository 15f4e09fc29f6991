"""pytest plugin: `control_plane` (one per run and worker) and `namespace` (a fresh one per test)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ghostkey.testing.control_plane import ControlPlane

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A running etcd and kube-apiserver, shared by the tests of one worker."""
    from ghostkey.testing.control_plane import ControlPlane

    with ControlPlane() as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a new namespace, for one test alone; it goes with the test, so that those after it have nothing of it to read."""
    name = f"test-{next(_numbers)}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.etcd.empty(name)
