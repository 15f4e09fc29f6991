"""Credentials that run out while an operator works are renewed at once; what the API server refuses all the same is counted."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.refused import Refusals
from ghostkey.churn.run import account_kubeconfig
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig, load_config
from ghostkey.model.errors import AccessDenied, GhostkeyError
from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN, TenantBed, operator
from tests.helpers import HANG_SECONDS, Program

SECRETS = "/api/v1/namespaces/tenant-system/secrets"
Connect = Callable[[str], tuple[ProxyProcess, ApiClient]]


@pytest.fixture
def connect(cluster: ControlPlane, tmp_path: Path) -> Iterator[Connect]:
    """A proxy whose exec plug-in runs this script, in a folder with `good` and `bad` credentials, and a client that asks through it."""
    cluster.request(
        "POST", "/api/v1/namespaces/tenant-system/serviceaccounts", {"metadata": {"name": tmp_path.name[:40].replace("_", "-")}}
    )
    account = tmp_path.name[:40].replace("_", "-")
    path = f"/api/v1/namespaces/tenant-system/serviceaccounts/{account}"
    bound = {"metadata": {"name": account}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
             "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "tenant-system"}]}  # fmt: skip
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    cluster.request("POST", bindings, bound)
    token = cluster.request("POST", f"{path}/token", {"spec": {}})["status"]["token"]
    for name, text in (("good", token), ("bad", "revoked")):
        status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": text}}
        (tmp_path / name).write_text(json.dumps(status))
    proxies = []

    def made(script: str) -> tuple[ProxyProcess, ApiClient]:
        proxy = ProxyProcess.before_cluster(config(cluster, tmp_path, script), tmp_path, f"proxy-{len(proxies)}")
        proxies.append(proxy)
        return proxy, ApiClient(load_config(str(proxy.kubeconfig), None, None, None, ()))

    yield made
    for proxy in proxies:
        proxy.close()
    cluster.request("DELETE", f"{bindings}/{account}")
    cluster.request("DELETE", path)


def config(cluster: ControlPlane, folder: Path, script: str) -> ClientConfig:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\ncd {folder}\necho x >> asked\n{script}\n")
    program.chmod(0o755)
    document = json.loads(cluster.kubeconfig.read_text())
    version = "client.authentication.k8s.io/v1"
    document["users"][0]["user"] = {"exec": {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}}
    (folder / "kubeconfig").write_text(json.dumps(document))
    return load_config(str(folder / "kubeconfig"), None, None, None, ())


@pytest.mark.whole
def test_token_that_is_refused_is_renewed_in_the_same_request_for_calls_and_for_watches(connect: Connect, tmp_path: Path) -> None:
    proxy, client = connect("if [ -e now ]; then cat good; else cat bad; fi")
    (tmp_path / "now").touch()
    assert client.get("/api/v1/namespaces/tenant-system/configmaps")
    assert (tmp_path / "asked").read_text().count("x") == 2, "at the start, and once when it was refused"
    assert not Refusals().add(proxy).told()

    (tmp_path / "now").unlink()
    proxy, client = connect("if [ -e now ]; then cat good; else cat bad; fi")
    (tmp_path / "now").touch()
    assert next(client.watch("/api/v1/namespaces/tenant-system/configmaps", {}, HANG_SECONDS))
    assert not Refusals().add(proxy).told()


def test_what_nobody_can_renew_is_told_with_its_number_and_the_reason(connect: Connect) -> None:
    proxy, client = connect("if [ -e gone ]; then echo 'log in again' >&2; exit 3; fi; touch gone; cat bad")
    for _ in range(2):
        with pytest.raises(AccessDenied):
            client.get(SECRETS)
    told = Refusals().add(proxy).told()
    assert told.startswith("the operator was refused: list secrets in tenant-system, 2 times: the API server answered 401 (")
    assert "log in again" in told


def test_plug_in_that_has_no_others_is_not_run_for_each_call(connect: Connect, tmp_path: Path) -> None:
    proxy, client = connect("cat bad")
    for _ in range(20):
        with pytest.raises(AccessDenied):
            client.get(SECRETS)
    assert (tmp_path / "asked").read_text().count("x") == 2, "at the start, and once when it was refused"
    assert "20 times: the API server answered 401" in Refusals().add(proxy).told()


def test_reason_stands_until_there_are_others(connect: Connect, cluster: ControlPlane, tmp_path: Path) -> None:
    proxy, client = connect("cat bad")
    proxy.renewal_failed = "log in again"
    proxy.renew(config(cluster, tmp_path, "cat bad"))
    assert proxy.renewal_failed == "log in again"
    proxy.renew(config(cluster, tmp_path, "cat good"))
    assert not proxy.renewal_failed
    assert client.get("/api/v1/namespaces/tenant-system/configmaps")


def test_what_the_account_has_no_right_to_is_told_with_its_number(connect: Connect) -> None:
    proxy, client = connect("cat good")
    for _ in range(3):
        with pytest.raises(AccessDenied):
            client.get(SECRETS)
    with pytest.raises(GhostkeyError):
        list(client.watch(SECRETS, {}, HANG_SECONDS))
    told = Refusals().add(proxy).told()
    assert "list secrets in tenant-system, 3 times: the API server answered 403" in told
    assert "watch secrets in tenant-system, once: the API server answered 403" in told


def test_what_a_policy_does_not_let_in_is_told_until_it_is_let_in(cluster: ControlPlane, tmp_path: Path) -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "gk-admission", "labels": level}})
    cluster.wait_until(
        lambda: cluster.raw("GET", "/api/v1/namespaces/gk-admission/serviceaccounts/default")[0] == 200, "its account is there"
    )
    config = load_config(str(cluster.kubeconfig), None, None, None, ())
    proxy = ProxyProcess.before_cluster(config, tmp_path, "proxy")
    try:
        client = ApiClient(load_config(str(proxy.kubeconfig), None, None, None, ()))
        pod = {"metadata": {"name": "of-gkabcdefgx"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
        pods = "/api/v1/namespaces/gk-admission/pods"
        with pytest.raises(AccessDenied):
            client.write("POST", pods, json.dumps(pod).encode())
        told = "the operator was refused: create pods in gk-admission, once: the API server answered 403"
        assert Refusals().add(proxy).told() == told
        lifted = json.dumps({"metadata": {"labels": None}}).encode()
        cluster.request("PATCH", "/api/v1/namespaces/gk-admission", json.loads(lifted), "application/merge-patch+json")
        # its informer may be a moment behind
        cluster.wait_until(lambda: is_let_in(client, pods, pod), "it is let in")
        assert not Refusals().add(proxy).told()
    finally:
        proxy.close()
        cluster.request("DELETE", "/api/v1/namespaces/gk-admission")


def is_let_in(client: ApiClient, path: str, document: dict[str, Any]) -> bool:
    try:
        client.write("POST", path, json.dumps(document).encode())
    except AccessDenied:
        return False
    return True


LIMITED = [
    {"apiGroups": ["demo.ghostkey.dev", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "delete"]},
]


def grant(cluster: ControlPlane, account: str, verbs: Sequence[str] = ("*",)) -> None:
    """Gives an account of tenant-system all that the tenant operator needs but to create Secrets. `verbs`: of ConfigMaps."""
    root = "/apis/rbac.authorization.k8s.io/v1"
    maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}
    rules = [*LIMITED, maps]
    cluster.request("POST", f"{root}/clusterroles", {"metadata": {"name": account}, "rules": rules})
    cluster.request("POST", f"{root}/clusterrolebindings", {
        "metadata": {"name": account}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "tenant-system"}],
    })  # fmt: skip


REFUSED = re.compile(r"the operator was refused: (create|patch) secrets in [-a-z0-9]+, \d+ times: the API server answered 403")


@pytest.mark.whole
def test_operator_that_is_refused_on_a_control_plane_of_our_own_is_not_clean(tenants: TenantBed) -> None:
    grant(tenants.bed.control_plane, "limited")
    limited = account_kubeconfig(tenants.bed.control_plane, "tenant-system/limited")
    outcome, _ = dataclasses.replace(tenants, user_kubeconfig=limited).rounds("", rounds=1, subjects=3)
    assert not outcome.findings
    assert outcome.result == "inconclusive"
    assert any(REFUSED.match(why) for why in outcome.inconclusive), outcome.inconclusive


@pytest.mark.whole
def test_operator_that_is_refused_in_a_given_cluster_is_neither_clean_nor_convicted(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    grant(cluster, "refused")
    words = ("--as-serviceaccount=tenant-system/refused", "--writes-in=tenant-system", "--no-faults")
    done = files_program(*GIVEN_RUN, sample, operator("wrong-delete-key"), *words, f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 3, (done.out, done.err)
    assert any(REFUSED.match(why) for why in done.json["inconclusive"]), done.json["inconclusive"]
    (found,) = (one for one in done.json["verdicts"] if "data[<ns>.<S>] (key)" in one["signature"])
    assert found["verdict"] == "INCONCLUSIVE"
    assert REFUSED.match(found["because"])
