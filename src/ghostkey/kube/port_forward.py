"""A port of a Pod, reached through the API server: an HTTP connection whose bytes go over a websocket.

Source: Kubernetes v1.37 pkg/kubelet, cri/streaming/portforward: `v4.channel.k8s.io` has two channels for each port, data and error,
and each begins with the port's number, 2 bytes, little-endian.
"""

from __future__ import annotations

import http.client
import io
from typing import Any

from ghostkey.kube.channels import Channels
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed

DATA, ERROR = range(2)
PROTOCOL = "v4.channel.k8s.io"
PORT_BYTES = 2


class PodConnection(http.client.HTTPConnection):
    """An HTTP connection to a port of a Pod. Raises AccessDenied, ApiFailed when it connects."""

    def __init__(self, client: ApiClient, namespace: str, pod: str, port: int, seconds: float) -> None:
        super().__init__(f"{pod}:{port}")
        self._client, self._seconds = client, seconds
        self._path, self._query = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward", [("ports", str(port))]

    def connect(self) -> None:
        """Opens the websocket."""
        self.sock: Any = _PortSocket(Channels(self._client, self._path, self._query, PROTOCOL, self._seconds))


class _PortSocket:
    """As much of a socket as http.client asks for."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def sendall(self, content: bytes) -> None:
        self._channels.send(DATA, content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._channels))

    def close(self) -> None:
        self._channels.close()


class _Answer(io.RawIOBase):
    """The bytes that come back, until the other side hangs up. Raises ApiFailed with what the error channel says."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._heads = {DATA: PORT_BYTES, ERROR: PORT_BYTES}  # bytes to pass over
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            message = self._channels.message()
            if message is None:
                return 0
            channel, content = message
            head = self._heads.get(channel, len(content))
            passed = min(head, len(content))
            if channel in self._heads:
                self._heads[channel] -= passed
            content = content[passed:]
            if channel == ERROR and content:
                said = content.decode("utf-8", "replace").strip()
                raise ApiFailed(
                    f"{self._channels.path}: {said}", "does the program listen on this port, on localhost or all addresses?"
                )
            self._left = content if channel == DATA else b""
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
