"""Answers of the guard's writes are lost, and ghostkey is killed: what is said is what is there, and undo puts everything back."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.guard import objects
from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import CutAfter, CutBefore, Held, Instead, Relay, Request, Truncated
from tests.guard.helpers import keys, make
from tests.helpers import HANG_SECONDS, Program

STATUS_500 = b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: request timed out","code":500}'
AFTER = [
    CutAfter(),
    CutAfter(with_reset=True),
    Truncated(),
    Instead(502, b"<html>"),
    Instead(500, STATUS_500, "application/json"),
]
BEFORE = [
    CutBefore(),
    Instead(502, b"<html>", forwarded=False),
    Instead(500, STATUS_500, "application/json", forwarded=False),
]
STEPS = 4  # of a new guard: kind, policy, binding, caps


@pytest.fixture
def relay(guarded: ControlPlane) -> Iterator[Relay]:
    with Relay(guarded) as running:
        yield running


@pytest.fixture
def spoiled(program: Program, relay: Relay) -> Program:
    return program.as_user(relay.kubeconfig)


def is_of_the_guard(request: Request) -> bool:
    return (
        request.method != "GET" and "guard.ghostkey.dev" in request.path + request.body.decode() and "dryRun" not in request.path
    )


def there(plane: ControlPlane, space: str) -> dict[str, Any]:
    """The specs of the guard's objects, by name of their kind."""
    paths = {
        "kind": f"{objects.CRD_PATH}/{objects.DEFINITION}",
        "policy": f"{objects.POLICY_PATH}/{objects.POLICY}",
        "binding": f"{objects.BINDING_PATH}/{objects.POLICY}",
        "caps": f"{objects.caps_path(space)}/{objects.NAME}",
    }
    found = {name: plane.raw("GET", path)[:2] for name, path in paths.items()}
    return {name: json.loads(body)["spec"] for name, (code, body) in found.items() if code == 200}


def newest(program: Program) -> dict[str, Any]:
    return json.loads(max(program.state.glob("guards/*.guard")).read_bytes())


def apply(program: Program, space: str) -> Any:
    return program("guard", "apply", "cm/m", "-n", space, "--apply")


@pytest.mark.whole
def test_lost_answers_of_writes_that_were_carried_out(
    guarded: ControlPlane, program: Program, spoiled: Program, relay: Relay, space: str
) -> None:
    make(guarded, space, "m", keys(3))
    faults = itertools.cycle(AFTER)
    for at in range(1, STEPS + 1):
        relay.spoil(next(faults), when=is_of_the_guard, every=at, times=1)
        done = apply(spoiled, space)
        relay.mend()
        assert done.code == 0, done.err
        assert newest(program)["state"] == "applied"
        assert set(there(guarded, space)) == {"kind", "policy", "binding", "caps"}
        relay.spoil(next(faults), when=is_of_the_guard, every=at, times=1)
        undone = spoiled("guard", "undo")
        relay.mend()
        assert undone.code == 0, undone.err
        assert not there(guarded, space)
    assert relay.spoiled == 2 * STEPS


@pytest.mark.whole
def test_writes_that_were_not_carried_out_leave_everything_as_it_was(
    guarded: ControlPlane, program: Program, spoiled: Program, relay: Relay, space: str
) -> None:
    make(guarded, space, "m", keys(3))
    faults = itertools.cycle(BEFORE)
    for at in range(1, STEPS + 1):
        relay.spoil(next(faults), when=is_of_the_guard, every=at, times=1)
        done = apply(spoiled, space)
        relay.mend()
        assert done.code == 5, done.err
        assert "is as it was" in done.err
        assert newest(program)["state"] == "failed"
        assert not there(guarded, space), "what was done before is taken back"


@pytest.mark.whole
def test_outcome_that_nobody_can_know_is_said_and_its_undo_line_works(
    guarded: ControlPlane, program: Program, spoiled: Program, relay: Relay, space: str
) -> None:
    """From the lost answer on the API server cannot be reached: the receipt stays pending."""
    make(guarded, space, "m", keys(3))
    lost = threading.Event()

    class LostForGood(CutAfter):
        def exchange(self, request: Request, forward: Any) -> Any:
            lost.set()
            return super().exchange(request, forward)

    relay.spoil(LostForGood(), when=lambda r: is_of_the_guard(r) and "policybindings" in r.path, times=1)
    relay.spoil(CutBefore(), when=lambda _: lost.is_set())
    done = apply(spoiled, space)
    relay.mend()
    assert done.code == 6, done.err
    receipt = newest(program)
    assert receipt["state"] == "pending"
    assert len(receipt["done"]) == 2
    assert receipt["begun"] == 3
    assert f"undo:    ghostkey guard undo {receipt['id']}" in done.err
    assert set(there(guarded, space)) == {"kind", "policy", "binding"}
    undone = spoiled("guard", "undo", receipt["id"])
    assert undone.code == 0, undone.err
    assert not there(guarded, space)
    assert newest(program)["state"] == "undone"
    assert spoiled("guard", "undo", receipt["id"]).code == 0, "and may be run again"


def test_remove_whose_answers_are_lost(
    guarded: ControlPlane, program: Program, spoiled: Program, relay: Relay, space: str
) -> None:
    make(guarded, space, "m", keys(3))
    assert apply(program, space).code == 0
    before = there(guarded, space)
    relay.spoil(CutAfter(), when=is_of_the_guard)
    removed = spoiled("guard", "remove", "--apply")
    relay.mend()
    assert removed.code == 0, removed.err
    assert not there(guarded, space)
    assert spoiled("guard", "undo").code == 0
    assert there(guarded, space) == before


@pytest.mark.whole
@pytest.mark.parametrize("is_carried_out", [False, True])
def test_killed_at_each_step_and_undone(guarded: ControlPlane, program: Program, space: str, is_carried_out: bool) -> None:
    """kill -9 on either side of every write; the receipt names the step before it acts."""
    make(guarded, space, "m", keys(3))
    for at in range(1, STEPS + 1):
        with Relay(guarded) as relay:
            release, reached = threading.Event(), threading.Event()

            class Watched(Held):
                def exchange(self, request: Request, forward: Any, reached: threading.Event = reached) -> Any:
                    if not self.forwarded_first:
                        reached.set()
                        self.until.wait()
                        raise ConnectionError
                    answer = forward()
                    reached.set()
                    self.until.wait()
                    return answer

            relay.spoil(Watched(release, is_carried_out), when=is_of_the_guard, every=at, times=1)
            process = program.as_user(relay.kubeconfig).start("guard", "apply", "cm/m", "-n", space, "--apply")
            assert reached.wait(HANG_SECONDS)
            process.kill()
            process.communicate()
            release.set()
            relay.mend()
            receipt = newest(program)
            assert receipt["state"] == "pending"
            assert receipt["begun"] == at
            assert len(there(guarded, space)) == at - (not is_carried_out)
            undone = program.as_user(relay.kubeconfig)("guard", "undo")
            assert undone.code == 0, undone.err
            assert not there(guarded, space)


def test_receipt_that_cannot_be_kept_changes_nothing(guarded: ControlPlane, program: Program, space: str, tmp_path: Path) -> None:
    make(guarded, space, "m", keys(3))
    (tmp_path / "full").write_text("")
    other = Program(tmp_path / "full" / "state", guarded.kubeconfig)
    done = other("guard", "apply", "cm/m", "-n", space, "--apply")
    assert done.code == 5, done.err
    assert "cannot keep the receipt" in done.err
    assert not there(guarded, space)
