"""A slice of `make fuzz`: the same inputs in every run."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import _batch
from tests.fuzz.engine import kinds


@pytest.mark.parametrize("kind", kinds())
def test_mutated_inputs_are_read_or_refused_within_two_seconds_and_256_mb(kind: str) -> None:
    assert _batch(kind, 0, 74, seed=1) == []
