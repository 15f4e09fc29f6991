"""Every benchmark, one after the other: `make bench`. Prints JSON lines; exit code 1 when any goal is missed."""

from __future__ import annotations

import subprocess
import sys

BENCHES = (
    "bench.ghosts",
    "bench.inference",
    "bench.scan",
    "bench.start",
    "bench.history",
    "bench.analyses",
    "bench.memory",
    "bench.stacks",
    "bench.guard",
    "bench.watch",
    "bench.generator",
    "bench.churn",
)


def main() -> int:
    """Runs them all, whatever the earlier ones said."""
    codes = {name: subprocess.run([sys.executable, "-m", name, *sys.argv[1:]], check=False).returncode for name in BENCHES}
    for name, code in codes.items():
        print(f"{name}: {'goals met' if code == 0 else 'GOAL MISSED'}", file=sys.stderr)
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
