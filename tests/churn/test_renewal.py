"""Credentials that run out while an operator works are renewed at once; what the API server refuses all the same is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.refused import Refusals
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig, load_config
from ghostkey.model.errors import AccessDenied, GhostkeyError
from ghostkey.testing import ControlPlane

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


def test_token_that_is_refused_is_renewed_in_the_same_request_for_calls_and_for_watches(connect: Connect, tmp_path: Path) -> None:
    proxy, client = connect("if [ -e now ]; then cat good; else cat bad; fi")
    (tmp_path / "now").touch()
    assert client.get("/api/v1/namespaces/tenant-system/configmaps")
    assert (tmp_path / "asked").read_text().count("x") == 2, "at the start, and once when it was refused"
    assert not Refusals().add(proxy).told()

    (tmp_path / "now").unlink()
    proxy, client = connect("if [ -e now ]; then cat good; else cat bad; fi")
    (tmp_path / "now").touch()
    assert list(client.watch("/api/v1/namespaces/tenant-system/configmaps", {}, 0.5))
    assert not Refusals().add(proxy).told()


def test_what_nobody_can_renew_is_told_with_its_number_and_the_reason(connect: Connect) -> None:
    proxy, client = connect("if [ -e gone ]; then echo 'log in again' >&2; exit 3; fi; touch gone; cat bad")
    for _ in range(2):
        with pytest.raises(AccessDenied):
            client.get(SECRETS)
    told = Refusals().add(proxy).told()
    assert told.startswith("the operator was refused: list secrets in tenant-system, 2 times: the API server answered 401 (")
    assert "log in again" in told


def test_what_the_account_has_no_right_to_is_told_with_its_number(connect: Connect) -> None:
    proxy, client = connect("cat good")
    for _ in range(3):
        with pytest.raises(AccessDenied):
            client.get(SECRETS)
    with pytest.raises(GhostkeyError):
        list(client.watch(SECRETS, {}, 1.0))
    told = Refusals().add(proxy).told()
    assert "list secrets in tenant-system, 3 times: the API server answered 403" in told
    assert "watch secrets in tenant-system, once: the API server answered 403" in told
