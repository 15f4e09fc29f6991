"""Keys that may be for several objects: of one name in several namespaces, of several kinds, or joined so that two read alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Program
from tests.history.lines import BEGIN, GROUP, LogWriter, at
from tests.history.shop import Shop

NAMES = ("acme", "bolt", "crux", "dyne", "ergo")


class Town(LogWriter):
    """Objects of several kinds and namespaces, and maps that name them."""

    def thing(self, second: float, verb: str, namespace: str, name: str, resource: str = "widgets", uid: str = "") -> bytes:
        """One is created or deleted."""
        self.revision += 1
        reference = {"resource": resource, "namespace": namespace, "name": name, "apiGroup": GROUP}
        uid = uid or f"uid-{resource}-{namespace}-{name}"
        metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(self.revision)}
        shown = {"apiVersion": f"{GROUP}/v1", "kind": resource.capitalize()[:-1], "metadata": metadata}
        gone = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"uid": uid}}
        return self.line(second, verb, reference, user="alice", response=shown if verb == "create" else gone)

    def begin(self, maps: Iterable[str], things: Iterable[tuple[str, str, str]], key: str = "{1}") -> list[bytes]:
        """Each map has a key for each thing (namespace, name, resource); a map of a thing's own namespace `*` for those in it alone."""
        lines = []
        for second, thing in enumerate(things):
            lines.append(self.thing(second / 10, "create", *thing))
            spaces = [thing[0] if space == "*" else space for space in maps]
            lines += [self.patch(second / 10 + 0.05, space, "m", {key.format(*thing): "v"}) for space in spaces]
        return lines

    def end(self) -> list[bytes]:
        return [self.patch(90, "elsewhere", "other", {"last": "1"})]


def story(program: Program, folder: Path, lines: list[bytes], namespace: str = "shop") -> Any:
    (folder / "audit.log").write_bytes(b"".join(lines))
    return program("explain", "cm/m", "-n", namespace, "--from", str(folder / "audit.log"), "-o", "json").json


def ghosts(told: Any) -> list[tuple[str, str, str]]:
    return [(row["key"], row["subject_namespace"], row["class"]) for row in told["ghosts"]]


def micros(second: float) -> str:
    return at(second)[:19]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a"), ("a",), ("b",)])
def test_key_outlives_the_last_that_went_of_its_name(files_program: Program, tmp_path: Path, order: tuple[str, ...]) -> None:
    town = Town()
    lines = town.begin(["shop"], [("a", name, "widgets") for name in NAMES])
    lines += [town.thing(5, "create", "b", "acme")]
    lines += [town.thing(20 + 20 * n, "delete", space, "acme") for n, space in enumerate(order)]
    told = story(files_program, tmp_path, [*lines, *town.end()])
    assert ghosts(told) == ([("acme", order[-1], "no-delete")] if len(order) > 1 else [])
    log = str(tmp_path / "audit.log")
    said = files_program("explain", "cm/m", "acme", "-n", "shop", "--from", log).out
    ended = [line.split()[0] for line in said.splitlines() if "is gone" in line]
    assert [time[:19] for time in ended] == [micros(20 + 20 * n) for n in range(len(order))]
    if len(order) < 2:
        assert "its subject lives" in said
        return
    said = files_program("explain", "cm/m", "-n", "shop", "--from", log).out
    assert f"written for Widget {order[-1]}/acme, the last to go of 2 that it may be for" in said
    assert f"Widget {order[-1]}/acme went {micros(40)}" in said


def test_attempt_before_the_last_went_says_nothing_of_its_end(files_program: Program, tmp_path: Path) -> None:
    town = Town()
    lines = town.begin(["shop"], [("a", name, "widgets") for name in NAMES])
    lines += [town.thing(5, "create", "b", "acme"), town.thing(20, "delete", "a", "acme")]
    lines += [town.patch(21, "shop", "m", {"a.acme": None}), town.thing(40, "delete", "b", "acme")]
    assert ghosts(story(files_program, tmp_path, [*lines, *town.end()])) == [("acme", "b", "no-delete")]


@pytest.mark.parametrize("is_more_elsewhere", [False, pytest.param(True, marks=pytest.mark.whole)])
def test_map_of_its_namespace_is_about_what_is_in_it(files_program: Program, tmp_path: Path, is_more_elsewhere: bool) -> None:
    """A namesake that lives elsewhere has a key in its own namespace's map."""
    town = Town()
    things = [(space, name, "widgets") for space in ("a", "b") for name in NAMES]
    things += [("c", name, "widgets") for name in ("fizz", "gyro", "hive")] if is_more_elsewhere else []
    lines = [*town.begin(["*"], things), town.thing(20, "delete", "b", "acme")]
    assert ghosts(story(files_program, tmp_path, [*lines, *town.end()], "b")) == [("acme", "b", "no-delete")]
    assert ghosts(story(files_program, tmp_path, [*lines, *town.end()], "a")) == []
    later = town.thing(30, "delete", "a", "acme")
    told = story(files_program, tmp_path, [*lines, later, *town.end()], "b")
    assert [row["subject_deleted_at"] for row in told["ghosts"]] == [int(BEGIN.timestamp() + 20) * 1_000_000]


@pytest.mark.parametrize("gone", [("widgets",), ("gadgets",), ("widgets", "gadgets"), ("gadgets", "widgets")])
def test_key_that_is_for_objects_of_two_kinds_is_a_ghost_of_the_last(
    files_program: Program, tmp_path: Path, gone: tuple[str, ...]
) -> None:
    town = Town()
    things = [("a", name, resource) for name in NAMES for resource in ("widgets", "gadgets")]
    lines = town.begin(["shop"], things, "{0}.{1}")
    lines += [town.thing(20 + 20 * n, "delete", "a", "acme", resource) for n, resource in enumerate(gone)]
    told = story(files_program, tmp_path, [*lines, *town.end()])
    found = [(row["key"], row["subject_kind"], row["class"]) for row in told["ghosts"]]
    assert found == ([("a.acme", f"{gone[-1]}.{GROUP}", "no-delete")] if len(gone) > 1 else [])


def test_key_that_is_read_in_two_ways_is_no_ghost_while_one_lives(files_program: Program, tmp_path: Path) -> None:
    """`red-one-acme` is of acme in red-one, and of one-acme in red."""
    town = Town()
    things = [(space, name, "widgets") for space in ("red", "red-one") for name in NAMES]
    lines = [*town.begin(["shop"], things, "{0}-{1}"), town.thing(15, "create", "red", "one-acme")]
    lines.append(town.thing(20, "delete", "red-one", "acme"))
    assert ghosts(story(files_program, tmp_path, [*lines, *town.end()])) == []
    lines.append(town.thing(30, "delete", "red", "one-acme"))
    assert ghosts(story(files_program, tmp_path, [*lines, *town.end()])) == [("red-one-acme", "red", "no-delete")]


def test_name_that_stands_in_many_namespaces_is_known_by_few(files_program: Program, tmp_path: Path) -> None:
    town = Town()
    lines = town.begin(["shop"], [("a", name, "widgets") for name in NAMES])
    lines += [town.thing(1 + n / 10, "create", f"space-{n}", "acme") for n in range(60)]
    lines += [town.thing(20 + n / 10, "delete", f"space-{n}", "acme") for n in range(60)]
    lines += [town.thing(30, "delete", "a", "acme")]
    told = story(files_program, tmp_path, [*lines, *town.end()])
    assert ghosts(told) == [("acme", "a", "no-delete")]
    assert told["ghosts"][0]["namesakes"] == 61
    assert len(told["others"]) == 8


@pytest.mark.parametrize("first", ["0", "f"])
@pytest.mark.parametrize("is_tried", [False, True])
def test_key_of_a_uid_outlives_its_object_though_another_has_the_name(
    files_program: Program, tmp_path: Path, first: str, is_tried: bool
) -> None:
    """A Pod of a StatefulSet is made again under its name; whichever of the UIDs comes first in the alphabet."""
    town = Town()
    uids = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in NAMES} | {
        "acme": first * 8 + "-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
    }
    again = "7" * 8 + uids["acme"][8:]
    lines = []
    for second, (name, uid) in enumerate(uids.items()):
        lines += [town.thing(second, "create", "a", name, uid=uid), town.patch(second + 0.5, "shop", "m", {uid: "v"})]
    lines += [town.thing(20, "delete", "a", "acme", uid=uids["acme"]), town.thing(21, "create", "a", "acme", uid=again)]
    lines += [town.patch(22, "shop", "m", {again: "v"})]
    lines += [town.patch(23, "shop", "m", {f"w-{uids['acme']}": None})] if is_tried else []
    told = story(files_program, tmp_path, [*lines, *town.end()])
    (ghost,) = told["ghosts"]
    assert (ghost["key"], ghost["class"]) == (uids["acme"], "wrong-key-name" if is_tried else "no-delete")
    assert ghost["subject_deleted_at"] == int(BEGIN.timestamp() + 20) * 1_000_000
    said = files_program("explain", "cm/m", again, "-n", "shop", "--from", str(tmp_path / "audit.log")).out
    assert "its subject lives" in said


def test_what_was_seen_and_is_not_linked_is_not_called_unseen(files_program: Program, tmp_path: Path) -> None:
    """Nine Deployments, called as people call apps: whether the keys are about them nothing tells, and who knows it can say so."""
    lines = [line.replace(b'"widgets"', b'"deployments"').replace(b'"Widget"', b'"Deployment"') for line in Shop().begin()]
    (tmp_path / "audit.log").write_bytes(b"".join(line.replace(b"shop.example.org", b"apps") for line in lines))
    words = ("explain", "cm/m", "-n", "shop", "--from", str(tmp_path / "audit.log"))
    told = files_program(*words).out
    assert "10 of them are settings, or nothing that was seen tells what they are for" in told
    assert "--subject 'KIND={namespace}.{name}'" in told
    declared = files_program(*words, "--subject", "deployments.apps={namespace}.{name}").out
    assert "1 of them is a setting, or nothing that was seen tells what it is for: settings" in declared
    assert "--subject" not in declared
