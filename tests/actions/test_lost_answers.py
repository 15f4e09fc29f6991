"""The answer of a write is lost, cut or replaced: what ghostkey says is what the server holds, and undo restores every byte."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import ApiFailed, GhostkeyError, OutcomeUnknown
from ghostkey.model.refs import CONFIG_MAPS, SECRETS
from ghostkey.store.state import digest_key
from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Changed, CutAfter, CutBefore, Fault, Instead, Relay, Request, Truncated
from tests.helpers import Done, Program, make_map, merge, read_data

DATA = {"keep": "1", "old": "zwei\nü<&>\u2028", "older": ""}
LEFT = {"keep": "1"}
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "etcdserver: request timed out", "code": 500}
LOSSES: dict[str, Fault] = {
    "closed": CutAfter(),
    "reset": CutAfter(with_reset=True),
    "truncated": Truncated(),
    "headers only": Truncated(0),
    "500": Instead(500, json.dumps(STATUS).encode(), "application/json"),
    "502 of a load balancer": Instead(502, b"<html>Bad Gateway</html>"),
    "503": Instead(503, b"no healthy upstream"),
    "504": Instead(504, json.dumps({**STATUS, "code": 504, "reason": "Timeout"}).encode(), "application/json"),
    "200 with HTML": Instead(200, b"<html>please log in</html>"),
    "200 with nothing": Instead(200),
    "200 with {}": Instead(200, b"{}", "application/json"),
    "200 with a Status": Instead(200, b'{"kind":"Status","status":"Success","metadata":{}}', "application/json"),
    "204": Instead(204),
    "302 to a login page": Instead(302, b"", headers=(("Location", "https://login.example/"),)),
    "403 of a gateway": Instead(403, b"<html>denied by policy</html>"),
    "408": Instead(408, json.dumps({**STATUS, "code": 408}).encode(), "application/json"),
}
NOT_SENT: dict[str, Fault] = {
    "cut before": CutBefore(),
    "503 before": Instead(503, b"no healthy upstream", forwarded=False),
    "500 before": Instead(500, json.dumps(STATUS).encode(), "application/json", forwarded=False),
    "413 of a load balancer": Instead(413, b"<html>too large</html>", forwarded=False),
}


def is_patch_of_the_map(request: Request) -> bool:
    return request.method == "PATCH" and "/configmaps/registry" in request.path and "managedFields" not in str(request.body)


@pytest.fixture
def relay(control_plane: ControlPlane) -> Iterator[Relay]:
    with Relay(control_plane) as running:
        yield running


@pytest.fixture
def spoiled(relay: Relay, tmp_path: Path) -> Program:
    """`ghostkey` through the relay."""
    return Program(tmp_path / "state", relay.kubeconfig)


def trim(program: Program, namespace: str, *words: str) -> Done:
    return program("trim", "cm/registry", "-n", namespace, "--match", "old.*", "--apply", *words)


def states(program: Program) -> list[str]:
    done = program("undo", "--list", "-o", "json")
    assert done.code == 0, done.err
    return [receipt["state"] for receipt in done.json["receipts"]]


@pytest.mark.whole(but=["reset", "504"])
@pytest.mark.parametrize("fault", sorted(LOSSES))
def test_trim_whose_answer_is_lost_after_it_was_carried_out_is_applied(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program, fault: str
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    relay.spoil(LOSSES[fault], when=is_patch_of_the_map, times=1)
    done = trim(spoiled, namespace)
    assert done.code == 0, done.err
    assert "removed 2 keys" in done.err
    assert read_data(control_plane, namespace, "registry") == LEFT
    assert states(spoiled) == ["applied"]
    assert sum(map(is_patch_of_the_map, relay.requests)) == 1, "a write whose answer was lost is not sent again"
    assert spoiled("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == DATA


@pytest.mark.whole(but=["cut before"])
@pytest.mark.parametrize("fault", NOT_SENT.values(), ids=NOT_SENT)
def test_trim_that_never_arrived_has_failed_and_says_that_nothing_is_gone(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program, fault: Fault
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    relay.spoil(fault, when=is_patch_of_the_map, times=1)
    done = trim(spoiled, namespace)
    assert done.code == 5
    assert "has every planned key: nothing is gone" in done.err
    assert read_data(control_plane, namespace, "registry") == DATA
    assert states(spoiled) == ["failed"]
    assert "nothing to undo" not in spoiled("undo").out
    assert trim(spoiled, namespace).code == 0


def test_refusal_with_429_is_sent_again(control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    relay.spoil(Instead(429, b"Too many requests, please try again later.", forwarded=False), when=is_patch_of_the_map, times=2)
    assert trim(spoiled, namespace).code == 0
    assert sum(map(is_patch_of_the_map, relay.requests)) == 3
    assert read_data(control_plane, namespace, "registry") == LEFT


def test_outcome_that_cannot_be_read_is_unknown_and_undo_settles_it(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    lost = threading.Event()

    def is_after_the_patch(request: Request) -> bool:
        if is_patch_of_the_map(request):
            lost.set()
        return lost.is_set()

    relay.spoil(CutAfter(), when=is_after_the_patch)
    done = trim(spoiled, namespace)
    assert done.code == 6
    assert "could not be read again" in done.err
    relay.mend()
    (receipt,) = (path.stem for path in spoiled.state.glob("receipts/*.receipt"))
    line = next(line for line in done.err.splitlines() if line.startswith("undo:"))
    assert line.split(None, 1)[1] == f"ghostkey undo {receipt}"
    assert states(spoiled) == ["pending"]
    assert read_data(control_plane, namespace, "registry") == LEFT
    assert spoiled(*line.split()[2:]).code == 0
    assert read_data(control_plane, namespace, "registry") == DATA
    assert states(spoiled) == ["undone"]


@pytest.mark.whole
def test_pending_receipt_whose_write_never_went_out_does_not_shadow_the_trim_before(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", {**DATA, "oldest": "3"})
    assert spoiled("trim", "cm/registry", "-n", namespace, "--key", "oldest", "--apply").code == 0
    relay.spoil(CutBefore(), when=is_patch_of_the_map)
    relay.spoil(
        CutBefore(), when=lambda request: request.method == "GET" and bool(sum(map(is_patch_of_the_map, relay.requests)) > 1)
    )
    assert trim(spoiled, namespace).code == 6
    relay.mend()
    assert states(spoiled) == ["pending", "applied"]
    assert spoiled("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == {**DATA, "oldest": "3"}
    assert states(spoiled) == ["pending", "undone"]


@pytest.mark.whole(but=["closed"])
@pytest.mark.parametrize("name", ["closed", "truncated", "503", "200 with HTML"])
def test_undo_whose_answer_is_lost_is_done(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program, name: str
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    assert trim(spoiled, namespace).code == 0
    relay.spoil(LOSSES[name], when=is_patch_of_the_map, times=1)
    done = spoiled("undo")
    assert done.code == 0, done.err
    assert "put 2 keys" in done.err
    assert read_data(control_plane, namespace, "registry") == DATA
    assert states(spoiled) == ["undone"]


@pytest.mark.whole
def test_undo_that_never_arrived_says_that_nothing_is_back(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    assert trim(spoiled, namespace).code == 0
    relay.spoil(CutBefore(), when=is_patch_of_the_map, times=1)
    done = spoiled("undo")
    assert done.code == 5
    assert "nothing is back" in done.err
    assert states(spoiled) == ["applied"]
    assert read_data(control_plane, namespace, "registry") == LEFT
    assert spoiled("undo").code == 0


def test_lost_answer_of_the_receipt_keeps_the_map_as_it_is(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    relay.spoil(CutAfter(), when=lambda request: request.method == "POST" and "/secrets" in request.path)
    done = trim(spoiled, namespace, "--receipts", "cluster")
    assert done.code == 5
    assert "cannot keep the receipt, nothing was changed" in done.err
    assert read_data(control_plane, namespace, "registry") == DATA


def test_lost_answer_and_a_writer_who_puts_one_key_back_is_told_key_by_key(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)

    def meddle(_: bytes) -> bytes:
        merge(control_plane, namespace, "registry", {"older": "again"})
        return b"<html>"

    relay.spoil(Changed(meddle), when=is_patch_of_the_map, times=1)
    done = trim(spoiled, namespace)
    assert done.code == 4
    assert "1 of 2 planned keys are gone: older is there again" in done.err
    assert "undo:    ghostkey undo " in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "older": "again"}


def test_dry_run_without_a_usable_answer_says_that_nothing_was_changed(
    control_plane: ControlPlane, namespace: str, relay: Relay, spoiled: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    relay.spoil(Instead(200, b"<html>"), when=is_patch_of_the_map)
    done = spoiled("trim", "cm/registry", "-n", namespace, "--key", "old")
    assert done.code == 5
    assert "nothing was changed" in done.err


@pytest.mark.timeout(900)
def test_what_is_said_is_what_the_server_holds(
    control_plane: ControlPlane, namespace: str, relay: Relay, tmp_path: Path, scale: int
) -> None:
    """Of every third write the answer is lost in one of many ways: 24 trims here, a thousand in `make test-all`."""
    trims = 1000 if scale > 1 else 24
    faults = itertools.cycle([*LOSSES.values(), *LOSSES.values(), *LOSSES.values(), *NOT_SENT.values()])
    kinds = itertools.cycle([CONFIG_MAPS, CONFIG_MAPS, SECRETS])
    data = {"keep": "MQ==", "old": "endlpQ==", "older": ""}
    for kind in (CONFIG_MAPS, SECRETS):
        make_map(control_plane, namespace, "registry", data, kind.resource)
    client = ApiClient(load_config(str(relay.kubeconfig)))
    receipts, key = api.FileReceipts(tmp_path, digest_key(tmp_path)), digest_key(tmp_path)
    seen = {"applied": 0, "failed": 0, "unknown": 0}

    def is_write_of_the_map(request: Request) -> bool:
        return request.method == "PATCH" and request.path.split("?")[0].endswith("/registry")

    for number in range(trims):
        kind = next(kinds)
        relay.mend()
        if number % 3 == 0:
            relay.spoil(next(faults), when=is_write_of_the_map, times=1)
        live = api.read_map(client, kind, namespace, "registry")
        plan = api.plan(live, kind, [api.Wanted("data", "old"), api.Wanted("data", "older")], key, relay.url)
        try:
            api.apply(client, plan, receipts, key, check_pods=False)
            said = "applied"
        except OutcomeUnknown:
            said = "unknown"
        except ApiFailed as error:
            said = "failed" if "nothing is gone" in str(error) else str(error)
        seen[said] += 1
        held = read_data(control_plane, namespace, "registry", kind.resource)
        assert held in (data, {"keep": "MQ=="})
        assert said == "unknown" or (said == "applied") == (held == {"keep": "MQ=="}), f"trim {number}: said {said}"
        newest = next(iter(receipts.newest_first()))
        assert not isinstance(newest, GhostkeyError)
        assert newest.state == {"applied": "applied", "failed": "failed", "unknown": "pending"}[said]
        if said != "failed":
            if number % 5 == 0:
                relay.spoil(CutAfter(), when=is_write_of_the_map, times=1)
            api.undo(client, newest, receipts)
        assert read_data(control_plane, namespace, "registry", kind.resource) == data
    assert relay.spoiled >= trims // 3
    print(f"{trims} trims, {relay.spoiled} answers lost or spoiled: {seen}; nothing said that was not so")
