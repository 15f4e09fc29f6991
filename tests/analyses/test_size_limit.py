"""Gauges of a real map against what a real API server then does."""

from __future__ import annotations

import json

from ghostkey.testing import ControlPlane
from tests.helpers import Program, found, make_map, merge

KEY = "a-key-of-thirty-nine-characters-{:07d}"
VALUE = "x" * 20


def entries(count: int, start: int = 0) -> dict[str, str | None]:
    return {KEY.format(n): VALUE for n in range(start, start + count)}


def test_binding_limit_and_room_left_are_right(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """The map is filled until the gauge says a few keys fit: that many go in by apply, and twice the room does not."""
    make_map(control_plane, namespace, "full", entries(11_500))  # type: ignore[arg-type]
    report = program.scan("cm/full", "-n", namespace)
    assert found(report) == {("size-limit", namespace, "full", "")}
    (finding,) = report["findings"]
    assert finding["message"].startswith("stored object with managedFields (apply) is at ")
    room = int(finding["message"].split("about ")[1].split(" more")[0].replace(",", ""))
    assert 500 < room < 5000
    merge(control_plane, namespace, "full", entries(room - 200, 20_000))
    fields = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/full")["metadata"]
    assert fields.get("managedFields"), "the gauge promised too much"
    merge(control_plane, namespace, "full", entries(700, 40_000))
    after = program.scan("cm/full", "-n", namespace)
    fields = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/full")["metadata"]
    assert not fields.get("managedFields"), "the gauge promised too little"
    assert found(after) == {("managed-fields-dropped", namespace, "full", "")}


def test_values_of_one_mebibyte_bind_first_when_keys_are_few(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "large", {f"k-{n}": "x" * 100_000 for n in range(10)})
    (finding,) = program.scan("cm/large", "-n", namespace)["findings"]
    assert finding["message"].startswith("values is at 95% of 1,024 KiB")
    assert finding["severity"] == "critical"


def test_annotations_have_their_own_limit(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "notes", {"a": "1"}, metadata={"annotations": {"big": "x" * 230_000}})
    (finding,) = program.scan("cm/notes", "-n", namespace)["findings"]
    assert finding["message"].startswith("annotations is at 88% of 256 KiB")


def test_roomy_maps_say_nothing(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "small", entries(3000))  # type: ignore[arg-type]
    assert json.dumps(program.scan("cm/small", "-n", namespace)["findings"]) == "[]"
