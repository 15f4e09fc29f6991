"""Deletions that nobody sees: an operator without finalizer never hears of them."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_deleted_while_down_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("deleted-while-down", "cleanup-lost-on-restart", "--cleanup-delay=1s")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_deleted_while_down_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("deleted-while-down", "")
    assert struck
    assert not found
