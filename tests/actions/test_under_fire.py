"""A thousand trims of a map that somebody else writes fifty times a second: no planned key stays, no foreign write is lost."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from pathlib import Path

import pytest

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import PlanOutdated
from ghostkey.model.plans import Receipt
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.store.state import digest_key
from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, make_map, merge, read_data

HERTZ = 50
KEYS = 10
BATCH = 20  # keys put in at a time, trimmed one by one


class Writer(threading.Thread):
    """Updates its own keys, one after the other, and sees in every answer whether one of its writes was undone."""

    def __init__(self, control_plane: ControlPlane, path: str) -> None:
        super().__init__(daemon=True)
        self.connection, self.path = control_plane.connect(), path
        self.expected: dict[str, str] = {}
        self.writes, self.lost = 0, []  # type: ignore[var-annotated]
        self.ends = threading.Event()

    def run(self) -> None:
        due = time.monotonic()
        while not self.ends.wait(max(0.0, due - time.monotonic())):
            due += 1 / HERTZ
            key, value = f"own-{self.writes % KEYS}", base64.b64encode(str(self.writes).encode()).decode()
            body = json.dumps({"data": {key: value}})
            self.connection.request("PATCH", self.path, body, {"Content-Type": "application/merge-patch+json"})
            response = self.connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            self.expected[key] = value
            self.writes += 1
            self.lost += [k for k, v in self.expected.items() if answer["data"].get(k) != v]


@pytest.mark.parametrize(("kind", "trims"), [(CONFIG_MAPS, 70), (SECRETS, 30)], ids=["configmap", "secret"])
def test_every_planned_key_goes_and_no_foreign_write_is_lost(
    control_plane: ControlPlane, namespace: str, client: ApiClient, tmp_path: Path, kind: Kind, trims: int, scale: int
) -> None:
    trims *= scale
    name, value = "registry", base64.b64encode(b"x").decode()
    make_map(control_plane, namespace, name, {"keep": value}, kind.resource)
    receipts, secret = api.FileReceipts(tmp_path), digest_key(tmp_path)
    writer = Writer(control_plane, kind.path(namespace, name))
    writer.start()
    began, gone, refused = time.monotonic(), set(), set()
    for number in range(trims):
        if number % BATCH == 0:
            batch = {f"ghost-{n}": value for n in range(number, min(number + BATCH, trims))}
            merge(control_plane, namespace, name, dict(batch), kind.resource)
        live = api.read_map(client, kind, namespace, name)
        plan = api.plan(live, kind, [api.Wanted("data", f"ghost-{number}")], secret)
        try:
            api.apply(client, plan, receipts, secret, check_pods=number % BATCH == 0)
            gone.add(f"ghost-{number}")
        except PlanOutdated:
            refused.add(f"ghost-{number}")
    seconds = time.monotonic() - began
    writer.ends.set()
    writer.join(HANG_SECONDS)
    assert not writer.is_alive()
    assert writer.writes > trims / 10, "somebody else wrote all the time, however slow the machine"
    assert writer.lost == []
    left = read_data(control_plane, namespace, name, kind.resource)
    assert left == {"keep": value, **writer.expected, **dict.fromkeys(refused, value)}
    # a trim is refused only when forty tries in a row met a write of somebody else
    assert len(gone) >= trims * 0.99
    print(f"{kind.kind}: {trims} trims in {seconds:.1f} s, {len(refused)} refused, {writer.writes} foreign writes, 0 lost")


def test_entry_of_a_busy_document_goes_and_its_receipt_fits(
    control_plane: ControlPlane, namespace: str, client: ApiClient, tmp_path: Path
) -> None:
    """Other entries of the document are written between our read and our write, again and again."""
    yaml_before = "tenants:\n  a: 1\n  b: 2\nn: 0\n"
    make_map(control_plane, namespace, "registry", {"doc": yaml_before})
    secret, rounds = digest_key(tmp_path), itertools.count(1)

    class Meddling(api.FileReceipts):
        """Between the receipt and the write somebody is faster, three times."""

        def save(self, receipt: Receipt) -> str:
            if (number := next(rounds)) <= 3:
                merge(control_plane, namespace, "registry", {"doc": yaml_before.replace("n: 0", f"n: {number}")})
            return super().save(receipt)

    receipts = Meddling(tmp_path)
    live = api.read_map(client, CONFIG_MAPS, namespace, "registry")
    plan = api.plan(live, CONFIG_MAPS, [api.Wanted("data", "b", ("doc", "tenants"))], secret)
    outcome = api.apply(client, plan, receipts, secret)
    assert read_data(control_plane, namespace, "registry") == {"doc": "tenants:\n  a: 1\nn: 3\n"}
    api.undo(client, outcome.receipt, receipts)
    assert read_data(control_plane, namespace, "registry") == {"doc": "tenants:\n  a: 1\n  b: 2\nn: 3\n"}
