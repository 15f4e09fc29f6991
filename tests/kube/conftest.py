"""A kubeconfig that a test edits, a server that only proxies know by its name, and an authority for certificates of what stands before it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane, binary
from ghostkey.testing.certificates import Authority
from tests.helpers import Done, Program, make_map
from tests.kube.proxies import HOST

ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass
class Reached:
    """Runs ghostkey, and kubectl, against a server that only the proxies know by its name."""

    folder: Path
    namespace: str
    config: dict[str, Any]

    def kubeconfig(self, **fields: Any) -> Path:
        config = json.loads(json.dumps(self.config))
        config["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in fields.items()}
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def __call__(self, env: dict[str, str] | None = None, **fields: Any) -> Done:
        program = Program(self.folder / "state", self.kubeconfig(**fields))
        return program("blame", "cm/settings", "-n", self.namespace, env=without_proxies() | (env or {}))

    def kubectl(self, env: dict[str, str] | None = None, **fields: Any) -> bool:
        """Whether kubectl reaches it."""
        path = self.kubeconfig(**fields)
        done = subprocess.run(
            [str(binary("kubectl")), "--kubeconfig", str(path), "--request-timeout", "20s", "get", "cm", "-n", self.namespace],
            env={**os.environ, **without_proxies(), **(env or {}), "HOME": str(self.folder)}, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0


def without_proxies() -> dict[str, str]:
    return {name: "" for upper in ENVIRONMENT for name in (upper, upper.lower())}


@pytest.fixture
def reached(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Reached:
    make_map(control_plane, namespace, "settings", {"a": "1"})
    config = json.loads(control_plane.kubeconfig.read_text())
    port = control_plane.url.rsplit(":", 1)[1]
    config["clusters"][0]["cluster"] |= {"server": f"https://{HOST}:{port}", "tls-server-name": "localhost"}
    return Reached(tmp_path, namespace, config)


@pytest.fixture
def authority() -> Authority:
    return Authority("proxies")


Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Callable[..., Done]:
    """Runs a scan of one map with a changed copy of the administrator's kubeconfig."""
    make_map(control_plane, namespace, "settings", {"a": "1"})

    def run(edit: Edit, *words: str, env: dict[str, str] | None = None, form: str = "yaml") -> Done:
        config = json.loads(control_plane.kubeconfig.read_text())
        edit(config)
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config) if form == "yaml" else json.dumps(config))
        return Program(tmp_path / "state", path)("scan", "cm/settings", "-n", namespace, *words, env=env)

    return run
