"""Entries are cut out of documents without touching another byte, or the cut is refused."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from ghostkey.actions.documents import entries_at, entry_text, with_entries, without_entries
from ghostkey.model.errors import Refused

WORDS = st.text("abcdefghij-_.0123456789 :#\u00fc\n'\"", min_size=1, max_size=10)
LEAVES = st.one_of(WORDS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)), max_leaves=6
)
DOCUMENTS = st.fixed_dictionaries(
    {"before": VALUES, "entries": st.dictionaries(WORDS, VALUES, min_size=1, max_size=6), "z": VALUES}
)


@pytest.mark.whole
@settings(max_examples=400, deadline=None)
@given(DOCUMENTS, st.data(), st.sampled_from([None, 1, 2, "\t"]), st.booleans())
def test_json_keeps_every_other_byte(document: dict[str, object], data: st.DataObject, indent: object, ascii_only: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)  # type: ignore[arg-type]
    entries = document["entries"]
    chosen = data.draw(st.lists(st.sampled_from(sorted(entries)), unique=True, min_size=1))  # type: ignore[arg-type, call-overload]
    changed = without_entries(text, ("entries",), chosen)
    assert json.loads(changed)["entries"] == {k: v for k, v in entries.items() if k not in chosen}  # type: ignore[attr-defined]
    # what is left is the text itself with pieces taken out: nothing was written anew
    position = 0
    for character in changed:
        position = text.index(character, position) + 1
    restored = with_entries(changed, ("entries",), {key: entry_text(text, ("entries",), key) for key in chosen})
    assert json.loads(restored) == document


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS, st.data(), st.sampled_from([2, 4]), st.booleans())
def test_yaml_is_cut_right_or_refused(document: dict[str, object], data: st.DataObject, indent: int, unicode: bool) -> None:
    text = yaml.safe_dump(document, indent=indent, sort_keys=False, allow_unicode=unicode, default_flow_style=False)
    if yaml.safe_load(text) != document:
        return  # PyYAML does not read back all that it writes
    entries = document["entries"]
    chosen = data.draw(st.lists(st.sampled_from(sorted(entries)), unique=True, min_size=1))  # type: ignore[arg-type, call-overload]
    try:
        changed = without_entries(text, ("entries",), chosen)
    except Refused:
        return
    expected = {**document, "entries": {k: v for k, v in entries.items() if k not in chosen}}  # type: ignore[attr-defined]
    assert yaml.safe_load(changed) == expected


@pytest.mark.parametrize(
    ("text", "keys", "left"),
    [
        ('{"e": {"a": 1, "b": 2, "c": 3}}', ["a"], '{"e": {"b": 2, "c": 3}}'),
        ('{"e": {"a": 1, "b": 2, "c": 3}}', ["c"], '{"e": {"a": 1, "b": 2}}'),
        ('{"e": {"a": 1, "b": 2, "c": 3}}', ["a", "b", "c"], '{"e": {}}'),
        ('{"e":{"a":"}\\"{","b":[{"a":1}]}}', ["a"], '{"e":{"b":[{"a":1}]}}'),
        ('{\n  "e": {\n    "a": 1,\n    "b": 2\n  }\n}\n', ["b"], '{\n  "e": {\n    "a": 1\n  }\n}\n'),
        ("e:\n  a: 1\n  b: 2\nz: 1\n", ["b"], "e:\n  a: 1\nz: 1\n"),
        ("e:\n  a: 1\n  b: 2\nz: 1\n", ["a", "b"], "e: {}\nz: 1\n"),
        ("e:\n  a:\n    - x\n    - y\n  b: 2", ["b"], "e:\n  a:\n    - x\n    - y\n"),
        ("e:\n  a: |\n    text\n    more\n  b: 2  # why\nz: 1\n", ["a"], "e:\n  b: 2  # why\nz: 1\n"),
        ("e:\n  a: 1\n  b: |\n    text\n\nz: 1\n", ["b"], "e:\n  a: 1\nz: 1\n"),
        ("e:\n  x: 1\n  # y is vital\n  y: 2\n", ["x"], "e:\n  # y is vital\n  y: 2\n"),
        ("e:\n  x: 1\n\n  # y is vital\n\n  y: 2\n", ["x"], "e:\n\n  # y is vital\n\n  y: 2\n"),
        ("e:\n  x:\n    a: 1\n    # of a\n\n  # of y\n  y: 2\n", ["x"], "e:\n\n  # of y\n  y: 2\n"),
        ("e:\n  x:\n  - a\n  - b: 1\n    c: 2\n  # of y\n  y: 2\n", ["x"], "e:\n  # of y\n  y: 2\n"),
        ("e:\n  x: 1 # of x\n  y: 2 # of y\n# of z\n\nz: 1\n", ["y"], "e:\n  x: 1 # of x\n# of z\n\nz: 1\n"),
        ("e: # who\n  x: 1\n  y: 2\n# of z\nz: 1\n", ["x", "y"], "e: {} # who\n# of z\nz: 1\n"),
        ("e:\n  x: |+\n    text\n\n  # of y\n  y: 2\n", ["x"], "e:\n  # of y\n  y: 2\n"),
        ("e:\n  x:\n  y: 2\n", ["x"], "e:\n  y: 2\n"),
        ("e:\n  x: >-\n    folded\n    text\n\n\n  y: 2\n", ["y"], "e:\n  x: >-\n    folded\n    text\n\n\n"),
        ("e:\n  x: 1\n  y: [a,\n    b]  # of y\n  # of z\n  z: 3", ["y"], "e:\n  x: 1\n  # of z\n  z: 3"),
    ],
)
def test_layout_is_kept(text: str, keys: list[str], left: str) -> None:
    assert without_entries(text, ("e",), keys) == left


@pytest.mark.parametrize("text", ["e: {a: 1, b: 2}\n", "e: &x\n  a: &y 1\n  b: *y\n"])
def test_what_cannot_be_cut_safely_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        without_entries(text, ("e",), ["a"])


@pytest.mark.parametrize("text", ["", "[]", "nothing", '{"other": 1}', "e: 1", "{", "\t- :"])
def test_documents_without_the_mapping_are_told_by_key_error(text: str) -> None:
    with pytest.raises(KeyError):
        entries_at(text, ("e",))


VALUES_AS_WRITTEN = st.sampled_from(
    [
        " 1",
        " 'a b'",
        " {n: 1}",
        " [a, b]",
        "\n    n: 1\n    m: 2",
        "\n  - a\n  - b",
        "\n    - a",
        " |\n    text\n    # text too",
        " >-\n    a\n    b",
        "",
    ]
)
# blank lines right behind a block scalar are of its own text, so none comes first here
AROUND = st.sampled_from(
    [
        "",
        "  # of {key}\n\n",
        "  # of {key}\n",
        "# of {key}\n\n  # more of {key}\n\n",
        "# of {key}\n",
        "  # of {key}\n  # more of {key}\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(AROUND, VALUES_AS_WRITTEN), min_size=2, max_size=6), st.data())
def test_yaml_entries_go_without_the_comments_and_blank_lines_of_others(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    keys = [f"k{number}" for number in range(len(parts))]
    blocks = [(around.format(key=key), f"  {key}:{value}\n") for key, (around, value) in zip(keys, parts, strict=True)]
    text = "e:\n" + "".join(around + block for around, block in blocks) + "# of z\nz: 1\n"
    chosen = data.draw(st.lists(st.sampled_from(keys), unique=True, min_size=1, max_size=len(keys) - 1))
    left = "e:\n" + "".join(
        around + (block if key not in chosen else "") for key, (around, block) in zip(keys, blocks, strict=True)
    )
    assert without_entries(text, ("e",), chosen) == left + "# of z\nz: 1\n"
