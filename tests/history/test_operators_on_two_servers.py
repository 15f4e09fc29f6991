"""A controller-runtime operator and one of kopf, each through an API server of its own on one etcd: what the sources say of both agrees."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.etcd.wal import EtcdWal
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.testing import ControlPlane
from ghostkey.testing.binaries import binary
from tests.helpers import make_tenants_kind
from tests.history.servers import servers, stop
from tests.history.test_mistakes import SHOWS_ALL
from tests.history.test_sources_agree import FIELDS, key_facts, subject_facts, without_revision_of_deletions

DIGEST = KeyedHash(b"the same for all sources")
NAMESPACES = ("alpha", "beta")
OURS = (*NAMESPACES, "default", "tenant-system")
NAMES = [f"tenant-{number:04d}" for number in range(12)]
TENANTS = "/apis/demo.ghostkey.dev/v1/namespaces/{}/tenants"
GONE = NAMES[:6]


def come_and_go(control_plane: ControlPlane) -> None:
    """Tenants come, both operators write a key for each, and half of them go."""

    def keys(namespace: str, name: str) -> set[str]:
        status, _ = control_plane.raw("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        found = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}") if status == 200 else {}
        return set(found.get("data") or {})

    for namespace in NAMESPACES:
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for name in NAMES:
            body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}}
            control_plane.request("POST", TENANTS.format(namespace), body)
    all_keys = {f"{namespace}.{name}" for namespace in NAMESPACES for name in NAMES}
    for spot in (("default", "kopf-registry"), ("tenant-system", "tenant-registry")):
        control_plane.wait_until(lambda spot=spot: keys(*spot) >= all_keys, f"every Tenant has its key in {spot[1]}")  # type: ignore[misc]
    for namespace in NAMESPACES:
        for name in GONE:
            control_plane.request("DELETE", f"{TENANTS.format(namespace)}/{name}")

    def left() -> int:
        return len(control_plane.request("GET", "/apis/demo.ghostkey.dev/v1/tenants")["items"])

    control_plane.wait_until(lambda: left() == len(NAMESPACES) * (len(NAMES) - len(GONE)), "the deleted Tenants are gone")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logs of both servers, and what etcd keeps."""
    folder = tmp_path_factory.mktemp("operators")
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        make_tenants_kind(control_plane)
        for number, server in enumerate(found := servers(control_plane, 2)):
            control_plane.wait_until(lambda server=server: server.answers(TENANTS.format("default")), "Tenants are served")  # type: ignore[misc]
            kubeconfig = str(server.kubeconfig(folder))
            if number == 0:
                control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "tenant-system"}})
                control_plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "kopf-registry"}})
                words = [
                    sys.executable,
                    "-m",
                    "kopf",
                    "run",
                    "--all-namespaces",
                    str(Path(__file__).with_name("kopf_operator.py")),
                ]
                control_plane.start("kopf", words, {"KUBECONFIG": kubeconfig, "KUBECTL": str(binary("kubectl"))})
            else:
                words = [str(binary("tenant-operator")), "--mistake=wrong-delete-key"]
                control_plane.start("tenant-operator", words, {"KUBECONFIG": kubeconfig})
        come_and_go(control_plane)
        for name in ("tenant-operator", "kopf"):
            control_plane.processes[name].stop()
        for server in found:
            # one more entry in etcd's log makes the one before it known to be committed
            connection = server.connect()
            for _ in range(2):
                connection.request("POST", "/api/v1/namespaces/kube-public/configmaps", '{"metadata": {"generateName": "last-"}}')
                assert connection.getresponse().read()
            control_plane.wait_until(
                lambda server=server: server.has_logged("kube-public/configmaps"), "the log has the last write"
            )  # type: ignore[misc]
        stop(control_plane, found)
        shutil.copytree(control_plane.directory / "etcd", folder / "etcd")
        (folder / "audit").mkdir()
        for server in found:
            shutil.copy(server.audit_log, folder / "audit" / f"{server.process}.log")
    return folder


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, list[HistoryEvent]]:
    return {
        "audit": list(AuditLog([folder / "audit"], DIGEST, FIELDS).events()),
        "snapshot": list(EtcdSnapshot(folder / "etcd" / "member" / "snap" / "db", DIGEST, FIELDS).events()),
        "wal": list(EtcdWal(folder / "etcd", DIGEST, FIELDS).events()),
    }


@pytest.mark.whole
@pytest.mark.parametrize("source", ["audit", "wal"])
def test_sources_agree_on_what_both_operators_wrote(seen: dict[str, list[HistoryEvent]], source: str) -> None:
    etcd, other = (without_revision_of_deletions(key_facts(seen[name], OURS)) for name in ("snapshot", source))
    assert sum(fact[3] == "kopf-registry" for fact in etcd) >= len(NAMESPACES) * len(NAMES)
    assert sum(fact[3] == "tenant-registry" for fact in etcd) >= len(NAMESPACES) * len(NAMES)
    assert (etcd - other, other - etcd) == (set(), set())
    tenants = [
        [fact for fact in subject_facts(seen[name], OURS) if fact[0].startswith("tenants")] for name in ("snapshot", source)
    ]
    assert tenants[0] == tenants[1]
    assert Counter(fact[4] for fact in tenants[0]) == {"created": 24, "deleted": 12}


@pytest.mark.whole
def test_nothing_of_two_whole_logs_is_a_gap(seen: dict[str, list[HistoryEvent]]) -> None:
    began = min(event.at for event in seen["audit"] if isinstance(event, KeyEvent) and event.name == "kopf-registry" and event.at)
    gaps = [
        event for event in seen["audit"] if isinstance(event, Covered) and event.is_gap and (event.until or began + 1) > began
    ]
    # what the servers themselves write there, before any log is
    assert [event.why for event in gaps if event.namespace != "kube-system"] == []


@pytest.mark.whole
def test_each_operators_mistake_is_told_by_its_class_and_its_name(folder: Path, tmp_path: Path) -> None:
    store = History(tmp_path / "store")
    story.import_paths(store, [folder / "audit"])
    engine = DuckEngine(store)
    story.prepare(engine)
    rows = engine.rows("SELECT name, key, class, wrong_key, attempt_agent, manager FROM missed_deletion")
    by_map = {name: {row["key"]: row for row in rows if row["name"] == name} for name in ("kopf-registry", "tenant-registry")}
    odd = {f"{namespace}.{name}" for namespace in NAMESPACES for name in GONE if int(name[-1]) % 2}
    assert by_map["kopf-registry"].keys() == odd
    assert by_map["tenant-registry"].keys() == {f"{namespace}.{name}" for namespace in NAMESPACES for name in GONE}
    for name, agent in (("kopf-registry", "kubectl"), ("tenant-registry", "tenant-operator")):
        assert {row["class"] for row in by_map[name].values()} == {"wrong-key-name"}
        assert all(row["attempt_agent"].startswith(agent) for row in by_map[name].values())
        assert all(row["wrong_key"] != row["key"] for row in by_map[name].values())
