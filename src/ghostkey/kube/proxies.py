"""The proxy that kubectl would go through: which one it is, and how it is asked for the way to a server."""

from __future__ import annotations

import base64
import os
import re
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
        return f"{self.scheme}://{at(self.host, self.port)}"

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


def at(host: str, port: int) -> str:
    """`host:port` as a URL and CONNECT write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def left(deadline: float) -> float:
    """Seconds that are left; raises TimeoutError when none are."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def ask_tunnel(sock: Any, proxy: Proxy, host: str, port: int, deadline: float) -> None:
    """CONNECT; returns when the proxy has answered 2xx. Source: RFC 9110, section 9.3.6"""
    target = at(host, port)
    headers = {"Host": target, "User-Agent": f"ghostkey/{ghostkey.__version__}", **proxy.headers}
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    sock.sendall("\r\n".join(lines).encode())
    head = bytearray()
    # a byte at a time: what follows belongs to the server
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        sock.settimeout(left(deadline))
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


def ask_socks(sock: Any, proxy: Proxy, host: str, port: int) -> None:
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
        raise ProxyFailedError(f"proxy {proxy} cannot reach {at(host, port)}: {said}")
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
