"""What a guard with 300 capped maps in a namespace costs a write, at 1 to 24,000 keys.

    python -m bench.guard [--quick]

Two control planes, one with the guard and one without, get the same writes by turns, so that whatever else the machine does meets both.
Goal: the median of the pairs' differences is at most 5 ms, or 5 % of the write. Prints one JSON line for each size and sort of write;
exit code 1 when a goal is missed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping

from ghostkey.guard.apply import apply_steps
from ghostkey.guard.caps import Cap
from ghostkey.guard.plan import plan_guard
from ghostkey.guard.receipts import GuardReceipts
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.testing import ControlPlane

SIZES = (1, 1_000, 10_000, 24_000)
MAPS = 300
GOAL_SECONDS, GOAL_SHARE = 0.005, 0.05
MERGE = "application/merge-patch+json"
SPACE = "bench"


def fill(plane: ControlPlane) -> None:
    """One map of each size."""
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
    for size in SIZES:
        body = {"metadata": {"name": f"m{size}"}, "data": {f"key-{number}": "v" * 20 for number in range(size)}}
        plane.request("POST", f"/api/v1/namespaces/{SPACE}/configmaps", body)


def guard(plane: ControlPlane) -> None:
    """Caps of 300 maps, each with room for one key more than it has, and waits until they hold."""
    client = ApiClient(load_config(str(plane.kubeconfig)))
    caps = [Cap(CONFIG_MAPS, SPACE, f"m{size}", size, size + 1, "bench") for size in SIZES]
    caps += [Cap(CONFIG_MAPS, SPACE, f"other-{number}", 0, 10, "bench") for number in range(MAPS - len(SIZES))]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GHOSTKEY_STATE"] = folder
        apply_steps(client, plan_guard(client, caps, [], "deny"), GuardReceipts())
    plane.wait_until(lambda: write(plane, 1, {"a": "", "b": ""})[0] == 422, "the guard in force")


def write(plane: ControlPlane, size: int, data: Mapping[str, str]) -> tuple[int, float]:
    """A dry-run patch of the map of a size: its code, and seconds."""
    body = json.dumps({"data": data}).encode()
    began = time.perf_counter()
    code = plane.raw("PATCH", f"/api/v1/namespaces/{SPACE}/configmaps/m{size}?dryRun=All", body, MERGE)[0]
    return code, time.perf_counter() - began


def main() -> int:
    """Prints the lines."""
    pairs = 15 if "--quick" in sys.argv else 60
    worst = 0
    with ControlPlane() as plain, ControlPlane() as guarded:
        for plane in (plain, guarded):
            fill(plane)
        guard(guarded)
        for size in SIZES:
            for what, data in (("edit", {"key-0": "w" * 20}), ("growth", {"one-more": "v"})):
                for plane in (plain, guarded):
                    assert write(plane, size, data)[0] == 200
                times = [(write(plain, size, data)[1], write(guarded, size, data)[1]) for _ in range(pairs)]
                without = statistics.median(one for one, _ in times)
                added = statistics.median(two - one for one, two in times)
                goal = max(GOAL_SECONDS, GOAL_SHARE * without)
                worst |= added > goal
                record = {
                    "bench": "guard", "what": what, "keys": size, "capped_maps": MAPS, "pairs": pairs, "cpus": os.cpu_count(),
                    "without_ms": round(1000 * without, 2), "added_ms": round(1000 * added, 2), "goal_ms": round(1000 * goal, 2),
                }  # fmt: skip
                print(json.dumps(record), flush=True)
            refused = [write(guarded, size, {"a": "", "b": ""}) for _ in range(5)]
            assert {code for code, _ in refused} == {422}
            took = round(1000 * statistics.median(seconds for _, seconds in refused), 2)
            print(json.dumps({"bench": "guard", "what": "refused", "keys": size, "ms": took}), flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
