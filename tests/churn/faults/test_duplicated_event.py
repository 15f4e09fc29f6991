"""Events that come twice are no news to an operator that looks at the state."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed


@pytest.mark.whole
def test_duplicated_event_strikes_and_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("duplicated-event", "")
    assert struck >= 2
    assert not found
