"""An operator in a few lines of Python: each Tenant has a ConfigMap.

`wrong-name`: it empties that of a Tenant that has gone under a name of another spelling. `cascade`: it removes it where the user has put
a finalizer on the Tenant, and takes that away; of another Tenant it keeps it.
"""

import json
import os
import sys
import time
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import GhostkeyError

CASCADE = "demo.ghostkey.dev/cascade"
MERGE = "application/merge-patch+json"


class Operator:
    """What it does for one Tenant at a time."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.client = ApiClient(load_config(os.environ["KUBECONFIG"], None, None, None, ()))

    def handle(self, kind: str, tenant: dict[str, Any]) -> None:
        """Reacts to a watch event. Raises GhostkeyError."""
        metadata = tenant["metadata"]
        name, maps = metadata["name"], f"/api/v1/namespaces/{metadata['namespace']}/configmaps"
        if kind == "ADDED" and not metadata.get("deletionTimestamp"):
            body = {"metadata": {"name": f"cfg-{name}"}, "data": {"a": "1"}}
            self.client.write("POST", maps, json.dumps(body).encode())
        elif kind == "DELETED" and self.way == "wrong-name":
            self.client.write("PATCH", f"{maps}/{name}-cfg", b'{"data":{"a":null}}', MERGE)
        elif kind != "DELETED" and metadata.get("deletionTimestamp") and CASCADE in metadata.get("finalizers", ()):
            made = self.client.get_object(f"{maps}/cfg-{name}")
            if made is not None:
                self.client.delete(f"{maps}/cfg-{name}", made["metadata"]["uid"], made["metadata"]["resourceVersion"])
            path = f"/apis/demo.ghostkey.dev/v1/namespaces/{metadata['namespace']}/tenants/{name}"
            self.client.write("PATCH", path, b'{"metadata":{"finalizers":null}}', MERGE)

    def run(self) -> None:
        """Watches Tenants for ever."""
        while True:
            try:
                for event in self.client.watch("/apis/demo.ghostkey.dev/v1/tenants", {}, 300):
                    if event["type"] not in {"ADDED", "MODIFIED", "DELETED"}:
                        break  # the watch has ended
                    try:
                        self.handle(event["type"], event["object"])
                    except GhostkeyError as error:
                        print(error, flush=True)
            except GhostkeyError as error:
                print(error, flush=True)
                time.sleep(0.1)


Operator(sys.argv[1]).run()
