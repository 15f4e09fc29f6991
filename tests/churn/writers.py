"""The operator and somebody else, who write under one name through proxies of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ghostkey.churn.given_receipt import MARK, Receipt, cluster_of
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane
from tests.churn.helpers import SAMPLE

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
HOLDS, ANOTHER = "demo.ghostkey.dev/registry", "demo.ghostkey.dev/another"
NAMESPACE = "gk-authors"
NAMES = ("own", "other", "both", "again", "blind", "raced", "behind")
TENANTS = f"/apis/{SAMPLE['apiVersion']}/namespaces/{NAMESPACE}/tenants"
CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class Writers:
    """The operator, whose requests go by a proxy, and somebody else, who writes under the same name."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.client = ApiClient(load_config(str(cluster.kubeconfig), None, None, None, ()))
        made: dict[str, Any] = {"metadata": {"name": NAMESPACE, "annotations": {MARK: "m1"}}}
        self.uid = cluster.request("POST", "/api/v1/namespaces", made)["metadata"]["uid"]
        self.receipt = Receipt(
            folder / "churn" / f"{NAMESPACE}.json", cluster.url, NAMESPACE, "m1", cluster=cluster_of(self.client)
        )
        self.proxy = ProxyProcess.before_cluster(self.client.config, folder, "proxy")
        self.operator = client_of(self.proxy)

    def tenant(self, name: str) -> str:
        """A subject of the run's."""
        path = f"{TENANTS}/{name}"
        self.receipt.note_subjects({path: self.write(self.client, "POST", TENANTS, SAMPLE | {"metadata": {"name": name}})["uid"]})
        return path

    def write(self, client: ApiClient, method: str, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """The metadata of what was written."""
        kind = MERGE if method == "PATCH" else "application/json"
        done = client.write(method, path, json.dumps(document).encode(), kind, field_manager="same")
        metadata: dict[str, Any] = done["metadata"]
        return metadata

    def apply(self, client: ApiClient, path: str, *finalizers: str) -> None:
        """What an apply says nothing of, and has said before, goes."""
        metadata = {"name": path.rpartition("/")[2]} | ({"finalizers": list(finalizers)} if finalizers else {})
        body = json.dumps({"apiVersion": SAMPLE["apiVersion"], "kind": "Tenant", "metadata": metadata}).encode()
        client.write("PATCH", path, body, APPLY, field_manager="applies")

    def delete(self, path: str) -> None:
        """Somebody deletes a subject."""
        metadata = (self.client.get_object(path) or {})["metadata"]
        self.client.delete(path, metadata["uid"], metadata["resourceVersion"])

    def hold(self, client: ApiClient, path: str, *names: str) -> None:
        self.write(client, "PATCH", path, {"metadata": {"finalizers": list(names) or None}})


def client_of(proxy: ProxyProcess) -> ApiClient:
    return ApiClient(load_config(str(proxy.kubeconfig), None, None, None, ()))
