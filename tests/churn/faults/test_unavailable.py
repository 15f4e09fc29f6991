"""503: client-go waits and asks again by itself, so no operator that is right may be convicted."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed


@pytest.mark.whole
def test_unavailable_strikes_and_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("unavailable", "")
    assert struck >= 4
    assert not found
