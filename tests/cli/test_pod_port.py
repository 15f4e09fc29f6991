"""A heap profile from a port of a Pod: real API server, real websocket through kwok's port-forward, a real Go program that serves pprof."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ghostkey import testing
from ghostkey.testing import ControlPlane
from ghostkey.testing.control_plane import _free_ports
from tests.cli.test_pod import POD, cluster, folder, node
from tests.helpers import Program, bind

__all__ = ["cluster", "folder"]


@pytest.fixture
def served(tmp_path: Path, cluster: ControlPlane) -> Iterator[int]:
    """The port of an etcd of its own, which is a Go program that serves pprof."""
    port, peer = _free_ports(2)
    words = [
        str(testing.binary("etcd")), "--enable-pprof", f"--data-dir={tmp_path / 'etcd'}", f"--listen-client-urls=http://127.0.0.1:{port}",
        f"--advertise-client-urls=http://127.0.0.1:{port}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/debug/pprof/").status == 200)
        return False

    try:
        cluster.wait_until(answers, "etcd serves pprof")
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.mark.whole
def test_profile_of_a_pod_is_reached_through_the_api_server(
    cluster: ControlPlane, folder: Path, served: int, tmp_path: Path
) -> None:
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    node(cluster, folder, [], forwarded=served)
    cluster.request("POST", "/api/v1/namespaces/shop/pods", POD)

    def is_running() -> bool:
        return bool(cluster.request("GET", "/api/v1/namespaces/shop/pods/operator-0")["status"].get("phase") == "Running")

    cluster.wait_until(is_running, "the Pod runs")
    program = Program(tmp_path / "state", cluster.kubeconfig)
    done = program("pprof", "pod/operator-0:6060", "-n", "shop", "-o", "json")
    assert done.code == 0, done.err
    assert done.json["in_use_after_bytes"] > 100_000
    assert done.json["goroutines"] > 10, "of the same port"
    twice = program("pprof", "pod/operator-0:6060/debug/pprof/heap", "-n", "shop", "--for", "1s")
    assert twice.code == 0, twice.err
    assert "in all" in twice.out

    absent = program("pprof", "pod/operator-0:6061", "-n", "shop")
    assert absent.code == 5
    assert "portforward" in absent.err
    gone = program("pprof", "pod/nobody:6060", "-n", "shop")
    assert gone.code in (2, 5)
    assert "nobody" in gone.err

    denied = Program(tmp_path / "state", cluster.kubeconfig_for("poor"))("pprof", "pod/operator-0:6060", "-n", "shop")
    assert denied.code == 3
    assert "ghostkey rbac --for pprof -n shop" in denied.err
    role = next(yaml.safe_load_all(program("rbac", "--for", "pprof", "-n", "shop").out))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["create", "get"]}]
    bind(cluster, "reader", role["rules"], "shop")
    reader = Program(tmp_path / "state", cluster.kubeconfig_for("reader"))
    assert reader("pprof", "pod/operator-0:6060", "-n", "shop").code == 0


@pytest.mark.parametrize("word", ["pod/operator-0", "pod/operator-0:", "pod/a:99999", "pod/A_b:80", "pod/a:8080x"])
def test_port_that_is_none_is_said_so(files_program: Program, word: str) -> None:
    done = files_program("pprof", word)
    assert done.code == 2
    assert "write pod/NAME:PORT" in done.err
