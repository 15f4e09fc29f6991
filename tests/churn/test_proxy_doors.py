"""Through the proxy goes the operator alone, as whom it was started, and past its guard goes nothing."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.proxy.leases import is_own, own_lease
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane

LEASES = "/apis/coordination.k8s.io/v1"
OURS = "gk-doors"


@pytest.fixture(scope="module")
def proxy(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    """One that asks as an account without rights, keeps Leases in a namespace of its own, and lets writes go there alone."""
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": OURS}})
    config = load_config(str(cluster.kubeconfig), None, None, None, ())
    account = ("system:serviceaccount:default:nobody", ["system:authenticated"])
    made = ProxyProcess.before_cluster(config, tmp_path_factory.mktemp("doors"), "proxy", account)
    made.ask("guard", namespaces=[OURS, "default"])
    made.ask("own-leases", suffix="", namespace=OURS)
    yield made
    made.close()
    cluster.request("DELETE", f"/api/v1/namespaces/{OURS}")


def asked(proxy: ProxyProcess, method: str, target: str, body: object = None, token: str | None = "") -> tuple[int, str]:
    """Status and body. `token`: "" for that of the kubeconfig, None for no header at all."""
    context = ssl.create_default_context(cafile=str(proxy.ca))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context)
    headers = {} if token is None else {"Authorization": f"Bearer {token or proxy.token}"}
    try:
        connection.request(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("token", [None, "ghostkey-churn", "é"])
@pytest.mark.parametrize("query", ["", "?watch=1&timeoutSeconds=1"])
def test_who_does_not_show_the_token_of_this_proxy_is_let_do_nothing(proxy: ProxyProcess, token: str | None, query: str) -> None:
    status, body = asked(proxy, "GET", f"/api/v1/namespaces{query}", token=token)
    assert status == 401
    assert "items" not in body
    assert asked(proxy, "GET", "/version")[0] == 200


def test_token_is_another_one_each_time_and_stands_in_files_of_the_user_alone(
    proxy: ProxyProcess, cluster: ControlPlane, tmp_path: Path
) -> None:
    other = ProxyProcess.before_cluster(load_config(str(cluster.kubeconfig), None, None, None, ()), tmp_path, "proxy")
    other.close()
    assert other.token != proxy.token
    assert len(other.token) > 40
    holding = [path for path in tmp_path.iterdir() if other.token in path.read_text(errors="replace")]
    assert sorted(path.name for path in holding) == ["proxy-kubeconfig.json", "proxy.json"]
    assert {path.stat().st_mode & 0o777 for path in holding} == {0o600}


def test_leases_of_the_run_alone_are_asked_for_in_its_own_name(proxy: ProxyProcess) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader", "namespace": "default"}}
    assert asked(proxy, "POST", f"{LEASES}/namespaces/default/leases", lease)[0] == 201
    assert asked(proxy, "GET", f"{LEASES}/leases")[0] == 403, "those of all namespaces are for whom the account may ask"
    # nobody has made that kind: an administrator is told so, and an account without rights is refused before
    kind = {"apiVersion": "ipam.example.com/v1", "kind": "Lease", "metadata": {"name": "a"}}
    assert asked(proxy, "POST", "/apis/ipam.example.com/v1/namespaces/default/leases", kind)[0] == 403


@pytest.mark.parametrize(
    ("target", "is_ours"),
    [
        (f"{LEASES}/namespaces/ops/leases/leader?timeout=5s", True),
        (f"{LEASES}/namespaces/ops/leases", True),
        (f"{LEASES}/leases", False),
        (f"{LEASES}/namespaces/ops/leases/..", False),
        (f"{LEASES}/namespaces/ops/leases/a%2F..%2F..%2Fsecrets", False),
        ("/apis/ipam.example.com/v1/namespaces/ours/leases", False),
        ("/api/v1/namespaces/ours/leases", False),
    ],
)
def test_lease_is_the_runs_own_where_it_was_led_into_its_namespace(target: str, is_ours: bool) -> None:
    led, _, _ = own_lease("GET", target, b"", "", "ours")
    assert is_own(led, "ours") is is_ours
    assert not is_own(led, "")


@pytest.mark.parametrize("path", ["services/y:80%2Fproxy%2Fdanger", "pods/p%2fexec", "services/y:80/%70roxy/danger"])
def test_guard_is_asked_before_a_watch_too(proxy: ProxyProcess, path: str) -> None:
    status, body = asked(proxy, "GET", f"/api/v1/namespaces/default/{path}?watch=1")
    assert status == 403
    assert "ghostkey churn lets nothing be written" in body
