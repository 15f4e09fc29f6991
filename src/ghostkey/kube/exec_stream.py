"""Runs a command in a container, and talks to it: exec through the API server, over a websocket.

Source: RFC 6455; Kubernetes v1.37 staging/src/k8s.io/streaming, `v5.channel.k8s.io`: a byte for the channel before each message.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import struct
from collections.abc import Sequence
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed

STDIN, STDOUT, STDERR, STATUS = range(4)
PROTOCOL = "v5.channel.k8s.io"
CHUNK = 32 << 10
MESSAGE_MOST = 64 << 20
STDERR_MOST = 4096
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class ExecStream:
    """One command that runs: bytes go to its standard input, and what it writes comes back. Raises AccessDenied, ApiFailed.

    Some servers never tell a command that its input has ended: say how long it is instead.
    """

    def __init__(
        self, client: ApiClient, namespace: str, pod: str, container: str, command: Sequence[str], seconds: float
    ) -> None:
        query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": PROTOCOL,
        }
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        self._connection, self._response = client.upgrade(self._path, query, headers)
        self._connection.sock.settimeout(seconds)
        self._said = b""
        self._pending = bytearray()

    def send(self, content: bytes) -> None:
        """Bytes for the command's standard input."""
        try:
            for start in range(0, len(content), CHUNK):
                self._frame(BINARY, bytes([STDIN]) + content[start : start + CHUNK])
        except OSError as error:
            raise ApiFailed(f"{self._path}: the connection broke: {error}") from None

    def line(self) -> bytes:
        """The next line of the command's standard output, without its end. Raises ApiFailed when there is none any more."""
        while (end := self._pending.find(b"\n")) < 0:
            channel, content = self._message()
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

    def _message(self) -> tuple[int, bytes]:
        """(channel, content) of the next message that is for us."""
        while True:
            try:
                head = self._exactly(2)
                size = head[1] & 0x7F
                if size == 126:
                    size = struct.unpack(">H", self._exactly(2))[0]
                elif size == 127:
                    size = struct.unpack(">Q", self._exactly(8))[0]
                if size > MESSAGE_MOST:
                    raise ApiFailed(f"{self._path}: a message of {size:,} bytes")
                content = self._exactly(size)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ApiFailed(f"{self._path}: the connection broke: {error}") from None
            kind = head[0] & 0x0F
            if kind == PING:
                self._frame(PONG, content)
            elif kind == CLOSE:
                raise self._ended(b"")
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
