"""What a value looks like is the same whether values are looked at one by one or all at once."""

from __future__ import annotations

import pytest

from ghostkey.sources._values import all_words, look

DECIDED = ["ops@example.com", "5.50", "12%", "7d", "$30", "0 3 * * 1", "Ask the team before you change it."]


@pytest.mark.parametrize("value", [*DECIDED, "1", "", "true", "shop/cart", '{"a": 1}', "10.0.0.7"])
def test_values_beside_plain_words_are_looked_at_one_by_one(value: str) -> None:
    assert all_words(["gold", value, "tin"]) is None
    assert (look(value)[0].name == "decided") is (value in DECIDED)


@pytest.mark.parametrize("value", ["gold", "value-1", "team-a.example.com", "v1.2.3", "a%b"])
def test_plain_words_are_told_at_once(value: str) -> None:
    assert all_words(["gold", value]) == [4, len(value)]
    assert look(value)[0].name == "word"
