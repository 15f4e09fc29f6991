"""/metrics, /healthz and /readyz, and nothing else."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus

from ghostkey.model.errors import UsageError

REQUEST_SECONDS = 10.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"
REQUESTS_MOST = 16  # at once

Answers = dict[str, Callable[[], tuple[int, bytes]]]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answers: Answers
    free: threading.Semaphore


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version, sys_version = "ghostkey", ""

    def do_GET(self) -> None:
        """Answers a path that there is."""
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, b"/metrics, /healthz, /readyz\n")
            return
        if not self.server.free.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, b"busy\n")
            return
        try:
            self._send(*answer())
        finally:
            self.server.free.release()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", TEXT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
        if not 0 <= int(port) <= 0xFFFF:
            raise ValueError
    except ValueError:
        raise UsageError(f"--listen {text!r} is no address and port", "write 127.0.0.1:9464, or 0.0.0.0:9464 for all") from None
    return host, int(port)


def serve(listen: tuple[str, int], answers: Answers) -> tuple[str, Callable[[], None]]:
    """Serves in threads of its own; the address that it has, and what ends it. Raises UsageError when the address is taken."""
    kind = _Server6 if ":" in listen[0] else _Server
    try:
        server = kind(listen, _Handler)
    except OSError as error:
        raise UsageError(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror}", "choose another with --listen") from None
    server.answers, server.free = answers, threading.Semaphore(REQUESTS_MOST)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True).start()
    host, port = server.server_address[:2]

    def end() -> None:
        server.shutdown()
        server.server_close()

    return f"{host!s}:{port}", end
