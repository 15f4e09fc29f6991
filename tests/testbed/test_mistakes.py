"""Each mistake of the testbed's operator is found on a real control plane, with the right class and the right keys."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane, Process
from tests.helpers import Found, Program, found

NAMESPACES = ("alpha", "beta")
TENANTS = "/apis/demo.ghostkey.dev/v1/namespaces/{}/tenants"
NAMES = [f"tenant-{n}" if n % 2 else f"a-rather-long-name-of-a-tenant-{n}" for n in range(12)]
LIVE, GONE = NAMES[:7], NAMES[7:]
REGISTRY = ("tenant-system", "tenant-registry")


class Workload:
    """Tenants that come and go under one operator, until everything that will happen has happened."""

    def __init__(self, control_plane: ControlPlane, mistake: str | None, *flags: str) -> None:
        self.control_plane, self.mistakes, self.flags = control_plane, [mistake] if mistake else [], flags
        self.operator = self.start()
        self.uids: dict[tuple[str, str], str] = {}

    def start(self) -> Process:
        return self.control_plane.start_operator(*self.mistakes, flags=self.flags)

    def tenants(self) -> set[tuple[str, str]]:
        items = self.control_plane.request("GET", "/apis/demo.ghostkey.dev/v1/tenants")["items"]
        return {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}

    def children(self) -> set[str]:
        secrets = self.control_plane.request("GET", "/api/v1/secrets")["items"]
        return {s["metadata"]["name"] for s in secrets if s["metadata"]["name"].endswith("-credentials")}

    def create(self, namespace: str, name: str) -> None:
        body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}}
        made = self.control_plane.request("POST", TENANTS.format(namespace), body)
        self.uids[namespace, name] = made["metadata"]["uid"]

    def come_and_go(self) -> None:
        for namespace in NAMESPACES:
            self.control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
            for name in NAMES:
                self.create(namespace, name)
        self.wait(lambda: self.keys_written() >= len(NAMES) * len(NAMESPACES), "every Tenant has its key and child")
        for namespace in NAMESPACES:
            for name in GONE:
                self.control_plane.request("DELETE", f"{TENANTS.format(namespace)}/{name}")
        left = {(namespace, name) for namespace in NAMESPACES for name in LIVE}
        self.wait(lambda: self.tenants() == left, "the deleted Tenants are gone")
        self.see_another()

    def see_another(self) -> None:
        """A new Tenant is served: the operator, which has one worker, is done with everything before it."""
        self.create("alpha", "tenant-9999")
        self.wait(lambda: self.has_child("alpha", "tenant-9999"), "a later Tenant has been served")

    def has_child(self, namespace: str, name: str) -> bool:
        return self.control_plane.raw("GET", f"/api/v1/namespaces/{namespace}/secrets/tenant-{name}-credentials")[0] == 200

    def keys_written(self) -> int:
        secrets = self.control_plane.request("GET", "/api/v1/secrets")["items"]
        return sum(s["metadata"]["name"].endswith("-credentials") for s in secrets)

    def wait(self, condition: object, what: str) -> None:
        self.control_plane.wait_until(condition, what, log=self.operator.log)  # type: ignore[arg-type]


def registry(analysis: str, keys: set[str], path: str = "") -> Found:
    return {(analysis, *REGISTRY, path + key) for key in keys}


def children(gone: list[str]) -> Found:
    return {
        ("orphaned-child", namespace, f"tenant-{name}-credentials", f"tenant-{name}-credentials")
        for namespace in NAMESPACES
        for name in gone
    }


def dotted(separator: str = ".") -> set[str]:
    return {f"{namespace}{separator}{name}" for namespace in NAMESPACES for name in GONE}


def shortened() -> set[str]:
    return {n if len(n) <= 24 else n[:15] + "-" + hashlib.sha256(n.encode()).hexdigest()[:8] for n in GONE}


EXPECTED: dict[str, Found] = {
    # without a controller manager nobody collects the children whose owner is gone
    "no-delete-on-notfound": registry("ghost-key", dotted()) | children(GONE),
    "return-on-deletion-timestamp": registry("ghost-key", dotted()) | children(GONE),
    "wrong-delete-key": registry("ghost-key", dotted()),
    "owner-reference-stripped": registry("ghost-key", dotted()) | children(GONE),
    "tombstone": registry("tombstone", dotted()),
    "nested-document": registry("ghost-key", dotted(), "tenants.json/tenants/"),
    "secret-registry": registry("ghost-key", dotted()),
    "sanitised-key": registry("ghost-key", dotted("_")),
    "shortened-key": registry("ghost-key", {key for key in shortened() if len(key) == 24}),
}


def in_memory(keys: set[str], field: str = "memory") -> Found:
    return {("ghost-entry", "", f"(main.reconciler).{field}", key) for key in keys}


# the others delete from memory as they should, and forget about the map in the cluster
IN_MEMORY = {"no-delete-on-notfound", "return-on-deletion-timestamp", "owner-reference-stripped"}


def check_scan(workload: Workload, mistake: str, state: Path) -> None:
    """What `scan` has to say of a mistake; tests/history runs it for each, on the workload whose history it explains."""
    report = Program(state, workload.control_plane.kubeconfig).scan("--process", str(workload.operator.pid))
    if mistake == "key-by-uid":
        gone = {workload.uids[namespace, name] for namespace in NAMESPACES for name in GONE}
        assert found(report) == registry("ghost-key", gone) | children(GONE) | in_memory(gone)
        return
    assert found(report) == EXPECTED[mistake] | (in_memory(dotted()) if mistake in IN_MEMORY else set())
    assert not report["gaps"]
    if mistake in IN_MEMORY:
        check_cause(report)
    writers = {f["writer"].split()[0] for f in report["findings"] if f["name"] == "tenant-registry"}
    assert writers == {"tenant-operator"}


def check_cause(report: Any) -> None:
    """Where the same subjects are ghosts in the cluster and in memory, each finding names the other."""
    for finding in report["findings"]:
        said = "\n".join(finding["evidence"])
        if finding["analysis"] == "ghost-key":
            assert "map/(main.reconciler).memory of tenant-operator: that map in memory is the cause" in said
        if finding["analysis"] == "ghost-entry":
            assert "cm/tenant-registry -n tenant-system: this map in memory is its cause" in said
            assert "map[string]string in tenant-operator (pid " in said


@pytest.mark.whole
def test_cleanup_lost_on_restart_is_found(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    workload = Workload(own_control_plane, "cleanup-lost-on-restart", "--cleanup-delay=10m")
    workload.come_and_go()
    expected_children = {f"tenant-{name}-credentials" for name in [*LIVE, "tenant-9999"]}
    workload.wait(lambda: workload.children() == expected_children, "the children of the gone are deleted")
    workload.operator.stop(signal.SIGKILL)
    workload.operator = workload.start()
    workload.create("beta", "tenant-9998")
    workload.wait(lambda: workload.has_child("beta", "tenant-9998"), "the restarted operator serves")
    report = Program(tmp_path, own_control_plane.kubeconfig).scan("--process", str(workload.operator.pid))
    assert found(report) == registry("ghost-key", dotted()), "what the memory of the first one held is gone with it"


@pytest.mark.whole
def test_double_encoding_is_found(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    workload = Workload(own_control_plane, "double-encoding")
    workload.come_and_go()
    served = [(namespace, name) for namespace in NAMESPACES for name in LIVE] + [("alpha", "tenant-9999")]
    expected = registry("doubly-encoded-value", {f"{namespace}.{name}" for namespace, name in served})
    expected |= {("doubly-encoded-value", namespace, f"tenant-{name}-credentials", "credentials") for namespace, name in served}
    assert found(Program(tmp_path, own_control_plane.kubeconfig).scan()) == expected


@pytest.mark.parametrize(
    "others", [(), pytest.param(("kube-controller-manager", "etcd", "kube-apiserver"), marks=pytest.mark.whole)]
)
def test_correct_operator_gives_no_finding(tmp_path: Path, others: tuple[str, ...]) -> None:
    with ControlPlane(controller_manager=True) as control_plane:
        workload = Workload(control_plane, None)
        workload.come_and_go()
        # the programs that serve it have tables of HTTP/2, leases and caches of what was asked for of late
        programs = [workload.operator, *(control_plane.processes[name] for name in others)]
        process = [word for program in programs for word in ("--process", str(program.pid))]
        done = Program(tmp_path, control_plane.kubeconfig)("scan", "-o", "json", "--severity", "info", *process)
        assert done.json["findings"] == [], [
            (f["analysis"], f["holder"]["name"], f["key"], f["evidence"]) for f in done.json["findings"]
        ]
        # an API server has more maps than are looked into, and says so
        assert [
            gap for gap in done.json["gaps"] if not gap["what"].endswith(" maps of kube-apiserver were not looked into")
        ] == []
        assert done.code == (3 if done.json["gaps"] else 0)
        data = control_plane.request("GET", "/api/v1/namespaces/tenant-system/configmaps/tenant-registry")["data"]
        assert len(data) == len(LIVE) * len(NAMESPACES) + 1
        assert all(json.loads(value)["plan"] == "gold" for value in data.values())
