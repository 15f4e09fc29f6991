"""Wall time and peak memory of a whole process, imports and all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command cost."""

    seconds: float
    peak_rss_bytes: int
    code: int


def measure(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Runs a command with its output thrown away; peak memory is that of its largest process.

    A small process of its own does it: a child's peak counts what its parent had at the fork.
    """
    launcher = [sys.executable, "-I", "-S", __file__, *command]
    # compiled once, as what is installed is
    around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(launcher, env={**around, **(env or {})}, stdout=subprocess.PIPE, check=True)
    return Cost(**json.loads(done.stdout))


def best(command: Sequence[str], env: Mapping[str, str] | None = None, runs: int = 3) -> Cost:
    """The fastest of several runs."""
    return min((measure(command, env) for _ in range(runs)), key=lambda cost: cost.seconds)


def _launch(command: Sequence[str]) -> Cost:
    began = time.monotonic()
    # a file, since grep stops at its first match when it sees that its output goes to /dev/null
    with tempfile.TemporaryFile() as nowhere:
        child = subprocess.Popen(command, stdout=nowhere, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.monotonic() - began, usage.ru_maxrss * 1024, child.returncode)


if __name__ == "__main__":
    cost = _launch(sys.argv[1:])
    print(json.dumps({"seconds": cost.seconds, "peak_rss_bytes": cost.peak_rss_bytes, "code": cost.code}))
