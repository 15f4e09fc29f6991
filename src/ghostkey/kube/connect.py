"""Connections to one API server: directly, or through the proxy that kubectl would go through, and then never around it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from ghostkey.kube.credentials import ConfigError
from ghostkey.kube.proxies import PORTS, ProxyFailedError, ask_socks, ask_tunnel, at, left, proxy_for
from ghostkey.kube.tls_in_tls import TlsInTls

if TYPE_CHECKING:
    from ghostkey.kube.config import ClientConfig
    from ghostkey.kube.proxies import Proxy

CONNECT_SECONDS = 10.0  # to connect and to shake hands, proxies and all


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
        self.prefix = f"http://{at(self.host, self.port)}" if self.is_forwarded else ""
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
            sock.settimeout(left(deadline))
            if proxy.scheme.startswith("socks"):
                ask_socks(sock, proxy, self.host, self.port)
            elif not self.is_forwarded:
                ask_tunnel(sock, proxy, self.host, self.port, deadline)
        except BaseException:
            sock.close()
            raise
        return sock

    @staticmethod
    def _secured(sock: Any, context: ssl.SSLContext, name: str, deadline: float) -> Any:
        sock.settimeout(left(deadline))
        try:
            if isinstance(sock, ssl.SSLSocket):
                return TlsInTls(context, sock, name)
            return context.wrap_socket(sock, server_hostname=name)
        except BaseException:
            sock.close()
            raise


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """The first of the host's addresses that answers."""
    failed: OSError = OSError(f"no address of {host} is known")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left(deadline))
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
    thread.join(left(deadline))
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])
