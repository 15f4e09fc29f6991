"""Late answers leave nothing behind where one subject is worked on at a time."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed


@pytest.mark.whole
def test_delay_strikes_and_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("delay", "")
    assert struck >= 4
    assert not found
