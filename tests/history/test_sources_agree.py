"""One workload on a real control plane, seen by watch, audit log, etcd snapshot and WAL: the same events where they overlap."""

from __future__ import annotations

import base64
import json
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.model.refs import CONFIG_MAPS, SECRETS
from ghostkey.sources.history.audit import files as _audit_files
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.etcd.wal import EtcdWal
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder
from ghostkey.store.history import TABLES, History
from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, make_tenants_kind
from tests.history.test_mistakes import SHOWS_ALL

FIELDS = [("tenants.demo", "metadata.annotations")]
DIGEST = KeyedHash(b"the same for all sources")
WRITES = 2_200
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
VALUES = ["1", "", '{"plan":"gold","shard":2}', "ü€😀", "line\nline", '","', '\\"', "<&>", "x" * 300, '"{\\"a\\":1}"', "0"]

Fact = tuple[Any, ...]


class Workload:
    """Random writes with every verb and patch type, remembered in no model: the sources are compared with each other."""

    def __init__(self, control_plane: ControlPlane, seed: int) -> None:
        self.control_plane, self.rng = control_plane, random.Random(seed)
        self.namespaces = [f"agree-{number}" for number in range(3)]
        self.maps: dict[tuple[str, str, str], set[str]] = {}
        self.tenants: set[tuple[str, str]] = set()
        self.refused = 0

    def write(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> int:
        raw = None if body is None else json.dumps(body).encode()
        status, _ = self.control_plane.raw(method, path, raw, content_type)
        self.refused += status >= 400
        return status

    def step(self) -> None:
        action = self.rng.choice(
            [
                *["patch"] * 12,
                *["json"] * 5,
                "strategic",
                "apply",
                "put",
                "put",
                "create",
                "delete",
                *["tenant"] * 2,
                "collection",
            ]
        )
        getattr(self, action if action != "json" else "json_patch")()

    def value(self, kind: str) -> str:
        value = self.rng.choice(VALUES) + str(self.rng.randrange(20))
        return base64.b64encode(value.encode()).decode() if kind == "secrets" else value

    def key(self) -> str:
        return f"key-{self.rng.randrange(40)}" + self.rng.choice(["", ".json", "_x"])

    def some(self) -> tuple[str, str, str] | None:
        return self.rng.choice(sorted(self.maps)) if self.maps else None

    @staticmethod
    def path(spot: tuple[str, str, str]) -> str:
        kind, namespace, name = spot
        return f"/api/v1/namespaces/{namespace}/{kind}/{name}"

    def create(self) -> None:
        kind, namespace = self.rng.choice(["configmaps", "configmaps", "secrets"]), self.rng.choice(self.namespaces)
        name = f"map-{self.rng.randrange(12)}"
        data = {self.key(): self.value(kind) for _ in range(self.rng.randrange(12))}
        body: dict[str, Any] = {"metadata": {"name": name}, "data": data}
        if kind == "configmaps" and self.rng.random() < 0.3:
            body["binaryData"] = {"blob": base64.b64encode(self.rng.randbytes(20)).decode()}
        if kind == "secrets" and self.rng.random() < 0.5:
            body["stringData"] = {self.key(): "plain text"}
        if self.write("POST", f"/api/v1/namespaces/{namespace}/{kind}", body) == 201:
            self.maps[kind, namespace, name] = set()

    def delete(self) -> None:
        if (spot := self.some()) and self.rng.random() < 0.5:
            self.write("DELETE", self.path(spot))
            del self.maps[spot]

    def collection(self) -> None:
        if self.rng.random() < 0.1:
            namespace = self.rng.choice(self.namespaces)
            self.write("DELETE", f"/api/v1/namespaces/{namespace}/configmaps")
            self.maps = {spot: keys for spot, keys in self.maps.items() if spot[:2] != ("configmaps", namespace)}

    def patch(self) -> None:
        if spot := self.some():
            changes = {self.key(): self.rng.choice([None, self.value(spot[0])]) for _ in range(self.rng.randint(1, 4))}
            self.write("PATCH", self.path(spot), {"data": changes}, MERGE)

    def strategic(self) -> None:
        if spot := self.some():
            self.write("PATCH", self.path(spot), {"data": {self.key(): self.value(spot[0]), self.key(): None}}, STRATEGIC)

    def json_patch(self) -> None:
        if spot := self.some():
            operations: list[dict[str, Any]] = []
            for _ in range(self.rng.randint(1, 3)):
                op = self.rng.choice(["add", "replace", "remove"])
                operations.append(
                    {"op": op, "path": f"/data/{self.key()}", **({} if op == "remove" else {"value": self.value(spot[0])})}
                )
            self.write("PATCH", self.path(spot), operations, JSON_PATCH)

    def apply(self) -> None:
        if spot := self.some():
            kind = "ConfigMap" if spot[0] == "configmaps" else "Secret"
            data = {self.key(): self.value(spot[0]) for _ in range(3)}
            body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": spot[2], "namespace": spot[1]}, "data": data}
            self.write("PATCH", f"{self.path(spot)}?fieldManager=gitops&force=true", body, APPLY)

    def put(self) -> None:
        if spot := self.some():
            status, raw = self.control_plane.raw("GET", self.path(spot))
            if status == 200:
                live = json.loads(raw)
                data = live.get("data") or {}
                for key in list(data)[: self.rng.randrange(4)]:
                    del data[key]
                data[self.key()] = self.value(spot[0])
                live["data"] = data
                self.write("PUT", self.path(spot), live)

    def tenant(self) -> None:
        namespace, name = self.rng.choice(self.namespaces), f"tenant-{self.rng.randrange(30)}"
        tenants = f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants"
        if (namespace, name) in self.tenants and self.rng.random() < 0.7:
            notes = {
                self.key(): self.value("tenants") if self.rng.random() < 0.6 else None for _ in range(self.rng.randrange(1, 4))
            }
            self.write("PATCH", f"{tenants}/{name}", {"metadata": {"annotations": notes}}, MERGE)
        elif (namespace, name) in self.tenants:
            self.write("DELETE", f"{tenants}/{name}")
            self.tenants.discard((namespace, name))
        else:
            body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}}
            self.write("POST", tenants, body)
            self.tenants.add((namespace, name))


def key_facts(events: Iterable[HistoryEvent], namespaces: tuple[str, ...] = ("agree-",)) -> set[Fact]:
    """What every source has to say alike of keys: revision, map, key, what happened, and the value's hash; by the namespaces' beginnings."""
    return {
        (e.revision, e.kind, e.namespace, e.name, e.field, e.path, e.key, e.op, e.value_hash, e.value_bytes, e.shape, e.key_delta)
        for e in events
        if isinstance(e, KeyEvent) and e.op in ("set", "delete") and e.namespace.startswith(namespaces)
    }


def subject_facts(events: Iterable[HistoryEvent], namespaces: tuple[str, ...] = ("agree-",)) -> list[Fact]:
    """Of objects: who was created and deleted, in order. Revisions of deletions differ: an audit log shows the object's last."""
    return sorted(
        (e.kind, e.namespace, e.name, e.uid, e.op)
        for e in events
        if isinstance(e, SubjectEvent) and e.op in ("created", "deleted") and e.namespace.startswith(namespaces)
    )


def without_revision_of_deletions(facts: set[Fact]) -> set[Fact]:
    """A map that is deleted as a whole: the audit log knows the revision of its last state, etcd that of the deletion."""
    return {fact if fact[7] != "delete" else (None, *fact[1:]) for fact in facts}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agree")


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, list[HistoryEvent]]:
    """The same workload as each source saw it."""
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        make_tenants_kind(control_plane)
        workload = Workload(control_plane, seed=20261124)
        for namespace in workload.namespaces:
            control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        client = ApiClient(load_config(str(control_plane.kubeconfig)))
        from ghostkey.kube.discovery import discover, resolve

        kinds = [CONFIG_MAPS, SECRETS, resolve("tenants", discover(client).kinds)]
        ready = threading.Event()
        recorder = Recorder(client, kinds, DIGEST, FIELDS, on_ready=ready.set)
        recorded: list[HistoryEvent] = []
        watching = threading.Thread(target=lambda: recorded.extend(recorder.events(600)))
        watching.start()
        assert ready.wait(HANG_SECONDS)
        for _ in range(WRITES):
            workload.step()
        assert workload.refused > 20
        # the last write of all, so that every source is known to have come this far
        control_plane.request("POST", "/api/v1/namespaces/agree-0/configmaps", {"metadata": {"name": "last"}, "data": {"a": "1"}})
        control_plane.wait_until(
            lambda: any(isinstance(e, KeyEvent) and e.name == "last" for e in recorded), "the watch has seen the last write"
        )
        recorder.stop()
        watching.join()
        # one more entry in etcd's log makes the one before it known to be committed
        control_plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "after"}})
        control_plane.wait_until(
            lambda: "agree-0/configmaps" in control_plane.audit_log.read_text()[-20000:], "it is in the audit log"
        )
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        shutil.copytree(control_plane.directory / "etcd", folder / "etcd")
        shutil.copy(control_plane.audit_log, folder / "audit.log")
    return {
        "watch": recorded,
        "audit": list(AuditLog([folder / "audit.log"], DIGEST, FIELDS).events()),
        "snapshot": list(EtcdSnapshot(folder / "etcd" / "member" / "snap" / "db", DIGEST, FIELDS).events()),
        "wal": list(EtcdWal(folder / "etcd", DIGEST, FIELDS).events()),
    }


@pytest.mark.whole
def test_snapshot_and_wal_agree_on_every_key(seen: dict[str, list[HistoryEvent]]) -> None:
    snapshot = key_facts(seen["snapshot"])
    assert len(snapshot) > WRITES
    assert snapshot == key_facts(seen["wal"])


@pytest.mark.whole
@pytest.mark.parametrize("source", ["audit", "watch"])
def test_etcd_and_the_api_server_agree_on_every_key(seen: dict[str, list[HistoryEvent]], source: str) -> None:
    etcd, other = (
        without_revision_of_deletions(key_facts(seen["snapshot"])),
        without_revision_of_deletions(key_facts(seen[source])),
    )
    assert etcd - other == set()
    assert other - etcd == set()


@pytest.mark.whole
def test_fields_of_other_kinds_are_among_what_they_agree_on(seen: dict[str, list[HistoryEvent]]) -> None:
    for source, events in seen.items():
        ops = Counter(e.op for e in events if isinstance(e, KeyEvent) and e.field == "metadata.annotations")
        assert ops["set"] > 50, source
        assert ops["delete"] > 5, source


@pytest.mark.whole
@pytest.mark.parametrize("processes", [2, 5])
def test_several_processes_read_what_one_does(
    seen: dict[str, list[HistoryEvent]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    assert seen["audit"]
    monkeypatch.setattr(_audit_files, "SHARE_BYTES", 1 << 16)

    def rows(processes: int) -> dict[str, list[Any]]:
        history = History(tmp_path / str(processes))
        history.add("log", "audit", "log", partial(AuditLog([folder / "audit.log"], DIGEST).events, processes=processes))
        assert len(history.files("key_events")) == processes
        return {
            table: sorted(
                # how often a size is told depends on which lines were decoded
                (row for file in history.files(table) for row in pq.read_table(file).to_pylist() if row.get("op") != "sized"),
                key=repr,
            )
            for table in TABLES
        }

    one = rows(1)
    assert len(one["key_events"]) > WRITES
    assert rows(processes) == one


@pytest.mark.whole
@pytest.mark.parametrize("source", ["audit", "watch", "wal"])
def test_all_agree_on_objects(seen: dict[str, list[HistoryEvent]], source: str) -> None:
    assert subject_facts(seen["snapshot"]) == subject_facts(seen[source])


@pytest.mark.whole
def test_no_source_reports_damage(seen: dict[str, list[HistoryEvent]]) -> None:
    for source, events in seen.items():
        gaps = [event for event in events if isinstance(event, Covered) and event.is_gap]
        assert not [gap for gap in gaps if "damaged" in gap.why], source


@pytest.mark.whole
def test_refused_writes_are_evidence_in_the_audit_log_and_nowhere_else(seen: dict[str, list[HistoryEvent]]) -> None:
    refused = [e for e in seen["audit"] if isinstance(e, KeyEvent) and e.op.startswith("refused")]
    assert refused
    assert all(e.error for e in refused)
    assert not [e for s in ("watch", "snapshot", "wal") for e in seen[s] if isinstance(e, KeyEvent) and e.error]


def test_carving_recovers_what_was_compacted(tmp_path: Path) -> None:
    """Revisions that etcd forgot, and whose pages it has not yet written again, come back as they were, and are marked."""
    with ControlPlane(apiserver_flags=["--etcd-compaction-interval=0s"]) as control_plane:
        maps = "/api/v1/namespaces/default/configmaps"
        control_plane.request("POST", maps, {"metadata": {"name": "registry"}, "data": {}})
        for number in range(200):
            data = {f"key-{number:03d}": "x" * 400, f"key-{number - 10:03d}": None}
            control_plane.request("PATCH", f"{maps}/registry", {"data": data}, MERGE)
        control_plane.processes["kube-apiserver"].stop(signal.SIGKILL)
        control_plane.wait_until(lambda: control_plane.etcd.revision() > 200, "etcd answers")
        db = control_plane.directory / "etcd" / "member" / "snap" / "db"
        before = tmp_path / "before"
        control_plane.wait_until(lambda: _copied(db, before) == 200, "all revisions are on the disk")
        control_plane.etcd.compact()
        control_plane.wait_until(lambda: _copied(db, tmp_path / "after") < 50, "they are compacted on the disk")
        control_plane.processes["etcd"].stop()

    def registry(path: Path, *, carve: bool = False) -> list[KeyEvent]:
        events = EtcdSnapshot(path, DIGEST, carve=carve).events()
        return [e for e in events if isinstance(e, KeyEvent) and e.name == "registry"]

    true = registry(before)
    left, carved = registry(tmp_path / "after"), registry(tmp_path / "after", carve=True)
    recovered = [event for event in carved if event.is_recovered]
    # what was there at a revision, by what was written up to it
    assert len({event.revision for event in left}) == 1
    assert len({event.revision for event in recovered}) > 10
    written = {(event.key, event.value_hash): event.revision for event in true if event.op == "set"}
    for event in recovered:
        if event.op != "delete":
            assert written[event.key, event.value_hash] <= event.revision


def _copied(db: Path, target: Path) -> int:
    """How many revisions of the map a copy of etcd's file has."""
    shutil.copy(db, target)
    events = EtcdSnapshot(target, DIGEST).events()
    return len({e.revision for e in events if isinstance(e, KeyEvent) and e.name == "registry"})
