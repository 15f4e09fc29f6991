"""One bed for all tests of a worker: a control plane with a garbage collector, and the Tenant CRD."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.churn.helpers import TenantBed, tenant_bed


@pytest.fixture(scope="session")
def tenants() -> Iterator[TenantBed]:
    with tenant_bed() as made:
        yield made
