"""The control plane of the tests: quick, several at once, and nothing left behind whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane, binary
from tests.helpers import HANG_SECONDS, Program, make_map

STARTER = """
import sys, time
from ghostkey.testing import ControlPlane
with ControlPlane(controller_manager=True) as control_plane:
    print(control_plane.directory, *(process.pid for process in control_plane.processes.values()), flush=True)
    time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_kill_9_of_the_test_run_leaves_no_process_and_no_directory(control_plane: ControlPlane) -> None:
    run = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    directory, *pids = run.stdout.readline().split()
    assert len(pids) == 3
    assert all(is_running(int(pid)) for pid in pids)
    assert Path(directory).is_dir()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    control_plane.wait_until(lambda: not Path(directory).exists(), "the directory is gone")
    control_plane.wait_until(lambda: not any(is_running(int(pid)) for pid in pids), "the processes are gone")
    run.stdout.close()


KEEPER = """
from ghostkey.testing import ControlPlane
with ControlPlane() as control_plane:
    print(control_plane.keep(), control_plane.kubeconfig, control_plane.directory, flush=True)
"""


@pytest.mark.whole
def test_kept_control_plane_outlives_its_maker_until_it_is_told_to_end(control_plane: ControlPlane) -> None:
    made = subprocess.run([sys.executable, "-c", KEEPER], stdout=subprocess.PIPE, text=True, timeout=HANG_SECONDS, check=True)
    pid, kubeconfig, directory = made.stdout.split()
    kubectl = [str(binary("kubectl")), f"--kubeconfig={kubeconfig}", "get", "namespaces", "-o", "name"]
    assert "namespace/default" in subprocess.run(kubectl, capture_output=True, text=True, check=True).stdout
    os.kill(int(pid), signal.SIGTERM)
    control_plane.wait_until(lambda: not Path(directory).exists() and not is_running(int(pid)), "it has ended and tidied up")


@pytest.mark.whole
def test_two_run_side_by_side_and_know_nothing_of_each_other(control_plane: ControlPlane) -> None:
    with ControlPlane() as other:
        assert other.url != control_plane.url
        make_map(other, "default", "only-here", {"a": "1"})
        assert control_plane.raw("GET", "/api/v1/namespaces/default/configmaps/only-here")[0] == 404


def test_rights_come_from_rbac_alone(control_plane: ControlPlane, tmp_path: Path) -> None:
    nobody = Program(tmp_path, control_plane.kubeconfig_for("nobody"))
    done = nobody("trim", "cm/any", "-n", "default", "--key", "a")
    assert done.code == 3
    assert "forbidden" in done.err.lower()


def test_audit_log_tells_who_wrote_what(control_plane: ControlPlane, namespace: str) -> None:
    make_map(control_plane, namespace, "audited", {"a": "1"})
    control_plane.wait_until(lambda: f"{namespace}/configmaps" in control_plane.audit_log.read_text(), "the write is in the log")


@pytest.mark.whole
def test_pods_run_under_kwok() -> None:
    with ControlPlane(kwok=True) as control_plane:
        pod = {"metadata": {"name": "web"}, "spec": {"nodeName": "kwok-node", "containers": [{"name": "a", "image": "a"}]}}
        control_plane.request("POST", "/api/v1/namespaces/default/pods", pod)

        def phase() -> str:
            return str(control_plane.request("GET", "/api/v1/namespaces/default/pods/web")["status"].get("phase"))

        control_plane.wait_until(lambda: phase() == "Running", "the Pod runs")


def test_binaries_of_kubebuilder_assets_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "etcd"
    given.write_text("")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binary("etcd") == given
    assert binary("kubectl") != tmp_path / "kubectl"


def test_emptied_namespace_is_gone_with_all_that_finalizers_hold_and_its_watchers_are_told(
    control_plane: ControlPlane, namespace: str
) -> None:
    make_map(control_plane, "default", f"{namespace}-beside", {"a": "1"})
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"metadata": {"name": "held", "finalizers": ["example.com/never"]}}
    revision = control_plane.request("POST", path, body)["metadata"]["resourceVersion"]
    connection = control_plane.connect()
    connection.request("GET", f"{path}?watch=1&resourceVersion={revision}&timeoutSeconds={HANG_SECONDS}")
    told = connection.getresponse()
    assert control_plane.etcd.empty(namespace) >= 2
    assert json.loads(told.readline())["type"] == "DELETED"
    control_plane.wait_until(
        lambda: control_plane.raw("GET", f"/api/v1/namespaces/{namespace}")[0] == 404, "the namespace is gone"
    )
    assert control_plane.request("GET", path)["items"] == []
    assert control_plane.request("GET", f"/api/v1/namespaces/default/configmaps/{namespace}-beside")["data"] == {"a": "1"}
