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


def test_names_that_end_as_hashes_do_are_whole_though_a_longer_name_begins_alike(tmp_path: Path) -> None:
    """Services of another app have no key, and begin with the same words."""
    live = [f"{word}-{number:05x}" for number, word in enumerate(["ember", "juniper", "onyx", "hazel"] * 5, 0x1FEB0)]
    gone = ["ember-081f9", "juniper-615f0", "onyx-cc532"]
    tenants = [thing("Tenant", name) for name in [*live, "ember-harbor-of-the-west-12", "juniper-and-others-of-it"]]
    assert keys(analyse(tmp_path, [*tenants, config_map(dict.fromkeys([*live, *gone], "1"))]), "ghost-key") == set(gone)


@pytest.mark.parametrize(
    ("longest", "is_found"), [("customers-of-2024", True), ("customers-20", False), ("customers-202", False)]
)
def test_names_are_cut_to_a_length_that_no_whole_one_is_longer_than(tmp_path: Path, longest: str, is_found: bool) -> None:
    tenants = [thing("Tenant", name) for name in [*LIVE, longest, CUT]]
    registry = config_map(dict.fromkeys([*LIVE, longest, "radabk-21fbe", "gakaloter"], "1"))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"gakaloter"} | ({"radabk-21fbe"} if is_found else set())
