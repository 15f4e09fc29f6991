"""An operator with kopf: a ConfigMap has a key for each Tenant. With LEAK in its environment it removes a key of another spelling."""

import json
import os
import subprocess

import kopf

MAP = ("configmap", "kopf-registry", "--namespace=default")


def kubectl(*words: str) -> None:
    """Runs kubectl with the operator's own kubeconfig."""
    subprocess.run([os.environ["KUBECTL"], *words], capture_output=True, check=False)


def patch(name: str, value: str | None) -> None:
    """Sets a key of the map, or removes it."""
    kubectl("patch", *MAP, "--type=merge", "-p", json.dumps({"data": {name: value}}))


@kopf.on.startup()
def started(**_: object) -> None:
    kubectl("create", *MAP)


@kopf.on.create("demo.ghostkey.dev", "v1", "tenants")
def created(name: str, namespace: str, **_: object) -> None:
    patch(f"{namespace}.{name}", "v")


@kopf.on.delete("demo.ghostkey.dev", "v1", "tenants")
def deleted(name: str, namespace: str, **_: object) -> None:
    patch(f"{namespace}/{name}".replace("/", "_" if os.environ.get("LEAK") else "."), None)
