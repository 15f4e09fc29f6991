"""The proxy as seen by who tells it what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane


class ProxyProcess:
    """A proxy in a process of its own, in front of a control plane's API server; `kubeconfig` leads through it.

    It ends with this object or with this process, whichever ends first. `user_kubeconfig`: as whom it asks; the administrator otherwise.
    """

    def __init__(self, control_plane: ControlPlane, name: str, user_kubeconfig: Path | None = None) -> None:
        self._lock = threading.Lock()
        directory = control_plane.directory
        config = json.loads((user_kubeconfig or control_plane.kubeconfig).read_text())
        pair = directory / f"{name}.pem"
        _write_pair(pair, config["users"][0]["user"])
        host, port = control_plane.url.removeprefix("https://").split(":")
        settings = directory / f"{name}.json"
        settings.write_text(json.dumps({
            "host": host, "port": int(port), "ca": str(directory / "ca.crt"), "certificate": str(pair),
            "server_certificate": str(directory / "apiserver.crt"), "server_key": str(directory / "apiserver.key"),
        }))  # fmt: skip
        self._log = (directory / f"{name}.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ghostkey.churn.proxy", str(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, start_new_session=True,
        )  # fmt: skip
        self.port = int(self._read()["port"])
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        # the proxy is who asks: the operator's own credentials end here
        config["users"][0]["user"] = {"token": "ghostkey-churn"}
        self.kubeconfig = directory / f"{name}-kubeconfig.json"
        self.kubeconfig.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None and self._process.stdout is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        self._log.close()

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """The answer to one request; see `ghostkey.churn.proxy.__main__`. Raises GhostkeyError when the proxy is gone."""
        if self._process.stdin is None:
            raise GhostkeyError("the proxy does not run")
        with self._lock:
            try:
                self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                raise GhostkeyError("the proxy is gone") from None
            reply = self._read()
        if "error" in reply:
            raise GhostkeyError(f"the proxy refuses {do}: {reply['error']}")
        return reply

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise GhostkeyError("the proxy is gone")
        reply: dict[str, Any] = json.loads(line)
        return reply


def _write_pair(path: Path, user: dict[str, str]) -> None:
    import base64

    content = base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
