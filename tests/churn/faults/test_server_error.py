"""500 instead of a write: an error branch that goes on forgets the key."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_server_error_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("server-error", "error-branch")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_server_error_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("server-error", "")
    assert struck
    assert not found
