"""Processes that end with who started them, whatever ends that: see `_supervisor`, whose words these are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.testing import _supervisor
from ghostkey.testing._abandoned import DIRECTORY_PREFIX


@dataclass(slots=True)
class Process:
    """One process under the supervisor."""

    name: str
    pid: int
    log: Path
    _ask: Callable[..., dict[str, Any]] = field(repr=False)

    def returncode(self) -> int | None:
        """Its exit code, or None while it runs."""
        code = self._ask(do="poll", name=self.name)["returncode"]
        return None if code is None else int(code)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it by the signal and waits; SIGKILL after ten seconds."""
        self._ask(do="stop", name=self.name, signal=int(number))


class Supervised:
    """A supervisor of its own, and a private directory that goes with it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _supervisor.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._is_kept = False

    def ask(self, **request: object) -> dict[str, Any]:
        """The answer to one request. Raises RuntimeError with the supervisor's words when it refuses, or is gone."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the supervisor does not run")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "the supervisor is gone"}')
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Starts a process; its output goes to `directory/NAME.log`."""
        log = self.directory / f"{name}.log"
        reply = self.ask(do="start", name=name, argv=list(argv), env=dict(env or {}), log=str(log))
        return Process(name, int(reply["pid"]), log, self.ask)

    def keep(self) -> int:
        """Lets everything run on after this process ends; the pid to send SIGTERM to when it shall end."""
        pid = int(self.ask(do="keep")["pid"])
        self._is_kept = True
        return pid

    def close(self) -> None:
        """Ends every process and removes the directory, unless all is kept."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not self._is_kept:
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
