"""A relay in front of a real API server that cuts, delays or changes its answers: what networks and load balancers do.

>>> with ControlPlane() as control_plane, Relay(control_plane) as relay:      # doctest: +SKIP
...     relay.spoil(CutAfter(), when=is_write, every=3)
...     run(kubeconfig=relay.kubeconfig)

A fault is a class with one method; it decides whether the request goes on to the API server, and what comes back.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from ghostkey.testing.control_plane import ControlPlane

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade", "host", "proxy-authorization"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it reached the relay; `path` has the query."""

    method: str
    path: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


class CutError(Exception):
    """The connection to the client ends here; `with_reset` sends RST instead of FIN, `first` bytes go out before."""

    def __init__(self, *, with_reset: bool = False, first: bytes = b"") -> None:
        super().__init__()
        self.with_reset, self.first = with_reset, first


class Fault(Protocol):
    """What is done to one exchange."""

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """The answer for the client; calls `forward` where the API server shall have the request. Raises CutError to hang up."""
        ...


@dataclass(frozen=True, slots=True)
class CutBefore:
    """The connection ends before the API server has seen the request."""

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Hangs up."""
        raise CutError


@dataclass(frozen=True, slots=True)
class CutAfter:
    """The API server has carried the request out, and its answer is lost: the connection is closed, or reset."""

    with_reset: bool = False

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Forwards, and hangs up."""
        forward()
        raise CutError(with_reset=self.with_reset)


@dataclass(frozen=True, slots=True)
class Truncated:
    """Only the first part of the answer's body comes through; its length was announced in full."""

    share: float = 0.5

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Forwards, sends a part, and hangs up."""
        answer = forward()
        head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
        raise CutError(first=head.encode() + answer.body[: int(len(answer.body) * self.share)])


@dataclass(frozen=True, slots=True)
class Instead:
    """Another answer in place of the API server's, which has carried the request out unless `forwarded` is False."""

    status: int
    body: bytes = b""
    content_type: str = "text/html"
    forwarded: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Forwards where it shall, and answers."""
        if self.forwarded:
            forward()
        return Answer(self.status, self.content_type, self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Changed:
    """The API server's answer after a change; the change gets the body and gives the new one."""

    change: Callable[[bytes], bytes]

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Forwards, and changes what comes back."""
        answer = forward()
        return Answer(answer.status, answer.content_type, self.change(answer.body), answer.headers)


@dataclass(frozen=True, slots=True)
class Held:
    """The answer, once an event is set; `forwarded_first` says whether the API server has the request before."""

    until: threading.Event
    forwarded_first: bool = True

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """Waits on this side or the other of the API server."""
        if self.forwarded_first:
            answer = forward()
            self.until.wait()
            return answer
        self.until.wait()
        return forward()


def is_write(request: Request) -> bool:
    """Whether a request changes something."""
    return request.method not in {"GET", "HEAD"}


@dataclass(slots=True)
class _Rule:
    fault: Fault
    when: Callable[[Request], bool]
    every: int
    times: int
    seen: int = 0

    def applies(self, request: Request) -> bool:
        if self.times == 0 or not self.when(request):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.times -= 1
        return True


class Relay:
    """Listens with TLS on the loopback address and hands requests on as the administrator.

    `kubeconfig` leads through it, `requests` are all that came, in order. Watches are streamed and never spoiled.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.spoiled = 0

    def spoil(self, fault: Fault, *, when: Callable[[Request], bool] = is_write, every: int = 1, times: int = -1) -> None:
        """From now on has this fault meet every n-th request of those that `when` picks, `times` times (-1: always)."""
        with self._lock:
            self._rules.append(_Rule(fault, when, every, times))

    def mend(self) -> None:
        """Takes all faults away."""
        with self._lock:
            self._rules.clear()

    def __enter__(self) -> Self:
        directory = self._control_plane.directory
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "apiserver.crt", directory / "apiserver.key")
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}), context)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        config = json.loads(self._control_plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = self.url
        self.kubeconfig: Path = directory / f"kubeconfig-relay-{self._server.server_address[1]}.json"
        self.kubeconfig.write_text(json.dumps(config))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault_for(self, request: Request) -> Fault | None:
        """The fault that meets this request, counted once."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.applies(request):
                    self.spoiled += 1
                    return rule.fault
        return None

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to the API server."""
        return self._control_plane.connect()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept connection or a held answer must not hold up the end

    def __init__(self, address: tuple[str, int], handler: type[_Handler], context: ssl.SSLContext) -> None:
        super().__init__(address, handler)
        self._context = context

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        # the handshake happens in the thread of the connection, at its first read
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Relay
    _upstream: http.client.HTTPSConnection | None = None

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, body)
        is_watch = "watch=1" in self.path or "watch=true" in self.path
        fault = self.owner.fault_for(Request("WATCH", self.path, b"") if is_watch else request)
        if is_watch and fault is None:
            self._stream(request)
            return
        try:
            answer = fault.exchange(request, lambda: self._forward(request)) if fault else self._forward(request)
        except CutError as cut:
            self._cut(cut)
            return
        except (OSError, http.client.HTTPException):
            # the API server is away: so is this relay's answer
            self._cut(CutError())
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle

    def _forward(self, request: Request) -> Answer:
        response = self._ask(request)
        headers = tuple((name, value) for name, value in response.getheaders() if name.lower() == "retry-after")
        return Answer(response.status, response.getheader("Content-Type") or "", response.read(), headers)

    def _ask(self, request: Request) -> http.client.HTTPResponse:
        if self._upstream is None:
            self._upstream = self.owner.connect()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {*HOP_BY_HOP, "accept-encoding"}}
        try:
            self._upstream.request(request.method, request.path, request.body or None, headers)
            return self._upstream.getresponse()
        except (OSError, http.client.HTTPException):
            self._upstream.close()
            self._upstream = None
            raise

    def _stream(self, request: Request) -> None:
        try:
            response = self._ask(request)
        except (OSError, http.client.HTTPException):
            self._cut(CutError())
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.getheader("Content-Type") or "")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while line := response.readline():
                self.wfile.write(line)
                self.wfile.flush()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            if self._upstream is not None:
                self._upstream.close()

    def _cut(self, cut: CutError) -> None:
        self.close_connection = True
        if cut.first:
            self.wfile.write(cut.first)
            self.wfile.flush()
        if cut.with_reset:
            # Source: socket(7): close with a linger time of zero discards what is unsent and sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close() if cut.with_reset else self._shut()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
