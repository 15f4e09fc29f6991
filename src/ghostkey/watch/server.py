"""Answers GET of a few paths, and nothing else: metrics and probes, or the page."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.model.errors import UsageError, place_of

REQUEST_SECONDS = 10.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"
REQUESTS_MOST = 16  # at once
CONNECTIONS_MOST = 128  # each a thread, for as long as it is slow


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about a request beside its path; each may be empty."""

    query: str
    host: str
    authorization: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


Answers = Mapping[str, Callable[[Asked], Answer]]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answers: Answers
    free: threading.Semaphore
    room: threading.Semaphore

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a connection a thread; beyond CONNECTIONS_MOST it is closed, so that who asks nothing takes no more than those."""
        if self.room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked may have gone, which is no news; anything else is a bug, and said without what was asked."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            print(f"an answer failed: this is a bug in ghostkey: {place_of(error)}", file=sys.stderr, flush=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version, sys_version = "ghostkey", ""

    def do_GET(self) -> None:
        """Answers a path that there is."""
        path, _, query = self.path.partition("?")
        answer = self.server.answers.get(path)
        if answer is None:
            self._send(Answer(HTTPStatus.NOT_FOUND, f"{', '.join(self.server.answers)}\n".encode()))
            return
        if not self.server.free.acquire(blocking=False):
            self._send(Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"busy\n"))
            return
        try:
            self._send(answer(Asked(query, self.headers.get("Host", ""), self.headers.get("Authorization", ""))))
        finally:
            self.server.free.release()

    do_HEAD = do_GET  # the same, without the body

    def _refuse(self) -> None:
        """Nothing can be written here."""
        self._send(Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"GET and HEAD alone\n", headers=(("Allow", "GET, HEAD"),)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def parse_listen(text: str, option: str = "--listen") -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
        if not 0 <= int(port) <= 0xFFFF:
            raise ValueError
    except ValueError:
        raise UsageError(f"{option} {text!r} is no address and port", "write 127.0.0.1:9464, or 0.0.0.0:9464 for all") from None
    return host, int(port)


def serve(listen: tuple[str, int], answers: Answers) -> tuple[str, Callable[[], None]]:
    """Serves in threads of its own; the address that it has, and what ends it. Raises UsageError when the address is taken."""
    kind = _Server6 if ":" in listen[0] else _Server
    try:
        server = kind(listen, _Handler)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror}", "choose another with --listen or --web"
        ) from None
    server.answers, server.free = answers, threading.Semaphore(REQUESTS_MOST)
    server.room = threading.Semaphore(CONNECTIONS_MOST)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="serve", daemon=True).start()
    host, port = server.server_address[:2]

    def end() -> None:
        server.shutdown()
        server.server_close()

    return f"[{host!s}]:{port}" if kind is _Server6 else f"{host!s}:{port}", end
