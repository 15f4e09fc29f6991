"""Key→subject inference alone: 1,000,000 keys against 1,000,000 objects, and cost against size from 10⁴ to 10⁶.

    python -m bench.inference [--quick | --schemes]

Goals: at most 3 s for a million of each, and cost per key at 10⁶ at most twice that at 10⁴ (linear). Each size runs in a
process of its own; seconds are of the inference (index, votes, checks), not of making the names. Prints one JSON line for
each size; exit code 1 when a goal is missed. `--schemes` does so for every way to make keys that `bench.ghosts` has: the cost
per key at 10⁶ is at most twice that at 10⁴, for each of them.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time

GOAL_SECONDS, GOAL_GROWTH = 3.0, 2.0
SIZES = (10_000, 100_000, 1_000_000)
MAPS = 20


def run(size: int, scheme: str = "ns.name") -> None:
    """Infers over one generated snapshot and prints what it cost and found."""
    from bench.ghosts.cluster import Life
    from bench.ghosts.naming import SCHEMES
    from ghostkey.inference.infer import infer
    from ghostkey.model.events import WORD, Coverage, KeysSeen, SubjectsSeen
    from ghostkey.model.refs import CONFIG_MAPS, Kind, ObjectRef
    from ghostkey.store.snapshot import Snapshot

    gc.disable()
    kind = Kind("demo.example.com", "v1", "Tenant", "tenants", True)
    snapshot = Snapshot("bench")
    namespaces = [f"team-{number % 200}" for number in range(size)]
    names = [f"tenant-{number:07d}" for number in range(size)]
    uids = [f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(size)]
    snapshot.absorb([SubjectsSeen(kind, namespaces, names, uids), Coverage(kind)])
    gone = 0
    for part in range(MAPS):
        lives = [Life(namespaces[row], names[row], uids[row]) for row in range(part, size, MAPS)]
        # one in ten is of a subject that is not there
        for place in range(0, len(lives), 10):
            life = lives[place]
            lives[place] = Life(life.namespace, life.name + "x", life.uid[:-12] + "f" + life.uid[-11:])
            gone += 1
        keys = list(dict.fromkeys(map(SCHEMES[scheme], lives)))
        holder = ObjectRef(CONFIG_MAPS, "system", f"registry-{part}")
        snapshot.absorb([KeysSeen(holder, "data", (), keys, [4] * len(keys), [WORD] * len(keys))])
    began, spent = time.perf_counter(), time.process_time()
    results = infer(snapshot)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    lost = sum(len(result.lost) for result in results)
    record = {
        "bench": "inference", "keys": size, "objects": size, "scheme": scheme, "seconds": round(seconds, 3),
        "cpu_seconds": round(spent, 3), "gone": gone, "found": lost,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }  # fmt: skip
    print(json.dumps(record), flush=True)


def schemes() -> int:
    """Each way to make keys at the smallest and the largest size; 0 when none grows faster than its keys."""
    from bench.ghosts.naming import SCHEMES

    grown = {}
    for scheme in SCHEMES:
        costs = []
        for size in (SIZES[0], SIZES[-1]):
            command = [sys.executable, "-m", "bench.inference", "--size", str(size), scheme]
            record = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
            costs.append(record["cpu_seconds"] / size)
        grown[scheme] = round(costs[1] / costs[0], 2)
        what = {"bench": "inference", "scheme": scheme, "growth": grown[scheme], "cpu_seconds": round(costs[1] * SIZES[-1], 2)}
        print(json.dumps(what), flush=True)
    return 0 if max(grown.values()) <= GOAL_GROWTH else 1


def main() -> int:
    """Runs the sizes; 0 when both goals are met."""
    if sys.argv[1:2] == ["--size"]:
        run(int(sys.argv[2]), *sys.argv[3:4])
        return 0
    if "--schemes" in sys.argv:
        return schemes()
    costs: dict[int, float] = {}
    good = True
    for size in SIZES[:2] if "--quick" in sys.argv else SIZES:
        command = [sys.executable, "-m", "bench.inference", "--size", str(size)]
        runs = [subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout for _ in range(3)]
        line = min(runs, key=lambda text: json.loads(text)["seconds"])
        print(line, end="", flush=True)
        record = json.loads(line)
        costs[size] = record["seconds"]
        good &= record["found"] == record["gone"]
    largest = max(costs)
    growth = (costs[largest] / largest) / (costs[SIZES[0]] / SIZES[0])
    print(json.dumps({"bench": "inference", "what": "cost per key, largest / smallest", "growth": round(growth, 2)}))
    return 0 if good and growth <= GOAL_GROWTH and costs[largest] <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
