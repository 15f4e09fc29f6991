"""The end right after a write: the next process finds the child gone, and returns early."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_kill_after_write_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("kill-after-write", "early-return")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_kill_after_write_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("kill-after-write", "")
    assert struck
    assert not found
