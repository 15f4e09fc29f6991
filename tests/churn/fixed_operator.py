"""An operator in a few lines of Python: each Tenant has a ConfigMap, and a key in one that has to be there before.

It takes the key away first, and where it cannot, leaves the rest for later. `wrong-name`: it takes the key from a map that there is not,
and the ConfigMap stays.
"""

import json
import os
import sys
import time
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import GhostkeyError

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


class Operator:
    """What it does for one Tenant at a time."""

    def __init__(self, way: str) -> None:
        self.cleans = "all-of-them" if way == "wrong-name" else "everything"
        self.client = ApiClient(load_config(os.environ["KUBECONFIG"], None, None, None, ()))

    def key(self, of: str, name: str, value: str | None) -> None:
        """Puts the key of a Tenant there, or takes it away. Raises GhostkeyError."""
        self.client.write("PATCH", f"{MAPS}/{of}", json.dumps({"data": {name: value}}).encode(), MERGE)

    def handle(self, kind: str, metadata: dict[str, Any]) -> None:
        """Reacts to a watch event. Raises GhostkeyError."""
        name, maps = metadata["name"], f"/api/v1/namespaces/{metadata['namespace']}/configmaps"
        if kind == "ADDED":
            self.client.write("POST", maps, json.dumps({"metadata": {"name": f"cfg-{name}"}}).encode())
            self.key("everything", name, "1")
        elif kind == "DELETED":
            self.key(self.cleans, name, None)
            made = (self.client.get_object(f"{maps}/cfg-{name}") or {})["metadata"]
            self.client.delete(f"{maps}/cfg-{name}", made["uid"], made["resourceVersion"])

    def run(self) -> None:
        """Watches Tenants for ever."""
        while True:
            try:
                for event in self.client.watch("/apis/demo.ghostkey.dev/v1/tenants", {}, 300):
                    if event["type"] == "ERROR":
                        break  # the watch has ended
                    if event["type"] == "BOOKMARK":
                        continue
                    try:
                        self.handle(event["type"], event["object"]["metadata"])
                    except GhostkeyError as error:
                        print(error, flush=True)
            except GhostkeyError as error:
                print(error, flush=True)
                time.sleep(0.1)


Operator(sys.argv[1]).run()
