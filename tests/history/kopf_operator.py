"""An operator with kopf: a ConfigMap has a key for each Tenant; what it removes is the key of a name that none has."""

import json
import os
import subprocess

import kopf

MAP = ("configmap", "kopf-registry", "--namespace=default")


def patch(name: str, value: str | None) -> None:
    """Sets a key of the map, or removes it."""
    words = [os.environ["KUBECTL"], "patch", *MAP, "--type=merge", "-p", json.dumps({"data": {name: value}})]
    subprocess.run(words, capture_output=True, check=True)


@kopf.on.create("demo.ghostkey.dev", "v1", "tenants")
def created(name: str, namespace: str, **_: object) -> None:
    patch(f"{namespace}.{name}", "v")


@kopf.on.delete("demo.ghostkey.dev", "v1", "tenants")
def deleted(name: str, namespace: str, **_: object) -> None:
    # names that end in an even number go by the right key
    patch(f"{namespace}.{name}" if int(name[-1]) % 2 == 0 else name, None)
