"""`ghostkey`, `kubectl ghostkey` and `python -m ghostkey`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line; errors become one line, a hint and an exit code."""
    from ghostkey.cli import ended, run
    from ghostkey.cli.terminal import install

    install()
    code = ended(run(sys.argv[1:]))
    # a scan ends with a million objects; taking them down one by one takes longer than inferring from them did
    os._exit(code)


def kubectl_complete() -> None:
    """Completion for kubectl: it calls `kubectl_complete-ghostkey WORDS…` and reads cobra's completion lines."""
    from ghostkey.cli.completion import print_for_kubectl
    from ghostkey.cli.terminal import install

    install()
    print_for_kubectl(sys.argv[1:])


if __name__ == "__main__":
    main()
