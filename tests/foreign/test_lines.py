"""Where objects and keys stand in files."""

from __future__ import annotations

import json

import yaml

from ghostkey.foreign._lines import object_lines

MANIFEST = """\
# a comment
---
apiVersion: v1
kind: ConfigMap
metadata:
  labels: {name: not-this, "namespace": nor-this}
  name: settings
  namespace: prod
data:
  data: |
    kind: Secret
    metadata: {name: nothing}
  "quoted.key": 1
  ? complex
  : 2
binaryData:
  b: AA==
--- # the next
kind: List
items:
- &first
  data: {in: flow, a: b}
  kind: ConfigMap
  metadata: {name: one}
- kind: Secret
  metadata:
    name: two
  stringData:
    token: x
- *first
...
---
kind: ConfigMap
data: {a: b}
"""


def test_objects_and_keys_are_at_their_lines() -> None:
    found = list(object_lines(MANIFEST.encode()))
    lines = MANIFEST.splitlines()
    assert [(it.kind, it.namespace, it.name) for it in found] == [
        ("ConfigMap", "prod", "settings"), ("ConfigMap", "", "one"), ("Secret", "", "two"),
    ]  # fmt: skip
    assert found[0].line == lines.index("apiVersion: v1") + 1
    for key, text in (("data", "  data: |"), ("quoted.key", '  "quoted.key": 1'), ("complex", "  ? complex"), ("b", "  b: AA==")):
        assert found[0].keys[key] == lines.index(text) + 1
    assert found[1].keys == {"in": 22, "a": 22}
    assert found[2].keys == {"token": lines.index("    token: x") + 1}


def test_json_is_read_as_it_is_printed_and_as_it_is_not() -> None:
    item = {"kind": "ConfigMap", "data": {"a/b": "x", "ü": '{"kind": 1}'}, "metadata": {"name": "m", "namespace": "n"}}
    for indent in (None, 2, "\t"):
        text = json.dumps({"kind": "List", "items": [item, item]}, indent=indent)
        found = list(object_lines(text.encode()))
        assert [it.name for it in found] == ["m", "m"]
        place = next((number for number, line in enumerate(text.splitlines(), 1) if "a/b" in line), 1)
        assert found[0].keys["a/b"] == place


def test_what_is_no_yaml_ends_without_an_error() -> None:
    for raw in (b"", b"\x00", b"a: [", b"a: b: c", b"\xff\xfe", b"[" * 10_000, b"- a\n" * 100, yaml.safe_dump({"a": 1}).encode()):
        assert list(object_lines(raw)) == []
    whole = b"kind: ConfigMap\nmetadata: {name: a}\n---\na: ["
    assert [it.name for it in object_lines(whole)] == ["a"]
