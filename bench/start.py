"""How long `ghostkey --help` takes, beside `kubectl --help`. Goal: under 150 ms.

python -m bench.start
"""

from __future__ import annotations

import json
import sys

from bench.measure import best
from ghostkey.testing import binary

GOAL_SECONDS = 0.150


def main() -> int:
    """Prints one JSON line; 1 when the goal is missed."""
    ghostkey = best([sys.executable, "-m", "ghostkey", "--help"], runs=7)
    kubectl = best([str(binary("kubectl")), "--help"], runs=7)
    seconds = {"seconds": round(ghostkey.seconds, 3), "kubectl_seconds": round(kubectl.seconds, 3)}
    print(json.dumps({"bench": "start", "what": "--help", **seconds, "goal_seconds": GOAL_SECONDS}))
    return 0 if ghostkey.seconds <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
