"""One bed for all tests of a worker: a control plane with a garbage collector, and the Tenant CRD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.churn.helpers import CRD, SAMPLE, SETUP, TenantBed, tenant_bed


@pytest.fixture(scope="session")
def tenants() -> Iterator[TenantBed]:
    with tenant_bed() as made:
        yield made


@pytest.fixture(scope="session")
def cluster() -> Iterator[ControlPlane]:
    """One that is given, with the Tenant CRD."""
    with ControlPlane(controller_manager=True) as running:
        running.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([CRD, *SETUP]))
        running.kubectl("wait", "--for=condition=Established", "crd/tenants.demo.ghostkey.dev")
        tenants = f"/apis/{SAMPLE['apiVersion']}/tenants"
        # 429 while its cache is filled for the first time
        running.wait_until(lambda: running.raw("GET", tenants)[0] == 200, "Tenants are listed")
        yield running


@pytest.fixture
def sample(tmp_path: Path) -> str:
    """The option that makes Tenants of subjects."""
    (tmp_path / "sample.yaml").write_text(yaml.safe_dump(SAMPLE))
    return f"--sample={tmp_path / 'sample.yaml'}"
