"""Runs a command in a container, and talks to it: exec through the API server, over a websocket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ghostkey.kube.channels import MESSAGE_MOST, Channels
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed

STDIN, STDOUT, STDERR, STATUS = range(4)
PROTOCOL = "v5.channel.k8s.io"
STDERR_MOST = 4096


class ExecStream:
    """One command that runs: bytes go to its standard input, and what it writes comes back. Raises AccessDenied, ApiFailed.

    Some servers never tell a command that its input has ended: say how long it is instead.
    """

    def __init__(
        self, client: ApiClient, namespace: str, pod: str, container: str, command: Sequence[str], seconds: float
    ) -> None:
        query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        self._channels = Channels(client, self._path, query, PROTOCOL, seconds)
        self._said = b""
        self._pending = bytearray()

    def send(self, content: bytes) -> None:
        """Bytes for the command's standard input."""
        self._channels.send(STDIN, content)

    def line(self) -> bytes:
        """The next line of the command's standard output, without its end. Raises ApiFailed when there is none any more."""
        while (end := self._pending.find(b"\n")) < 0:
            message = self._channels.message()
            if message is None:
                raise self._ended(b"")
            channel, content = message
            if channel == STDOUT:
                self._pending += content
                if len(self._pending) > MESSAGE_MOST:
                    raise ApiFailed(f"{self._path}: an answer of more than {MESSAGE_MOST >> 20} MiB")
            elif channel == STDERR:
                self._said = (self._said + content)[-STDERR_MOST:]
            elif channel == STATUS:
                raise self._ended(content)
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line

    def _ended(self, status: bytes) -> ApiFailed:
        try:
            told: Any = json.loads(status)
            words = str(told.get("message") or told.get("status") or "")
        except (ValueError, AttributeError):
            words = ""
        said = self._said.decode("utf-8", "replace").strip().splitlines()
        return ApiFailed(f"{self._path}: the command ended: {'; '.join(filter(None, (words, said[-1] if said else '')))}")

    def close(self) -> None:
        """Hangs up."""
        self._channels.close()
