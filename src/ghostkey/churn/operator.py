"""The operator under test: started, killed and looked at, whatever language it is written in."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ghostkey.churn import in_cluster
from ghostkey.model.errors import GhostkeyError, UsageError
from ghostkey.processes import state_of

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane, Process, Supervised

_ONE_AT_A_TIME = threading.Lock()  # the control plane's supervisor answers one request at a time
TAIL = 2000  # characters of a log that are shown


class OperatorEnded(GhostkeyError):
    """The operator ended by itself, and nothing can be said of it."""


def command_line(text: str) -> list[str]:
    """The words of `--operator`, the program as a path that works from any folder. Raises UsageError when there is none."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--operator {text!r}: {error}") from None
    if not words:
        raise UsageError("--operator names no program", "write --operator './manager --flag value'")
    program = shutil.which(words[0])
    if program is None:
        raise UsageError(f"--operator: no program {words[0]!r}", "give its path, such as ./bin/manager")
    return [str(Path(program).absolute()), *words[1:]]


def account_of(text: str) -> tuple[str, list[str]]:
    """User and groups of the service account NAMESPACE/NAME, as the API server knows it. Raises UsageError."""
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise UsageError(f"--as-serviceaccount {text!r} is no account", "write NAMESPACE/NAME")
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return f"system:serviceaccount:{namespace}:{name}", groups


class Operator:
    """One replica. `{kubeconfig}` in its words stands for the file that leads through the proxy; KUBECONFIG names it too.

    `pod_files`: a folder with a Pod's files, which it is given in place of KUBECONFIG.
    """

    def __init__(
        self, keeper: ControlPlane | Supervised, name: str, argv: Sequence[str], kubeconfig: Path, environment: Mapping[str, str],
        pod_files: Path | None = None,
    ) -> None:  # fmt: skip
        self._keeper, self.name = keeper, name
        self._argv = [word.replace("{kubeconfig}", str(kubeconfig)) for word in argv]
        given = {"POD_NAME": name, "POD_NAMESPACE": "default"}
        if pod_files is None:
            given |= {"KUBECONFIG": str(kubeconfig)}
        else:
            self._argv = in_cluster.argv_with(pod_files, self._argv)
            given |= in_cluster.environment(kubeconfig) | {"POD_NAMESPACE": (pod_files / "namespace").read_text()}
        self._environment = {**given, **environment}
        self._process: Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """Its process id; 0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Starts it; returns at once."""
        if self._process is None:
            with _ONE_AT_A_TIME:
                self._process = self._keeper.start(self.name, self._argv, self._environment)
            self.starts += 1

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it, and waits; harmless when it does not run."""
        if self._process is not None:
            with _ONE_AT_A_TIME:
                self._process.stop(number)
            self._process = None

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self.stop(signal.SIGKILL)

    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._code() is None

    def _code(self) -> int | None:
        with _ONE_AT_A_TIME:
            return self._process.returncode() if self._process is not None else None

    def check(self) -> None:
        """Raises OperatorEnded with the end of its log when it has ended although nobody ended it."""
        if self._process is not None and (code := self._code()) is not None:
            raise OperatorEnded(
                f"the operator ended with code {code}:\n{_told_once(self.tail())}", "run its command line by hand"
            )

    def tail(self) -> str:
        """The end of its log."""
        path = self._keeper.directory / f"{self.name}.log"
        return path.read_text(errors="replace")[-TAIL:] if path.exists() else ""

    def has_ended(self) -> bool:
        """Whether it is no process any more, or one that only waits to be reaped; asks the kernel alone."""
        try:
            return state_of(self.pid) in {"Z", "X"}
        except OSError:
            return True

    def is_busy(self) -> bool:
        """Whether any of its threads runs or waits for a CPU."""
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                if state_of(self.pid, thread) == "R":
                    return True
        return False


def _told_once(text: str) -> str:
    """The lines of a log, those that repeat the one before them left out."""
    lines = text.splitlines()
    return "\n".join(line for number, line in enumerate(lines) if not number or line != lines[number - 1])
