"""`python -m tests.fuzz`: 325,000 mutated inputs, on all processors; prints its seed, and what broke out."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.engine import Failure, kinds, run_apart

INPUTS = 325_000
BATCH = 2_500
BATCH_SECONDS = 1800  # for a hang, not for speed: an input has its own limit


def main() -> int:
    """Runs the kinds of input side by side; 1 when any broke out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all kinds together")
    parser.add_argument("--kind", choices=kinds(), action="append", help="these kinds only")
    parser.add_argument("--only", help="the input of this number, or FIRST-LAST, of one --kind; in this process")
    given = parser.parse_args()
    chosen = given.kind or kinds()
    if given.only:
        first, _, last = given.only.partition("-")
        failures = run_apart(chosen[0], given.seed, range(int(first), int(last or first) + 1))
        for failure in failures:
            print(json.dumps([failure.kind, failure.seed, failure.number, failure.why]))
        return 1 if failures else 0
    each = -(-given.inputs // len(chosen))
    print(f"seed {given.seed}: {len(chosen)} kinds of input, {each:,} of each", flush=True)
    began = time.monotonic()
    batches = [(kind, begin, min(begin + BATCH, each) - 1) for begin in range(0, each, BATCH) for kind in chosen]
    broken = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for failures in pool.map(lambda batch: _batch(*batch, seed=given.seed), batches):
            broken += len(failures)
            for failure in failures:
                print(f"\n{failure.kind} --seed {failure.seed} --only {failure.number}:\n{failure.why}", flush=True)
    print(f"{each * len(chosen):,} inputs in {time.monotonic() - began:.0f} s: {broken} broke out")
    return 1 if broken else 0


def _batch(kind: str, first: int, last: int, *, seed: int) -> list[Failure]:
    """Inputs in a process of their own, whose end is not the end of all."""
    words = [sys.executable, "-m", "tests.fuzz", "--kind", kind, "--seed", str(seed), "--only", f"{first}-{last}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=BATCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [Failure(kind, seed, first, f"one of {first}-{last} did not end in {BATCH_SECONDS} s")]
    found = [Failure(*json.loads(line)) for line in done.stdout.splitlines()]
    if done.returncode and not found:
        found = [
            Failure(kind, seed, first, f"one of {first}-{last} ended its process ({done.returncode}): {done.stderr[-2000:]}")
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
