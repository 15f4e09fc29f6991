"""Small real proxies: CONNECT and plain forwarding, with and without TLS, and SOCKS5. Each writes down what went through it."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST = "api.ghost.test"  # a name that nobody knows but the proxies: whoever goes around them gets nowhere
AUTHORIZATION = "Basic " + base64.b64encode(b"me:p@ss").decode()


class Proxy(socketserver.ThreadingTCPServer):
    """One proxy on a port of 127.0.0.1. `seen` is what it was asked for, `answer` a status line to refuse with instead."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: type[Handler], *, user: bool = False, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.seen: list[str] = []
        self.answer = ""
        self.wants_user, self.tls = user, tls
        self.port = int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are no news."""

    def get_request(self) -> tuple[Any, Any]:
        sock, address = self.socket.accept()
        return (self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) if self.tls else sock), address


class Handler(socketserver.BaseRequestHandler):
    server: Proxy

    def relay(self, host: str, port: int, answer: bytes) -> None:
        with socket.create_connection(("127.0.0.1" if host == HOST else host, port)) as upstream:
            self.request.sendall(answer)
            pair = {self.request: upstream, upstream: self.request}
            while True:
                ready = [self.request] if getattr(self.request, "pending", int)() else select.select(list(pair), [], [])[0]
                for source in ready:
                    block = source.recv(65536)
                    if not block:
                        return
                    pair[source].sendall(block)


class HttpProxy(Handler):
    def handle(self) -> None:
        if self.server.tls:
            self.request.do_handshake()
        while head := self.head():
            lines = head.decode().split("\r\n")
            if self.server.answer or (self.server.wants_user and f"Proxy-Authorization: {AUTHORIZATION}" not in lines):
                refusal = self.server.answer or "407 Proxy Authentication Required"
                self.request.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            self.server.seen.append(lines[0])
            method, target, _ = lines[0].split()
            if method == "CONNECT":
                host, port = target.rsplit(":", 1)
                self.relay(host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")
                return
            self.forward(method, target, lines[1:])

    def head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.request.recv(1)
            if not piece:
                return b""
            head += piece
        return head

    def forward(self, method: str, target: str, lines: list[str]) -> None:
        """One request of a plain server, asked for by its whole URL; the connection to it ends with the answer."""
        place, _, path = target.removeprefix("http://").partition("/")
        host, port = place.rsplit(":", 1)
        kept = [line for line in lines if line and not line.lower().startswith(("proxy-", "connection:"))]
        with socket.create_connection(("127.0.0.1" if host == HOST else host, int(port))) as upstream:
            upstream.sendall("\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode())
            while block := upstream.recv(65536):
                self.request.sendall(block)
        self.request.shutdown(socket.SHUT_RDWR)


class SocksProxy(Handler):
    def exactly(self, count: int) -> bytes:
        return bytes(self.request.recv(count, socket.MSG_WAITALL))

    def handle(self) -> None:
        methods = self.exactly(self.exactly(2)[1])
        if self.server.wants_user:
            assert 2 in methods
            self.request.sendall(b"\x05\x02")
            user = self.exactly(self.exactly(2)[1])
            password = self.exactly(self.exactly(1)[0])
            self.request.sendall(b"\x01\x00" if (user, password) == (b"me", b"p@ss") else b"\x01\x01")
        else:
            self.request.sendall(b"\x05\x00")
        kind = self.exactly(4)[3]
        host = self.exactly(self.exactly(1)[0]).decode() if kind == 3 else socket.inet_ntoa(self.exactly(4))
        port = int.from_bytes(self.exactly(2), "big")
        if self.server.answer:
            self.request.sendall(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
            return
        self.server.seen.append(f"SOCKS {host}:{port}")
        self.relay(host, port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")


@contextlib.contextmanager
def running(handler: type[Handler], *, user: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy while the block runs."""
    with Proxy(handler, user=user, tls=tls) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def server_tls(folder: Path, pair: tuple[bytes, bytes]) -> ssl.SSLContext:
    """A context for a server with this certificate and key."""
    path = folder / "proxy.pem"
    path.write_bytes(b"".join(pair))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
