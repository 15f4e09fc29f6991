"""A key may be a live name that has no key as it is: cut, with a hash behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import analyse, config_map, keys, thing

LIVE = [
    "onoria",
    "vepalo",
    "rasomi-2",
    "rizinka",
    "risomikol",
    "onpatera",
    "verilo-2",
    "rorokami",
    "paka-inc",
    "kaonela",
    "lolu-v2",
]
CUT = "radabkater-gmbh"


@pytest.mark.parametrize("tail", ["21fbe", "xk4qz", "bcdfg", "abbdf", "faded", "oluka"])
def test_name_that_is_cut_within_a_word_is_no_ghost(tmp_path: Path, tail: str) -> None:
    """A hash need not look like one: in hex it may have no digit, and in other alphabets vowels."""
    tenants = [thing("Tenant", name) for name in [*LIVE, CUT]]
    registry = config_map(dict.fromkeys([*LIVE, f"radabk-{tail}", "gakaloter"], "1"))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"gakaloter"}


@pytest.mark.parametrize(("live", "key", "is_found"), [
    ("radabk-gmbh-europe", "radabk-oluka", True),  # whole words with another word behind: a sister that is gone
    ("radabk-gmbh-europe", "radabk-cafe", True),
    ("radabk-gmbh-europe", "radabk-abbdf", False),  # what looks like a hash may be one
    ("radabk-eu", "radabk-abbdf", True),  # a name that short would not have been cut
])  # fmt: skip
def test_words_behind_whole_words_are_other_names(tmp_path: Path, live: str, key: str, is_found: bool) -> None:
    tenants = [thing("Tenant", name) for name in [*LIVE, live]]
    registry = config_map(dict.fromkeys([*LIVE, key, "gakaloter"], "1"))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"gakaloter"} | ({key} if is_found else set())
