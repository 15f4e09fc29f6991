"""What people read is broken at words on a terminal, and is whole in a pipe; what takes long says what it does."""

from __future__ import annotations

import re
import time

import pytest

from ghostkey.cli import options, output
from ghostkey.report.visible import width_of
from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, Program, make_registry
from tests.terminal import on_terminal

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"bakery-{n}" for n in range(25)]


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    return namespace


@pytest.mark.whole(but=["words2"])
@pytest.mark.parametrize(
    "words",
    [
        ("explain", "cm/registry"),
        ("explain", "cm/registry", "{}.bakery-1"),
        ("trim", "cm/registry", "--match", ".*bakery-1?[0-9]?|no-other-key"),
    ],
)
def test_no_line_of_text_is_wider_than_the_terminal_and_pipes_get_it_whole(
    registry: str, program: Program, words: tuple[str, ...]
) -> None:
    given = [word.format(registry) for word in (*words, "-n", registry)]
    lines = on_terminal(program, 64, *given).splitlines()
    piped = program(*given).out
    assert max(map(width_of, piped.splitlines())) > 64
    commands = [line for line in lines if "ghostkey " in line]
    assert all(width_of(line) <= 64 for line in lines if line not in commands), lines
    assert all(line in piped for line in commands)  # a command is copied whole
    # nothing else but the breaks differs
    assert re.sub(r"\s+", " ", "\n".join(lines)).strip() == re.sub(r"\s+", " ", piped).strip()


def test_errors_and_hints_are_broken_at_words(registry: str, program: Program) -> None:
    words = ("trim", "cm/registry", "-n", registry, "--key", "no-key-of-this-name")
    shown = on_terminal(program, 60, *words, is_err=True)
    lines = [line for line in shown.splitlines() if line]
    assert all(width_of(line) <= 60 for line in lines if "kubectl" not in line), shown
    assert " ".join(shown.split()) == " ".join(program(*words).err.split())
    assert shown.startswith("error: ")


def test_pages_are_filled_anew_and_their_examples_are_not(program: Program) -> None:
    shown = on_terminal(program, 72, "explain", "ghost-key")
    piped = program("explain", "ghost-key").out
    assert max(map(width_of, piped.splitlines())) > 80
    prose = [line for line in shown.splitlines() if not line.startswith((" ", "|", "`"))]
    assert all(width_of(line) <= 72 for line in prose), shown
    assert shown.split() == piped.split()


@pytest.mark.whole
def test_evidence_that_all_keys_share_is_told_once(registry: str, program: Program) -> None:
    done = program("explain", "cm/registry", "-n", registry)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == f"ghost-key: {len(GONE)} keys of cm/registry -n {registry} (warning, found)"
    one = program("explain", "cm/registry", f"{registry}.bakery-7", "-n", registry).out
    for sentence in re.findall(r"(?:for|against) it, .*", one):
        assert done.out.count(sentence) == 1, sentence
    named = [line for line in lines if " is gone" in line]
    assert len(named) == 20
    assert f"{registry}.bakery-1: Tenant {registry}/bakery-1 is gone" in named[1]
    assert f"  … and {len(GONE) - 20} more; name a KEY" in lines
    assert done.out.count("next: ghostkey trim") == 1
    assert len(lines) < 50


def test_what_differs_is_told_of_the_key_it_is_of(registry: str, program: Program, control_plane: ControlPlane) -> None:
    path = f"/api/v1/namespaces/{registry}/configmaps/registry?fieldManager=somebody"
    control_plane.request("PATCH", path, {"data": {f"{registry}.bakery-1": "{ }"}}, "application/merge-patch+json")
    lines = program("explain", "cm/registry", "-n", registry).out.splitlines()
    (own,) = [line for line in lines if f"{registry}.bakery-1: " in line]
    (other,) = [line for line in lines if f"{registry}.bakery-2: " in line]
    assert "value of 3 bytes" in own
    assert "written by somebody" in own
    assert "value of 2 bytes" in other
    assert "somebody" not in other


class Screen:
    """Where a line of progress goes."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("width", [60, None])
def test_last_column_of_a_table_goes_on_below_itself_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None
) -> None:
    monkeypatch.setattr(output, "columns_of", lambda _: width)
    why = "3 keys now; 10 more as headroom; 1 MiB is full at about 116,507 such keys"
    output.echo_table(["MAP", "WHY"], [["configmaps/日本", why], ["n", ""]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "MAP               WHY"
    assert " ".join(line[18:] if number else line[16:] for number, line in enumerate(lines[1:-1])) == why
    assert len(lines) == (4 if width else 3)
    assert lines[-1] == "n"
    output.echo_table(["MAP", "WHY"], [])
    assert capsys.readouterr().out == ""


def test_columns_without_room_stand_in_a_line_below_and_ids_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long_id = "20261128t162646505963z-000001-368a927e"
    header, row = ["AGE", "MAP", "KEYS", "STATE", "ID"], ["12m", "cm/tenant-registry -n tenant-system", "20", "undone", long_id]
    for width in (40, 60, 80, 110, None):
        monkeypatch.setattr(output, "columns_of", lambda _, width=width: width)
        output.echo_table(header, [row, ["3s", "cm/m -n 日本", "1", "applied", "x"]])
        lines = capsys.readouterr().out.splitlines()
        each = len(lines) // 3
        assert len(lines) == 3 * each
        assert each == {40: 4, 60: 2, 80: 2, 110: 1, None: 1}[width]
        assert width is None or all(width_of(line) <= width for line in lines)
        text = [" ".join(" ".join(lines[number * each : (number + 1) * each]).split()) for number in range(3)]
        assert text == [" ".join(header), " ".join(row), "3s cm/m -n 日本 1 applied x"]
        for number in range(1, each):  # headings stand over their cells
            assert all(lines[place * each + number].startswith("  ") for place in range(3))
            assert lines[each + number].index(lines[each + number].split()[0]) == 2


def test_help_of_commands_is_cut_nowhere(program: Program) -> None:
    for words in ((), ("guard",), ("history",)):
        for width in (80, 72):
            shown = on_terminal(program, width, *words, "--help")
            assert "Commands:" in shown
            assert "..." not in shown.partition("Commands:")[2]
            assert max(map(width_of, shown.splitlines())) <= 80


def test_what_takes_longer_than_a_second_is_told_although_nobody_calls_again(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    progress = options.ProgressLine()
    progress("looking for the map" * 20)
    assert screen.text == ""
    deadline = time.monotonic() + HANG_SECONDS
    while "looking for the map" not in screen.text and time.monotonic() < deadline:
        time.sleep(0.01)
    (shown,) = re.findall(r"(looking.*)…", screen.text)
    assert width_of(shown) < 80  # a line that goes on in the next row could not be taken away
    progress.done()
    before = screen.text
    options.ProgressLine()("something short")
    options.ProgressLine.end()
    assert screen.text == before
