"""The end right after deletions: what waits in memory is lost."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_restarted_after_delete_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("restarted-after-delete", "cleanup-lost-on-restart", "--cleanup-delay=1s")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_restarted_after_delete_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("restarted-after-delete", "")
    assert struck
    assert not found
