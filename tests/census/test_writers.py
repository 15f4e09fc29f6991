"""Who inserts and who deletes: every change of a map's length, with the line of code, and nobody the worse for it."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from ghostkey.census import writers
from ghostkey.census.census import Process, open_process
from ghostkey.census.errors import CannotWatch
from ghostkey.census.gomap import GoMap
from ghostkey.census.traced import Traced
from ghostkey.census.watchpoints import Hit, Watchpoints, _refused, setting
from tests.census.truth import MODULES, Truth, built, running
from tests.helpers import HANG_SECONDS, Program

SOURCE = (MODULES / "maps" / "main.go").read_text().splitlines()


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE, 1) if text in line)


INSERT_LINE, DELETE_LINE = line_of('r.seen[namespacedName{"new"'), line_of('delete(r.seen, namespacedName{"new"')


@pytest.fixture
def truth() -> Iterator[Truth]:
    with running(built()) as started:
        try:
            Watchpoints(started.pid, [started.address("seen")]).close()
        except CannotWatch as error:
            pytest.skip(f"no hardware breakpoints here: {error}")
        yield started


def maps_of(process: Process, truth: Truth, *names: str) -> list[GoMap]:
    census = process.census()
    found = {one.address: one for one in census.maps}
    return [found[truth.address(name)] for name in names]


@pytest.fixture(params=["perf", "ptrace"])
def way(request: pytest.FixtureRequest) -> str:
    """Both ways see the same."""
    return str(request.param)


PTRACE_LOOKS = 6


def check_beat(truth: Truth, rate: int, seconds: int, way: str = "perf") -> writers.Changes:
    process = open_process(truth.pid)
    chosen = maps_of(process, truth, "seen")
    before = process.runtime.word(chosen[0].address)
    truth.tell(f"beat {rate} {seconds + 2}")
    wait_until(lambda: process.runtime.word(chosen[0].address) != before)
    seen = writers.WAYS[way](process, chosen, seconds)
    (changes,) = seen.changes
    assert seen.lost == 0
    return changes


def test_inserts_minus_deletes_is_the_change_of_the_length(truth: Truth, scale: int, way: str) -> None:
    # by ptrace, a hit that waits for its thread to be stopped while it is let go is lost, and said to be: seldom, more where others
    # want the processor too
    for _ in range(1 if way == "perf" else PTRACE_LOOKS):
        changes = check_beat(truth, 500 if scale == 1 else 1000, scale + 1, way)
        if changes.is_exact:
            break
    assert changes.is_exact, (changes.seen, changes.len_before, changes.len_after)
    assert changes.count("insert") > 100 * scale
    assert changes.count("delete") > 10 * scale


def test_line_of_code_is_named_in_a_stripped_program(version: str, way: str) -> None:
    with running(built(version)) as truth:
        changes = check_beat(truth, 300, 1, way)
        innermost = {(operation, stack[0].function, stack[0].line) for operation, stack in changes.stacks}
        assert innermost == {("insert", "main.remember", INSERT_LINE), ("delete", "main.forget", DELETE_LINE)}
        callers = {stack[1].function for _, stack in changes.stacks}
        assert callers == {"main.beat"}, "an inlined call or a plain one"


def test_clear_is_told_apart_and_counted_once(truth: Truth) -> None:
    process = open_process(truth.pid)
    chosen = maps_of(process, truth, "seen")
    truth.tell("beat 200 2")
    truth.tell("clear")
    (changes,) = writers.watch(process, chosen, 3).changes
    assert changes.count("clear") == 1
    assert changes.is_exact is None
    assert changes.len_after == 0


def test_busy_map_is_watched_in_windows(truth: Truth, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(writers, "BUSY_HITS", 20)  # a loaded machine writes no more often
    changes = check_beat(truth, 3_000, 2, way)  # more than one asks for here, and no more than a loaded machine can be told of
    assert 0 < changes.share < 1
    assert changes.is_exact is None
    assert changes.count("insert") > 5 * changes.count("delete") > 0


def test_four_maps_are_watched_at_once_and_a_fifth_breakpoint_is_refused(truth: Truth) -> None:
    process = open_process(truth.pid)
    chosen = maps_of(process, truth, "seen", "byUID", "pending", "items")
    points = Watchpoints(truth.pid, [found.address for found in chosen])
    try:
        points.arm()
        truth.ask("insert 10")
        assert {hit.address for hit in points.hits()} == {chosen[0].address}
        with pytest.raises(CannotWatch, match="no hardware breakpoint is left"):
            Watchpoints(truth.pid, [truth.address("extra")])
    finally:
        points.close()
    Watchpoints(truth.pid, [truth.address("extra")]).close()


def test_watcher_that_is_killed_takes_nobody_with_it(truth: Truth, scale: int, tmp_path: Path) -> None:
    program = Program(tmp_path, None)
    for number in range(2 * scale):
        command = ("stacks", str(truth.pid), "--map", hex(truth.address("seen")), "--for", "60s")
        watcher = program.start(*command)
        deadline = time.monotonic() + HANG_SECONDS
        while not _is_watching(watcher.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        watcher.send_signal(signal.SIGKILL)
        watcher.communicate()
        assert truth.ask("insert 20") >= 20 * (number + 1)
    assert truth.process.poll() is None


def _is_watching(pid: int) -> bool:
    """Whether a process has perf events open."""
    try:
        return any("perf_event" in str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


@pytest.mark.whole
def test_tracer_that_is_killed_at_any_moment_leaves_the_program_as_it_was(truth: Truth, tmp_path: Path) -> None:
    """SIGKILL while it starts, attaches, arms, watches or lets go; the program writes the watched word 500 times a second."""
    program, random = Program(tmp_path, None), Random(4)
    rounds = 100
    process = open_process(truth.pid)
    (chosen,) = maps_of(process, truth, "seen")
    truth.tell("beat 500 3600")
    caught = 0
    for number in range(rounds):
        before = process.word(chosen.address)
        watcher = program.start("stacks", str(truth.pid), "--map", hex(chosen.address), "--for", "0.4s", "--by", "ptrace")
        if number % 4:
            wait_until(lambda: tracer_of(truth.pid) > 0 or watcher.poll() is not None)  # noqa: B023
        time.sleep(random.random() * (0.6 if number % 4 else 1.0))
        caught += tracer_of(truth.pid) > 0
        watcher.send_signal(signal.SIGKILL)
        watcher.communicate()
        wait_until(lambda: not tracer_of(truth.pid))
        wait_until(lambda: process.word(chosen.address) > before + 5)  # noqa: B023
        assert truth.process.poll() is None
    assert caught > rounds // 4, "most were killed while they watched"


def test_tracer_lets_go_when_the_process_ends_and_when_it_is_stopped(truth: Truth) -> None:
    process = open_process(truth.pid)
    chosen = maps_of(process, truth, "seen")
    os.kill(truth.pid, signal.SIGSTOP)
    points = Traced(truth.pid, [chosen[0].address])
    points.arm()
    assert Path(f"/proc/{truth.pid}/stat").read_text().rpartition(")")[2].split()[0] in "tT", "it stays stopped"
    os.kill(truth.pid, signal.SIGCONT)
    truth.ask("insert 7")
    wait_until(lambda: points.follow() or sum(1 for _ in points.hits()) or True)
    points.close()
    assert not tracer_of(truth.pid)
    assert truth.ask("insert 7") == 714
    truth.tell("beat 500 60")
    truth_ends = threading.Timer(0.5, truth.process.kill)
    truth_ends.start()
    seen = writers.WAYS["ptrace"](process, chosen, 30)
    assert seen.ended == "the process ended"
    assert {stack[0].function for _, stack in seen.changes[0].stacks} == {"main.remember", "main.forget"}, "from its executable"


def test_traced_process_is_refused_with_who_traces_it(truth: Truth) -> None:
    points = Traced(truth.pid, [truth.address("seen")])
    try:
        with pytest.raises(CannotWatch, match=f"is traced by process {tracer_of(truth.pid)} already") as caught:
            Traced(truth.pid, [truth.address("seen")])
        assert "--by perf" in caught.value.hint
    finally:
        points.close()


def tracer_of(pid: int) -> int:
    return setting(f"/proc/{pid}/status", "TracerPid:")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        (errno.ENOSPC, "no hardware breakpoint is left", "end the debugger"),
        (errno.ENOENT, "offers no hardware breakpoints", "--by poll"),
        (errno.EOPNOTSUPP, "offers no hardware breakpoints", "--by poll"),
        (errno.EMFILE, "too many open files", "ulimit"),
        (errno.EINVAL, "cannot watch process", "--by poll"),
    ],
)
def test_each_refusal_has_its_own_words_and_says_what_works(code: int, words: str, hint: str) -> None:
    error = _refused(code, 1)
    assert words in str(error)
    assert hint in error.hint


def test_process_of_another_user_is_refused_with_its_user(truth: Truth, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    script = (
        "import os\n"
        "from ghostkey.census.watchpoints import Watchpoints\n"
        "from ghostkey.census.errors import CannotWatch\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        f"    Watchpoints({truth.pid}, [{truth.address('seen')}])\n"
        "except CannotWatch as error:\n"
        "    print(error, '|', error.hint)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "runs as uid 0, this is uid 65534" in said
    assert "sudo -u '#0'" in said


# what a container runtime does: one system call (by its number on amd64) is answered with EPERM. Source: seccomp(2), linux/filter.h
_FILTER = """
import ctypes, struct, sys
number = int(sys.argv.pop(1))
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) == 0
sys.argv[0] = "ghostkey"
from ghostkey.__main__ import main
sys.exit(main())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of amd64")
@pytest.mark.parametrize(("way", "number", "call"), [("perf", 298, "perf_event_open"), ("ptrace", 101, "ptrace")])
def test_real_seccomp_filter_has_its_own_words(truth: Truth, tmp_path: Path, way: str, number: int, call: str) -> None:
    words = ["stacks", str(truth.pid), "--map", hex(truth.address("seen")), "--for", "1s", "--by", way]
    done = subprocess.run(
        [sys.executable, "-c", _FILTER, str(number), *words],
        capture_output=True, text=True, check=False, env=Program(tmp_path, None).environment(),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert f"a seccomp filter forbids {call} here" in done.stderr
    assert "--by poll" in done.stderr
    assert truth.ask("insert 1") == 701


@pytest.mark.parametrize(
    ("length", "values", "seen"),
    [
        (5, [6, 7, 8], 0),  # none of them was done yet
        (5, [6, 5, 6], 0),  # nor here, although the length comes back
        (6, [6, 7, 8], 1),  # told after the look, done before it
        (8, [6, 7, 8], 3),
        (6, [None, None, None], 0),  # nobody stood still: by the clock alone
    ],
)
def test_writes_that_a_busy_machine_tells_late_are_those_that_a_look_has_seen(
    length: int, values: list[int | None], seen: int
) -> None:
    hits = [Hit(1, 1, 100 + number, (), value) for number, value in enumerate(values)]
    assert writers._seen_by((50, 51, length), hits, [hit.at for hit in hits]) == seen
