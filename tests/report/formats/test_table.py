"""Tables at the width of a terminal, and whole in pipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostkey.report.visible import safe as visible
from ghostkey.report.visible import shortened, width_of
from tests.helpers import Program, config_map, thing
from tests.report.formats.shops import evil_map, write_list
from tests.terminal import on_terminal

LONG = "a-registry-of-tenants-whose-name-is-longer-than-any-terminal-is-wide-and-ends-in-blue"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    tenants = [thing("Tenant", f"customer-of-some-importance-{number}", "a-namespace-with-a-long-name") for number in range(8)]
    keys = [f"a-namespace-with-a-long-name.customer-of-some-importance-{number}" for number in range(12)]
    space = thing("Namespace", "a-namespace-with-a-long-name", "", api_version="v1")
    registry = config_map(dict.fromkeys(keys, "{}"), LONG, "a-namespace-with-a-long-name")
    wide = config_map({**dict.fromkeys(keys[:8], "{}"), "日本語日本語日本語日本語": '"{\\"a\\": 1}"'}, "日本語" * 9, "prod")
    return write_list(tmp_path, *tenants, space, registry, wide, evil_map())


@pytest.mark.parametrize("columns", [60, 80, 100, 132, 250])
def test_no_line_is_wider_than_the_terminal_and_the_id_is_whole(files_program: Program, dump: Path, columns: int) -> None:
    lines = on_terminal(files_program, columns, "scan", "--from", str(dump)).splitlines()
    assert lines[0].startswith("ID ")
    assert len(lines) > 3
    assert max(map(width_of, lines)) <= columns
    assert all(len(line.split()[0]) == 12 for line in lines[1:])
    report = files_program.scan("--from", str(dump))
    assert {line.split()[0] for line in lines[1:]} <= {finding["id"] for finding in report["findings"]}


def test_wide_shows_more_than_the_table_and_cuts_nothing(files_program: Program, dump: Path) -> None:
    shown = on_terminal(files_program, 60, "scan", "--from", str(dump), "-o", "wide")
    assert shown == files_program("scan", "--from", str(dump), "-o", "wide").out
    assert "…" not in shown
    for finding in files_program.scan("--from", str(dump))["findings"]:
        (line,) = [line for line in shown.splitlines() if line.startswith(finding["id"])]
        about = finding["attribution"] or {"template": ""}
        told = [finding["name"], finding["key"], finding["message"], about["template"]]
        assert all(visible(text) in line for text in told), (line, told)


def test_names_lose_their_middle_and_keep_their_ends(files_program: Program, dump: Path) -> None:
    shown = on_terminal(files_program, 100, "scan", "--from", str(dump), "--only", "ghost-key")
    assert "ghost-key" in shown
    assert LONG not in shown
    assert "…" in shown
    assert "blue" in shown


def test_pipes_get_everything_whole(files_program: Program, dump: Path) -> None:
    done = files_program("scan", "--from", str(dump), env={"COLUMNS": "60"})
    assert LONG in done.out
    assert "…" not in done.out
    assert "EXAMPLE" in done.out


def test_shortened_text_has_the_width_that_was_asked_for() -> None:
    for text in ("abcdefghij", "日本語日本語日本語", "a日b本c語d", "é" * 20):
        for width in range(1, 25):
            assert width_of(shortened(text, width)) <= width
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abc", 3) == "abc"
