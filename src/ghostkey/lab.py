"""What is true of Go's maps, shown on the user's own Go: small programs, what they measure, and what a census sees meanwhile.

>>> for claim in claims("1.27.3"):                                # doctest: +SKIP
...     print(claim.lesson, claim.measured)
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostkey.census.census import Process, open_process
from ghostkey.census.gomap import GoMap
from ghostkey.model.errors import GhostkeyError
from ghostkey.testing.binaries import build_go, go_program, testbed_directory

STEP_SECONDS = 120
MIB = 1 << 20
# Of its slots. The compiler makes `for k := range m { delete(m, k) }` a clear, and a clear of a classic map keeps the array of buckets and drops
# what overflowed: half a percent of a map that fills its buckets evenly. Source: Go 1.21 src/runtime/map.go, mapclear
KEPT = 0.95


class LabFailed(GhostkeyError):
    """A program of the lab could not be built, or did not answer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence about maps, what was measured of it, and whether that bears it out. `wrong` is what is often said instead."""

    name: str
    lesson: str
    measured: str
    holds: bool
    wrong: str = ""


class _Lab:
    """The program, and our look at its map."""

    def __init__(self, program: Path, scratch: Path, version: str) -> None:
        self.program, self.scratch, self.version = program, scratch, version
        self._running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process: Process | None = None
        self._addresses: set[int] = set()

    def do(self, step: str) -> dict[str, Any]:
        """What the program says after a step."""
        pipe, said = self._running.stdin, self._running.stdout
        assert pipe is not None
        assert said is not None
        pipe.write(step + "\n")
        pipe.flush()
        line = said.readline()
        if not line:
            raise LabFailed(f"the lab's program ended at step {step!r} with code {self._running.wait(STEP_SECONDS)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def look(self) -> GoMap:
        """The program's map, as the census sees it: it is bigger than all others together."""
        if self._process is None:
            self._process = open_process(self._running.pid)
        census = self._process.census()
        self._process.map_types.name(census.maps)
        found = max(census.maps, key=lambda one: one.bytes)
        self._process.map_types.count_classic([found])
        return found

    def close(self) -> None:
        """Ends the program."""
        self._running.kill()
        self._running.wait()
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._process is not None:
            self._process.close()


def claims(version: str = "") -> Iterator[Claim]:
    """Each claim, tried on Go `version` (`1.24.11`; empty: the Go at hand), as it is tried. Raises LabFailed."""
    try:
        program = go_program(testbed_directory() / "lab", version=version)
    except RuntimeError as error:
        raise LabFailed(str(error), "ghostkey lab without --go uses the Go at hand") from None
    scratch = Path(tempfile.mkdtemp(prefix="ghostkey-lab-"))
    lab = _Lab(program, scratch, version)
    try:
        yield from _slots(lab)
        for claim in (_range, _comma, _nil, _concurrent, _cap):
            yield claim(lab)
    finally:
        lab.close()
        shutil.rmtree(scratch, ignore_errors=True)


def go_of(version: str = "") -> str:
    """What the Go that the lab uses calls itself."""
    return build_go(version)


def _mib(size: float) -> str:
    return f"{size / MIB:.1f} MiB"


def _slots(lab: _Lab) -> Iterator[Claim]:
    lab.do("make")
    empty = lab.do("drop")["heap"]
    lab.do("make")
    full = lab.do("fill")
    before = lab.look()
    yield Claim(
        "len", "`len` is a word in the map's header: it costs nothing, whatever the map holds",
        f"len says {full['len']:,}, the header's word {before.length:,}", full["len"] == before.length, "len counts the entries",
    )  # fmt: skip
    half = lab.do("delete-half")
    halved = lab.look()
    yield Claim(
        "delete-frees-no-slot", "delete makes a slot empty or a tombstone, and gives none back",
        f"after deleting {full['len'] - half['len']:,} of {full['len']:,}: slots {before.slots:,} → {halved.slots:,}, "
        f"tombstones {before.tombstones:,} → {halved.tombstones:,}, bytes {_mib(before.bytes)} → {_mib(halved.bytes)}",
        halved.slots == before.slots and halved.bytes == before.bytes, "delete frees the memory of the entry",
    )  # fmt: skip
    lab.do("fill-half")
    again = lab.look()
    yield Claim(
        "slots-are-used-again", "what delete left is used by the next insert",
        f"the same keys again: slots {halved.slots:,} → {again.slots:,}", again.slots <= 2 * before.slots, "a map that deletes leaks",
    )  # fmt: skip
    emptied = lab.do("delete-all")
    drained = lab.look()
    yield Claim(
        "an-empty-map-keeps-its-slots", "a map that was emptied keeps its tables",
        f"len {emptied['len']}, slots {drained.slots:,}, {_mib(drained.bytes)}; the program's heap {_mib(full['heap'])} → {_mib(emptied['heap'])}",
        emptied["len"] == 0 and KEPT * again.slots <= drained.slots <= again.slots and emptied["heap"] > empty + drained.bytes // 2,
        "the garbage collector shrinks maps",
    )  # fmt: skip
    dropped = lab.do("drop")
    yield Claim(
        "dropping-the-map-frees-it", "only dropping the map, and making another, gives the memory back",
        f"the program's heap {_mib(emptied['heap'])} → {_mib(dropped['heap'])}", dropped["heap"] < empty + MIB,
    )  # fmt: skip


def _range(lab: _Lab) -> Claim:
    told = lab.do("range")
    return Claim(
        "delete-in-range", "deleting while ranging is defined: a key that was deleted before it was reached is never visited",
        f"{told['deleted']} of 1,000 deleted ahead, {told['visited']} visited, {told['visited_after_delete']} of them after their delete",
        told["visited_after_delete"] == 0 and told["visited"] + told["deleted"] == 1000 and told["left"] == 1000 - told["deleted"],
        "deleting from a map while ranging over it is undefined",
    )  # fmt: skip


def _comma(lab: _Lab) -> Claim:
    told = lab.do("comma")
    return Claim(
        "comma-ok", "an absent key reads as the zero value; only `v, ok := m[k]` tells it from one that is there and empty",
        f"empty: {told['empty']!r}, {told['empty_ok']}; absent: {told['absent']!r}, {told['absent_ok']}",
        told["empty"] == told["absent"] == "" and told["empty_ok"] and not told["absent_ok"],
        "setting a value to the empty string removes the key",
    )  # fmt: skip


def _nil(lab: _Lab) -> Claim:
    told = lab.do("nil")
    return Claim(
        "nil-maps", "a nil map can be read, ranged over and deleted from; writing to it panics",
        f"len {told['nil_len']}, read {told['nil_read']}, write: {told['panic']}",
        told["nil_len"] == told["nil_read"] == 0 and "assignment to entry in nil map" in told["panic"],
    )  # fmt: skip


def _concurrent(lab: _Lab) -> Claim:
    done = subprocess.run([lab.program, "concurrent"], capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
    first = (done.stderr.splitlines() or [""])[0]
    return Claim(
        "concurrent-use", "two goroutines that write one map end the whole process, and nothing can recover from it",
        f"exit code {done.returncode}: {first}", done.returncode == 2 and "concurrent map" in first,
        "a map is safe as long as keys differ",
    )  # fmt: skip


def _cap(lab: _Lab) -> Claim:
    folder = lab.scratch / "cap"
    folder.mkdir()
    shutil.copy(testbed_directory() / "lab" / "cap.txt", folder / "main.go")
    (folder / "go.mod").write_text("module cap\n\ngo 1.19\n")
    try:
        go_program(folder, version=lab.version)
    except RuntimeError as error:
        said = next((line.strip() for line in str(error).splitlines() if "cap(" in line or "cap" in line.partition(":")[2]), "")
    else:
        said = ""
    return Claim(
        "cap-of-a-map", "`cap` of a map does not compile: what a map has room for is seen from outside alone, by `ghostkey maps`",
        said or "it compiled", "invalid argument" in said, "cap(m) tells whether the fix worked",
    )  # fmt: skip
