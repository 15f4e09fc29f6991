"""Wall time and peak memory of a whole process, imports and all."""

from __future__ import annotations

import os
import subprocess
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
    """Runs a command with its output thrown away; peak memory is that of its largest process."""
    began = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=nowhere, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.monotonic() - began, usage.ru_maxrss * 1024, child.returncode)


def best(command: Sequence[str], env: Mapping[str, str] | None = None, runs: int = 3) -> Cost:
    """The fastest of several runs."""
    return min((measure(command, env) for _ in range(runs)), key=lambda cost: cost.seconds)
