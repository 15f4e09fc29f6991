"""Credentials and certificates that end, or are replaced, while a run in a given cluster goes on."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.refused import Refusals
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN, SAMPLE, namespaces, operator
from tests.helpers import HANG_SECONDS, Program

CONFIGMAPS = "/api/v1/namespaces/tenant-system/configmaps"
TENANTS = f"/apis/{SAMPLE['apiVersion']}/tenants"
ACCOUNTS = "/api/v1/namespaces/tenant-system/serviceaccounts"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture
def plugin(cluster: ControlPlane, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig whose exec plug-in gives a token that is run out each time, until there is a file called `gone`."""
    cluster.request("POST", ACCOUNTS, {"metadata": {"name": "runs"}})
    cluster.request("POST", BINDINGS, {
        "metadata": {"name": "runs"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "runs", "namespace": "tenant-system"}],
    })  # fmt: skip
    token = cluster.request("POST", f"{ACCOUNTS}/runs/token", {"spec": {}})["status"]["token"]
    status = {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    version = "client.authentication.k8s.io/v1"
    (tmp_path / "good").write_text(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status}))
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\nif [ -e gone ]; then echo 'log in again' >&2; exit 3; fi\ncat good\n")
    program.chmod(0o755)
    document = json.loads(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {"exec": {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}}
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    yield tmp_path / "kubeconfig"
    cluster.request("DELETE", f"{BINDINGS}/runs")
    cluster.raw("DELETE", f"{ACCOUNTS}/runs")


@pytest.mark.whole
@pytest.mark.parametrize(
    ("is_ours", "is_revoked"),
    [(True, False), pytest.param(False, False, marks=pytest.mark.whole), pytest.param(False, True, marks=pytest.mark.whole)],
)
def test_credentials_that_end_in_the_middle_end_no_run_without_what_is_not_known(
    cluster: ControlPlane, files_program: Program, sample: str, plugin: Path, is_ours: bool, is_revoked: bool
) -> None:
    before, gone = namespaces(cluster), plugin.with_name("gone")
    started = (operator("wrong-delete-key"), "--writes-in=tenant-system", "--no-faults") if is_ours else ()
    theirs = None if is_ours else cluster.start_operator("wrong-delete-key", name="theirs")
    try:
        running = files_program.start(*GIVEN_RUN, sample, *started, "--rounds=50", f"--kubeconfig={plugin}")
        try:
            cluster.wait_until(lambda: bool(cluster.request("GET", TENANTS)["items"]), "subjects are there")
            if is_revoked:
                cluster.request("DELETE", f"{ACCOUNTS}/runs")
            else:
                gone.touch()
            out, said = running.communicate(timeout=HANG_SECONDS)
        finally:
            running.kill()
        assert running.returncode == 3, (out, said)
        reasons = json.loads(out)["inconclusive"]
        assert any(why.startswith("the cluster could not be looked at any longer") and "log in again" in why for why in reasons)
        assert not any("could not be read" in why for why in reasons), "it is said once, and not of each kind"
        (left,) = (why for why in reasons if "could not be removed" in why)
        assert left.endswith("ghostkey churn --clean-up tries again")
        assert f"ghostkey churn --clean-up --kubeconfig {plugin}" in said
        assert namespaces(cluster) > before

        gone.unlink(missing_ok=True)
        done = files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig if is_revoked else plugin}")
        assert done.code == 0, done.err
        assert namespaces(cluster) == before
    finally:
        if theirs is not None:
            theirs.stop()


Pair = Callable[[bool], None]


@pytest.fixture
def files(cluster: ControlPlane, tmp_path: Path) -> tuple[Path, Pair]:
    """A kubeconfig with files of a certificate and its key; and what replaces both, by some that have run out or by good ones."""

    def replace(is_expired: bool) -> None:
        user = json.loads(cluster.kubeconfig_for("rotated", groups=["system:masters"], is_expired=is_expired).read_text())
        for word in ("certificate", "key"):
            content = user["users"][0]["user"][f"client-{word}-data"]
            (tmp_path / f"new-{word}").write_bytes(base64.b64decode(content))
            os.replace(tmp_path / f"new-{word}", tmp_path / word)

    document: dict[str, Any] = json.loads(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {"client-certificate": "certificate", "client-key": "key"}
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    return tmp_path / "kubeconfig", replace


def test_client_certificate_whose_file_is_replaced_is_read_again_when_the_old_one_is_refused(
    files: tuple[Path, Pair], tmp_path: Path
) -> None:
    kubeconfig, replace = files
    replace(True)
    config = load_config(str(kubeconfig), None, None, None, ())
    client, other = ApiClient(config), load_config(str(kubeconfig), None, None, None, ())
    proxy = ProxyProcess.before_cluster(other, tmp_path, "proxy")
    try:
        behind = ApiClient(load_config(str(proxy.kubeconfig), None, None, None, ()))
        config.credentials()  # read before it is replaced
        replace(False)
        assert client.get(CONFIGMAPS)
        assert behind.get(CONFIGMAPS)
        assert next(behind.watch(CONFIGMAPS, {}, HANG_SECONDS))
        assert not Refusals().add(proxy).told()
    finally:
        proxy.close()


def test_serving_certificate_that_is_rotated_is_taken_by_calls_and_watches(cluster: ControlPlane, tmp_path: Path) -> None:
    config = load_config(str(cluster.kubeconfig), None, None, None, ())
    proxy = ProxyProcess.before_cluster(config, tmp_path, "proxy")
    try:
        behind = ApiClient(load_config(str(proxy.kubeconfig), None, None, None, ()))
        assert behind.get(CONFIGMAPS)
        before = served(cluster)
        assert cluster._authority is not None
        pair = cluster._authority.issue("kube-apiserver", server_addresses=["127.0.0.1", "localhost"])
        for name, content in zip(("apiserver.key", "apiserver.crt"), pair[::-1], strict=True):
            (cluster.directory / f"new-{name}").write_bytes(content)
            os.replace(cluster.directory / f"new-{name}", cluster.directory / name)
        cluster.wait_until(lambda: served(cluster) != before, "the new certificate is served")
        assert behind.get(CONFIGMAPS)
        assert next(behind.watch(CONFIGMAPS, {}, HANG_SECONDS))
        assert ApiClient(config).get(CONFIGMAPS)
        assert not Refusals().add(proxy).told()
    finally:
        proxy.close()


def served(cluster: ControlPlane) -> bytes | None:
    """The certificate that the API server shows to a new connection."""
    url = urllib.parse.urlsplit(cluster.url)
    context = ssl.create_default_context(cafile=str(cluster.directory / "ca.crt"))
    assert url.hostname is not None
    with (
        socket.create_connection((url.hostname, url.port or 443)) as bare,
        context.wrap_socket(bare, server_hostname=url.hostname) as tls,
    ):
        return tls.getpeercert(binary_form=True)
