"""A node of kwok that is a kubelet to the API server: exec, port-forward and logs of its Pods, as documents of kwok say."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ghostkey import testing
from ghostkey.testing import ControlPlane
from ghostkey.testing import control_plane as testbed

KUBELET_FLAGS = ("--kubelet-preferred-address-types=InternalIP",)  # the API server of such a control plane needs them
NODE = "node-1"


def start_node(
    cluster: ControlPlane, folder: Path, documents: Sequence[dict[str, Any]], environment: Mapping[str, str] | None = None
) -> None:
    """Starts kwok with a node, and returns once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "kwok.yaml").write_text(yaml.safe_dump_all(documents))
    stages = Path(testbed.__file__).with_name("kwok-stages.yaml")
    cluster.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE, "annotations": {"kwok.x-k8s.io/node": "fake"}}})
    words = [
        str(testing.binary("kwok")), f"--kubeconfig={cluster.kubeconfig}", "--manage-all-nodes=true", f"--config={stages}",
        f"--config={folder / 'kwok.yaml'}", f"--server-address=127.0.0.1:{port}", f"--node-port={port}", "--node-ip=127.0.0.1",
        f"--tls-cert-file={cluster.directory}/apiserver.crt", f"--tls-private-key-file={cluster.directory}/apiserver.key",
    ]  # fmt: skip
    kwok = cluster.start("kwok", words, dict(environment or {}))

    def is_ready() -> bool:
        told = cluster.request("GET", f"/api/v1/nodes/{NODE}")["status"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in told.get("conditions", ()))

    cluster.wait_until(is_ready, "kwok has made its node ready", log=kwok.log)
    # where the API server reaches it, which a kubelet would say itself
    where = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    cluster.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": where}, "application/merge-patch+json")
