"""What an audit log says of ends, credits and attempts, in lines as the API server writes them."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ghostkey import story
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.open import sort_of
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.history.lines import GROUP, LogWriter, at

DIGEST = KeyedHash(b"k")
SPOT = ("configmaps", "shop", "m")
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet")


def events(folder: Path, *files: Iterable[bytes], fields: Iterable[tuple[str, str]] = ()) -> list[HistoryEvent]:
    paths = []
    for number, lines in enumerate(files):
        paths.append(folder / f"{number}.log")
        paths[-1].write_bytes(b"".join(lines))
    return list(AuditLog(paths, DIGEST, fields).events())


def told(folder: Path, *files: Iterable[bytes]) -> story.Story:
    store = History(folder / "store")
    store.add("log", "audit", "log", events(folder, *files))
    engine = DuckEngine(store)
    story.prepare(engine, only=SPOT)
    return story.story_of(engine, *SPOT)


def keys(found: Iterable[HistoryEvent]) -> list[tuple[str, str, str]]:
    return [(e.op, e.key, e.user) for e in found if isinstance(e, KeyEvent)]


def lives(found: Iterable[HistoryEvent], kind: str) -> list[tuple[str, str, str]]:
    return [(e.op, e.namespace, e.name) for e in found if isinstance(e, SubjectEvent) and e.kind == kind]


def gaps(found: Iterable[HistoryEvent]) -> list[str]:
    return [e.why for e in found if isinstance(e, Covered) and e.is_gap]


class Shop(LogWriter):
    """A map with a key for each of nine Widgets."""

    names = tuple(f"{word}-{n}" for n, word in enumerate(WORDS))

    def begin(self) -> list[bytes]:
        found = [self.patch(0, "shop", "m", {"settings": "1"})]
        for number, name in enumerate(self.names):
            found.append(self.subject(1 + number, "create", "t1", name))
            found.append(self.patch(1.5 + number, "shop", "m", {f"t1.{name}": "v"}))
        return found


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


WHOLE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


@pytest.mark.parametrize(
    ("verb", "body", "code", "class_"),
    [
        ("patch", {"data": None}, 403, "delete-failed"),
        ("patch", {"data": {"$patch": "delete"}}, 403, "delete-failed"),
        ("patch", [{"op": "replace", "path": "/data", "value": {"settings": "1"}}], 422, "delete-failed"),
        ("patch", [{"op": "replace", "path": "/data", "value": {"t1.amber-0": "2"}}], 422, "no-delete"),
        ("patch", {"data": {"other": "1"}}, 409, "no-delete"),
        ("delete", None, 403, "delete-failed"),
        ("delete", None, 404, "no-delete"),
        ("deletecollection", None, 403, "unknown"),  # which maps it chose
        ("patch", {**WHOLE, "data": {"t1.birch-1": "v"}}, 409, "delete-failed"),  # applied by the one who applied both before
        ("patch", {**WHOLE, "data": {"t1.amber-0": "w"}}, 409, "no-delete"),
        # what became of these nobody knows
        ("panic", {"data": {"t1.amber-0": None}}, 500, "unknown"),
        ("patch", {"data": {"t1.amber-0": None}}, 504, "unknown"),
    ],
)
def test_refused_write_is_a_removal_of_what_it_would_have_removed(
    tmp_path: Path, verb: str, body: Any, code: int, class_: str
) -> None:
    log = Shop()
    lines = log.begin()
    applied = {**WHOLE, "data": {"t1.amber-0": "v", "t1.birch-1": "v"}}
    lines.append(log.patch(15, "shop", "m", {"t1.amber-0": "v", "t1.birch-1": "v"}, body=applied))
    lines.append(log.subject(20, "delete", "t1", "amber-0"))
    if verb.startswith("delete"):
        reference = {"resource": "configmaps", "namespace": "shop"} | ({"name": "m"} if verb == "delete" else {})
        line = log.line(21, verb, reference, code=code)
    else:
        line = log.patch(21, "shop", "m", {}, code=code, body=body)
    lines.append(line.replace(b'"ResponseComplete"', b'"Panic"') if verb == "panic" else line)
    lines.append(log.patch(30, "shop", "m", {"late": "1"}))
    assert {row["key"]: row["class"] for row in told(tmp_path, lines).ghosts} == {"t1.amber-0": class_}


@pytest.mark.parametrize("verb", ["delete", "create"])
@pytest.mark.parametrize("stage", ["Panic", "ResponseComplete"])
def test_request_that_was_given_up_is_neither_done_nor_refused(tmp_path: Path, verb: str, stage: str) -> None:
    log = Shop()
    lines = [log.patch(1, "shop", "m", {"a": "1"}), log.subject(2, "create", "t1", "amber-0")]
    for reference in (
        {"resource": "configmaps", "namespace": "shop", "name": "m"},
        {"resource": "widgets", "apiGroup": GROUP, "namespace": "t1", "name": "amber-0"},
    ):
        line = log.line(3, verb, reference, code=500 if stage == "Panic" else 504)
        lines.append(line.replace(b'"ResponseComplete"', f'"{stage}"'.encode()))
    lines.append(log.patch(4, "shop", "m", {"b": "1"}))
    found = events(tmp_path, lines)
    assert [(op, key) for op, key, _ in keys(found)] == [("set", "a"), ("hidden-write", ""), ("set", "b")]
    assert lives(found, f"widgets.{GROUP}") == [("created", "t1", "amber-0")]
    assert sorted(e.kind for e in found if isinstance(e, Covered) and "whether it was stored" in e.why) == [
        "configmaps",
        f"widgets.{GROUP}",
    ]


def test_refused_apply_of_which_nobody_knows_what_it_had_makes_the_answer_unknown(tmp_path: Path) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    lines.append(log.patch(21, "shop", "m", {}, code=409, body={**WHOLE, "data": {"x": "1"}}))
    assert [row["class"] for row in told(tmp_path, lines).ghosts] == ["unknown"]


def wrapped(lines: list[bytes], how: str) -> bytes:
    texts = [line.decode().rstrip("\n") for line in lines]
    documents = [json.loads(text) for text in texts]
    each = {
        "node logs": lambda t: f"ip-10-0-0-1.ec2.internal {t}",
        "syslog": lambda t: f"<134>1 2026-09-01T00:00:00Z host kube-apiserver 1 - - {t}",
        "journald": lambda t: f"Sep 01 00:00:00 host kube-apiserver[12]: {t}",
        "docker": lambda t: json.dumps({"log": t + "\n", "stream": "stdout", "time": "2026-09-01T00:00:00Z"}),
        "journald json": lambda t: json.dumps({"MESSAGE": t, "_HOSTNAME": "h"}),
        "journald bytes": lambda t: json.dumps({"MESSAGE": list(t.encode()), "_HOSTNAME": "h"}),
        "loki": lambda t: json.dumps({"labels": {"a": "b"}, "line": t, "timestamp": "x"}),
        "splunk": lambda t: json.dumps({"preview": False, "result": {"_raw": t}}),
        "elastic": lambda t: json.dumps({"_index": "i", "_source": {"kubernetes": {"audit": json.loads(t)}, "@timestamp": "x"}}),
        "fluent bit": lambda t: json.dumps({"date": 1.0, "log": "2026-09-01T00:00:00.000000000Z stdout F " + t, "kubernetes": {}}),
        "subscription": lambda t: json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": t}]}),
        "csv": lambda t: '1756684800,"' + t.replace('"', '""') + '",host',
        "table": lambda t: json.dumps(_table(json.loads(t))),  # AKSAudit
        "in quotes": json.dumps,
        "an item a line": lambda t: t + ",",
        "among others": lambda t: f'I0901 12:00:00 1 trace.go:236] "Update"\n{t}\n{{"msg":"HTTP","auditID":"x"}}\n{{"index":{{}}}}',
    }  # fmt: skip
    if how in each:
        return "".join(each[how](text) + "\n" for text in texts).encode()
    if how == "pretty":
        return "\n".join(json.dumps(document, indent=2) for document in documents).encode()
    if how == "pretty list":
        return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": documents}, indent=1).encode()
    if how == "eks events":
        return json.dumps({"events": [{"timestamp": 1, "message": text} for text in texts]}).encode()
    if how == "firehose":
        return "".join(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": text}]}) for text in texts).encode()
    if how == "loki query":
        return json.dumps({"data": {"result": [{"stream": {}, "values": [["1", text] for text in texts]}]}}).encode()
    if how == "lambda":
        logged = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": text} for text in texts]})
        return json.dumps({"awslogs": {"data": base64.b64encode(gzip.compress(logged.encode())).decode()}}).encode()
    if how == "newest first":
        return b"".join(reversed(lines))
    if how == "cri in parts":
        return "".join(
            f"2026-09-01T00:00:00.000000000Z stdout P {text[:300]}\n2026-09-01T00:00:00.000000000Z stdout F {text[300:]}\n"
            for text in texts
        ).encode()
    assert how == "google"
    return "".join(json.dumps(_google(document)) + "\n" for document in documents).encode()


def _table(event: dict[str, Any]) -> dict[str, Any]:
    names = {"auditID": "AuditId", "requestReceivedTimestamp": "RequestReceivedTime", "stageTimestamp": "StageReceivedTime"}
    return {
        names.get(key, key[:1].upper() + key[1:]): json.dumps(value) if isinstance(value, dict) else value
        for key, value in event.items()
    }


def _google(event: dict[str, Any]) -> dict[str, Any]:
    reference = event["objectRef"]
    group = reference.get("apiGroup", "core")
    payload = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "k8s.io",
        "authenticationInfo": {"principalEmail": event["user"]["username"]},
        "methodName": f"io.k8s.{group}.v1.{reference['resource']}.{event['verb']}",
        "resourceName": f"{group}/v1/namespaces/{reference['namespace']}/{reference['resource']}/{reference['name']}",
        "request": {"@type": "x", **(event.get("requestObject") or {})},
        "response": {"@type": "x", **(event.get("responseObject") or {})}, "status": {"code": 0},
    }  # fmt: skip
    return {"protoPayload": payload, "timestamp": event["stageTimestamp"], "operation": {"id": event["auditID"]}, "insertId": "x"}


HOW = [
    "node logs", "syslog", "journald", "docker", "journald json", "journald bytes", "loki", "splunk", "elastic", "fluent bit",
    "subscription", "csv", "table", "pretty", "pretty list", "eks events", "firehose", "loki query", "newest first",
    "cri in parts", "google", "in quotes", "an item a line", "among others", "lambda",
]  # fmt: skip


def shop_lines() -> list[bytes]:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(20.1, "shop", "m", {"amber-0": None})]
    return [*lines, log.patch(30, "shop", "other", {"last": "1"})]


@pytest.mark.parametrize("how", HOW)
def test_events_come_out_of_every_envelope(tmp_path: Path, how: str) -> None:
    lines = shop_lines()
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    (tmp_path / "wrapped").write_bytes(wrapped(lines, how))
    plain, found = (list(AuditLog([tmp_path / name], DIGEST).events()) for name in ("plain.log", "wrapped"))
    assert keys(found) == keys(plain)
    assert len(keys(plain)) == 12
    assert lives(found, f"widgets.{GROUP}") == lives(plain, f"widgets.{GROUP}")
    assert gaps(found) == gaps(plain) == []
    if how not in ("newest first", "an item a line", "among others"):
        assert [e.why for e in found if isinstance(e, Covered)] != [""]


def test_each_way_in_which_events_of_one_file_are_wrapped_is_said(tmp_path: Path) -> None:
    lines = shop_lines()
    mixed = b"".join(lines[:6]) + wrapped(lines[6:15], "docker") + wrapped(lines[15:], "loki")
    (tmp_path / "mixed.log").write_bytes(mixed)
    (said,) = [e.why for e in AuditLog([tmp_path / "mixed.log"], DIGEST).events() if isinstance(e, Covered)]
    assert said == f"{len(lines) - 15} events in line, 9 events in log"


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_packed_log_that_was_cut_is_read_to_the_cut(tmp_path: Path, cut: float) -> None:
    text = b"".join(shop_lines())
    packed = gzip.compress(text)
    (tmp_path / "cut.log.gz").write_bytes(packed[: int(len(packed) * cut)])
    assert sort_of(tmp_path / "cut.log.gz") == "audit"
    found = list(AuditLog([tmp_path / "cut.log.gz"], DIGEST).events())
    plain = keys(AuditLog([(tmp_path / "plain.log")], DIGEST).events()) if (tmp_path / "plain.log").write_bytes(text) else []
    assert 3 <= len(keys(found)) < len(plain)
    assert keys(found) == plain[: len(keys(found))]
    assert any(why.startswith("a line is no audit event") for why in gaps(found))


def test_archives_in_archives_are_opened(tmp_path: Path) -> None:
    lines = shop_lines()
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    with zipfile.ZipFile(tmp_path / "node.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("var/log/kube.log", b"".join(lines[::2]))
    (tmp_path / "other.log.gz").write_bytes(gzip.compress(b"".join(lines[1::2])))
    with tarfile.open(tmp_path / "gather.tgz", "w:gz") as outer:
        outer.add(tmp_path / "node.zip", "node-a/logs.zip")
        outer.add(tmp_path / "other.log.gz", "node-b/other.log.gz")
    with zipfile.ZipFile(tmp_path / "case.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "gather.tgz", "case/gather.tgz")
    assert sort_of(tmp_path / "case.zip") == "audit"
    found = list(AuditLog([tmp_path / "case.zip"], DIGEST).events())
    assert keys(found) == keys(AuditLog([tmp_path / "plain.log"], DIGEST).events())
    assert gaps(found) == []


def test_archives_and_folders_of_every_sort_are_one_log(tmp_path: Path) -> None:
    lines = shop_lines()
    cuts = [lines[:5], lines[5:9], lines[9:12], lines[12:]]
    folder = tmp_path / "bundle"
    (folder / "audit_logs" / "kube-apiserver").mkdir(parents=True)
    (folder / "audit_logs" / "kube-apiserver" / "node-a-audit.log.gz").write_bytes(gzip.compress(b"".join(cuts[0])))
    (folder / "audit_logs" / "node-b.log.xz").write_bytes(lzma.compress(wrapped(cuts[1], "node logs")))
    with zipfile.ZipFile(folder / "audit.zip", "w") as archive:
        archive.writestr("audit/part.json", wrapped(cuts[2], "eks events"))
    with tarfile.open(folder / "audit.tgz", "w:gz") as archive:
        inner = tmp_path / "audit.log"
        inner.write_bytes(b"".join(cuts[3]))
        archive.add(inner, "logs/audit.log")
    (folder / "version").write_text("4.19\n")
    found = list(AuditLog([folder], DIGEST).events())
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    assert keys(found) == keys(AuditLog([tmp_path / "plain.log"], DIGEST).events())
    (said,) = [e.why for e in found if isinstance(e, Covered) and not e.is_gap]
    assert "1 file without audit events passed over" in said
