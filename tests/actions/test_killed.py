"""kill -9 at random instants of trim and of undo: what is there then, and `undo` or `trim` again ends right."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, Program, make_map, read_data

KILLS = 100  # of each of the two
DATA = {**{f"old-{n}": f"value {n}" for n in range(40)}, "keep": "1"}
LEFT = {"keep": "1"}
TRIM = ("trim", "cm/registry", "--match", "old-.*", "--max-percent", "100", "--apply", "-n")


def seconds_of(program: Program, *words: str) -> float:
    """How long a process of its own takes, as each of those that are killed; a copy of one that is loaded is done far sooner."""
    began = time.monotonic()
    process = program.start(*words)
    process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0
    return time.monotonic() - began


class Killer:
    """Runs the program and ends it by SIGKILL: at an event that shows from without, or after a random part of the time such a run took."""

    def __init__(self, program: Program, *words: str) -> None:
        self.program, self.words = program, words
        self.seconds = seconds_of(program, *words)
        self.running = 0  # kills that found the program still at work

    def kill(self, seed: int, has_come: Callable[[], bool] | None = None) -> None:
        process = self.program.start(*self.words)
        # a machine that is busy with other tests takes longer: instants by the clock may all come too early there
        deadline = time.monotonic() + (HANG_SECONDS if has_come else self.seconds * random.Random(seed).uniform(0.3, 1.1))
        while time.monotonic() < deadline and process.poll() is None and not (has_come and has_come()):
            time.sleep(0.001)
        self.running += process.poll() is None
        process.kill()
        process.communicate()


@pytest.mark.whole
def test_killed_trim_leaves_all_or_nothing_and_undo_restores(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kills = KILLS
    program = Program(tmp_path / "state", control_plane.kubeconfig)
    make_map(control_plane, namespace, "registry", DATA)
    killer = Killer(program, *TRIM, namespace)
    assert program("undo").code == 0
    receipts: set[Path] = set()

    def new_receipts() -> set[Path]:
        return set(program.state.glob("receipts/*.receipt")) - receipts

    # the instants between receipt and answer matter most
    events: list[Callable[[], bool] | None] = [
        None,
        lambda: bool(new_receipts()),
        lambda: read_data(control_plane, namespace, "registry") != DATA,
    ]
    seen = {"all": 0, "nothing": 0}
    for seed in range(kills):
        receipts = set(program.state.glob("receipts/*.receipt"))
        killer.kill(seed, events[seed % len(events)])
        now = read_data(control_plane, namespace, "registry")
        assert now in (DATA, LEFT), f"seed {seed}: some of the planned keys went"
        seen["all" if now == LEFT else "nothing"] += 1
        if now == LEFT:
            assert new_receipts(), f"seed {seed}: keys went without a receipt"
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
        elif seed % 10 == 0:
            # nothing happened yet: an undo of whatever receipt there is changes nothing, and trim works
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
            assert program(*TRIM, namespace).code == 0
            assert program("undo").code == 0
            assert read_data(control_plane, namespace, "registry") == DATA
    assert killer.running > kills // 2
    assert seen["all"] >= kills // len(events), f"kills after the write fell before it: {seen}"
    assert seen["nothing"], f"no kill fell before the write: {seen}"


@pytest.mark.whole
def test_killed_undo_leaves_all_or_nothing_and_undo_again_restores(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    kills = KILLS
    program = Program(tmp_path / "state", control_plane.kubeconfig)
    make_map(control_plane, namespace, "registry", DATA)
    assert program(*TRIM, namespace).code == 0
    (receipt,) = program.state.glob("receipts/*.receipt")
    killer = Killer(program, "undo", receipt.stem)
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    gone = {"data": {key: None for key in DATA if key != "keep"}}
    for seed in range(kills):
        control_plane.request("PATCH", path, gone, "application/merge-patch+json")
        killer.kill(seed, (lambda: read_data(control_plane, namespace, "registry") == DATA) if seed % 2 else None)
        now = read_data(control_plane, namespace, "registry")
        assert now in (DATA, LEFT), f"seed {seed}: some of the keys came back"
        if now == LEFT or seed % 10 == 0:
            assert program("undo", receipt.stem).code == 0
        assert read_data(control_plane, namespace, "registry") == DATA
    assert killer.running > kills // 2


@pytest.mark.timeout(3000)
def test_kills_of_the_api_server_and_of_ghostkey_lose_nothing_and_no_wrong_word_is_said(tmp_path: Path, scale: int) -> None:
    """kill -9 of either, at random instants of real trims: one of each here, 300 in `make test-all`."""
    kills = 300 if scale > 1 else 2
    chance = random.Random(9)
    said = {"applied": 0, "nothing": 0, "unknown": 0, "killed": 0}
    with ControlPlane() as own:
        program = Program(tmp_path / "state", own.kubeconfig)
        make_map(own, "default", "registry", DATA)
        seconds = 60.0
        for _ in range(3):
            seconds = min(seconds, seconds_of(program, *TRIM, "default"))
            assert program("undo").code == 0
        for number in range(kills):
            process = program.start(*TRIM, "default")
            # most of a run is imports and reading; what matters is its end
            instant = time.monotonic() + seconds * chance.uniform(0.5, 1.0)
            while time.monotonic() < instant and process.poll() is None:
                time.sleep(0.001)
            if number % 2:
                process.kill()
            else:
                own.restart("kube-apiserver")
            _, err = process.communicate(timeout=HANG_SECONDS)
            now = read_data(own, "default", "registry")
            assert now in (DATA, LEFT), f"kill {number}: some of the planned keys went"
            assert "Traceback" not in err
            if process.returncode == 0:
                said["applied"] += 1
                assert now == LEFT, f"kill {number}: said to be removed, and is not\n{err}"
            elif process.returncode == 6:
                said["unknown"] += 1
                assert "undo:    ghostkey undo " in err
            elif process.returncode < 0:
                said["killed"] += 1
            else:
                said["nothing"] += 1
                assert now == DATA, f"kill {number}: said that nothing is gone, and it is\n{err}"
            if now == LEFT:
                undone = program("undo")
                assert undone.code == 0, undone.err
            assert read_data(own, "default", "registry") == DATA
    print(f"{kills} kills: {said}; nothing lost, no wrong word")
