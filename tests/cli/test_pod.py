"""A process in a Pod, whole: real API server, real patch, real websocket through kwok's exec, a stripped operator in its own namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey import testing
from ghostkey.census.remote import program
from ghostkey.model.errors import GhostkeyError
from ghostkey.pods import Place, ephemeral_container
from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, make_tenant, make_tenants_kind
from tests.kwok import KUBELET_FLAGS, start_node
from tests.terminal import Terminal

UID = 65532
POD = {
    "metadata": {"name": "operator-0"},
    "spec": {
        "nodeName": "node-1",
        "securityContext": {"runAsUser": UID, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "operator",
                "image": "tenant-operator",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may read."""
    made = Path(tempfile.mkdtemp(prefix="ghostkey-pod-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane(apiserver_flags=KUBELET_FLAGS) as started:
        yield started


def node(cluster: ControlPlane, folder: Path, entering: list[str], forwarded: int = 0) -> None:
    """A kwok node whose containers are entered by a command, as a runtime would enter them, and a port that its Pods have."""
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexec " + " ".join([*entering, os.path.realpath(sys.executable)]) + ' "$@"\n')
    python.chmod(0o755)
    execs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterExec", "metadata": {"name": "all"},
        "spec": {"execs": [{"local": {"workDir": "/"}}]},
    }  # fmt: skip
    forwards = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterPortForward", "metadata": {"name": "all"},
        "spec": {"forwards": [{"ports": [6060], "target": {"address": "127.0.0.1", "port": forwarded}}]},
    }  # fmt: skip
    path = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    start_node(cluster, folder, [execs, *([forwards] if forwarded else [])], path)


def contained(cluster: ControlPlane, folder: Path) -> tuple[subprocess.Popen[bytes], list[str]]:
    """The leaking operator as a container would run it, and the words that enter its namespaces as its own user."""
    tools = [shutil.which(name) for name in ("unshare", "nsenter", "setpriv")]
    if os.geteuid() or None in tools:
        pytest.skip("only root, with util-linux, can make namespaces here")
    shutil.copy(testing.binary("tenant-operator"), folder / "operator")
    shutil.copy(cluster.kubeconfig, folder / "kubeconfig")
    (folder / "operator").chmod(0o755)
    (folder / "kubeconfig").chmod(0o644)
    as_user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    outer = subprocess.Popen(
        ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", *as_user, str(folder / "operator"), "--mistake=no-delete-on-notfound"],
        env={**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    cluster.wait_until(lambda: bool(children.read_text().split()), "the operator runs in its namespaces")
    inner = children.read_text().split()[0]
    return outer, ["nsenter", f"--target={inner}", "--pid", "--mount", *as_user]


def ephemeral(cluster: ControlPlane) -> list[dict[str, Any]]:
    pod = cluster.request("GET", "/api/v1/namespaces/shop/pods/operator-0")
    return list(pod["spec"].get("ephemeralContainers", ()))


@pytest.mark.whole
def test_operator_in_a_pod_is_read_by_one_container_with_no_rights(cluster: ControlPlane, folder: Path, tmp_path: Path) -> None:
    make_tenants_kind(cluster)
    for name in ("tenant-system", "shop"):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"} if name == "shop" else {}
        cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    outer, entering = contained(cluster, folder)
    try:
        node(cluster, folder, entering)
        cluster.request("POST", "/api/v1/namespaces/shop/pods", POD)
        for number in range(9):
            make_tenant(cluster, "default", f"tenant-{number}")
        child = "/api/v1/namespaces/default/secrets/tenant-tenant-{}-credentials"
        cluster.wait_until(lambda: all(cluster.raw("GET", child.format(n))[0] == 200 for n in range(9)), "all are served")
        for number in range(3):
            cluster.request("DELETE", f"/apis/demo.ghostkey.dev/v1/namespaces/default/tenants/tenant-{number}")
        ghosts = Program(tmp_path / "state", cluster.kubeconfig)
        check(cluster, ghosts)
        rights(cluster, Program(tmp_path / "state", None), tmp_path)
    finally:
        # the first of its namespace; becoming another user it has lost the signal that its parent's end would have sent
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(entering[1].removeprefix("--target=")), signal.SIGKILL)
        outer.kill()
        outer.wait()


def check(cluster: ControlPlane, ghosts: Program) -> None:
    where = ("pod/operator-0", "-n", "shop")
    asked = ghosts("maps", *where)
    assert asked.code == 5
    assert "an ephemeral container ghostkey-65532-operator" in asked.err, "what will be made is shown before"
    assert "nothing was changed" in asked.err
    assert ephemeral(cluster) == []
    done = ghosts("maps", *where, "--yes", "-o", "json", "--keys", "3")
    assert done.code == 1, done.err
    assert done.json["process"] == {"name": "operator", "pid": 1, "go": done.json["process"]["go"]}
    memory = next(one for one in done.json["maps"] if (one["holder"] or "").endswith("(main.reconciler).memory"))
    assert (memory["len"], memory["type"]) == (9, "map[string]string")
    assert all(key.startswith("default.tenant-") for key in memory["keys"])
    assert {finding["key"] for finding in done.json["findings"]} == {f"default.tenant-{n}" for n in range(3)}
    assert "pod/operator-0" in done.json["findings"][0]["evidence"][0]
    (made,) = ephemeral(cluster)
    assert made["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert made["securityContext"]["runAsUser"] == UID
    words = ("verify", "--process", "pod/operator-0", "-n", "shop", "--map", "(main.reconciler).memory", "--for", "1s")
    assert ghosts(*words).out.startswith("not converged: 3 of 9 entries")
    assert len(ephemeral(cluster)) == 1, "it is used again"
    polled = ghosts("stacks", *where, "--map", "(main.reconciler).memory", "--for", "1s", "--by", "poll", "-o", "json")
    assert polled.json["maps"][0]["len_after"] == 9
    live(ghosts, where)
    both = ghosts("scan", "--process", "pod/operator-0", "-n", "shop")
    assert "ghost-entry" in both.out


def live(ghosts: Program, where: tuple[str, ...]) -> None:
    """The same on a terminal, by the same container."""
    terminal = Terminal([sys.executable, "-m", "ghostkey", "maps", *where, "--ui", "--every", "1s"], ghosts.environment())
    try:
        terminal.wait_for("operator 1", "LEN, LATELY", "every 1 s")
        terminal.press("/")
        terminal.wait_for("part of a holder or a type")
        terminal.press("reconciler).memory", "enter")
        terminal.wait_for("filter 'reconciler).memory'", first_row=r"reconciler\)\.memory +9 ")
        terminal.press("enter")
        terminal.wait_for("type   map[string]string", "default.tenant-")
        terminal.press("q")
        assert terminal.ended() == 0
    finally:
        terminal.close()


def rights(cluster: ControlPlane, program: Program, folder: Path) -> None:
    """The Role that `rbac` prints is enough, and without it the refusal names it."""
    user = Program(folder / "state", cluster.kubeconfig_for("poor"))
    denied = user("maps", "pod/operator-0", "-n", "shop", "--no-ghosts")
    assert denied.code == 3
    role = next(yaml.safe_load_all(program("rbac", "--for", "maps", "-n", "shop").out))
    bind(cluster, "reader", role["rules"], "shop")
    reader = Program(folder / "state", cluster.kubeconfig_for("reader"))
    done = reader("maps", "pod/operator-0", "-n", "shop", "--no-ghosts", "--top", "1", "--yes")
    assert done.code == 0, done.err


def test_container_passes_pod_security_restricted_and_the_helper_is_small() -> None:
    made = ephemeral_container(Place("shop", "operator-0", "operator", UID, "python:3-slim"), "ghostkey-1")
    context = made["securityContext"]
    assert (context["allowPrivilegeEscalation"], context["runAsNonRoot"], context["runAsUser"]) == (False, True, UID)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert made["targetContainerName"] == "operator"
    code, payload = program()
    assert len(code) + len(payload) <= 100_000


def test_helper_answers_what_the_process_itself_says() -> None:
    from ghostkey.census.remote import RemoteProcess, asked
    from tests.census.truth import built, running

    code, payload = program()
    with running(built()) as truth:
        helper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
        )
        assert helper.stdin is not None
        assert helper.stdout is not None
        try:
            helper.stdin.write(payload)

            def send(content: bytes) -> None:
                assert helper.stdin is not None
                helper.stdin.write(content)
                helper.stdin.flush()

            process = RemoteProcess(asked(send, helper.stdout.readline), "a pipe", lambda: None, truth.pid)
            census = process.census()
            found = {one.address: one.length for one in census.maps}
            assert {a: found[a] for a in truth.maps} == {a: n for a, (_, n) in truth.maps.items()}
            chosen = [one for one in census.maps if one.address == truth.address("seen")]
            truth.tell("beat 300 3")
            (changes,) = process.watch(chosen, 1.0, "ptrace").changes
            assert changes.is_exact
            assert changes.count("insert") > 50
            holds_up = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(65)"])
            with pytest.raises(GhostkeyError, match="the container that this runs in ends in"):
                process.watch(chosen, 10.0, "ptrace")
            holds_up.kill()
            holds_up.wait()
            assert truth.done() > 700
        finally:
            helper.kill()
            helper.communicate()
        assert json.dumps(process.version)
