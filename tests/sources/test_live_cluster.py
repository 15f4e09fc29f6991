"""What a scan of a live cluster says when it may not see everything, and when the server goes away."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.kube.objects import decode_metadata
from ghostkey.model.errors import ApiFailed
from ghostkey.sources.live_cluster import LiveCluster, Scope
from ghostkey.store.snapshot import Snapshot
from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, found, make_map, make_registry

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    """A namespace with a registry map that has nine ghosts."""
    make_registry(control_plane, namespace, LIVE, GONE)
    return namespace


def ghosts(namespace: str) -> set[tuple[str, str, str, str]]:
    return {("ghost-key", namespace, "registry", f"{namespace}.{name}") for name in GONE}


EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}
MAPS = {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list"]}


def reader(control_plane: ControlPlane, program: Program, user: str, *rules: dict[str, object]) -> Program:
    bind(control_plane, user, list(rules))
    return program.as_user(control_plane.kubeconfig_for(user))


def test_everything_seen_is_exit_1_and_no_gap(control_plane: ControlPlane, registry: str, program: Program) -> None:
    done = reader(control_plane, program, f"all-{registry}", EVERYTHING)("scan", "-n", registry, "-o", "json")
    assert done.code == 1
    assert found(done.json) == ghosts(registry)
    assert done.json["gaps"] == []


@pytest.mark.whole
def test_custom_resources_of_every_page_live(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """A list of custom resources has its metadata, and the token of the next page, after its items."""
    names = [f"shop-{number}" for number in range(1100)]  # a first page has 500
    make_registry(control_plane, namespace, [], ["closed-shop"])
    path, head = f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants", {"apiVersion": "demo.ghostkey.dev/v1"}
    control_plane.create_many([(path, {**head, "kind": "Tenant", "metadata": {"name": name}}) for name in names])
    make_map(control_plane, namespace, "shops", {f"{namespace}.{name}": "{}" for name in [*names, "closed-shop"]})
    done = program("scan", "-n", namespace, "-o", "json")
    assert {found["key"] for found in done.json["findings"] if found["analysis"] == "ghost-key"} == {f"{namespace}.closed-shop"}
    assert done.json["gaps"] == []


def test_key_that_stands_in_a_field_of_a_live_custom_resource_is_no_ghost(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    tenants = f"/apis/demo.ghostkey.dev/v1/namespaces/{registry}/tenants"
    for tenant, plan in ((LIVE[0], GONE[0]), (LIVE[1], f"{registry}.{GONE[1]}")):
        control_plane.request("PATCH", f"{tenants}/{tenant}", {"spec": {"plan": plan}}, "application/merge-patch+json")
    status = {"status": {"shards": {"main": GONE[2]}}}
    control_plane.request("PATCH", f"{tenants}/{LIVE[2]}/status", status, "application/merge-patch+json")
    done = program("scan", "-n", registry, "-o", "json")
    assert found(done.json) == {("ghost-key", registry, "registry", f"{registry}.{name}") for name in GONE[3:]}


def test_of_very_many_custom_resources_the_first_are_read_whole(
    control_plane: ControlPlane, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ghostkey.sources.live_cluster.CUSTOM_BYTES", 1)
    monkeypatch.setattr("ghostkey.kube.client.PAGE", 2)
    monkeypatch.setattr("ghostkey.kube.client.PAGE_LEAST", 2)
    monkeypatch.setattr("ghostkey.kube.client.PAGE_BYTES", 1)
    client = ApiClient(load_config(str(control_plane.kubeconfig)))
    seen = Snapshot(client.config.server)
    seen.absorb(LiveCluster(client, Scope()).events())
    mine = [name for name, namespace in zip(seen.subjects.names, seen.subjects.namespaces, strict=True) if namespace == registry]
    assert set(LIVE) <= set(mine)
    words = set().union(*seen.subjects.carried.values())
    assert "gold" in words


def test_denied_subject_kind_makes_its_keys_unknown(control_plane: ControlPlane, registry: str, program: Program) -> None:
    rules = [{**EVERYTHING, "apiGroups": ["", "apps", "batch"]}]
    done = reader(control_plane, program, f"no-tenants-{registry}", *rules)("scan", "-n", registry, "-o", "json")
    assert done.code == 3
    assert found(done.json) == set()
    assert any(gap["kind"] == "tenants.demo.ghostkey.dev" for gap in done.json["gaps"])
    assert re.search(r"\d+ kinds could not be listed: .*\btenants\.demo\.ghostkey\.dev, ", done.err)
    assert len(done.err.splitlines()) <= 6
    assert 'User "no-tenants-' in done.err
    assert "hint: `ghostkey rbac` prints the rights" in done.err


def test_any_denied_kind_makes_inferred_ghosts_unknown_until_kinds_are_named(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    rules = [{**EVERYTHING, "apiGroups": ["", "apps", "batch", "demo.ghostkey.dev"]}]
    limited = reader(control_plane, program, f"limited-{registry}", *rules)
    done = limited("scan", "-n", registry, "-o", "json")
    assert done.code == 3
    assert found(done.json) == set()
    assert found(done.json, "unknown") == ghosts(registry)
    named = limited("scan", "-n", registry, "-o", "json", "--kinds", "tenants.demo.ghostkey.dev")
    assert named.code == 1
    assert found(named.json) == ghosts(registry)
    declared = limited("scan", "-n", registry, "-o", "json", "--subject", "tenants.demo={namespace}.{name}")
    assert found(declared.json) == ghosts(registry)


@pytest.mark.whole
def test_subjects_of_one_namespace_only(control_plane: ControlPlane, registry: str, program: Program) -> None:
    """A Role instead of a ClusterRole: keys that name this namespace are judged, those of others are not."""
    merge = {"data": {f"elsewhere.{name}": "{}" for name in GONE}}
    path = f"/api/v1/namespaces/{registry}/configmaps/registry"
    control_plane.request("PATCH", path, merge, "application/merge-patch+json")
    user = f"local-{registry}"
    bind(control_plane, user, [EVERYTHING], registry)
    program = program.as_user(control_plane.kubeconfig_for(user))
    done = program("scan", "-n", registry, "-o", "json", "--subject", "tenants.demo={namespace}.{name}")
    assert done.code == 3
    assert found(done.json) == ghosts(registry)
    unknown = {key for *_, key in found(done.json, "unknown")}
    assert unknown <= {f"elsewhere.{name}" for name in GONE}


@pytest.mark.whole
def test_maps_that_cannot_be_listed_are_said(control_plane: ControlPlane, registry: str, program: Program) -> None:
    rules = [{**EVERYTHING, "resources": ["configmaps", "tenants", "pods"], "apiGroups": ["*"]}]
    done = reader(control_plane, program, f"no-secrets-{registry}", *rules)(
        "scan", "-n", registry, "-o", "json", "--kinds", "tenants.demo.ghostkey.dev"
    )
    assert done.code == 3
    assert "secrets could not be listed" in done.err
    nothing = reader(control_plane, program, f"nothing-{registry}")("scan", "-n", registry, "-o", "json")
    assert nothing.code == 3
    assert nothing.json["findings"] == []


def test_pods_that_cannot_be_seen_stop_an_unused_verdict(control_plane: ControlPlane, registry: str, program: Program) -> None:
    """Which keys Pods use is not known: no key may be called unused."""
    make_map(control_plane, registry, "settings", {"a": "1", "b": "2"})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "env": [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}]}]}}  # fmt: skip
    control_plane.request("POST", f"/api/v1/namespaces/{registry}/pods", pod)
    everything = program.scan("-n", registry, "--severity", "info", "--only", "unused-key")
    assert ("unused-key", registry, "settings", "b") in found(everything)
    rules = [{**EVERYTHING, "resources": ["configmaps", "secrets", "tenants"]}]
    blind = reader(control_plane, program, f"no-pods-{registry}", *rules)
    assert found(blind.scan("-n", registry, "--severity", "info", "--only", "unused-key")) == set()


@pytest.mark.whole
def test_api_group_that_does_not_answer_is_a_gap(registry: str, control_plane: ControlPlane, program: Program) -> None:
    service = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.broken.example.com"}, "spec": {
        "group": "broken.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
        "service": {"namespace": "default", "name": "nobody"}, "insecureSkipTLSVerify": True}}  # fmt: skip
    metrics = json.loads(
        json.dumps(service)
        .replace("broken.example.com", "metrics.k8s.io")
        .replace("v1.", "v1beta1.")
        .replace('"v1"', '"v1beta1"')
    )
    metrics["apiVersion"] = "apiregistration.k8s.io/v1"
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    control_plane.request("POST", path, metrics)
    try:
        # a metrics server that is down is an everyday sight, and no key is written for what it serves
        assert program("scan", "-n", registry).code == 1
        control_plane.request("POST", path, service)
        control_plane.wait_until(
            lambda: b"broken.example.com" in control_plane.raw("GET", "/apis")[1], "the API service is known"
        )
        done = program("scan", "-n", registry, "-o", "json")
        assert done.code == 3
        assert "kinds of broken.example.com/v1 are not known" in done.err
        assert found(done.json, "unknown") == ghosts(registry)
    finally:
        control_plane.raw("DELETE", f"{path}/v1.broken.example.com")
        control_plane.raw("DELETE", f"{path}/v1beta1.metrics.k8s.io")


# the server goes away in the middle


@contextlib.contextmanager
def relay(control_plane: ControlPlane, after_bytes: int, kills: bool) -> Iterator[int]:
    """A port that leads to the API server until so many bytes have come back; then the server is killed, or the line cut."""
    host, port = control_plane.url.removeprefix("https://").split(":")
    passed = 0
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            nonlocal passed
            if over.is_set():
                return
            with socket.create_connection((host, int(port))) as upstream:
                threading.Thread(target=self.forward, args=(upstream,), daemon=True).start()
                with contextlib.suppress(OSError):
                    while block := upstream.recv(16384):
                        passed += len(block)
                        if passed > after_bytes:
                            over.set()
                            if kills:
                                os.kill(control_plane.processes["kube-apiserver"].pid, signal.SIGKILL)
                            return
                        self.request.sendall(block)

        def forward(self, upstream: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while block := self.request.recv(16384):
                    upstream.sendall(block)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.whole
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cut"])
def test_server_that_goes_away_midway_is_an_error_and_no_half_report(
    own_control_plane: ControlPlane, tmp_path: Path, kills: bool
) -> None:
    own_control_plane.create_many([
        ("/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"m-{n}"}, "data": {"k": "x" * 500}}) for n in range(1500)
    ])  # fmt: skip
    with relay(own_control_plane, 900_000, kills) as port:
        config = json.loads(own_control_plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        done = Program(tmp_path / "state", tmp_path / "kubeconfig")("scan", "-o", "json")
    assert done.code == 5
    assert done.out == ""
    assert f"error: cannot read /api/v1/configmaps at 127.0.0.1:{port}" in done.err


def test_expired_list_goes_on_where_the_server_says() -> None:
    """A LIST that takes longer than etcd's history: compaction between the pages, and no object is lost."""
    names = {f"m-{n}" for n in range(60)}
    path = "/api/v1/namespaces/default/configmaps"
    # without the watch cache every page comes from etcd, as on servers before 1.34
    with ControlPlane(apiserver_flags=["--watch-cache=false"]) as control_plane:
        control_plane.create_many([(path, {"metadata": {"name": name}}) for name in sorted(names)])
        client = ApiClient(load_config(str(control_plane.kubeconfig)))
        answers: list[int] = []
        first = json.loads(client.get(path, {"limit": "20"}))
        make_map(control_plane, "default", "made-meanwhile", {})
        control_plane.etcd.compact()
        with pytest.raises(ApiFailed) as expired:
            client.get(path, {"limit": "20", "continue": first["metadata"]["continue"]})
        assert expired.value.status == 410
        seen: set[str] = set()
        for body in client.list_pages(path, limit=20):
            seen |= {item.metadata.name for item in decode_metadata(body).items or ()}
            # the next page is on its way already: expire the one after it
            make_map(control_plane, "default", f"made-meanwhile-{len(answers)}", {})
            control_plane.etcd.compact()
            answers.append(len(body))
        assert len(answers) >= 4
        assert seen >= names
