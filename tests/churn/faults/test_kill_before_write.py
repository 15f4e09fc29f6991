"""The end before the child is deleted: what waits in memory is lost."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_kill_before_write_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("kill-before-write", "cleanup-lost-on-restart", "--cleanup-delay=1s")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_kill_before_write_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("kill-before-write", "")
    assert struck
    assert not found
