"""Runs ghostkey many times without starting Python each time: half of what the suite took was the interpreter and its imports.

A server that has imported the program, and has run nothing of it, makes a copy of itself for each run. The copy gets the arguments, the
environment, the folder and the files of the one who asked, and goes through `main` to the end of its process, as one that was started does.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import ghostkey

# what Python and the C library look at when a process begins: such a run needs a process of its own
AT_THE_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_")
FILES = 3  # standard input, output and error


def _looked_at(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_THE_START)}


_OURS = _looked_at(os.environ)  # as the server has it, which is started with it


def can_run(environment: Mapping[str, str]) -> bool:
    """Whether a copy of the server sees this environment as a process that starts with it does."""
    return hasattr(os, "pidfd_open") and _looked_at(environment) == _OURS


def run(arguments: list[str], environment: Mapping[str, str], folder: Path | None, seconds: float) -> tuple[int, bytes, bytes]:
    """Runs `ghostkey ARGUMENTS` without input; its exit code (negative: a signal), what it printed and its errors.

    Raises:
        TimeoutError: it was ended after this many seconds.
    """
    request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder or Path.cwd())}
    with contextlib.ExitStack() as files:
        out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        nothing = files.enter_context(Path(os.devnull).open("rb"))
        server = files.enter_context(socket.socket(socket.AF_UNIX))
        server.connect(_server())
        server.settimeout(seconds)
        body = json.dumps(request).encode()
        socket.send_fds(server, [len(body).to_bytes(8, "big")], [nothing.fileno(), out.fileno(), err.fileno()])
        server.sendall(body)
        with server.makefile("r") as answers:
            pid = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        return code, _content(out), _content(err)


def _content(file: Any) -> bytes:
    file.seek(0)
    content: bytes = file.read()
    return content


@functools.cache
def _server() -> str:
    """The address of this process's server, which ends with this process."""
    path = str(Path(tempfile.mkdtemp(prefix="gk-")) / "programs")
    # nobody writes into this pipe: it ends when we do, however that is
    alive, ours = os.pipe()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(AT_THE_START)} | _OURS
    command = [sys.executable, "-m", "tests.forked", path]
    subprocess.Popen(command, stdin=alive, stdout=(ready := os.pipe())[1], env=environment)
    os.close(alive)
    os.close(ready[1])
    os.set_inheritable(ours, False)
    assert os.read(ready[0], 1), "the server of programs did not start"
    os.close(ready[0])
    return path


# the server


def _serve(path: str) -> NoReturn:
    """Makes copies until whoever started this is gone."""
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: whoever started this ends, and this with it
    waiting = selectors.DefaultSelector()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(64)
        waiting.register(door, selectors.EVENT_READ)
        waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
        os.write(1, b".")
        while True:
            for key, _ in waiting.select():
                if key.fileobj is door:
                    visitor = door.accept()[0]
                    with contextlib.suppress(OSError, ValueError):  # a visitor who left
                        pid = _copied(visitor)
                        waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, visitor))
                        visitor.sendall(f"{pid}\n".encode())
                elif key.data is None:
                    Path(path).unlink()
                    Path(path).parent.rmdir()
                    sys.exit(0)
                else:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                    pid, visitor = key.data
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with contextlib.suppress(OSError), visitor:
                        visitor.sendall(f"{code}\n".encode())


def _load() -> None:
    """Imports all that is ours, and what some of it imports once it runs; nothing of it is run."""
    sys.modules["__main__"] = importlib.import_module("ghostkey.__main__")
    for module in pkgutil.walk_packages(ghostkey.__path__, "ghostkey."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    for name in ("duckdb", "tree_sitter_go"):
        importlib.import_module(name)
    # a copy has one thread only: whatever lock another one holds would never be given back
    assert len(os.listdir("/proc/self/task")) == 1, "something that the program imports starts a thread"
    gc.collect()
    gc.freeze()


def _copied(visitor: socket.socket) -> int:
    """The pid of a copy that runs what the visitor asks for."""
    head, files, _, _ = socket.recv_fds(visitor, 8, FILES)
    with visitor.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(head, "big")))
    if pid := os.fork():
        for file in files:
            os.close(file)
        return pid
    try:
        for standard, file in enumerate(files):
            os.dup2(file, standard)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["ghostkey", *request["arguments"]]
        importlib.import_module("ghostkey.__main__").main()
    finally:
        os._exit(70)  # main does not come back, and a copy serves nobody


if __name__ == "__main__":
    _serve(sys.argv[1])
