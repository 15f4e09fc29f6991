"""`ghostkey`, `kubectl ghostkey` and `python -m ghostkey`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line; errors become one line, a hint and an exit code."""
    from ghostkey.cli import run

    os.umask(0o077)  # whatever is written tells about a cluster, and is its reader's alone: pages, stores, receipts
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # a scan ends with a million objects; taking them down one by one takes longer than inferring from them did
    os._exit(code)


def kubectl_complete() -> None:
    """Completion for kubectl: it calls `kubectl_complete-ghostkey WORDS…` and reads cobra's completion lines."""
    from ghostkey.cli.completion import print_for_kubectl

    print_for_kubectl(sys.argv[1:])


if __name__ == "__main__":
    main()
