"""`ghostkey watch --record` on a real control plane: the history that `record` would have, while the watcher runs; and when a map is full."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import growth_of, rates
from ghostkey.story.forecast import Forecast
from ghostkey.testing import ControlPlane
from ghostkey.watch.run import Options, Watcher
from tests.helpers import HANG_SECONDS, Program, make_map, make_registry, merge
from tests.watch.helpers import Watching, watching

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a"]
MERGE = "application/merge-patch+json"
SECOND = 1_000_000


@pytest.mark.whole
def test_what_is_recorded_is_there_while_it_goes_on_and_a_killed_watcher_loses_one_part(
    program: Program, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    store = tmp_path / "store"
    words = ("-n", namespace, "--record", str(store), "--record-every", "1s")

    def keys() -> str:
        done = program("explain", "cm/registry", "-n", namespace, "--store", str(store), "-o", "json")
        return done.out

    with watching(program, control_plane, *words) as watcher:
        control_plane.wait_until(lambda: len(History(store).imports()) >= 2, "two parts are in the store")
        merge(control_plane, namespace, "registry", {f"{namespace}.gone-b": "{}"})
        control_plane.request("DELETE", f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants/live-0")
        control_plane.wait_until(lambda: f"{namespace}.gone-b" in keys(), "the new key is in the history")
        control_plane.wait_until(lambda: f"{namespace}.live-0" in keys(), "so is the ghost whose subject has gone")
        watcher.process.kill()
    assert f"{namespace}.live-0" in keys()
    with watching(program, control_plane, *words) as watcher:
        merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": "{}"})
        assert watcher.value("map_keys", namespace, "registry")
        control_plane.wait_until(lambda: watcher.value("map_keys", namespace, "registry") == 11, "it is seen")
        assert watcher.end() == 0
    story = json.loads(keys())
    assert f"{namespace}.gone-c" in json.dumps(story), "what was seen last is written when it ends"
    assert not [path for path in (store / "parts").iterdir() if path.name.startswith(".")], "nothing is left half-written"


@pytest.mark.whole
def test_seconds_until_full_hold_on_a_map_that_is_filled_for_real(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a 360th of its scale, an hour being ten seconds: writes of a few kilobytes until the API server refuses one."""
    monkeypatch.setattr(rates, "LEAST_SPAN", 10 * SECOND)
    monkeypatch.setattr(rates, "STEPS", [SECOND // 10, *rates.STEPS])
    make_map(control_plane, namespace, "filling", {})
    client = ApiClient(api.load_config(str(control_plane.kubeconfig)))
    store = tmp_path / "store"
    said: list[str] = []
    options = Options(namespace=namespace, listen=("127.0.0.1", 0), store=str(store), record_seconds=0.5)
    watcher = Watcher(client, options, said.append)
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    control_plane.wait_until(lambda: any("metrics at" in line for line in said), "it serves")
    asked = Watching(None, next(line for line in said if "metrics at" in line).split()[2].removesuffix("/metrics"))  # type: ignore[arg-type]
    told: tuple[float, Forecast] | None = None
    path = f"/api/v1/namespaces/{namespace}/configmaps/filling"
    try:
        began, number, status, late = time.time(), 0, 200, 0.0
        while status == 200:
            body = json.dumps({"data": {f"key-{number:06d}": "x" * 12_000}}).encode()
            status, _ = control_plane.raw("PATCH", path, body, MERGE)
            number += 1
            if told is None and number > 40 and (seconds := asked.value("seconds_until_full", namespace, "filling")) is not None:
                law = growth_of(DuckEngine(History(store)), ("configmaps", namespace, "filling"))
                if law is not None and law.full_at is not None:
                    told = time.time() + seconds, law
            late = max(late, time.time() - began - 0.3 * number)
            threading.Event().wait(max(0.0, began + 0.3 * number - time.time()))
        full = time.time()
    finally:
        watcher.stop()
        thread.join(HANG_SECONDS)
    assert status == 422
    assert told is not None, said
    at, law = told
    assert law.full_low is not None
    assert law.full_high is not None
    # writes are as regular as a busy machine lets them, and the metric some looks old
    slack = 1.5 + 0.1 * (full - began) + late
    assert law.full_low / 1e6 - slack <= full <= law.full_high / 1e6 + slack
    assert law.full_low / 1e6 - slack <= at <= law.full_high / 1e6 + slack


def test_a_store_that_cannot_be_is_said_before_anything_is_watched(program: Program, control_plane: ControlPlane) -> None:
    del control_plane
    done = program("watch", "--listen", "127.0.0.1:0", "--record", "/dev/null/store")
    assert done.code not in {0, 1}
    assert "/dev/null/store" in done.err
    done = program("watch", "--record", "a", "--store", "b")
    assert done.code == 2
