"""A program on a real terminal of its own, and the screen as a person would see it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence

import pyte

from tests.helpers import Program, read_terminal

PATIENCE_SECONDS = 120.0
KEYS = {"enter": "\r", "escape": "\x1b", "down": "\x1b[B", "ctrl-c": "\x03"}
# private sequences that ask for keyboards that pyte does not have; it takes their ends for text
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")


class Terminal:
    """Runs a command on a pty of so many columns and lines; what it draws is read as a VT100 would show it."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], columns: int = 80, lines: int = 24) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        self.resize(columns, lines)
        # a terminal tells its size itself; COLUMNS, as pytest-xdist sets it, would say that it never changes
        around = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}} | {"TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=around,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (one system call: the terminal is the program's own)
        )
        os.close(slave)
        self.written = b""

    def resize(self, columns: int, lines: int) -> None:
        """Another size, as a person pulls the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def press(self, *keys: str) -> None:
        """Keys by name, or as the characters that they type."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def read(self, seconds: float = 0.1) -> None:
        """Takes in what was drawn meanwhile."""
        while select.select([self._master], [], [], seconds)[0]:
            try:
                content = os.read(self._master, 65536)
            except OSError:  # nobody has the other end any more
                return
            if not content:
                return
            self.written += content
            self._stream.feed(_UNKNOWN.sub(b"", content))
            seconds = 0.0

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return [line.rstrip() for line in self._screen.display]

    def wait_for(self, *words: str, without: str = "", first_row: str = "") -> list[str]:
        """The screen, once it shows all these words, and in its third line what the pattern says. Fails with it when it never does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.read()
            shown = "\n".join(self.lines)
            if (
                all(word in shown for word in words)
                and not (without and without in shown)
                and re.search(first_row, self.lines[2])
            ):
                return self.lines
            if self.process.poll() is not None:
                self.read()
                break
        raise AssertionError(f"{words} not shown (exit code {self.process.poll()}):\n" + "\n".join(self.lines))

    def ended(self) -> int:
        """The exit code, once it ended by itself."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        assert self.process.poll() is not None, "it did not end:\n" + "\n".join(self.lines)
        return int(self.process.returncode)

    def close(self) -> None:
        """Ends it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def on_terminal(program: Program, columns: int, *words: str, is_err: bool = False) -> str:
    """All that the program writes to a terminal of that width: what it prints, or what it says on the side."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = program.environment() | {"TERM": "xterm"}
    environment.pop("COLUMNS", None)
    out, err = (subprocess.DEVNULL, slave) if is_err else (slave, subprocess.DEVNULL)
    running = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", *words], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
    )
    os.close(slave)
    written = read_terminal(master)
    os.close(master)
    running.wait()
    return written.decode().replace("\r\n", "\n")
