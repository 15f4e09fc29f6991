"""An audit log and dumps of later: what a dump shows, and what it shows by lacking it, of what the log told before; dates in names."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Program
from tests.history.lines import GROUP
from tests.history.shop import Shop

KEY = "t1.amber-0"
NAMES = Shop.names


def dump(keys: tuple[str, ...], widgets: tuple[str, ...], **first: Any) -> dict[str, Any]:
    """Everything that lives, as `kubectl get -A` writes it; `first` are metadata of the first Widget."""
    data = {"settings": "1"} | {f"t1.{name}": "v" for name in keys}
    items: list[Any] = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "shop"}, "data": data}]
    for name in widgets:
        metadata = {"name": name, "namespace": "t1", "uid": f"uid-{name}"} | (first if name == widgets[0] else {})
        items.append({"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata})
    return {"apiVersion": "v1", "kind": "List", "items": items}


def told(program: Program, *paths: Path) -> dict[str, str]:
    words = [word for path in paths for word in ("--from", str(path))]
    found = program("explain", "cm/m", "-n", "shop", *words, "-o", "json").json
    return {row["key"]: row["class"] for row in found["ghosts"]}


ALL, FEWER = dump(NAMES, NAMES), dump(NAMES[1:], NAMES[1:])
GHOST = dump(NAMES, NAMES[1:])


@pytest.mark.parametrize(
    ("is_deleted", "dumps", "ghosts"),
    [
        (True, {"2026-09-11": GHOST}, {KEY: "unknown"}),
        (True, {"2026-09-11": FEWER}, {}),  # somebody removed the key where no log shows it
        (True, {"2026-09-11": dump(NAMES, NAMES, uid="another")}, {}),  # the subject came back
        (True, {"2026-09-11": GHOST, "2026-09-12": FEWER}, {}),
        (True, {"2026-09-11": FEWER, "2026-09-12": GHOST}, {KEY: "unknown"}),
        (True, {"2026-08-11": FEWER}, {KEY: "no-delete"}),  # of before the key was written
        (False, {"2026-09-11": GHOST}, {KEY: "unknown"}),  # its end is nowhere but in the dump
        (False, {"2026-09-11": FEWER}, {}),
        (False, {"2026-09-11": dump(NAMES, NAMES, deletionTimestamp="2026-09-10T00:00:00Z", finalizers=["x"])}, {}),
        (False, {"2026-09-11": dump(NAMES, ())}, {}),  # nobody asked for Widgets
    ],
)
def test_later_dump_shows_what_went_unseen(
    files_program: Program, tmp_path: Path, is_deleted: bool, dumps: dict[str, Any], ghosts: dict[str, str]
) -> None:
    log = Shop()
    lines = [*log.begin(), *([log.subject(20, "delete", "t1", "amber-0")] if is_deleted else [])]
    (tmp_path / "audit.log").write_bytes(b"".join([*lines, log.patch(60, "elsewhere", "other", {"a": "1"})]))
    for day, document in dumps.items():
        (tmp_path / "dumps" / day).mkdir(parents=True)
        (tmp_path / "dumps" / day / "all.json").write_text(json.dumps(document))
    assert told(files_program, tmp_path / "audit.log", tmp_path / "dumps") == ghosts


def test_end_that_a_dump_alone_shows_was_asked_for_by_nobody_who_is_known(files_program: Program, tmp_path: Path) -> None:
    """Who deleted the one that had the name before has not deleted this one."""
    log = Shop()
    lines = [*log.begin(), log.subject(18, "delete", "t1", "amber-0"), log.subject(20, "create", "t1", "amber-0")]
    (tmp_path / "audit.log").write_bytes(b"".join([*lines, log.patch(60, "elsewhere", "other", {"a": "1"})]))
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "2026-09-11.json").write_text(json.dumps(GHOST))
    words = ["--from", str(tmp_path / "audit.log"), "--from", str(tmp_path / "dumps")]
    (row,) = files_program("explain", "cm/m", "-n", "shop", *words, "-o", "json").json["ghosts"]
    assert (row["key"], row["class"], row["subject_deleter"]) == (KEY, "unknown", None)
    said = files_program("explain", "cm/m", "-n", "shop", *words).out
    assert "Widget t1/amber-0 went 2026-09-11T00:00:00Z\n" in said


def test_commit_hides_no_key_that_others_wrote(files_program: Program, tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(60, "elsewhere", "other", {"a": "1"})]
    (tmp_path / "audit.log").write_bytes(b"".join(lines))
    folder = tmp_path / "repository"
    folder.mkdir()
    stamp = {"GIT_AUTHOR_DATE": "2026-09-05T00:00:00Z", "GIT_COMMITTER_DATE": "2026-09-05T00:00:00Z"}
    subprocess.run(["git", "init", "-q", folder], check=True)
    for value in "12":
        document = dump((), ())["items"][0] | {"data": {"settings": value}}
        (folder / "m.json").write_text(json.dumps(document))
        for words in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
            subprocess.run(["git", "-C", folder, *words], check=True, env=os.environ | stamp)
    assert told(files_program, tmp_path / "audit.log", folder).keys() == {KEY}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026/09/11/a.json", "2026/09/12/a.json"),
        ("year=2026/month=09/day=11/a.json", "year=2026/month=09/day=12/a.json"),
        ("2026/09/11/01/a.json", "2026/09/11/13/a.json"),
        ("dump-1789090200.json", "dump-1789176600.json"),
        pytest.param("dump-1789090200000.json", "dump-1789176600000.json", marks=pytest.mark.whole),
        pytest.param("shop-20260911T013000Z.json", "shop-20260912T013000Z.json", marks=pytest.mark.whole),
    ],
)
def test_date_is_told_however_names_and_folders_say_it(files_program: Program, tmp_path: Path, before: str, after: str) -> None:
    for name, document in ((before, ALL), (after, GHOST)):
        (tmp_path / "dumps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dumps" / name).write_text(json.dumps(document))
    words = ["explain", "cm/m", "-n", "shop", "--from", str(tmp_path / "dumps")]
    assert told(files_program, tmp_path / "dumps") == {KEY: "unknown"}
    assert "Widget t1/amber-0 went 2026-09-1" in files_program(*words).out


@pytest.mark.parametrize("hours", [0, 6])
def test_server_whose_file_is_silent_for_hours_was_not_seen(files_program: Program, tmp_path: Path, hours: int) -> None:
    """One file for each of three servers, put together from what was collected; of one, some of it was lost."""
    log = Shop()
    files = [[*log.begin(), log.subject(20, "delete", "t1", "amber-0")], [], []]
    lease = {"resource": "leases", "namespace": "kube-system", "name": "l"}
    for number, lines in enumerate(files):
        for minute in range(12 * 60):
            if number != 1 or not 180 <= minute < 180 + hours * 60:
                lines.append(log.line(60 * minute + 30 + number, "update", lease, request={}))
        (tmp_path / f"{number}.log").write_bytes(b"".join(lines))
    assert told(files_program, tmp_path) == {KEY: "unknown" if hours else "no-delete"}
    said = files_program("explain", "cm/m", "-n", "shop", "--from", str(tmp_path)).out
    assert ("one of the logs of 3 API servers is not there" in said) == bool(hours)
