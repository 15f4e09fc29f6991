"""`ghostkey maps --ui`, driven on a real terminal against a real Go program."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.census.gomap import GoMap
from ghostkey.processes import sample_keys
from ghostkey.ui.cells import end_of, short, size, sparkline
from ghostkey.ui.looks import Lengths
from tests.census.truth import Truth, built, running
from tests.helpers import Program
from tests.terminal import Terminal

SEEN = "(main.reconciler).seen"


@pytest.fixture
def truth() -> Iterator[Truth]:
    with running(built()) as started:
        yield started


@pytest.fixture
def terminal(truth: Truth, tmp_path: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "ghostkey", "maps", str(truth.pid), "--ui", "--every", "300ms"]
    started = Terminal(command, Program(tmp_path, None).environment())
    try:
        yield started
    finally:
        started.close()


@pytest.mark.whole
def test_live_view_from_the_first_look_to_the_end_of_the_process(truth: Truth, terminal: Terminal) -> None:
    lines = terminal.wait_for("HOLDER", "LEN, LATELY", SEEN, "by bytes")
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith("q quit")
    assert re.search(r"700\s+1,024\s+·\s+[\d.]+ kB", next(line for line in lines if SEEN in line))

    truth.tell("beat 300 30")
    terminal.press("g")
    terminal.wait_for("by growth", "█", first_row=r"\(main\.reconciler\)\.seen .* \+[\d,]+ ")

    terminal.press("enter")
    shown = terminal.wait_for("keys   ", "type   map[main.namespacedName]string", "a minute", "looks")
    assert f"→ {SEEN}" in "\n".join(shown)
    assert any("pod-" in line or "new/" in line for line in shown), "\n".join(shown)
    terminal.press("s")
    shown = terminal.wait_for("main.remember", without="watching")
    assert any("inserts:" in line for line in shown)

    terminal.press("escape")
    terminal.wait_for("LEN, LATELY")
    terminal.press(" ")
    terminal.wait_for("PAUSED")
    terminal.press("/")
    terminal.wait_for("part of a holder or a type")
    terminal.press("byUID", "enter")
    lines = terminal.wait_for("filter 'byUID'", "1 of ")
    assert [line for line in lines if "700" in line]
    assert not [line for line in lines if SEEN in line]
    terminal.press("escape")
    terminal.wait_for(SEEN, without="filter '")
    terminal.press("l")
    terminal.wait_for("by len", SEEN)

    terminal.resize(130, 30)
    terminal.wait_for("TYPE", "map[main.namespacedName]string")
    terminal.press(" ")
    terminal.wait_for("every 0.3 s")
    truth.end()
    terminal.wait_for("ENDED", "ended while it was read", SEEN)
    terminal.press("enter")
    terminal.wait_for("ended while it was read")
    terminal.press("q")
    assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written


def test_ctrl_c_leaves_while_a_map_is_watched(truth: Truth, terminal: Terminal) -> None:
    terminal.wait_for(SEEN)
    terminal.press("enter")
    terminal.wait_for("keys   ")
    terminal.press("s")
    terminal.wait_for("watching")
    terminal.press("ctrl-c")
    assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written
    assert truth.ask("insert 1") == 701


def test_without_a_terminal_or_the_extra_it_says_what_to_do(files_program: Program, truth: Truth) -> None:
    done = files_program("maps", str(truth.pid), "--ui")
    assert done.code == 2
    assert "--ui needs a terminal" in done.err
    assert "--every 5s" in done.err
    hidden = "import sys; sys.modules['textual'] = None; from ghostkey.__main__ import main; sys.argv[0] = 'ghostkey'; sys.exit(main())"
    command = [sys.executable, "-c", hidden, "maps", str(truth.pid), "--ui"]
    without = subprocess.run(command, capture_output=True, text=True, env=files_program.environment(), check=False)
    assert without.returncode == 2
    assert "--ui needs textual" in without.stderr
    assert "pip install '.[ui]'" in without.stderr
    assert len(without.stderr.splitlines()) == 2
    refused = files_program("maps", "--core", "x", "--ui")
    assert refused.code == 2
    assert "--core does not go with it" in refused.err


@pytest.mark.parametrize(
    ("holder", "kind", "is_hidden"),
    [
        ("main.c → (cache.threadSafeMap).items[*] → (v1.Secret).Data", "map[string][]uint8", True),
        ("main.c → (v1.Secret).StringData", "map[string]string", True),
        ("no root found", "map[string][]uint8", True),
        ("no root found in 20 s", "map[string][]uint8", True),
        ("main.c → …", "map[string][]uint8", True),
        ("main.c → (v1.ConfigMap).BinaryData", "map[string][]uint8", False),
        ("main.c → (main.reconciler).seen", "map[string]string", False),
    ],
)
def test_keys_that_may_be_those_of_a_secret_are_not_shown(holder: str, kind: str, is_hidden: bool) -> None:
    class Reader:
        asked = 0

        def read_keys(self, _: GoMap, most: int) -> str:
            self.asked += 1
            return "keys" * most

    reader: Any = Reader()
    found = GoMap(address=1, design="swiss", length=1, slots=8, tombstones=0, bytes=1, seed=1)
    found.holder, found.type = holder, kind
    keys = sample_keys(reader, found, 1)
    assert reader.asked == (not is_hidden)
    assert not is_hidden or (keys.texts == [] and "Secret" in keys.why)


def test_lengths_over_time_have_gaps_and_forget_maps_that_are_gone() -> None:
    def one(address: int, length: int) -> Any:
        return GoMap(address=address, design="swiss", length=length, slots=8, tombstones=0, bytes=1, seed=1)

    lengths = Lengths()
    lengths.add([one(1, 5), one(2, 7)])
    lengths.miss()
    lengths.add([one(1, 5)])
    lengths.add([one(1, 9), one(2, 8)])
    assert lengths.of(1) == [5, None, 5, 9]
    assert lengths.of(2) == [None, None, None, 8]
    assert lengths.of(1, 2) == [5, 9]
    for _ in range(300):
        lengths.add([one(1, 9)])
    assert lengths.of(1, 3) == [9, 9, 9]


def test_cells_fit_their_columns() -> None:
    assert [short(n) for n in (0, 99_999, 1_234_567, 12_345_678, 987_654_321)] == ["0", "99,999", "1.2M", "12.3M", "988M"]
    assert [size(n) for n in (48, 984, 999_600, 58_500_000)] == ["48 B", "984 B", "1.0 MB", "58.5 MB"]
    assert all(len(size(10**n - 1)) <= 8 and len(short(10**n - 1)) <= 7 for n in range(12))
    assert end_of("main.mgr → (x).seen", 8) == "…x).seen"
    assert "\x1b" not in end_of("\x1b[2J", 20)
    assert sparkline([0, None, 5, 10], 4) == "▁ ▄█"
    assert sparkline([3, 3], 8) == "▁▁"
