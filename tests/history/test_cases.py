"""Small logs that went wrong once, each with the right answer; the command is run as a user would."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Program

CASES = Path(__file__).parents[1] / "cases" / "history"
FORMATS = sorted(path.name for path in CASES.glob("format-*.gz"))


def told(program: Program, name: str, *words: str) -> Any:
    return program("explain", f"cm/{name}", "-n", "shop", *words, "-o", "json").json


def sources(*names: str) -> list[str]:
    return [word for name in names for word in ("--from", str(CASES / name))]


def writers(program: Program, name: str, *words: str) -> dict[str, str]:
    rows = program("blame", f"cm/{name}", "-n", "shop", *words, "-o", "json").json["keys"]
    return {row["key"]: row["writer"] for row in rows}


def test_logs_of_two_api_servers_are_one_log(files_program: Program) -> None:
    both = sources("ha-a.log", "ha-b.log")
    assert writers(files_program, "m", *both) == {"base": "alice", "k2": "bob", "k3": "op1", "k4": "op1"}
    done = files_program("explain", "cm/m", "k1", "-n", "shop", *both)
    assert "key removed by bob as op from 10.0.0.1  [31162427-3bfd-1d33-8d00-38ec42650644]" in done.out
    assert not [row for row in told(files_program, "m", *both)["coverage"] if row["is_gap"]]


def test_one_log_of_two_credits_nobody_with_what_no_request_names(files_program: Program) -> None:
    assert writers(files_program, "m", *sources("ha-a.log")) == {"base": "alice", "k2": "", "k3": "op1", "k4": "op1"}
    rows = told(files_program, "m", *sources("ha-a.log"))
    assert {row["user"]: row["op"] for row in rows["writers"]}[""] == "delete"
    gaps = [(row["since_revision"], row["until_revision"]) for row in rows["coverage"] if row["is_gap"]]
    assert (101, 103) in gaps
    done = files_program("explain", "cm/m", "k1", "-n", "shop", *sources("ha-a.log"))
    assert "key removed  [" in done.out


def test_first_line_shows_what_was_there_and_names_what_it_did(files_program: Program) -> None:
    found = writers(files_program, "reg-immut", *sources("mid.log"))
    assert len(found) == 12
    assert set(found.values()) == {""}
    done = files_program("explain", "cm/reg-immut", "-n", "shop", *sources("mid.log"))
    assert "made immutable 2026-11-25T16:31:43Z by bob" in done.out
    assert "there before 2026-11-25T16:31:43Z, written by ?" in done.out
    assert {row["class"] for row in told(files_program, "reg-immut", *sources("mid.log"))["ghosts"]} == {"delete-failed"}


def test_level_metadata_hides_what_writes_did(files_program: Program) -> None:
    ghosts = told(files_program, "m", *sources("meta.log", "dumps3"))["ghosts"]
    assert {row["class"] for row in ghosts} == {"unknown"}
    assert len(ghosts) == 5
    alone = files_program("explain", "cm/m", "-n", "shop", *sources("meta.log"))
    assert "15 writes were seen, the level hides their keys: op 15" in alone.out
    assert alone.code == 0


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("keep/a.log", "keep/c.log"), "a hole between two files of the audit log"),
        (("short.log", "dumps3"), "the audit log ends before the other sources"),
        (("keep/b.log",), "not a single event, in a log that is seldom quiet"),
    ],
)
def test_nobody_tried_is_not_told_across_a_hole(files_program: Program, names: tuple[str, ...], said: str) -> None:
    story = told(files_program, "m", *sources(*names))
    assert {row["class"] for row in story["ghosts"]} == {"unknown"}
    assert {row["confidence"] for row in story["ghosts"]} == {"none"}
    assert said in {row["why"] for row in story["coverage"]}


def test_what_a_rotated_file_does_not_hold_stays(files_program: Program, tmp_path: Path) -> None:
    log, store = tmp_path / "audit.log", str(tmp_path / "store")
    for name in ("a.log", "audit.log"):
        shutil.copy(CASES / "keep" / name, log)
        assert files_program("history", "import", "--store", store, str(log)).code == 0
    assert len(told(files_program, "m", "--store", store)["ghosts"]) == 4
    assert files_program("history", "list", "--store", store, "-o", "json").out.count('"origin"') == 2


def test_events_that_two_imports_hold_count_once(files_program: Program, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    for name in ("a.log", "b.log"):
        files_program("history", "import", "--store", store, str(CASES / "keep" / name))
    story = told(files_program, "m", "--store", store)
    assert {row["user"]: row["events"] for row in story["writers"] if row["op"] == "set"} == {"op1": 10, "op2": 3}
    assert story["growth"][-1]["keys"] == 13
    at_once = told(files_program, "m", *sources("keep/a.log", "keep/b.log"))
    assert at_once["growth"] == story["growth"]
    assert any("came twice" in row["why"] for row in at_once["coverage"])


def test_line_that_was_cut_is_damage_and_no_other_maps_keys(files_program: Program) -> None:
    found = writers(files_program, "aaaa", *sources("glued.log"))
    assert found == {"k": "op", "k2": "op", "k3": "op", "k4": "", "k5": "op"}
    whys = {row["why"] for row in told(files_program, "aaaa", *sources("glued.log"))["coverage"]}
    assert any(why.startswith("a line is no audit event") for why in whys)


@pytest.mark.whole(but=["format-aks.json.gz", "format-cri.log.gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_export_of_the_same_events_is_the_same_story(files_program: Program, name: str) -> None:
    story = told(files_program, "reg-wname", *sources(name))
    plain = told(files_program, "reg-wname", *sources("format-plain.log.gz"))
    assert len(FORMATS) == 5
    assert story["ghosts"] == plain["ghosts"]
    assert [row["class"] for row in story["ghosts"]] == ["wrong-key-name"] * 5
    assert len([row for row in story["keys"] if row["is_present"]]) == 12
