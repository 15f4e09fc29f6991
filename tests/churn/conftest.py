"""One bed for all tests of a worker: a control plane with a garbage collector, and the Tenant CRD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ghostkey.churn.given_receipt import clean_up
from ghostkey.testing import ControlPlane
from tests.churn.helpers import CRD, SAMPLE, SETUP, TenantBed, tenant_bed
from tests.churn.writers import CONFIGMAPS, NAMESPACE, TENANTS, Writers
from tests.helpers import HANG_SECONDS


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


@pytest.fixture
def writers(cluster: ControlPlane, tmp_path: Path) -> Iterator[Writers]:
    made = Writers(cluster, tmp_path)
    with made.receipt.written():
        made.receipt.made_namespace(made.uid)
        made.proxy.ask("guard", namespaces=[NAMESPACE], noted_in=str(made.receipt.path))
        yield made
        made.proxy.close()
        for path in (TENANTS, CONFIGMAPS):
            for one in cluster.request("GET", path)["items"]:
                made.hold(made.client, f"{path}/{one['metadata']['name']}")
        assert not clean_up(made.client, made.receipt, patience=HANG_SECONDS).why
