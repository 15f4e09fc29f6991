"""`python -m ghostkey.testing build [PROGRAM…]` builds what is missing and prints where it is; `sweep` tidies up."""

from __future__ import annotations

import sys

from ghostkey.testing._abandoned import sweep_abandoned
from ghostkey.testing.binaries import PROGRAMS, binary


def main() -> int:
    """Runs one of the two commands; 2 for another word."""
    match sys.argv[1:]:
        case ["build", *names]:
            for name in names or [name for name, program in PROGRAMS.items() if not program.is_rare]:
                print(f"{name}\t{binary(name)}", flush=True)
        case ["sweep"]:
            sweep_abandoned()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
