"""What an audit log says of ends, credits and attempts, in lines as the API server writes them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import KeyEvent
from tests.history.lines import GROUP, LogWriter, at
from tests.history.shop import Shop, events, gaps, keys, lives, told


def pod(log: LogWriter, second: float, verb: str, *, grace: int | None = None, user: str = "alice", sub: str = "") -> bytes:
    metadata: dict[str, Any] = {"name": "p", "namespace": "t1", "uid": "uid-p", "resourceVersion": str(log.revision)}
    if grace is not None:
        metadata |= {"deletionTimestamp": at(second), "deletionGracePeriodSeconds": grace}
    reference = {"resource": "pods", "namespace": "t1", "name": "p"} | ({"subresource": sub} if sub else {})
    shown = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": "node-a"}}
    return log.line(second, verb, reference, user=user, response=shown if not sub else {"kind": "Status", "metadata": {}})


def test_pod_is_gone_when_its_grace_is_over(tmp_path: Path) -> None:
    log = LogWriter()
    lines = [pod(log, 0, "create"), pod(log, 1, "create", sub="eviction", user="drainer"), pod(log, 1.1, "delete", grace=30)]
    assert [op for op, _, _ in lives(events(tmp_path, lines), "pods")] == ["created", "deleting", "deleting"]
    lines.append(pod(log, 31, "delete", grace=0, user="system:node:node-a"))
    assert [op for op, _, _ in lives(events(tmp_path, lines), "pods")][-1] == "deleted"


@pytest.mark.parametrize("level", ["RequestResponse", "Metadata"])
def test_namespace_is_gone_when_it_is_finalized(tmp_path: Path, level: str) -> None:
    log = LogWriter()
    reference = {"resource": "namespaces", "namespace": "t1", "name": "t1"}
    metadata = {"name": "t1", "uid": "uid-t1", "resourceVersion": "7"}
    made = {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}
    dying = {**made, "metadata": metadata | {"deletionTimestamp": at(5)}, "status": {"phase": "Terminating"}}
    lines = [
        log.line(0, "create", {"resource": "namespaces", "name": "t1"}, response=made, level=level),
        log.line(5, "delete", reference, response=dying, level=level),
        log.line(6, "update", reference | {"subresource": "status"}, response=dying, level=level),
    ]
    assert lives(events(tmp_path, lines), "namespaces") == [("created", "", "t1"), ("deleting", "", "t1")]
    lines.append(log.line(9, "update", reference | {"subresource": "finalize"}, response=dying | {"spec": {}}, level=level))
    assert lives(events(tmp_path, lines), "namespaces")[-1] == ("deleted", "", "t1")


def test_objects_go_with_their_namespace_and_with_their_kind(tmp_path: Path) -> None:
    for what in ("namespace", "kind"):
        log, folder = Shop(), tmp_path / what
        folder.mkdir()
        lines = log.begin()
        name = "t1" if what == "namespace" else f"widgets.{GROUP}"
        resource = {"resource": "namespaces"} if what == "namespace" else {"resource": "customresourcedefinitions", "apiGroup": "apiextensions.k8s.io"}  # fmt: skip
        place = {"namespace": name} if what == "namespace" else {}
        dying = {"kind": "X", "metadata": {"name": name, "uid": "u", "deletionTimestamp": at(20), "finalizers": ["cleanup"]}}
        gone = {"kind": "X", "metadata": {"name": name, "uid": "u", "deletionTimestamp": at(20)}, "spec": {}}
        sub = "finalize" if what == "namespace" else "status"
        lines.append(log.line(20, "delete", resource | place | {"name": name}, user="alice", response=dying))
        assert told(folder, lines).ghosts == []
        folder = tmp_path / f"{what}-gone"
        folder.mkdir()
        lines.append(log.line(25, "update", resource | place | {"name": name, "subresource": sub}, response=gone, user="system"))
        lines.append(log.patch(30, "shop", "other", {"last": "1"}))
        ghosts = told(folder, lines).ghosts
        assert {row["key"] for row in ghosts} == {f"t1.{name}" for name in Shop.names}
        assert {(row["went_with"], row["subject_deleter"], row["class"]) for row in ghosts} == {(what, "alice", "no-delete")}


def test_fields_through_status_are_followed(tmp_path: Path) -> None:
    log = LogWriter()

    def fleet(second: float, shards: dict[str, str], sub: str) -> bytes:
        log.revision += 1
        metadata = {"name": "f", "namespace": "shop", "uid": "u", "resourceVersion": str(log.revision)}
        shown = {"kind": "Fleet", "apiVersion": f"{GROUP}/v1", "metadata": metadata, "status": {"shards": shards}}
        reference = {"resource": "fleets", "apiGroup": GROUP, "namespace": "shop", "name": "f"}
        return log.line(second, "update" if sub else "create", reference | ({"subresource": sub} if sub else {}), response=shown)

    lines = [
        fleet(0, {}, ""),
        fleet(1, {"a": "1"}, "status"),
        fleet(2, {"a": "1", "b": "2"}, "status"),
        fleet(3, {"b": "2"}, "status"),
    ]
    found = events(tmp_path, lines, fields=[("fleets.shop", "status.shards")])
    assert keys(found) == [("set", "a", "op"), ("set", "b", "op"), ("delete", "a", "op")]


@pytest.mark.parametrize("skew", [-1.0, 0.0, 1.0])
def test_clocks_that_differ_by_a_second_hide_no_attempt(tmp_path: Path, skew: float) -> None:
    """The Widget is deleted through one server, and its key, by a wrong name, through another."""
    log = Shop()
    first, second = log.begin(), []
    for number, name in enumerate(Shop.names[:3]):
        first.append(log.subject(20 + number * 5, "delete", "t1", name))
        second.append(log.patch(20.2 + number * 5 + skew, "shop", "m", {name: None}, user="op2"))
    second = [log.patch(0.7 + skew, "shop", "other", {"a": "1"}), *second]
    first.append(log.patch(60, "shop", "other", {"last": "1"}))
    second.append(log.patch(60, "shop", "other", {"b": "1"}))
    ghosts = told(tmp_path, first, second).ghosts
    assert [(row["class"], row["wrong_key"], row["attempt_by"]) for row in ghosts] == [
        ("wrong-key-name", name, "op2") for name in Shop.names[:3]
    ]


def test_writes_of_one_map_through_three_servers_are_credited_in_the_order_of_revisions(tmp_path: Path) -> None:
    rng, log = random.Random(7), LogWriter()
    servers: list[list[bytes]] = [[], [], []]
    skews = [-0.9, 0.0, 0.9]
    expected: dict[str, tuple[str, str]] = {}
    log.patch(0, "shop", "m", {"first": "0"})
    for number in range(300):
        which, user, key = rng.randrange(3), f"op{rng.randrange(4)}", f"k{rng.randrange(20)}"
        held = log.maps["shop", "m"]
        value = None if key in held and rng.random() < 0.4 else str(number)
        second = 10 + number * 0.05
        servers[which].append(log.patch(second + skews[which], "shop", "m", {key: value}, user=user))
        expected[key] = ("delete" if value is None else "set", user)
    found = events(tmp_path, *servers)
    last = {e.key: (e.op, e.user) for e in found if isinstance(e, KeyEvent) and e.key != "first"}
    assert last == expected
    assert not [why for why in gaps(found) if "revisions" in why]


@pytest.mark.parametrize("late", [{"kept": "new"}, {"kept": None}, {"added": "1"}, {"kept": "new", "added": "1"}])
def test_what_a_write_that_is_logged_late_did_is_told_as_in_order(tmp_path: Path, late: dict[str, str | None]) -> None:
    """A busy server logs a write after one that was made later, and whose answer shows what both did."""

    def told_as(folder: str, order: tuple[int, int]) -> set[tuple[object, ...]]:
        log = LogWriter()
        before = [log.patch(1, "shop", "m", {"kept": "old", "gone": "0"}), log.patch(2, "shop", "m", {"other": "0"})]
        two = [log.patch(3, "shop", "m", late, user="op1"), log.patch(3.1, "shop", "m", {"gone": None, "other": "1"}, user="op2")]
        after = [log.patch(4, "shop", "m", {"last": "1"})]
        (tmp_path / folder).mkdir()
        found = events(tmp_path / folder, [*before, *(two[place] for place in order), *after])
        assert not [why for why in gaps(found) if "revisions" in why]
        return {
            (e.op, e.key, e.user, e.value_hash, e.value_bytes, e.key_delta, e.bytes_delta)
            for e in found
            if isinstance(e, KeyEvent) and e.op in ("set", "delete") and e.user in ("op1", "op2")
        }

    assert told_as("late", (1, 0)) == told_as("ordered", (0, 1))


@pytest.mark.whole(
    but=[
        "body0-200-wrong-key-name-amber-0",
        "body2-200-wrong-key-name-t1.ambr-0",
        "body5-422-delete-failed-None",
        "body8-200-no-delete-None",
    ]
)
@pytest.mark.parametrize(
    ("body", "code", "class_", "wrong"),
    [
        ({"data": {"amber-0": None}}, 200, "wrong-key-name", "amber-0"),
        ({"data": {"T1_Amber_0": None}}, 200, "wrong-key-name", "T1_Amber_0"),
        ({"data": {"t1.ambr-0": None}}, 200, "wrong-key-name", "t1.ambr-0"),
        ({"data": {"widget-uid-amber-0": None}}, 200, "wrong-key-name", "widget-uid-amber-0"),
        ([{"op": "remove", "path": "/data/t1~1amber-0"}], 422, "wrong-key-name", "t1/amber-0"),
        ([{"op": "remove", "path": "/data/t1.amber-0"}], 422, "delete-failed", None),
        ({"data": {"t1.amber-0": None}}, 403, "delete-failed", None),
        ({"data": {"lock": None}}, 200, "no-delete", None),
        ({"data": {"t1.zulu-9": None}}, 200, "no-delete", None),
        ({"data": {"settings": "2"}}, 409, "no-delete", None),
        ({"metadata": {"labels": {"a": "b"}}}, 403, "no-delete", None),
    ],
)  # fmt: skip
def test_removal_after_the_end_is_told_by_what_it_was_meant_for(
    tmp_path: Path, body: Any, code: int, class_: str, wrong: str | None
) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(18, "create", "t9", "zulu-9"), log.subject(20, "delete", "t1", "amber-0")]
    lines.append(log.patch(20.003, "shop", "m", {}, body=body, code=code, user="op1"))
    lines.append(log.patch(30, "shop", "other", {"last": "1"}))
    (ghost,) = told(tmp_path, lines).ghosts
    assert (ghost["class"], ghost["wrong_key"]) == (class_, wrong)


def test_write_that_changed_nothing_is_told(tmp_path: Path) -> None:
    log = Shop()
    lines = [
        *log.begin(),
        log.subject(20, "delete", "t1", "amber-0"),
        log.patch(20.003, "shop", "m", {"settings": "1"}, user="op1"),
    ]
    lines.append(log.patch(30, "shop", "other", {"last": "1"}))
    (ghost,) = told(tmp_path, lines).ghosts
    from ghostkey.report.text import proof_lines

    assert (ghost["class"], ghost["idle_by"]) == ("no-delete", "op1")
    assert "op1 wrote the map 3 ms later and changed nothing" in list(proof_lines(ghost))


@pytest.mark.parametrize(("delays", "class_"), [((9, 10, 11), "retention"), ((2, 10, 40), "no-delete")])
def test_retention_needs_delays_that_are_about_equal(tmp_path: Path, delays: tuple[int, ...], class_: str) -> None:
    log = Shop()
    lines = log.begin()
    for name, delay in zip(Shop.names, delays, strict=False):
        lines.append(log.subject(20, "delete", "t1", name))
        lines.append(log.patch(20 + delay, "shop", "m", {f"t1.{name}": None}))
    lines += [log.subject(62, "delete", "t1", Shop.names[3]), log.patch(70, "shop", "other", {"last": "1"})]
    (ghost,) = told(tmp_path, lines).ghosts
    assert ghost["class"] == class_


@pytest.mark.parametrize("value", ["", "{}", "[]", "null"])
def test_value_that_was_emptied_is_a_tombstone(tmp_path: Path, value: str) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(21, "shop", "m", {"t1.amber-0": value})]
    lines.append(log.patch(30, "shop", "other", {"last": "1"}))
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == ["tombstone"]


def test_empty_collection_is_no_gap_and_one_that_is_hidden_is(tmp_path: Path) -> None:
    log = LogWriter()
    reference = {"resource": "configmaps", "namespace": "shop"}
    shown = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": []}
    lines = [log.patch(0, "shop", "m", {"a": "1"}), log.line(1, "deletecollection", reference, response=shown)]
    assert gaps(events(tmp_path, lines)) == []
    lines.append(log.line(2, "deletecollection", reference, level="Request"))
    assert gaps(events(tmp_path, lines)) == ["a deletecollection whose response is not in the log"]


def test_apply_at_level_request_hides_what_it_removed(tmp_path: Path) -> None:
    log = Shop()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "shop"}, "data": {"settings": "2"}}
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lines.append(log.patch(21, "shop", "m", {"settings": "2"}, body=body, level="Request", user="gitops"))
    lines.append(log.patch(30, "shop", "other", {"last": "1"}))
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == ["unknown"]


def test_update_from_another_revision_credits_nobody_with_what_came_between(tmp_path: Path) -> None:
    log = LogWriter()
    lines = [log.patch(0, "shop", "m", {"a": "1"}), log.patch(1, "shop", "m", {"b": "1"})]
    base = log.shown("shop", "m")
    log.patch(2, "shop", "m", {"c": "1"}, user="unseen")
    asked = log.shown("shop", "m")
    asked["data"]["d"] = "1"
    log.maps["shop", "m"]["d"] = "1"
    log.revision += 1
    reference = {"resource": "configmaps", "namespace": "shop", "name": "m"}
    lines.append(log.line(3, "update", reference, user="op9", request=asked, response=log.shown("shop", "m")))
    found = events(tmp_path, lines)
    assert keys(found) == [*[("seen", "a", ""), ("set", "a", "op")][1:], ("set", "b", "op"), ("seen", "c", ""), ("seen", "d", "")]
    assert any("are not in the log" in why for why in gaps(found))
    assert base["data"] == {"a": "1", "b": "1"}


@pytest.mark.parametrize("cut", [60, 200, 330, 400])
def test_write_behind_a_line_that_was_cut_is_damage_whatever_the_line_was_about(tmp_path: Path, cut: int) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lease = log.line(20.5, "update", {"resource": "leases", "namespace": "kube-system", "name": "l"}, request={"a": 1})
    lines.append(lease[:cut] + log.patch(21, "shop", "m", {"amber-0": None}))
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    found = told(tmp_path, lines)
    assert [row["class"] for row in found.ghosts] == ["unknown"]
    assert any(row["why"].startswith("a line is no audit event") for row in found.coverage)


DRY = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}
WIDGETS = {"resource": "widgets", "apiGroup": GROUP, "namespace": "t1"}


@pytest.mark.parametrize(
    ("verb", "reference", "body"),
    [
        ("delete", WIDGETS | {"name": "amber-0"}, DRY),
        ("deletecollection", WIDGETS, DRY),
        ("delete", {"resource": "configmaps", "namespace": "shop", "name": "m"}, DRY),
        ("create", {"resource": "pods", "namespace": "t1", "name": "p", "subresource": "eviction"}, {"deleteOptions": DRY}),
    ],
)
@pytest.mark.parametrize("level", ["Request", "RequestResponse"])
def test_deletion_that_was_only_tried_ends_nothing(
    tmp_path: Path, verb: str, reference: dict[str, str], body: dict[str, Any], level: str
) -> None:
    """`kubectl delete --dry-run=server` says so in the body."""
    log = Shop()
    items = [{"metadata": {"name": name, "namespace": "t1", "uid": f"uid-{name}"}} for name in Shop.names]
    shown = {"kind": "WidgetList", "items": items} if verb == "deletecollection" else {"kind": "Status", "metadata": {}}
    lines = [*log.begin(), log.line(20, verb, reference, request=body, response=shown, level=level)]
    found = events(tmp_path, lines)
    assert keys(found) == keys(events(tmp_path, lines[:-1]))
    assert [op for op, _, _ in lives(found, f"widgets.{GROUP}") + lives(found, "pods")] == ["created"] * len(Shop.names)
    assert gaps(found) == []


@pytest.mark.parametrize("policy", ["Foreground", "Orphan", "Background"])
def test_object_that_waits_for_its_dependents_is_not_gone(tmp_path: Path, policy: str) -> None:
    log = Shop()
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
    line = log.line(20, "delete", WIDGETS | {"name": "amber-0"}, request=body, level="Request")
    found = lives(events(tmp_path, [*log.begin(), line]), f"widgets.{GROUP}")
    assert found[-1] == ("deleted" if policy == "Background" else "deleting", "t1", "amber-0")


@pytest.mark.parametrize("level", ["Request", "RequestResponse"])
def test_text_data_of_a_secret_removes_nothing(tmp_path: Path, level: str) -> None:
    """`stringData` is never stored: null for a key of it is no removal of that of `data`."""
    log = LogWriter()
    reference = {"resource": "secrets", "namespace": "shop", "name": "m"}
    shown = {
        "kind": "Secret",
        "metadata": {"name": "m", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
        "data": {"a": "MQ=="},
    }
    lines = [
        log.line(0, "create", reference, request=shown, response=shown, level=level),
        log.line(1, "patch", reference, request={"stringData": {"a": None}}, response=shown, level=level),
    ]
    assert [(op, key) for op, key, _ in keys(events(tmp_path, lines))] == [("set", "a"), ("unchanged", "")]


def test_hidden_write_of_another_map_hides_nothing_of_this_one(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    hidden = log.patch(21, "shop", "other", {"t1.amber-0": None}, level="Metadata")
    end = log.patch(30, "shop", "m", {"settings": "2"})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    story = told(tmp_path / "a", [*lines, hidden, end])
    assert [row["class"] for row in story.ghosts] == ["no-delete"]
    assert any("level Metadata does not show what patch changed" in row["why"] for row in story.coverage if row["is_gap"])
    mine = log.patch(21, "shop", "m", {"t1.birch-1": None}, level="Metadata")
    assert [row["class"] for row in told(tmp_path / "b", [*lines, mine, log.patch(30, "shop", "other", {"a": "2"})]).ghosts] == [
        "unknown"
    ]
