"""Formats that other programs read: what they ask for, and that no name of a stranger says more than a name."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ghostkey.report.formats import format_names
from ghostkey.report.formats.csv import cell
from ghostkey.report.formats.markdown import code
from ghostkey.report.visible import INVISIBLE
from tests.helpers import Program
from tests.report.formats.shops import EVIL, EVIL_FINDINGS, GONE, evil_map, write_list, write_yaml


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    (tmp_path / "dump").mkdir()
    return write_list(tmp_path / "dump", evil_map())


@pytest.mark.parametrize("form", format_names())
def test_every_format_takes_every_name_and_shows_all_its_characters(files_program: Program, dump: Path, form: str) -> None:
    done = files_program("scan", "--from", str(dump), "-o", form)
    assert done.code == 1, done
    assert done.out
    assert INVISIBLE.search(done.out) is None
    assert "shop-0" not in done.out or form in {"json", "jsonl", "yaml"}
    assert "super-secret-password" not in done.out


@pytest.mark.parametrize("form", format_names())
def test_every_format_says_nothing_found_in_its_own_way(files_program: Program, tmp_path: Path, form: str) -> None:
    write_yaml(tmp_path)
    done = files_program("scan", "--from", str(tmp_path), "-o", form, "--only", "tombstone")
    assert done.code == 0, done
    assert bool(done.out) == (form not in {"table", "wide", "jsonl", "name", "github"})


def test_github_gets_one_command_a_line_and_a_row(files_program: Program, dump: Path) -> None:
    done = files_program("scan", "--from", "dump", "-o", "github", cwd=dump.parent.parent)
    lines = done.out.splitlines()
    # the three ghosts are one annotation: GitHub shows ten of a step
    assert len(lines) == 3
    for line in lines:
        command = re.fullmatch(r"::warning ([^:]*)::(.*)", line)
        assert command, line
        assert [part.partition("=")[0] for part in command[1].split(",")] == ["file", "line", "title"]
    assert any("and 2 more keys" in line for line in lines)
    assert "file=dump/all.json" in lines[0]
    assert "%250A::error" in done.out


def test_gitlab_gets_the_fields_that_it_asks_for(files_program: Program, dump: Path) -> None:
    found = json.loads(files_program("scan", "--from", "dump", "-o", "gitlab", cwd=dump.parent.parent).out)
    assert len(found) == len(GONE) + EVIL_FINDINGS
    for entry in found:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert entry["location"]["path"] == "dump/all.json"
        assert entry["location"]["lines"]["begin"] > 1
    assert len({entry["fingerprint"] for entry in found}) == len(found)


def test_junit_is_xml_whose_numbers_add_up(files_program: Program, dump: Path) -> None:
    done = files_program("scan", "--from", str(dump), "-o", "junit", "--fail-on", "warning")
    assert done.out.isascii()
    root = ET.fromstring(done.out)
    cases = root.findall("testsuite/testcase")
    assert int(root.attrib["tests"]) == len(cases) == len(GONE) + EVIL_FINDINGS + 1
    assert int(root.attrib["failures"]) == len(root.findall("testsuite/testcase/failure")) == len(GONE) + EVIL_FINDINGS
    assert int(root.attrib["errors"]) == 0
    never = ET.fromstring(files_program("scan", "--from", str(dump), "-o", "junit", "--fail-on", "never").out)
    assert (never.attrib["failures"], len(never.findall("testsuite/testcase/skipped"))) == ("0", len(GONE) + EVIL_FINDINGS)


def test_junit_tells_a_blind_scan_from_a_clean_one(files_program: Program, tmp_path: Path) -> None:
    write_yaml(tmp_path)
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2\nb: {")
    done = files_program("scan", "--from", str(tmp_path), "--from", str(broken), "-o", "junit", "--only", "tombstone")
    root = ET.fromstring(done.out)
    assert (done.code, root.attrib["errors"], len(root.findall("testsuite/testcase/error"))) == (3, "1", 1)


def test_markdown_is_one_table_of_plain_code(files_program: Program, dump: Path) -> None:
    done = files_program("scan", "--from", str(dump), "-o", "markdown")
    tokens = MarkdownIt("commonmark", {"linkify": True}).enable("table").parse(done.out)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 1 + 3
    assert kinds.count("td_open") == 3 * 6
    inner = {child.type for token in tokens for child in token.children or ()}
    assert inner <= {"text", "code_inline", "html_inline"}
    tags = {child.content for token in tokens for child in token.children or () if child.type == "html_inline"}
    assert tags <= {"<code>", "</code>"}


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "`", "``a|`", "<script>", "@team", "www.example.com", EVIL, "|", "a\\", ""])
def test_code_of_any_text_is_its_text_again(text: str) -> None:
    shown = MarkdownIt("commonmark").enable("table").render(f"| a | b |\n| - | - |\n| {code(text)} | end |\n")
    cells = re.findall(r"<td>(.*?)</td>", shown, re.DOTALL)
    assert len(cells) == 2, shown
    plain = ET.fromstring(f"<td>{cells[0]}</td>")
    assert "".join(plain.itertext()) == (code_text(text))


def code_text(text: str) -> str:
    from ghostkey.report.visible import safe

    return safe(text)


def test_csv_has_no_formulas_and_one_row_a_finding(files_program: Program, dump: Path) -> None:
    done = files_program("scan", "--from", str(dump), "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == len(GONE) + EVIL_FINDINGS
    assert {row["key"] for row in rows if row["analysis"] == "ghost-key"} == {f"prod.{name}" for name in GONE}
    for row in rows:
        assert not any(text.startswith(("=", "+", "-", "@")) for text in row.values())
    assert any(row["key"].startswith("'=cmd") for row in rows)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1"])
def test_csv_cells_that_would_be_formulas_are_text(text: str) -> None:
    assert cell(text).startswith("'")
    assert cell("a" + text)[0] == "a"
