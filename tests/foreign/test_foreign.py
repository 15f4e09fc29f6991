"""What strangers wrote is read within a budget: the right value of each trick."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ghostkey.foreign import TooMuchError, UnreadableError, decode_json, json_list, load_yaml, split_json, yaml_items

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a: &a {k1: 1, k2: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join(['*' + before] * 20)}], q{name}: 1}}\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip
TOO_MUCH: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "alias bomb": (load_yaml, BOMB),
    "bomb through merges": (load_yaml, MERGE_BOMB),
    "a list within itself": (load_yaml, "a: &a [*a]"),
    "a map within itself, merged": (load_yaml, "a: &a {<<: *a}"),
    "brackets": (load_yaml, "[" * 1513),
    "brackets that close": (load_yaml, "[" * 300 + "]" * 300),
    "dashes": (load_yaml, "- " * 100_000 + "a"),
    "question marks": (load_yaml, "? " * 100_000 + "a"),
    "indentation": (load_yaml, "\n".join(" " * depth + "a:" for depth in range(400))),
    "digits": (load_yaml, "a: " + "1" * 5000),
    "hexadecimal digits": (load_yaml, "a: 0x" + "f" * 5000),
    "sexagesimal digits": (load_yaml, "a: 1" + ":1" * 3000),
    "digits of a float": (load_yaml, "a: 1." + "1" * 5000),
    "a long list": (load_yaml, "x: [" + "1," * 300_000 + "1]"),
    "many anchors": (load_yaml, "\n".join(f"k{n}: &a{n} v" for n in range(150_000))),
    "anchors around anchors": (load_yaml, "".join(f"&a{n} [" for n in range(190)) + "1," * 5_000 + "]" * 190),
    "json brackets": (decode_json, "[" * 1513),
    "json brackets that close": (decode_json, "[" * 300 + "]" * 300),
    "json objects": (decode_json, '{"a":' * 300 + "1" + "}" * 300),
    "json digits": (decode_json, "1" * 5000),
    "json float": (decode_json, "1e400"),
    "json many": (decode_json, "[" + "{}," * 2_000_000 + "{}]"),
    "json list of nothing": (json_list, b'{"items":[' + b"{}," * 2_000_000 + b"{}]}"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_over_the_budget_is_said_so_before_it_takes_memory(name: str) -> None:
    read, text = TOO_MUCH[name]
    with pytest.raises(TooMuchError):
        read(text)


UNREADABLE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "python tag": (load_yaml, "a: !!python/object/apply:os.system [x]"),
    "unknown tag": (load_yaml, "a: !secret x"),
    "alias of nothing": (load_yaml, "a: *secret"),
    "key that is a list": (load_yaml, "? [a]\n: b"),
    "merge of a text": (load_yaml, "<<: secret"),
    "two documents": (load_yaml, "a\n---\nb"),
    "half of a surrogate pair": (load_yaml, "a: \ud800"),
    "nul": (load_yaml, "a: \0"),
    "no utf-8": (load_yaml, b"a: \xff"),
    "tab": (load_yaml, "a:\n\t- secret"),
    "binary that is none": (load_yaml, "a: !!binary '*secret*'"),
    "number that is none": (load_yaml, "a: !!int secret"),
    "json surrogate": (decode_json, '"\\ud800"'),
    "json nan": (decode_json, "NaN"),
    "json cut": (decode_json, '{"secret'),
    "json no utf-8": (decode_json, b'{"a":"\xff"}'),
    "json bom": (decode_json, b"\xef\xbb\xbf{}"),
    "json utf-16": (decode_json, "{}".encode("utf-16")),
    "rest of json": (lambda text: list(split_json(text)), b'{} {"secret'),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_document_is_said_so_and_not_quoted(name: str) -> None:
    read, text = UNREADABLE[name]
    with pytest.raises(UnreadableError) as caught:
        read(text)
    assert not isinstance(caught.value, TooMuchError)
    assert "secret" not in str(caught.value)


def test_yaml_means_what_it_means_to_pyyaml() -> None:
    text = """
    a: yes
    b: [0x1F, 017, 1_000, 1:30, -5, 0b11]
    c: {e: 1.5, f: 1e+3, g: -.inf, h: ~}
    d: !!set {x, y}
    i: &i {k: v, l: w}
    j: {<<: *i, k: mine}
    k: {<<: [{k: first}, *i]}
    l: |
      text
    m: 'yes'
    n: !!str 5
    o: !!binary YWJj
    ? p
    q: "\\u00e9"
    """
    assert load_yaml(text) == yaml.safe_load(text)


def test_times_and_odd_scalars_stay_text_as_in_kubernetes() -> None:
    found = load_yaml("a: 2024-99-99\nb: 2024-01-01\nc: !!timestamp 0000-00-00\nd: =\ne: 0o17\n")
    assert found == {"a": "2024-99-99", "b": "2024-01-01", "c": "0000-00-00", "d": "=", "e": "0o17"}


def test_the_last_of_equal_keys_counts() -> None:
    assert load_yaml("a: 1\na: 2") == decode_json('{"a": 1, "a": 2}') == {"a": 2}


def test_aliases_that_stand_for_little_are_read() -> None:
    assert load_yaml("a: &a {x: 1}\nb: *a\n&c c: *a\n*c : d") == {"a": {"x": 1}, "b": {"x": 1}, "c": "d"}


def test_marks_in_strings_are_no_nodes() -> None:
    inner = "[" + "{}," * 400_000 + "{}]"
    assert decode_json(json.dumps({"data": {"a": inner}}))["data"]["a"] == inner


def test_items_of_a_list_come_one_by_one_and_each_has_a_budget_of_its_own() -> None:
    item = "- [" + "1, " * 500 + "1]\n"
    found = list(yaml_items("kind: List\nitems:\n" + item * 50 + "after: x\n", nodes=600))
    assert [is_item for is_item, _ in found] == [True] * 50 + [False]
    assert found[-1][1] == {"kind": "List", "items": [], "after": "x"}


def test_documents_after_one_another_are_told_apart() -> None:
    assert list(split_json(b'{"a":"}{\\""}\n [1]\r\n{}')) == [b'{"a":"}{\\""}', b"[1]", b"{}"]
