"""`ghostkey`, `kubectl ghostkey` and `python -m ghostkey`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line; errors become one line, a hint and an exit code."""
    from ghostkey.cli import ended, run
    from ghostkey.cli.terminal import install

    _end_orderly()
    os.umask(0o077)  # whatever is written tells about a cluster, and is its reader's alone: pages, stores, receipts
    install()
    try:
        code = run(sys.argv[1:])
    except SystemExit as end:  # by a signal
        code = end.code if isinstance(end.code, int) else 1
    code = ended(code)
    # a scan ends with a million objects; taking them down one by one takes longer than inferring from them did
    os._exit(code)


def _end_orderly() -> None:
    """Makes SIGTERM and SIGHUP end the program as Ctrl-C does: what it made for itself goes with it. A second one ends it at once."""
    import signal

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        # whoever wants it to outlive the terminal (nohup) has said so
        if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def kubectl_complete() -> None:
    """Completion for kubectl: it calls `kubectl_complete-ghostkey WORDS…` and reads cobra's completion lines."""
    from ghostkey.cli.completion import print_for_kubectl
    from ghostkey.cli.terminal import install

    install()
    print_for_kubectl(sys.argv[1:])


if __name__ == "__main__":
    main()
