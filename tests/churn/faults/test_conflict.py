"""409 instead of a patch: an error branch that goes on forgets the key."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_conflict_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("conflict", "error-branch")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_conflict_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("conflict", "")
    assert struck
    assert not found
