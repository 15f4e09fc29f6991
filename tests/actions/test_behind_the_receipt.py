"""Whatever ends a trim behind its receipt leads back to it; what a gateway says is not the API server's word."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Changed, Held, Instead, Relay
from tests.actions.test_lost_answers import is_patch_of_the_map
from tests.actions.test_trim import key_reference, pod
from tests.helpers import HANG_SECONDS, Program, make_map, merge, read_data

TWO = {"keep": "1", "old": "2"}


@pytest.fixture
def relay(control_plane: ControlPlane) -> Iterator[Relay]:
    with Relay(control_plane) as running:
        yield running


@pytest.fixture
def spoiled(relay: Relay, tmp_path: Path) -> Program:
    return Program(tmp_path / "state", relay.kubeconfig)


@pytest.mark.whole(but=["2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_while_the_answer_is_awaited_leads_back_to_the_receipt(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program, number: signal.Signals
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    release = threading.Event()
    relay.spoil(Held(release), when=is_patch_of_the_map, times=1)
    process = spoiled.start("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    control_plane.wait_until(lambda: read_data(control_plane, namespace, "registry") == {"keep": "1"}, "the key is gone")
    process.send_signal(number)
    _, err = process.communicate(timeout=HANG_SECONDS)
    release.set()
    assert process.returncode == 6, err
    assert "receipt: " in err
    line = next(line for line in err.splitlines() if line.startswith("undo:"))
    assert spoiled(*line.split()[2:]).code == 0
    assert read_data(control_plane, namespace, "registry") == TWO


def test_request_that_arrives_late_is_found_by_undo(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    release = threading.Event()
    relay.spoil(Held(release, forwarded_first=False), when=is_patch_of_the_map, times=1)
    done = spoiled("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply", "--request-timeout", "1s")
    assert done.code == 5
    assert "may still arrive" in done.err
    release.set()
    control_plane.wait_until(lambda: read_data(control_plane, namespace, "registry") == {"keep": "1"}, "the request arrived")
    assert spoiled("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == TWO


@pytest.mark.whole(but=["<html>no such host</html>"])
@pytest.mark.parametrize("body", [b"<html>no such host</html>", b"404 page not found", b""])
def test_404_of_a_gateway_is_no_word_that_no_pod_uses_the_key(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program, body: bytes
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("user", **key_reference("old")))
    relay.spoil(Instead(404, body, forwarded=False), when=lambda request: "/pods" in request.path)
    done = spoiled("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 5, done.err
    assert read_data(control_plane, namespace, "registry") == TWO


def test_404_of_a_gateway_is_no_word_that_the_map_is_gone(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    assert spoiled("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply").code == 0
    relay.spoil(Instead(404, b"<html>no such host</html>", forwarded=False), when=lambda request: "/registry" in request.path)
    done = spoiled("undo")
    assert done.code == 5, done.err
    assert "is gone" not in done.err


def changed(key: str, value: str | None) -> Changed:
    def change(body: bytes) -> bytes:
        answer = json.loads(body)
        if value is None:
            del answer["data"][key]
        else:
            answer["data"][key] = value
        return json.dumps(answer).encode()

    return Changed(change)


def test_document_that_was_stored_otherwise_is_named(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", {"s.json": '{"a": 1, "b": 2, "vital": 3}'})
    relay.spoil(changed("s.json", '{"b": 2}'), when=is_patch_of_the_map, times=1)
    done = spoiled("trim", "cm/registry", "-n", namespace, "--key", "s.json/a", "--apply")
    assert done.code == 4
    assert "s.json holds another text than planned" in done.err


def test_key_that_went_besides_is_said(control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    relay.spoil(changed("keep", None), when=is_patch_of_the_map, times=1)
    done = spoiled("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert "keep was taken out" in done.err


def test_receipt_that_others_may_write_does_not_hide_the_others(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", {**TWO, "older": "3"})
    for key in ("old", "older"):
        assert program("trim", "cm/registry", "-n", namespace, "--key", key, "--apply").code == 0
    newest = max(program.state.glob("receipts/*.receipt"), key=lambda path: path.stem.split("-")[1])
    newest.chmod(0o664)
    listed = program("undo", "--list")
    assert listed.code == 3
    assert "not seen: " in listed.err
    assert len(listed.out.splitlines()) == 2


def test_name_with_a_number_as_large_as_can_be_spoils_no_later_receipt(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    (program.state / "receipts").mkdir(parents=True, mode=0o700)
    (program.state / "receipts" / "20200101t000000z-999999999-00000000.receipt").write_bytes(b"")
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 0
    line = next(line for line in done.err.splitlines() if line.startswith("undo:"))
    assert program(*line.split()[2:]).code == 0
    assert read_data(control_plane, namespace, "registry") == TWO


def test_yaml_entries_that_cannot_be_put_back_are_named(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"s.yaml": "t:\n  a: 1\n  b: 2\n"})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "s.yaml/t/a", "--apply").code == 0
    merge(control_plane, namespace, "registry", {"s.yaml": "t:\n  b: 2\n  c: 3\n"})
    done = program("undo")
    assert done.code == 4
    assert f"on cm/registry -n {namespace}" in done.err
    assert "s.yaml was written by somebody else since the trim" in done.err


def test_limit_is_never_rounded_to(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {f"k{n}": "1" for n in range(21)})
    done = program("trim", "cm/registry", "-n", namespace, "--match", r"k(1?\d|)")
    assert done.code == 5
    assert "removes 95.2% of the keys" in done.err
