"""The other end of a pipe: takes orders as lines of JSON, and answers with what a census sees of a process beside it.

This is what runs inside a Pod: the same code as on the host, in whatever image has a Python. Nothing is written there.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable
from typing import Any, BinaryIO

from ghostkey.census.census import Process, open_process
from ghostkey.census.elf import Executable, executable_of
from ghostkey.census.errors import CannotWatch
from ghostkey.census.gomap import GoMap
from ghostkey.census.writers import WAYS
from ghostkey.model.errors import GhostkeyError

_TUPLES = ("candidates", "alike")
_SLEEP = re.compile(rb"import time; time\.sleep\((\d+)\)")  # what holds up a container of ours; see ghostkey.pods
MARGIN_SECONDS = 60.0  # for the end of a container to be late in the reckoning


def pack(maps: Iterable[GoMap]) -> list[list[Any]]:
    """Maps as JSON: their fields in order."""
    names = [field.name for field in dataclasses.fields(GoMap)]
    return [[getattr(found, name) for name in names] for found in maps]


def unpack(rows: Iterable[list[Any]]) -> list[GoMap]:
    """The maps that `pack` made rows of."""
    names = [field.name for field in dataclasses.fields(GoMap)]
    found = []
    for row in rows:
        values: dict[str, Any] = {n: tuple(v) if n in _TUPLES else v for n, v in zip(names, row, strict=True)}
        found.append(GoMap(**values))
    return found


def processes_of_go() -> list[int]:
    """Go processes that this one sees and may read, itself left out."""
    found = []
    for name in sorted(filter(str.isdecimal, os.listdir("/proc")), key=int):
        if int(name) == os.getpid():
            continue
        try:
            program = Executable(executable_of(int(name)))
        except GhostkeyError:
            continue
        if ".go.buildinfo" in program.sections:
            found.append(int(name))
        program.close()
    return found


def seconds_left() -> float:
    """How long our container goes on at least: what is left of the sleeps beside us that hold one up; infinite where there is none."""
    left = math.inf
    with open("/proc/uptime") as file:
        up = float(file.read().split()[0])
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                sleep = _SLEEP.search(file.read(4096))
            with open(f"/proc/{name}/stat") as stat:
                began = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            continue
        if sleep is not None:
            left = min(left, int(sleep[1]) - (up - began))
    return left


class Orders:
    """What may be asked of a process; each order is a method that takes and gives what JSON has."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._maps: dict[int, GoMap] = {}

    @property
    def process(self) -> Process:
        """The process that was opened. Raises GhostkeyError when none was."""
        if self._process is None:
            raise GhostkeyError("no process is open")
        return self._process

    def open(self, pid: int = 0) -> dict[str, Any]:
        """Opens a process; 0 is the one Go process there is."""
        if not pid:
            seen = processes_of_go()
            if not seen:
                uids = {os.stat(f"/proc/{name}").st_uid for name in filter(str.isdecimal, os.listdir("/proc"))}
                raise GhostkeyError(
                    f"no Go process of uid {os.geteuid()} is seen here; processes run as uid {', '.join(map(str, sorted(uids)))}",
                    "is this its uid, and does the runtime share its process namespace (targetContainerName)?",
                )
            pid = 1 if 1 in seen else seen[0]
        self._process = open_process(pid)
        return {"pid": pid, "name": self._process.name, "version": self._process.version}

    def census(self) -> dict[str, Any]:
        """All maps, named."""
        seen = self.process.census()
        self.process.name_types(seen.maps)
        self._maps = {found.address: found for found in seen.maps}
        return {"maps": pack(seen.maps), "lost": seen.lost, "notes": seen.notes}

    def _chosen(self, addresses: list[int]) -> list[GoMap]:
        return [self._maps[address] for address in addresses if address in self._maps]

    def describe(self, addresses: list[int]) -> list[list[Any]]:
        """These maps, looked into."""
        self.process.describe(self._chosen(addresses))
        return pack(self._chosen(addresses))

    def find_holders(self, addresses: list[int]) -> list[list[Any]]:
        """These maps, with their holders."""
        self.process.find_holders(self._chosen(addresses), list(self._maps.values()))
        return pack(self._chosen(addresses))

    def read_keys(self, address: int, most: int) -> dict[str, Any]:
        """Keys of one map."""
        return dataclasses.asdict(self.process.read_keys(self._maps[address], most))

    def text_keys(self, addresses: list[int], most: int, total: int) -> dict[str, Any]:
        """Keys of these maps, where they can be names."""
        read, left_out = self.process.text_keys(self._chosen(addresses), most, total)
        return {"read": [[address, dataclasses.asdict(keys)] for address, keys in read], "left_out": left_out}

    def again(self, address: int) -> list[list[Any]]:
        """One map as it is now; nothing when it is gone."""
        now = self.process.again(self._maps[address])
        if now is None:
            return []
        self._maps[address] = now
        return pack([now])

    def forget_holder(self, address: int) -> None:
        """Has the holder of a map be looked for anew."""
        self._maps[address].holder = ""

    def refresh(self) -> None:
        """Reads anew which spans and goroutines there are."""
        self.process.refresh()

    def word(self, address: int) -> int:
        """A word of the process."""
        return self.process.word(address)

    def watch(self, addresses: list[int], seconds: float, way: str) -> dict[str, Any]:
        """Who changes these maps."""
        if way == "ptrace" and seconds_left() < seconds + MARGIN_SECONDS:
            raise CannotWatch(
                f"the container that this runs in ends in {seconds_left():.0f} s: what traces would end with it, and take the program along",
                "watch for a shorter time, or once the container has ended: then another one is made",
            )
        seen = WAYS[way](self.process, self._chosen(addresses), seconds)
        changes = [
            {
                "address": one.map.address, "len_before": one.len_before, "len_after": one.len_after, "share": one.share,
                "left_out": one.left_out,
                "stacks": [[done, [dataclasses.astuple(f) for f in stack], n] for (done, stack), n in one.stacks.items()],
            }
            for one in seen.changes
        ]  # fmt: skip
        busy = [[state, [dataclasses.astuple(f) for f in stack], n] for (state, stack), n in seen.busy.items()]
        return {
            "changes": changes, "seconds": seen.seconds, "threads": seen.threads, "lost": seen.lost, "throttled": seen.throttled,
            "ended": seen.ended, "way": seen.way, "busy": busy,
        }  # fmt: skip


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Carries out each line of orders until there are no more, or one says `bye`; the answer to each is a line."""
    hands = Orders()
    for line in orders:
        order = json.loads(line)
        name = order.pop("do")
        if name == "bye":
            return
        try:
            answer: dict[str, Any] = {"answer": getattr(hands, name)(**order)}
        except GhostkeyError as error:
            answer = {"error": type(error).__name__, "words": str(error), "hint": error.hint, "code": error.exit_code}
        except Exception as error:  # noqa: BLE001 (the other side is to learn of it, in one line, and without what it quotes)
            answer = {
                "error": "Failed",
                "words": f"this is a bug in ghostkey: {type(error).__name__} in the helper",
                "hint": "",
                "code": 5,
            }
        answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        answers.flush()
