"""Kubeconfigs, up to the client that would be made of them."""

from __future__ import annotations

import json
from pathlib import Path

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import context_names, load_config

CONFIG = {
    "apiVersion": "v1", "kind": "Config", "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443/x", "certificate-authority-data": "eA==", "tls-server-name": "t",
                  "insecure-skip-tls-verify": False, "proxy-url": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "secret", "as": "me", "as-groups": ["g"], "username": "x", "password": "y"}}],
}  # fmt: skip


def seeds() -> list[bytes]:
    """JSON, YAML, and one with an anchor."""
    import yaml

    return [json.dumps(CONFIG).encode(), yaml.safe_dump(CONFIG).encode(), b"a: &a {name: c}\n" + yaml.safe_dump(CONFIG).encode()]


def read(raw: bytes, folder: Path) -> None:
    """What every command does first."""
    path = folder / "config"
    path.write_bytes(raw)
    context_names(str(path))
    config = load_config(str(path))
    repr(config)
    ApiClient(config)
