"""Go programs that know how long each of their maps is, and say so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ghostkey.census.census import open_process
from ghostkey.census.gomap import GoMap
from ghostkey.testing import go_program, testbed_directory

MODULES = testbed_directory()
# the newest of each; the first is the testbed's own, which every machine has or fetches
VERSIONS = ("", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.11", "1.25.5", "1.27.3")
EXPERIMENTS = (("", "nogreenteagc"), ("1.24.11", "noswissmap"), ("1.25.5", "noswissmap"), ("1.27.3", "mapsplitgroup"))


def built(
    version: str = "",
    *,
    stripped: bool = True,
    flags: tuple[str, ...] = (),
    experiment: str = "",
    module: str = "maps",
    machine: str = "",
) -> Path:
    """The program, built by that Go; skips the test where the toolchain cannot be had."""
    try:
        return go_program(
            MODULES / module, version=version, stripped=stripped, flags=flags, experiment=experiment, machine=machine
        )
    except RuntimeError as error:
        if version and "toolchain" in str(error):
            pytest.skip(f"Go {version} cannot be had here: {str(error).splitlines()[-1]}")
        raise


class Truth:
    """A running program: what it says of its maps, and what it does when told."""

    def __init__(self, *command: str | Path, **more: Any) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
        self.pid = self.process.pid
        said: dict[str, Any] = json.loads(self._line())
        self.go: str = said["go"]
        self.stack: list[int] = said["stack"]
        self.sync: int = said["sync"]
        self.maps: dict[int, tuple[str, int]] = {fact["address"]: (fact["name"], fact["len"]) for fact in said["maps"]}

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def tell(self, order: str) -> None:
        """Has it do something, without waiting."""
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def ask(self, order: str) -> int:
        """Has it do something; how long `seen` is afterwards."""
        self.tell(order)
        return int(self._line())

    def done(self) -> int:
        """How long `seen` is once it has done what it was told."""
        return int(self._line())

    def address(self, name: str) -> int:
        """Where a map's header is."""
        return next(address for address, (known, _) in self.maps.items() if known == name)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def maps_with_holders(program: Path, least: int, most: int) -> list[GoMap]:
    """The maps of a program that says when it is ready, of so many entries, with their holders as they are found."""
    running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        process = open_process(running.pid)
        census = process.census()
        process.name_types(census.maps)
        chosen = [one for one in census.maps if least <= one.length <= most]
        process.find_holders(chosen, census.maps)
        return chosen
    finally:
        running.kill()
        running.communicate()


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[Truth]:
    """The program, until the end of the block."""
    truth = Truth(program, *arguments)
    try:
        yield truth
    finally:
        truth.end()
