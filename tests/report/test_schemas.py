"""Each schema is held against real output, and tells what is not it. All tests hold what they read against it, too."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ghostkey import testing
from ghostkey.testing import ControlPlane
from tests.helpers import SCHEMAS, Program, check_schema, make_registry

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]


def refuses(document: Any, *path: Any) -> None:
    """The schema refuses the document without, and with another type of, the field at the end of the path."""
    for value in (None, {"odd": [1]}):
        broken = copy.deepcopy(document)
        level = broken
        for step in path[:-1]:
            level = level[step]
        level.pop(path[-1])
        if value is not None:
            level[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            check_schema(broken)


def test_scan(program: Program, control_plane: ControlPlane, namespace: str) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    report = program.scan("-n", namespace)
    assert check_schema(report) == "scan"
    assert len(report["findings"]) == 2
    refuses(report, "findings", 0, "message")
    refuses(report, "summary", "gaps")


def test_story(files_program: Program, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    log = tmp_path / "audit.log"
    log.write_bytes(control_plane.audit_log.read_bytes())
    story = files_program("explain", "cm/registry", "-n", namespace, "--from", str(log), "-o", "json").json
    assert check_schema(story) == "story"
    assert story["kind"] == "GhostkeyStory"
    assert story["holder"] == {"kind": "ConfigMap", "resource": "configmaps", "namespace": namespace, "name": "registry"}
    assert story["keys"]
    refuses(story, "keys")


def test_lint(files_program: Program) -> None:
    report = files_program("lint", str(testing.testbed_directory() / "tenant-operator"), "-o", "json").json
    assert check_schema(report) == "lint"
    assert report["findings"]
    refuses(report, "findings", 0, "witnesses")


def test_what_is_shipped_is_what_is_tested() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {
        f"{name}.schema.json" for name in ("scan", "story", "lint", "churn", "watch")
    }
    for path in SCHEMAS.iterdir():
        schema = json.loads(path.read_text())
        assert schema["$id"].endswith(path.name)
        for form in schema.get("anyOf", [schema]):
            assert form["required"] == list(form["properties"])
