"""A websocket of the API server that carries several streams: exec and port-forward.

Source: RFC 6455; Kubernetes v1.37 staging/src/k8s.io/streaming, `v5.channel.k8s.io` and `v4.channel.k8s.io`: a byte for the channel
before each message.
"""

from __future__ import annotations

import base64
import http.client
import os
import struct
from collections.abc import Sequence

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed

CHUNK = 32 << 10
MESSAGE_MOST = 64 << 20
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Channels:
    """One such connection. Raises AccessDenied, ApiFailed."""

    def __init__(self, client: ApiClient, path: str, query: Sequence[tuple[str, str]], protocol: str, seconds: float) -> None:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": protocol,
        }
        self.path = path
        self._connection, self._response = client.upgrade(path, query, headers)
        self._connection.sock.settimeout(seconds)

    def send(self, channel: int, content: bytes) -> None:
        """Bytes for one channel."""
        try:
            for start in range(0, len(content), CHUNK):
                self._frame(BINARY, bytes([channel]) + content[start : start + CHUNK])
        except OSError as error:
            raise ApiFailed(f"{self.path}: the connection broke: {error}") from None

    def message(self) -> tuple[int, bytes] | None:
        """(channel, content) of the next message that is for us; None when the other side hung up as it should."""
        while True:
            try:
                head = self._exactly(2)
                size = head[1] & 0x7F
                if size == 126:
                    size = struct.unpack(">H", self._exactly(2))[0]
                elif size == 127:
                    size = struct.unpack(">Q", self._exactly(8))[0]
                if size > MESSAGE_MOST:
                    raise ApiFailed(f"{self.path}: a message of {size:,} bytes")
                content = self._exactly(size)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ApiFailed(f"{self.path}: the connection broke: {error}") from None
            kind = head[0] & 0x0F
            if kind == PING:
                self._frame(PONG, content)
            elif kind == CLOSE:
                return None
            elif kind in (TEXT, BINARY, 0) and content:
                return content[0], content[1:]

    def _exactly(self, size: int) -> bytes:
        found = self._response.read(size)
        if len(found) != size:
            raise OSError("the server hung up")
        return found

    def _frame(self, kind: int, content: bytes) -> None:
        """Sends one frame, masked as clients have to."""
        size = len(content)
        head = bytes([0x80 | kind])
        head += (
            bytes([0x80 | size])
            if size < 126
            else struct.pack(">BH", 0xFE, size)
            if size < 1 << 16
            else struct.pack(">BQ", 0xFF, size)
        )
        mask = os.urandom(4)
        long = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self._connection.sock.sendall(head + mask + (int.from_bytes(content, "big") ^ long).to_bytes(size, "big"))

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()
