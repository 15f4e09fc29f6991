"""A window in which nothing is seen ends with a list: what was deleted in it is known to be gone."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed


@pytest.mark.whole
def test_stale_window_strikes_and_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("stale-window", "")
    assert struck >= 2
    assert not found
