"""Who wrote a key, and when: a time stands beside the one whose write it is, and what was only seen has none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ghostkey.churn.past import Life
from ghostkey.learn.reading import of_story
from ghostkey.report.churn import life_record
from ghostkey.report.text import proof_lines
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import import_paths, prepare, story_of
from tests.helpers import Program
from tests.history.lines import at
from tests.history.shop import SPOT, Shop, events, told


def test_time_of_a_write_is_that_of_the_writer_who_is_told(tmp_path: Path) -> None:
    log = Shop()
    lines = [
        *log.begin(),
        log.patch(15, "shop", "m", {"t1.amber-0": "w"}, user="bob"),
        log.subject(20, "delete", "t1", "amber-0"),
    ]
    (ghost,) = told(tmp_path, [*lines, log.patch(30, "shop", "other", {"last": "1"})]).ghosts
    said = list(proof_lines(ghost))
    assert said[1:3] == ["first written 2026-09-01T00:00:01Z", "written 2026-09-01T00:00:15Z by bob"]


def test_key_that_is_written_again_is_written_first_by_nobody_who_came_later(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(21, "shop", "m", {"t1.amber-0": None})]
    lines += [log.patch(22, "shop", "m", {"t1.amber-0": "w"}, user="bob"), log.patch(30, "shop", "other", {"last": "1"})]
    (ghost,) = told(tmp_path, lines).ghosts
    said = list(proof_lines(ghost))
    assert said[1] == "first written 2026-09-01T00:00:01Z"
    assert said[3] == "removed 2026-09-01T00:00:21Z by op, written again 2026-09-01T00:00:22Z by bob"


def test_blame_tells_no_time_of_what_was_only_seen(files_program: Program, tmp_path: Path) -> None:
    log = Shop()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "audit.log").write_bytes(b"".join(log.begin()[3:]))
    words = ("blame", "cm/m", "-n", "shop", "--from", str(tmp_path / "log"))
    rows = {row["key"]: row for row in files_program(*words, "-o", "json").json["keys"]}
    times = {key: (row["writer"], row["written_at"], row["written_before"]) for key, row in rows.items()}
    assert times["settings"] == ("", "?", "2026-09-01T00:00:02Z")
    assert times["t1.cedar-2"] == ("op", "2026-09-01T00:00:03Z", None)
    ages = {row.split()[-1]: row for row in files_program(*words).out.splitlines()[1:]}
    assert ages["settings"].startswith("> ")
    assert not ages["t1.cedar-2"].startswith("> ")
    # a dump that shows the key later is no write of it
    shown = log.shown("shop", "m")
    for day in ("2026-09-02", "2026-09-03"):
        (tmp_path / "dumps" / day).mkdir(parents=True)
        (tmp_path / "dumps" / day / "maps.json").write_text(json.dumps(shown))
    later = files_program(*words, "--from", str(tmp_path / "dumps"), "-o", "json").json["keys"]
    assert {row["key"]: row["written_at"] for row in later}["t1.cedar-2"] == "2026-09-01T00:00:03Z"


@pytest.mark.parametrize(("reason", "class_"), [("Forbidden", "delete-failed"), ("", "unknown")])
def test_failure_without_a_code_is_no_success(tmp_path: Path, reason: str, class_: str) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    event = json.loads(log.patch(21, "shop", "m", {"t1.amber-0": None}, code=403))
    event["responseStatus"] = {"metadata": {}, "status": "Failure", "reason": reason}
    lines += [json.dumps(event, separators=(",", ":")).encode() + b"\n", log.patch(30, "shop", "other", {"last": at(30)})]
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == [class_]


def test_what_was_seen_to_have_another_value_was_written_before_that_by_nobody_who_is_known(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(30, "shop", "other", {"last": "1"})]
    shown = log.shown("shop", "m")
    shown["data"]["t1.amber-0"] = "another"
    (tmp_path / "dumps" / "2026-09-02").mkdir(parents=True)
    (tmp_path / "dumps" / "2026-09-02" / "maps.json").write_text(json.dumps(shown))
    store = History(tmp_path / "store")
    store.add("log", "audit", "log", events(tmp_path, lines))
    import_paths(store, [tmp_path / "dumps"])
    engine = DuckEngine(store)
    prepare(engine, only=SPOT)
    (ghost,) = story_of(engine, *SPOT).ghosts
    said = list(proof_lines(ghost))
    assert said[1:3] == [
        "first written 2026-09-01T00:00:01Z",
        "there with another value before 2026-09-02T00:00:00Z, written by ?",
    ]


def test_incident_tells_the_time_of_its_writers_write(tmp_path: Path) -> None:
    log = Shop()
    lines = [
        *log.begin(),
        log.patch(15, "shop", "m", {"t1.amber-0": "w"}, user="bob"),
        log.subject(20, "delete", "t1", "amber-0"),
    ]
    found = told(tmp_path, [*lines, log.patch(30, "shop", "other", {"last": "1"})])
    incident = of_story(dataclasses.asdict(found), "a test")
    assert ("2026-09-01T00:00:15Z", "bob wrote t1.amber-0") in incident.timeline
    life = Life(SPOT, ghost=found.ghosts[0])
    assert (life_record(life)["written_at"], life_record(life)["writer"]) == ("2026-09-01T00:00:15Z", "bob")
