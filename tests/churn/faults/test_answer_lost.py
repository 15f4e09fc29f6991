"""A delete that is carried out and not answered: the next one finds nothing, and returns early."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_answer_lost_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("answer-lost", "early-return")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_answer_lost_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("answer-lost", "")
    assert struck
    assert not found
