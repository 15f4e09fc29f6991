"""Starts processes for a test run and ends them with it, whatever ends the run.

A program of its own that needs only the standard library. It is told what to do by JSON lines on stdin and answers each
with a JSON line on stdout. The parent holds the other end of stdin: when the parent goes, even by SIGKILL, stdin ends,
and this process kills what it started, removes its directory and goes too. It leads a session of its own, so a signal
to the test run's process group does not reach it first; should it be killed itself, PR_SET_PDEATHSIG ends its children.

Requests: {"do": "start", "name": …, "argv": […], "env": {…}, "log": path} · {"do": "stop", "name": …, "signal": n}
· {"do": "poll", "name": …} · {"do": "keep"}: outlive the parent until SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 10.0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.keeps = False

    def start(self, name: str, argv: list[str], env: dict[str, str], log: str) -> dict[str, object]:
        with open(log, "ab") as out:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **env},
                cwd=self.directory,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 (this process has one thread)
            )
        self.children[name] = child
        return {"pid": child.pid}

    def stop(self, name: str, number: int) -> dict[str, object]:
        child = self.children.pop(name, None)
        if child is None:
            return {"returncode": None}
        child.send_signal(number)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        return {"returncode": child.returncode}

    def poll(self, name: str) -> dict[str, object]:
        child = self.children.get(name)
        return {"returncode": child.poll() if child else None, "known": child is not None}

    def answer(self, request: dict[str, object]) -> dict[str, object]:
        match request.pop("do"):
            case "start":
                return self.start(**request)  # type: ignore[arg-type]
            case "stop":
                return self.stop(str(request["name"]), int(str(request.get("signal", signal.SIGTERM))))
            case "poll":
                return self.poll(str(request["name"]))
            case "keep":
                self.keeps = True
                # whoever reads the parent's output must see its end when the parent ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                return {"pid": os.getpid()}
            case other:
                return {"error": f"unknown request {other!r}"}

    def end(self) -> None:
        # newest first: an API server that loses its etcd only fills its log
        for child in reversed(self.children.values()):
            child.kill()
        for child in self.children.values():
            child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def main() -> None:
    supervisor = Supervisor(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for line in sys.stdin:
            try:
                reply = supervisor.answer(json.loads(line))
            except (OSError, ValueError, TypeError, KeyError) as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(reply), flush=True)
        while supervisor.keeps:
            time.sleep(3600)
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
