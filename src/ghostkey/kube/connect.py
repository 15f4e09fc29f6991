"""Connections to one API server: directly, or through the proxy that kubectl would go through, and then never around it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import os
import re
import socket
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import ghostkey
from ghostkey.kube.credentials import ConfigError

if TYPE_CHECKING:
    import ipaddress

    from ghostkey.kube.config import ClientConfig

CONNECT_SECONDS = 10.0  # to connect and to shake hands, proxies and all
HEAD_BYTES = 65536  # of a proxy's answer
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# RFC 1928, section 6
_SOCKS_ERRORS = (
    "", "general failure", "connection not allowed", "network unreachable", "host unreachable", "connection refused",
    "time to live expired", "command not supported", "address type not supported",
)  # fmt: skip


class ProxyFailedError(OSError):
    """The proxy could not be reached, or will not do it. The words name it without its user and password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy; printed without its credentials. `said_by` is where its URL stands."""

    scheme: str
    host: str
    port: int
    said_by: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{_at(self.host, self.port)}"

    @property
    def headers(self) -> dict[str, str]:
        """What tells an HTTP proxy who we are."""
        if not self.user and not self.password:
            return {}
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {pair}"}


def proxy_for(config: ClientConfig, scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for a server: that of the kubeconfig, whatever NO_PROXY says, else that of the environment; None for none.

    Raises ConfigError for one that cannot be used.
    Source: k8s.io/client-go v0.37 tools/clientcmd parseProxyURL; golang.org/x/net/http/httpproxy
    """
    if config.proxy_url:
        return _parse(config.proxy_url, f"proxy-url in {config.origin}", ("http", "https", "socks5", "socks5h"))
    for name in (f"{scheme.upper()}_PROXY", f"{scheme}_proxy"):
        if url := os.environ.get(name, ""):
            if is_bypassed(os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", host, port):
                return None
            return _parse(url if "://" in url else f"http://{url}", name, tuple(PORTS))
    return None


def _parse(url: str, said_by: str, schemes: tuple[str, ...]) -> Proxy:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    # the URL may hold a password: what is wrong with it is said without it
    if not host:
        raise ConfigError(f"{said_by} is no URL of a proxy", f"write {', '.join(schemes)} and its address: http://HOST:PORT")
    if parts.scheme not in schemes:
        raise ConfigError(f"{said_by}: proxies by {parts.scheme!r} are not supported", f"use one by {', '.join(schemes)}")
    user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
    return Proxy(parts.scheme, host, port or PORTS[parts.scheme], said_by, user, password)


def is_bypassed(no_proxy: str, host: str, port: int) -> bool:
    """Whether a server is reached without the environment's proxy: loopback always, else as NO_PROXY says.

    Source: golang.org/x/net/http/httpproxy, config.useProxy and config.init
    """
    host = host.lower()
    address = _ip(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for rule in filter(None, (part.strip().lower() for part in no_proxy.split(","))):
        if rule == "*":
            return True
        if "/" in rule:
            import ipaddress

            try:
                network = ipaddress.ip_network(rule, strict=False)
            except ValueError:
                pass
            else:
                if address is not None and address.version == network.version and address in network:
                    return True
                continue
        name, wanted_port = _split_port(rule)
        if not name or (wanted_port and wanted_port != str(port)):
            continue
        if (named := _ip(name)) is not None:
            if named == address:
                return True
            continue
        name = name.removeprefix("*")
        if host.endswith(name if name.startswith(".") else f".{name}") or host == name:
            return True
    return False


def _split_port(rule: str) -> tuple[str, str]:
    """Host and port of `host:port` or `[v6]:port`; an address with several colons has no port."""
    if rule.startswith("["):
        host, _, rest = rule[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = rule.rpartition(":")
    return (host, port) if colon and ":" not in host else (rule, "")


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    import ipaddress  # only where there is a proxy

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Dialer:
    """Opens connections to the server of a configuration.

    `needs_tls` says whether `open` needs a context: for the server, or for a proxy that speaks TLS. `prefix` goes before the path of every request, and `headers` with it: a server without TLS is asked by way of an HTTP
    proxy, not through it.
    """

    def __init__(self, config: ClientConfig) -> None:
        try:
            parts = urllib.parse.urlsplit(config.server)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in {"http", "https"}:
            raise ConfigError(f"server {config.server!r} in {config.origin} is no http or https URL")
        self.is_tls = parts.scheme == "https"
        self.host, self.port, self.path = host, port or PORTS[parts.scheme], parts.path
        self.proxy = proxy_for(config, parts.scheme, self.host, self.port)
        self._server_name = config.tls_server_name or self.host
        self.is_forwarded = self.proxy is not None and not self.is_tls and self.proxy.scheme in {"http", "https"}
        self.prefix = f"http://{_at(self.host, self.port)}" if self.is_forwarded else ""
        self.needs_tls = self.is_tls or (self.proxy is not None and self.proxy.scheme == "https")
        self.headers = self.proxy.headers if self.proxy and self.is_forwarded else {}

    def open(self, context: ssl.SSLContext | None, limit: float | None = None) -> http.client.HTTPConnection:
        """A connection that is up, handshakes done, within CONNECT_SECONDS or `limit` when that is less.

        It never opens another by itself, which would go around the proxy. Raises TimeoutError, ssl.SSLError, ProxyFailedError or OSError.
        """
        seconds = min(CONNECT_SECONDS, limit) if limit else CONNECT_SECONDS
        deadline = time.monotonic() + seconds
        try:
            sock = self._socket(context, deadline)
        except TimeoutError:
            through = f" through proxy {self.proxy}" if self.proxy else ""
            raise TimeoutError(f"no connection{through} within {seconds:g} s") from None
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.default_port = PORTS["https" if self.is_tls else "http"]  # which Host leaves out
        connection.auto_open = 0
        connection.sock = sock
        return connection

    def _socket(self, context: ssl.SSLContext | None, deadline: float) -> Any:
        if self.proxy is None:
            sock: Any = _connect(self.host, self.port, deadline)
        else:
            sock = self._through(self.proxy, context, deadline)
        if self.is_tls:
            assert context is not None
            sock = self._secured(sock, context, self._server_name, deadline)
        return sock

    def _through(self, proxy: Proxy, context: ssl.SSLContext | None, deadline: float) -> Any:
        """A socket whose other end is the server, or for plain HTTP the proxy itself."""
        try:
            sock: Any = _connect(proxy.host, proxy.port, deadline)
            if proxy.scheme == "https":
                assert context is not None
                sock = self._secured(sock, context, proxy.host, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            words = getattr(error, "verify_message", "") or error.strerror or str(error)
            raise ProxyFailedError(f"proxy {proxy}: {words}") from None
        try:
            sock.settimeout(_left(deadline))
            if proxy.scheme.startswith("socks"):
                _ask_socks(sock, proxy, self.host, self.port)
            elif not self.is_forwarded:
                _ask_tunnel(sock, proxy, self.host, self.port, deadline)
        except BaseException:
            sock.close()
            raise
        return sock

    @staticmethod
    def _secured(sock: Any, context: ssl.SSLContext, name: str, deadline: float) -> Any:
        sock.settimeout(_left(deadline))
        try:
            if isinstance(sock, ssl.SSLSocket):
                return _TlsInTls(context, sock, name)
            return context.wrap_socket(sock, server_hostname=name)
        except BaseException:
            sock.close()
            raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """The first of the host's addresses that answers."""
    failed: OSError = OSError(f"no address of {host} is known")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise failed


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """What a host's name stands for. A resolver may take minutes, and there is no other way to stop waiting for it."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name=f"look up {host}", daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])


def _ask_tunnel(sock: Any, proxy: Proxy, host: str, port: int, deadline: float) -> None:
    """CONNECT; returns when the proxy has answered 2xx. Source: RFC 9110, section 9.3.6"""
    target = _at(host, port)
    headers = {"Host": target, "User-Agent": f"ghostkey/{ghostkey.__version__}", **proxy.headers}
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    sock.sendall("\r\n".join(lines).encode())
    head = bytearray()
    # a byte at a time: what follows belongs to the server
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        sock.settimeout(_left(deadline))
        piece = sock.recv(1)
        if not piece or len(head) >= HEAD_BYTES:
            raise ProxyFailedError(f"proxy {proxy} ended the connection in the middle of its answer")
        head += piece
    status = bytes(head).partition(b"\n")[0].strip().decode("latin-1").split(" ", 1)
    code = status[1] if len(status) > 1 and status[0].startswith("HTTP/") else ""
    if not code.startswith("200"):
        # the phrase in its own words may echo what it was sent
        words = status_words(int(code[:3])) if re.match("[1-5][0-9]{2}", code) else "no HTTP"
        raise ProxyFailedError(f"proxy {proxy} answered {words} to CONNECT {target}")


def status_words(status: int) -> str:
    """A status and the phrase that the standard has for it."""
    known = status in HTTPStatus.__members__.values()
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)


def _ask_socks(sock: Any, proxy: Proxy, host: str, port: int) -> None:
    """A SOCKS5 connection; the proxy looks the name up, as with kubectl. Source: RFC 1928, RFC 1929"""
    user, password = proxy.user.encode(), proxy.password.encode()
    has_user = bool(user or password)
    sock.sendall(b"\x05\x02\x00\x02" if has_user else b"\x05\x01\x00")
    version, method = _exactly(sock, 2, proxy)
    if version != 5 or method not in (0, 2) or (method == 2 and not has_user):
        raise ProxyFailedError(
            f"proxy {proxy} " + ("asks for a user that we do not have" if version == 5 else "speaks no SOCKS5")
        )
    if method == 2:
        sock.sendall(bytes([1, len(user[:255])]) + user[:255] + bytes([len(password[:255])]) + password[:255])
        if _exactly(sock, 2, proxy)[1] != 0:
            raise ProxyFailedError(f"proxy {proxy} does not accept the user and password")
    address = _ip(host)
    if address is None:
        name = host.encode("idna") if not host.isascii() else host.encode()
        if len(name) > 255:
            raise ProxyFailedError(f"proxy {proxy} takes no name of more than 255 bytes")
        target = bytes([3, len(name)]) + name
    else:
        target = bytes([1 if address.version == 4 else 4]) + address.packed
    sock.sendall(b"\x05\x01\x00" + target + port.to_bytes(2, "big"))
    _, reply, _, kind = _exactly(sock, 4, proxy)
    if reply:
        said = _SOCKS_ERRORS[reply] if reply < len(_SOCKS_ERRORS) else f"error {reply}"
        raise ProxyFailedError(f"proxy {proxy} cannot reach {_at(host, port)}: {said}")
    length = {1: 4, 4: 16}.get(kind) or (_exactly(sock, 1, proxy)[0] if kind == 3 else 0)
    _exactly(sock, length + 2, proxy)


def _exactly(sock: Any, count: int, proxy: Proxy) -> bytes:
    found = b""
    while len(found) < count:
        piece = sock.recv(count - len(found))
        if not piece:
            raise ProxyFailedError(f"proxy {proxy} ended the connection in the middle of its answer")
        found += piece
    return found


class _TlsInTls:
    """TLS through a connection that is TLS already, which ssl's own sockets cannot wrap: what http.client asks of a socket."""

    def __init__(self, context: ssl.SSLContext, outer: ssl.SSLSocket, name: str) -> None:
        self._outer, self._in, self._out = outer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._readers, self._is_closed = 0, False
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._run(self._tls.do_handshake)

    def _run(self, act: Any, *arguments: object) -> Any:
        """Does it, carrying between the inner TLS and the outer until it is done."""
        while True:
            result, is_done = None, True
            try:
                result = act(*arguments)
            except ssl.SSLWantReadError:
                is_done = False
            finally:
                if ready := self._out.read():
                    self._outer.sendall(ready)
            if is_done:
                return result
            if piece := self._outer.recv(1 << 16):
                self._in.write(piece)
            else:
                self._in.write_eof()

    def sendall(self, content: bytes) -> None:
        view = memoryview(content).cast("B")
        while view:
            view = view[self._run(self._tls.write, view) :]

    def recv_into(self, buffer: Any) -> int:
        try:
            return int(self._run(self._tls.read, len(buffer), buffer))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0  # as a socket does where the other side just hangs up; a body knows its length

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float | None) -> None:
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        return self._outer.fileno()

    def shutdown(self, how: int) -> None:
        self._outer.shutdown(how)

    def close(self) -> None:
        """Ends the connection once its readers are closed too: the last answer may still be read."""
        self._is_closed = True
        if self._readers <= 0:
            self._outer.close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._is_closed:
            self.close()


class _Reader(io.RawIOBase):
    """Reads from a connection; closing it leaves the connection open for the next answer."""

    def __init__(self, sock: _TlsInTls) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)
