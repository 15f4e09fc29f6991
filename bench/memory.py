"""A census of a process with a million entries and 50,000 small maps: how long it takes, and what the process notices.

python -m bench.memory
Goals: 150 ms for the census, 1 s for the paths to the twenty largest, no gap of a 1 ms ticker above the idle noise; every length right.
Where GOREF names the program of goref, the other reader of Go heaps, it reads the same process (one with symbols, which it needs) by
turns with us: at least ten times as long as a census takes. It finds all references, so what ours takes with paths is shown, too.
Its module is not to be had from the proxy; it is built from its repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ghostkey.census.census import open_process
from ghostkey.testing import go_program, testbed_directory

RUNS = 7
IDLE_SECONDS = 3.0
NOISE = 2.0  # times the longest idle gap: one census is as likely to meet a hiccup of the machine as the same time without
GOALS = {"census_seconds": 0.150, "paths_seconds": 1.0}
PEER_RUNS, PEER_GOAL = 3, 10.0


class Target:
    """The program, told what to do by lines."""

    def __init__(self, *, stripped: bool = True) -> None:
        program = go_program(testbed_directory() / "lab", stripped=stripped)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, step: str) -> dict[str, Any]:
        """What it says after a step."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(step + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        """Ends the program."""
        self.process.kill()
        self.process.wait()


def by_goref(target: Target, goref: str) -> float:
    """Seconds that goref takes for all references of the heap."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [goref, "attach", str(target.process.pid), "--out", str(Path(folder) / "references")],
            capture_output=True, check=True, cwd=folder,
        )  # fmt: skip
        return time.perf_counter() - began


def by_census(target: Target) -> tuple[float, float]:
    """Seconds for a census, and with the types of all maps and the paths to the twenty largest."""
    began = time.perf_counter()
    process = open_process(target.process.pid)
    census = process.census()
    alone = time.perf_counter() - began
    process.name_types(census.maps)
    process.find_holders(sorted(census.maps, key=lambda found: -found.bytes)[:20], census.maps)
    process.close()
    return alone, time.perf_counter() - began


def beside(goref: str) -> bool:
    """Prints what both take, and how long the process stood still for each; whether the goal is met."""
    target = Target(stripped=False)
    try:
        target.do("big")
        ours, theirs, gaps = [], [], {"census": 0, "goref": 0}
        for _ in range(PEER_RUNS):
            target.do("gap")
            ours.append(by_census(target))
            gaps["census"] = max(gaps["census"], target.do("gap")["gap_us"])
            theirs.append(by_goref(target, goref))
            gaps["goref"] = max(gaps["goref"], target.do("gap")["gap_us"])
    finally:
        target.end()
    census, paths = (min(seconds) for seconds in zip(*ours, strict=True))
    ratio = min(theirs) / census
    print(
        json.dumps(
            {"bench": "memory", "what": "census against goref", "census_seconds": round(census, 3), "with_paths_seconds": round(paths, 3),
             "goref_seconds": round(min(theirs), 3), "ratio": round(ratio, 1), "goal_ratio": PEER_GOAL,
             **{f"gap_{name}_us": gap for name, gap in gaps.items()}}
        )
    )  # fmt: skip
    return ratio >= PEER_GOAL


def main() -> int:
    """Prints a JSON line for each comparison; 1 when a goal is missed."""
    is_faster = beside(os.environ["GOREF"]) if os.environ.get("GOREF") else True
    target = Target()
    try:
        told = target.do("big")
        target.do("gap")
        time.sleep(IDLE_SECONDS)
        idle = target.do("gap")["gap_us"]
        censuses, paths, right = [], [], True
        for _ in range(RUNS):
            process = open_process(target.process.pid)
            began = time.perf_counter()
            census = process.census()
            censuses.append(time.perf_counter() - began)
            process.name_types(census.maps)
            top = sorted(census.maps, key=lambda found: -found.bytes)[:20]
            began = time.perf_counter()
            process.find_holders(top, census.maps)
            paths.append(time.perf_counter() - began)
            right &= top[0].length == told["len"] and sum(found.length == 2 for found in census.maps) >= told["many"]
            process.close()
        busy = target.do("gap")["gap_us"]
    finally:
        target.end()
    measured = {"census_seconds": round(min(censuses), 3), "paths_seconds": round(min(paths), 3)}
    print(
        json.dumps(
            {"bench": "memory", "what": "census of 1,000,000 entries and 50,000 small maps", **measured, "gap_idle_us": idle,
             "gap_censuses_us": busy, "lengths_right": right, **{f"goal_{name}": goal for name, goal in GOALS.items()}}
        )
    )  # fmt: skip
    met = all(measured[name] <= goal for name, goal in GOALS.items())
    return 0 if met and right and is_faster and busy <= NOISE * max(idle, 1000) else 1


if __name__ == "__main__":
    sys.exit(main())
