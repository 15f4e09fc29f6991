"""Lines for people on a narrow terminal: broken at words, commands whole, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostkey.report.visible import width_of
from ghostkey.report.wrapping import _LEAD, wrapped


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("short", 40, ["short"]),
        ("one two three four", 10, ["one two", "  three", "  four"]),
        ("  12. for it: many words", 16, ["  12. for it:", "      many words"]),
        ("  - key   2 B  a reason", 14, ["  - key   2 B", "    a reason"]),
        ("LEAK         the place of a leak", 30, ["LEAK         the place of a", "             leak"]),
        ("             written again by it", 30, ["             written again by", "               it"]),
        # what is copied has no line feed in it
        ("undo:    ghostkey undo 20260101T000000 -n shop", 20, ["undo:    ghostkey undo 20260101T000000 -n shop"]),
        (
            "hint: see ghostkey rbac --for scan -n shop prints the Role", 40,
            ["hint: see", "  ghostkey rbac --for scan -n shop", "  prints the Role"],
        ),
        ("hint: kubectl get cm -A | grep registry", 20, ["hint: kubectl get cm -A | grep registry"]),
        ("try ghostkey scan --subject 'a b=c d' or not", 20, ["try", "  ghostkey scan --subject 'a b=c d'", "  or not"]),
        ("      13 | r.seen[req.Name] = time.Now()", 20, ["      13 | r.seen[req.Name] = time.Now()"]),
        ("日本語 日本語 日本語", 14, ["日本語 日本語", "  日本語"]),
    ],
)  # fmt: skip
def test_line_is_broken_where_a_reader_would(line: str, width: int, lines: list[str]) -> None:
    assert wrapped(line, width).split("\n") == lines


WORDS = st.sampled_from(
    ["a", "key", "ghostkey", "kubectl", "undo", "-n", "it's", "'", "|", "(see", "日本", "x" * 30, "12.", "", " "]
)


@given(st.lists(WORDS, max_size=30), st.integers(0, 30), st.integers(10, 60))
def test_no_character_is_lost_and_no_word_broken(words: list[str], indent: int, width: int) -> None:
    line = " " * indent + " ".join(words)
    told = wrapped(line, width)
    assert told.split() == line.split()
    if "ghostkey" not in line and "kubectl" not in line:
        for one in told.split("\n"):
            # one word, and what stands before it, is as short as it gets
            assert width_of(one.rstrip()) <= width or len(_LEAD.sub("", one, count=1).split()) <= 1 or one is told
