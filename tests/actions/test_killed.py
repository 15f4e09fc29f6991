"""kill -9 at random instants of trim and of undo: what is there then, and `undo` or `trim` again ends right."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, read_data

KILLS = 100  # of each of the two
DATA = {**{f"old-{n}": f"value {n}" for n in range(40)}, "keep": "1"}
LEFT = {"keep": "1"}
TRIM = ("trim", "cm/registry", "--match", "old-.*", "--max-percent", "100", "--apply", "-n")


def killed(program: Program, seed: int, whole: float, *words: str) -> bool:
    """Runs the program and ends it by SIGKILL after a random part of its usual time; whether it was still running."""
    process = program.start(*words)
    # The instants between receipt and answer matter most: they are in the last part of a run.
    deadline = time.monotonic() + whole * random.Random(seed).uniform(0.3, 1.1)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running


def usual_seconds(program: Program, *words: str) -> float:
    began = time.monotonic()
    assert program(*words).code == 0
    return time.monotonic() - began


@pytest.mark.timeout(280)
def test_killed_trim_leaves_all_or_nothing_and_undo_restores(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", control_plane.kubeconfig)
    make_map(control_plane, namespace, "registry", DATA)
    whole = usual_seconds(program, *TRIM, namespace)
    assert program("undo").code == 0
    seen, running = {"all": 0, "nothing": 0}, 0
    for seed in range(KILLS):
        receipts = set(program.state.glob("receipts/*.receipt"))
        running += killed(program, seed, whole, *TRIM, namespace)
        now = read_data(control_plane, namespace, "registry")
        assert now in (DATA, LEFT), f"seed {seed}: some of the planned keys went"
        seen["all" if now == LEFT else "nothing"] += 1
        new = set(program.state.glob("receipts/*.receipt")) - receipts
        if now == LEFT:
            assert new, f"seed {seed}: keys went without a receipt"
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
        elif seed % 10 == 0:
            # nothing happened yet: an undo of whatever receipt there is changes nothing, and trim works
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
            assert program(*TRIM, namespace).code == 0
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
    assert running > KILLS // 2
    assert min(seen.values()) > 0, f"no kill fell on either side of the write: {seen}"


@pytest.mark.timeout(280)
def test_killed_undo_leaves_all_or_nothing_and_undo_again_restores(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    program = Program(tmp_path / "state", control_plane.kubeconfig)
    make_map(control_plane, namespace, "registry", DATA)
    assert program(*TRIM, namespace).code == 0
    whole = usual_seconds(program, "undo")
    running = 0
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    gone = {"data": {key: None for key in DATA if key != "keep"}}
    for seed in range(KILLS):
        control_plane.request("PATCH", path, gone, "application/merge-patch+json")
        running += killed(program, seed, whole, "undo")
        now = read_data(control_plane, namespace, "registry")
        assert now in (DATA, LEFT), f"seed {seed}: some of the keys came back"
        if now == LEFT or seed % 10 == 0:
            assert program("undo").code == 0
        assert read_data(control_plane, namespace, "registry") == DATA
    assert running > KILLS // 2
