"""Who inserts into a map, beside delve: what a write costs while it is watched, and how long the process stands still.

python -m bench.stacks
Goals: p50 added per write at most 50 µs by perf; every change seen, none lost; a hundredth of the pause of a hit that delve's watchpoint
takes. Beside it, what one `len` costs by delve and by a census. Delve is built from its module; it needs symbols, so the program has them here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench.memory import Target
from ghostkey.census import writers
from ghostkey.census.census import Process, open_process
from ghostkey.census.errors import CannotWatch
from ghostkey.census.gomap import GoMap
from ghostkey.testing.binaries import cache_directory

DELVE = "1.27.2"
SETTLE_SECONDS, WATCH_SECONDS = 0.8, 6.0
HITS = 1900  # of the 2,000 writes of a beat: delve is told to go on after each
GOALS = {"added_us": 50.0, "pause_ratio": 100.0}


def delve() -> Path:
    """The debugger, built once."""
    folder = cache_directory() / "bench" / f"dlv-{DELVE}"
    if not (folder / "dlv").is_file():
        environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
        subprocess.run(["go", "install", f"github.com/go-delve/delve/cmd/dlv@v{DELVE}"], env=environment, check=True)
    return folder / "dlv"


def told_to_delve(pid: int, orders: list[str]) -> float:
    """Seconds that it took delve to attach, to do as it was told, and to leave the process alone."""
    began = time.perf_counter()
    text = "".join(order + "\n" for order in [*orders, "quit", "n"])
    subprocess.run(
        [delve(), "attach", str(pid), "--allow-non-terminal-interactive=true"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - began


def gap_after(target: Target, act: Any) -> tuple[float, int]:
    """How long an act takes in seconds, and the longest that the process stood still meanwhile in microseconds."""
    target.do("gap")
    began = time.perf_counter()
    act()
    took = time.perf_counter() - began
    return took, int(target.do("gap")["gap_us"])


def watched(target: Target, process: Process, found: GoMap, way: str) -> dict[str, Any]:
    """A beat while we watch."""
    seen: list[writers.Watched] = []
    watcher = threading.Thread(target=lambda: seen.append(writers.WAYS[way](process, [found], WATCH_SECONDS)))
    watcher.start()
    time.sleep(SETTLE_SECONDS)
    target.do("gap")
    told = target.do("beat")
    gap = target.do("gap")["gap_us"]
    watcher.join()
    (changes,) = seen[0].changes
    return {
        "p50_us": told["p50_ns"] / 1000, "p99_us": told["p99_ns"] / 1000, "gap_us": gap, "hits": sum(changes.stacks.values()),
        "is_exact": changes.is_exact, "lost": seen[0].lost,
    }  # fmt: skip


def watched_by_delve(target: Target, found: GoMap) -> dict[str, Any]:
    """A beat while delve has a watchpoint on the same word."""
    orders = [f"watch -w *(*uint64)({found.address:#x})", *["continue"] * HITS]
    watcher = threading.Thread(target=told_to_delve, args=(target.process.pid, orders))
    target.do("gap")
    watcher.start()
    time.sleep(3 * SETTLE_SECONDS)
    told = target.do("beat")
    watcher.join()
    return {"p50_us": told["p50_ns"] / 1000, "p99_us": told["p99_ns"] / 1000, "gap_us": target.do("gap")["gap_us"]}


def main() -> int:
    """Prints a JSON line for each way; 1 when a goal is missed."""
    delve()
    target = Target(stripped=False)
    try:
        target.do("big")
        process = open_process(target.process.pid)
        found = max(process.census().maps, key=lambda one: one.bytes)
        target.do("gap")
        idle = target.do("beat")
        idle = {"p50_us": idle["p50_ns"] / 1000, "p99_us": idle["p99_ns"] / 1000, "gap_us": target.do("gap")["gap_us"]}
        took, gap = gap_after(target, lambda: process.word(found.address))
        census, census_gap = gap_after(target, lambda: open_process(target.process.pid).census())
        peer, peer_gap = gap_after(target, lambda: told_to_delve(target.process.pid, ["print len(main.m)"]))
        print(
            json.dumps(
                {"bench": "stacks", "what": "one len", "word_seconds": round(took, 4), "word_gap_us": gap, "census_seconds": round(census, 3),
                 "census_gap_us": census_gap, "delve_seconds": round(peer, 3), "delve_gap_us": peer_gap, "idle_gap_us": idle["gap_us"]}
            )
        )  # fmt: skip
        rows: dict[str, dict[str, Any]] = {"idle": idle}
        for way in ("perf", "ptrace"):
            try:
                rows[way] = watched(target, process, found, way)
            except CannotWatch as error:
                print(f"{way}: {error}", file=sys.stderr)
        rows["delve"] = watched_by_delve(target, found)
    finally:
        target.end()
    for way, row in rows.items():
        added = {"added_us": round(row["p50_us"] - idle["p50_us"], 1)}
        print(json.dumps({"bench": "stacks", "what": "a write at 1,000 a second", "by": way, **row, **added, "goals": GOALS}))
    perf = rows.get("perf")
    if perf is None:
        return 1
    added, peers = perf["p50_us"] - idle["p50_us"], rows["delve"]["p50_us"] - idle["p50_us"]
    met = added <= GOALS["added_us"] and perf["is_exact"] and not perf["lost"] and peers >= GOALS["pause_ratio"] * added
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
