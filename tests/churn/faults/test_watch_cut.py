"""A watch that is cut is opened again, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed


@pytest.mark.whole
def test_watch_cut_strikes_and_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("watch-cut", "")
    assert struck >= 2
    assert not found
