"""`python -m tests.fuzz`: 320,000 mutated inputs, on all processors; prints its seed, and what broke out."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from tests.fuzz.engine import Failure, kinds, run_apart

INPUTS = 320_000
BATCH = 1_000


def main() -> int:
    """Runs the kinds of input side by side; 1 when any broke out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all kinds together")
    parser.add_argument("--kind", choices=kinds(), action="append", help="these kinds only")
    parser.add_argument("--only", type=int, help="the input of this number, of one --kind")
    given = parser.parse_args()
    chosen = given.kind or kinds()
    each = -(-given.inputs // len(chosen))
    numbers = [range(given.only, given.only + 1)] if given.only is not None else _batches(each)
    print(f"seed {given.seed}: {len(chosen)} kinds of input, {each:,} of each", flush=True)
    began = time.monotonic()
    failures: list[Failure] = []
    done = 0
    # a process for each batch: what one input leaves behind in memory is not the next one's fault
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, max_tasks_per_child=4) as pool:
        waiting: dict[Future[list[Failure]], tuple[str, range]] = {
            pool.submit(run_apart, kind, given.seed, batch): (kind, batch) for batch in numbers for kind in chosen
        }
        for future in as_completed(waiting):
            kind, batch = waiting[future]
            try:
                found = future.result()
            except Exception as error:  # noqa: BLE001 (a process that was killed names no input of its own)
                found = [Failure(kind, given.seed, batch.start, f"one of {batch} ended its process: {error!r}")]
            for failure in found:
                print(f"\n{failure.kind} --seed {failure.seed} --only {failure.number}:\n{failure.why}", flush=True)
            failures += found
            done += len(batch)
    print(f"{done:,} inputs in {time.monotonic() - began:.0f} s: {len(failures)} broke out")
    return 1 if failures else 0


def _batches(each: int) -> list[range]:
    return [range(begin, min(begin + BATCH, each)) for begin in range(0, each, BATCH)]


if __name__ == "__main__":
    sys.exit(main())
