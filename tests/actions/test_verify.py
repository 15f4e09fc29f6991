"""Verify on a real API server: converged, re-added with the culprit's name, still growing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, Program, make_map, make_tenants_kind

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]


@pytest.fixture
def trimmed(control_plane: ControlPlane, namespace: str, program: Program) -> str:
    """The namespace of a map whose ghosts were trimmed."""
    make_tenants_kind(control_plane)
    for name in LIVE:
        body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}}
        control_plane.request("POST", f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants", body)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in LIVE + GONE})
    assert program("trim", "cm/registry", "-n", namespace, "--ghosts", "--apply").code == 0
    return namespace


def start(program: Program, namespace: str, *words: str) -> subprocess.Popen[str]:
    """Verify as it runs; returns once it watches."""
    watching = program.start("verify", "cm/registry", "-n", namespace, "-o", "json", *words)
    assert watching.stderr is not None
    for line in watching.stderr:
        if line.startswith("watching"):
            return watching
    raise AssertionError("verify ended before it watched")


def finish(watching: subprocess.Popen[str]) -> tuple[int, dict[str, object], str]:
    out, err = watching.communicate(timeout=HANG_SECONDS)
    assert "Traceback" not in err
    return watching.returncode, json.loads(out), err


def write_as(control_plane: ControlPlane, manager: str, namespace: str, data: dict[str, str]) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry?fieldManager={manager}"
    control_plane.request("PATCH", path, {"data": data}, "application/merge-patch+json")


@pytest.mark.whole
def test_nothing_comes_back_is_converged(control_plane: ControlPlane, trimmed: str, program: Program) -> None:
    watching = start(program, trimmed, "--for", "2s")
    write_as(control_plane, "tenant-operator", trimmed, {f"{trimmed}.{LIVE[0]}": '{"n": 2}'})
    code, report, _ = finish(watching)
    assert (code, report["result"]) == (0, "converged")
    assert report["writers"] == {"tenant-operator": 1}
    assert report["trimmed"] == len(GONE)


def test_key_that_returns_is_named_with_its_writer(control_plane: ControlPlane, trimmed: str, program: Program) -> None:
    watching = start(program, trimmed, "--for", "30s", "--fail-fast")
    write_as(control_plane, "leaky-operator", trimmed, {f"{trimmed}.{GONE[3]}": "{}"})
    code, report, err = finish(watching)
    assert (code, report["result"]) == (1, "re-added")
    (back,) = report["readded"]  # type: ignore[misc]
    assert (back["key"], back["manager"]) == (f"{trimmed}.{GONE[3]}", "leaky-operator")
    assert back["time"]
    assert f"{GONE[3]} is back, written by leaky-operator" in err
    assert float(str(report["seconds"])) < 25


@pytest.mark.whole
def test_key_that_returns_and_goes_again_counts(control_plane: ControlPlane, trimmed: str, program: Program) -> None:
    watching = start(program, trimmed, "--for", "2s")
    write_as(control_plane, "leaky-operator", trimmed, {f"{trimmed}.{GONE[0]}": "{}"})
    write_as(control_plane, "leaky-operator", trimmed, {f"{trimmed}.{GONE[0]}": None})  # type: ignore[dict-item]
    code, report, _ = finish(watching)
    assert (code, report["result"]) == (1, "re-added")


@pytest.mark.whole
def test_new_ghosts_are_still_growing(control_plane: ControlPlane, trimmed: str, program: Program) -> None:
    watching = start(program, trimmed, "--for", "2s")
    write_as(control_plane, "leaky-operator", trimmed, {f"{trimmed}.brief-{n}": "{}" for n in range(4)})
    code, report, _ = finish(watching)
    assert (code, report["result"]) == (1, "still growing")
    assert (report["ghosts_before"], report["ghosts_after"]) == (0, 4)


@pytest.mark.whole
def test_new_keys_of_living_subjects_are_no_growth(control_plane: ControlPlane, trimmed: str, program: Program) -> None:
    watching = start(program, trimmed, "--for", "2s")
    body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": "fresh"}, "spec": {"plan": "gold"}}
    control_plane.request("POST", f"/apis/demo.ghostkey.dev/v1/namespaces/{trimmed}/tenants", body)
    write_as(control_plane, "tenant-operator", trimmed, {f"{trimmed}.fresh": "{}"})
    assert finish(watching)[:2][0] == 0


def test_receipt_of_another_map_is_refused(control_plane: ControlPlane, trimmed: str, program: Program, tmp_path: Path) -> None:
    make_map(control_plane, trimmed, "other", {"a": "1"})
    done = program("verify", "cm/other", "-n", trimmed, "--for", "1s")
    assert done.code == 2
    assert "is of" in done.err
    assert program("verify", "cm/registry", "-n", trimmed, "--for", "soon").code == 2


@pytest.mark.whole
def test_api_server_restart_is_survived(tmp_path: Path) -> None:
    with ControlPlane() as own:
        program = Program(tmp_path / "state", own.kubeconfig)
        make_map(own, "default", "registry", {"keep": "1", "old": "2"})
        assert program("trim", "cm/registry", "-n", "default", "--key", "old", "--apply").code == 0
        watching = start(program, "default", "--for", "25s", "--fail-fast")
        own.restart("kube-apiserver")
        write_as(own, "leaky-operator", "default", {"old": "2"})
        code, report, _ = finish(watching)
        assert (code, report["result"]) == (1, "re-added")
