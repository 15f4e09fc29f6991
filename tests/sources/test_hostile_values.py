"""One map must not stop a cluster's scan, whatever is in its values; on the real API server, measured from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.foreign.test_foreign import BOMB, MERGE_BOMB
from tests.helpers import Program, found, make_map, make_tenant, make_tenants_kind

MEMORY = 256 << 20
SIBLINGS = "b: 1\nc: 2\nd: 3\n"
# a value that could hold keys, and is not looked into, is said; one that is no map is just a value
HOSTILE: dict[str, tuple[str, bool]] = {
    "alias-bomb": (BOMB, True),
    "merge-bomb": (MERGE_BOMB, True),
    "brackets": ("[" * 1513, False),
    "brackets-in-yaml": (f"a: {'[' * 1513}\n{SIBLINGS}", True),
    "itself": ("a: &a [*a]\n" + SIBLINGS, True),
    "digits": ("9" * 5000, False),
    "digits-in-yaml": (f"a: {'9' * 5000}\n{SIBLINGS}", True),
    "digits-in-json": ('{"a": ' + "9" * 5000 + "}", True),
    "float-in-json": ('{"a": 1e999999}', True),
    "objects": ('{"a":' * 2000 + "1" + "}" * 2000, True),
    "long-list": (SIBLINGS + "x: [" + "1," * 300_000 + "1]\n", True),
    "many-objects": ('{"x": [' + "{}," * 300_000 + "{}]}", True),
    "quoted": (json.dumps("[" * 1513), False),
    "python": ("a: !!python/object/apply:os.system [x]\n" + SIBLINGS, False),
    "odd-keys": ("? true\n: {1: 2, null: 3, 1.5: 4, 2024-01-01: 5}\na: {b: .nan, c: .inf, d: !!set {x}, e: !!binary YWJj}\n" + SIBLINGS, False),
    "hexadecimal": ("a: {x: 0x" + "f" * 300 + "}\n" + SIBLINGS, False),
    "long-key": ('{"' + "k" * 300_000 + '": 1, "b": 2, "c": 3}', False),
    "same-keys": ('{"a": 1, "a": 2, "b": {"c": 1}, "d": 1}', False),
    "nul": ("a\0b\x1b[31m\u202e", False),
}  # fmt: skip


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_tenants_kind(control_plane)
    for number in range(6):
        make_tenant(control_plane, namespace, f"shop-{number}")
    make_map(control_plane, namespace, "registry", {f"{namespace}.shop-{number}": "{}" for number in range(9)})
    return namespace


@pytest.mark.whole(but=["alias-bomb"])
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_value_is_opaque_and_all_else_is_seen(
    control_plane: ControlPlane, registry: str, program: Program, name: str
) -> None:
    value, is_said = HOSTILE[name]
    make_map(control_plane, registry, "hostile", {"value": value, "good": '{"a": 1}'})
    done, peak = program.measured("scan", "-n", registry, "-o", "json")
    assert peak < MEMORY
    assert done.code == (3 if is_said else 1), done.err
    said = [gap for gap in done.json["gaps"] if gap["what"].startswith("value value of ")]
    assert bool(said) == is_said
    assert "bug" not in done.err
    ghosts = {("ghost-key", registry, "registry", f"{registry}.shop-{number}") for number in (6, 7, 8)}
    assert {key for key in found(done.json) if key[2] == "registry"} == ghosts


@pytest.mark.whole
@pytest.mark.parametrize("name", ["alias-bomb", "brackets-in-yaml", "itself", "digits-in-json", "objects"])
def test_commands_on_the_hostile_map_itself_are_one_line_or_done(
    control_plane: ControlPlane, registry: str, program: Program, name: str, tmp_path: Path
) -> None:
    make_map(control_plane, registry, "hostile", {"value": HOSTILE[name][0]})
    for words, codes in (
        (("trim", "cm/hostile", "--key", "value/a"), {2, 4, 5}),
        (("explain", "cm/hostile"), {0, 3}),
        (("blame", "cm/hostile"), {0}),
        (("trim", "cm/hostile", "--key", "value", "--no-pod-check"), {0}),
    ):
        done, peak = program.measured(*words, "-n", registry)
        assert done.code in codes, (words, done)
        assert "bug" not in done.err
        assert peak < MEMORY
