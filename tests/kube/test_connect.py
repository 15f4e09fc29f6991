"""How a server is reached: proxies as kubectl takes them, never around them, and no longer than it may take."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.config import ClientConfig
from ghostkey.kube.connect import Dialer
from ghostkey.kube.proxies import is_bypassed
from ghostkey.testing import ControlPlane, binary
from ghostkey.testing.certificates import Authority
from tests.helpers import HANG_SECONDS, Done, Program, make_map
from tests.kube.proxies import HOST, HttpProxy, Proxy, SocksProxy, running, server_tls

ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass
class Reached:
    """Runs ghostkey, and kubectl, against a server that only the proxies know by its name."""

    folder: Path
    namespace: str
    config: dict[str, Any]

    def kubeconfig(self, **fields: Any) -> Path:
        config = json.loads(json.dumps(self.config))
        config["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in fields.items()}
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def __call__(self, env: dict[str, str] | None = None, **fields: Any) -> Done:
        program = Program(self.folder / "state", self.kubeconfig(**fields))
        return program("blame", "cm/settings", "-n", self.namespace, env=without_proxies() | (env or {}))

    def kubectl(self, env: dict[str, str] | None = None, **fields: Any) -> bool:
        """Whether kubectl reaches it."""
        path = self.kubeconfig(**fields)
        done = subprocess.run(
            [str(binary("kubectl")), "--kubeconfig", str(path), "--request-timeout", "20s", "get", "cm", "-n", self.namespace],
            env={**os.environ, **without_proxies(), **(env or {}), "HOME": str(self.folder)}, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0


def without_proxies() -> dict[str, str]:
    return {name: "" for upper in ENVIRONMENT for name in (upper, upper.lower())}


@pytest.fixture
def reached(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Reached:
    make_map(control_plane, namespace, "settings", {"a": "1"})
    config = json.loads(control_plane.kubeconfig.read_text())
    port = control_plane.url.rsplit(":", 1)[1]
    config["clusters"][0]["cluster"] |= {"server": f"https://{HOST}:{port}", "tls-server-name": "localhost"}
    return Reached(tmp_path, namespace, config)


@pytest.fixture
def plain(control_plane: ControlPlane, reached: Reached) -> Iterator[Reached]:
    """The same behind a server that speaks plain HTTP: kubectl proxy."""
    proxying = subprocess.Popen(
        [str(binary("kubectl")), "--kubeconfig", str(control_plane.kubeconfig), "proxy", "--port", "0", "--accept-hosts", ".*"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert proxying.stdout is not None
    port = proxying.stdout.readline().rsplit(":", 1)[1].strip()
    reached.config["clusters"][0]["cluster"] = {"server": f"http://{HOST}:{port}"}
    reached.config["users"][0]["user"] = {}
    yield reached
    proxying.terminate()
    proxying.wait()


@pytest.fixture
def authority() -> Authority:
    return Authority("proxies")


Started = Callable[[str], tuple[str, Proxy]]


@pytest.fixture
def start(tmp_path: Path, authority: Authority) -> Iterator[Started]:
    """Starts a proxy of a kind, and gives the URL for it."""
    with ExitStack() as stack:

        def started(kind: str) -> tuple[str, Proxy]:
            scheme, _, user = kind.partition("+")
            tls = server_tls(tmp_path, authority.issue("proxy", server_addresses=["127.0.0.1"])) if scheme == "https" else None
            handler = SocksProxy if scheme.startswith("socks") else HttpProxy
            server = stack.enter_context(running(handler, user=bool(user), tls=tls))
            return f"{scheme}://{'me:p%40ss@' if user else ''}127.0.0.1:{server.port}", server

        yield started


def trusting(config: dict[str, Any], authority: Authority) -> str:
    """The cluster's CA and that of the proxies, for a kubeconfig."""
    known = base64.b64decode(config["clusters"][0]["cluster"].get("certificate-authority-data") or "")
    return base64.b64encode(known + authority.certificate_pem).decode()


KINDS = ["http", "http+user", "https", "https+user", "socks5", "socks5+user"]


@pytest.mark.parametrize("kind", KINDS)
def test_proxy_url_is_gone_through_with_tls_server_name_and_client_certificates(
    reached: Reached, start: Started, authority: Authority, kind: str
) -> None:
    url, proxy = start(kind)
    fields = {"proxy_url": url}
    if kind.startswith("https"):
        fields["certificate_authority_data"] = trusting(reached.config, authority)
        # kubectl checks this name for the proxy too, so leave it out there and here
        reached.config["clusters"][0]["cluster"].pop("tls-server-name")
        reached.config["clusters"][0]["cluster"]["server"] = reached.config["clusters"][0]["cluster"]["server"].replace(
            HOST, "127.0.0.1"
        )
    # NO_PROXY is of the environment's proxies alone
    done = reached(env={"NO_PROXY": "*"}, **fields)
    assert done.code == 0, done.err
    assert proxy.seen
    assert "p@ss" not in done.err + done.out
    assert "p%40ss" not in done.err + done.out
    proxy.seen.clear()
    assert reached.kubectl(env={"NO_PROXY": "*"}, **fields)
    assert proxy.seen


@pytest.mark.parametrize("kind", ["https", "https+user"])
def test_proxy_with_tls_goes_with_tls_server_name_too(reached: Reached, start: Started, authority: Authority, kind: str) -> None:
    url, proxy = start(kind)
    done = reached(proxy_url=url, certificate_authority_data=trusting(reached.config, authority))
    assert done.code == 0, done.err
    assert proxy.seen


@pytest.mark.parametrize("kind", KINDS)
def test_proxy_url_is_gone_through_to_a_server_without_tls(
    plain: Reached, start: Started, authority: Authority, kind: str
) -> None:
    url, proxy = start(kind)
    fields = {"certificate_authority_data": base64.b64encode(authority.certificate_pem).decode()} if "https" in kind else {}
    done = plain(proxy_url=url, **fields)
    assert done.code == 0, done.err
    # asked by its whole URL, as RFC 9112 has it, or through SOCKS
    assert all(line.startswith((f"GET http://{HOST}:", f"SOCKS {HOST}:")) for line in proxy.seen), proxy.seen
    if "https" not in kind:  # kubectl leaves out the CA of an entry whose server has no TLS
        proxy.seen.clear()
        assert plain.kubectl(proxy_url=url)
        assert proxy.seen


@pytest.mark.parametrize(
    "variables",
    [{"HTTPS_PROXY": "URL"}, {"https_proxy": "URL"}, {"HTTPS_PROXY": "URL", "https_proxy": "http://127.0.0.1:1"}],
    ids=["upper", "lower", "upper-wins"],
)
@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_proxy_of_the_environment_is_gone_through(reached: Reached, start: Started, variables: dict[str, str], kind: str) -> None:
    url, proxy = start(kind)
    env = {name: value.replace("URL", url) for name, value in variables.items()}
    assert reached(env=env).code == 0
    assert proxy.seen
    # without a scheme it is http, and http's variable is not that of https
    assert reached(env={"HTTP_PROXY": url}).code == 5


def test_http_proxy_of_the_environment_is_for_plain_servers(plain: Reached, start: Started) -> None:
    url, proxy = start("http")
    assert plain(env={"HTTP_PROXY": url.removeprefix("http://")}).code == 0
    assert proxy.seen
    assert plain(env={"HTTPS_PROXY": url}).code == 5


@pytest.mark.parametrize("rule", [HOST, ".ghost.test", "ghost.test", "*.ghost.test", "*", f"{HOST}:PORT", "x, GHOST.TEST ,y"])
def test_no_proxy_keeps_the_environments_proxy_out_as_kubectl_does(reached: Reached, start: Started, rule: str) -> None:
    url, proxy = start("http")
    port = reached.config["clusters"][0]["cluster"]["server"].rsplit(":", 1)[1]
    env = {"HTTPS_PROXY": url, "NO_PROXY": rule.replace("PORT", port)}
    done = reached(env=env)
    # straight on, where nobody knows the name
    assert done.code == 5, done
    assert not reached.kubectl(env=env)
    assert proxy.seen == []


@pytest.mark.parametrize(
    "rule", ["", "other.test", "host.test", "api.ghost", f"{HOST}:1", "10.0.0.0/8", ":6443", "a.api.ghost.test"]
)
def test_no_proxy_for_others_changes_nothing_as_with_kubectl(reached: Reached, start: Started, rule: str) -> None:
    url, proxy = start("http")
    env = {"HTTPS_PROXY": url, "NO_PROXY": rule}
    assert reached(env=env).code == 0
    assert reached.kubectl(env=env)
    assert len(proxy.seen) >= 2


# the table of golang.org/x/net/http/httpproxy, and addresses that no test can have
@pytest.mark.parametrize(("no_proxy", "host", "port", "expected"), [
    ("", "localhost", 443, True), ("", "127.0.0.1", 443, True), ("", "127.8.9.10", 443, True), ("", "::1", 443, True),
    ("", "example.com", 443, False), ("192.168.1.1, 10.0.0.0/8, foo.com", "10.1.2.3", 443, True),
    ("192.168.0.0/16", "192.169.1.1", 443, False), ("192.168.1.1", "192.168.1.1", 443, True),
    ("192.168.1.1:80", "192.168.1.1", 443, False), ("192.168.1.1:443", "192.168.1.1", 443, True),
    ("2001:db8::/32", "2001:db8::52:0:1", 443, True), ("[2001:db8::52:0:3]:443", "2001:db8::52:0:3", 443, True),
    ("2001:db8::52:0:1", "2001:db8::52:0:1", 443, True), ("[2001:db8::52:0:1]", "2001:db8::52:0:1", 443, True),
    ("2001:db8::52:0:2/117", "2001:db8::52:0:2", 80, True), ("::ffff:10.0.0.1", "10.0.0.1", 443, True),
    ("foo.com", "foo.com", 80, True), ("foo.com", "www.foo.com", 80, True), ("foo.com", "foofoo.com", 80, False),
    (".foo.com", "foo.com", 80, False), (".foo.com", "www.foo.com", 80, True), ("*.foo.com", "www.foo.com", 80, True),
    ("*.foo.com", "foo.com", 80, False), ("*.foo.com:443", "www.foo.com", 80, False), ("ample.com", "example.com", 80, False),
    ("example.com", "EXAMPLE.com", 80, True), ("*", "example.com", 80, True), ("10.0.0.0/33", "10.0.0.1", 443, False),
    ("10.0.0.0/8", "ten.example", 443, False), (" , ,", "example.com", 443, False),
])  # fmt: skip
def test_no_proxy_is_read_as_go_reads_it(no_proxy: str, host: str, port: int, expected: bool) -> None:
    assert is_bypassed(no_proxy, host, port) is expected


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_server_of_the_loopback_is_never_behind_the_environments_proxy(
    control_plane: ControlPlane, reached: Reached, start: Started, kind: str
) -> None:
    url, proxy = start(kind)
    assert reached(env={"HTTPS_PROXY": url}, server=control_plane.url).code == 0
    assert proxy.seen == []


# failing closed


@pytest.mark.parametrize(("url", "code", "words"), [
    ("ftp://127.0.0.1:1", 2, "proxies by 'ftp' are not supported"), ("127.0.0.1:1", 2, "no URL of a proxy"),
    ("http://", 2, "no URL of a proxy"), ("http://me:hunter2@127.0.0.1:99999", 2, "no URL of a proxy"),
    ("http://me:hunter2@127.0.0.1:1", 5, "proxy http://127.0.0.1:1: Connection refused"),
    ("socks5://me:hunter2@127.0.0.1:1", 5, "proxy socks5://127.0.0.1:1: Connection refused"),
    ("https://me:hunter2@127.0.0.1:1", 5, "proxy https://127.0.0.1:1: Connection refused"),
])  # fmt: skip
def test_proxy_that_cannot_be_used_is_an_error_and_never_gone_around(
    control_plane: ControlPlane, reached: Reached, url: str, code: int, words: str
) -> None:
    done = reached(proxy_url=url, server=control_plane.url)
    assert (done.code, words in done.err) == (code, True), done
    assert "hunter2" not in done.err


@pytest.mark.parametrize(("kind", "words"), [
    ("http", "answered 403 Forbidden to CONNECT"), ("socks5", "connection not allowed"),
])  # fmt: skip
def test_proxy_that_refuses_is_quoted(
    control_plane: ControlPlane, reached: Reached, start: Started, kind: str, words: str
) -> None:
    url, proxy = start(kind)
    proxy.answer = "403 Forbidden"
    done = reached(proxy_url=url, server=control_plane.url)
    assert (done.code, words in done.err) == (5, True), done.err
    assert "hint: the proxy is that of proxy-url in" in done.err


@pytest.mark.parametrize("kind", ["http+user", "socks5+user"])
def test_proxy_that_wants_another_user_is_quoted(
    control_plane: ControlPlane, reached: Reached, start: Started, kind: str
) -> None:
    url, _ = start(kind)
    done = reached(proxy_url=url.replace("p%40ss", "hunter2"), server=control_plane.url)
    assert done.code == 5
    assert "hunter2" not in done.err
    assert re.search("407 Proxy Authentication Required|does not accept the user and password", done.err)


def test_certificate_of_a_proxy_is_checked(control_plane: ControlPlane, reached: Reached, start: Started) -> None:
    url, proxy = start("https")
    done = reached(proxy_url=url, server=control_plane.url)
    assert done.code == 5
    assert f"proxy {url}: " in done.err
    assert proxy.seen == []


def test_server_that_ends_each_connection_is_still_asked_through_the_proxy(plain: Reached, start: Started) -> None:
    """http.client opens the next connection by itself unless told not to, and that one would go straight on."""
    url, proxy = start("http")
    done = plain(proxy_url=url)
    assert done.code == 0
    scanned = Program(plain.folder / "state", plain.kubeconfig(proxy_url=url))("scan", "-n", plain.namespace)
    assert scanned.code == 0, scanned.err
    assert len(proxy.seen) > 5


# time


class Silent:
    """A server that takes connections, does what it is told with each, and never answers."""

    def __init__(self, act: Callable[[socket.socket], object] = lambda sock: None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._act, self._held = act, []  # type: ignore[var-annotated]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._held.append(sock)
            try:
                self._held.append(self._act(sock))
            except OSError:
                continue

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def silent(tmp_path: Path, authority: Authority) -> Iterator[Callable[[str], Program]]:
    """A program whose server accepts and then: nothing at all, TLS and no word, or half an answer a byte at a time."""
    with ExitStack() as stack:

        def made(how: str) -> Program:
            tls = server_tls(tmp_path, authority.issue("server", server_addresses=["127.0.0.1"]))

            def secured(sock: socket.socket) -> socket.socket:
                return tls.wrap_socket(sock, server_side=True)

            def dripping(sock: socket.socket) -> socket.socket:
                secured_sock = secured(sock)
                threading.Thread(target=drip, args=(secured_sock,), daemon=True).start()
                return secured_sock

            server = Silent({"nothing": lambda sock: None, "tls": secured, "drip": dripping}[how])
            stack.callback(server.close)
            ca = base64.b64encode(authority.certificate_pem).decode()
            cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority-data": ca}
            config = {
                "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster": cluster}],
            }  # fmt: skip
            (tmp_path / "silent").write_text(json.dumps(config))
            return Program(tmp_path / "state", tmp_path / "silent")

        yield made


def drip(sock: ssl.SSLSocket) -> None:
    """An answer that never ends, a byte now and then: no silence is ever long."""
    beat = threading.Event()
    try:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not beat.wait(0.2):
            sock.sendall(b" ")
    except OSError:
        return


def test_server_that_accepts_and_never_shakes_hands_is_given_ten_seconds(silent: Callable[[str], Program]) -> None:
    began = time.monotonic()
    done = silent("nothing")("scan")
    assert 9 <= time.monotonic() - began < HANG_SECONDS
    assert done.code == 5
    assert "no connection within 10 s" in done.err


@pytest.mark.parametrize("how", ["nothing", "tls", "drip"])
def test_request_timeout_ends_every_kind_of_silence(silent: Callable[[str], Program], how: str) -> None:
    began = time.monotonic()
    done = silent(how)("scan", "--request-timeout", "1500ms")
    assert 1.4 <= time.monotonic() - began < HANG_SECONDS
    assert done.code == 5
    assert re.search(r"no (connection|whole answer) within 1\.5 s", done.err), done.err


def test_proxy_that_never_answers_is_given_ten_seconds_too(reached: Reached) -> None:
    server = Silent()
    done = reached(proxy_url=f"http://127.0.0.1:{server.port}")
    server.close()
    assert done.code == 5
    assert f"no connection through proxy http://127.0.0.1:{server.port} within 10 s" in done.err


def test_terminal_is_told_for_whom_we_wait(silent: Callable[[str], Program]) -> None:
    program = silent("tls")
    controller, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", "scan", "--request-timeout", "5s"],
        env=program.environment() | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    said = b""
    while select.select([controller], [], [], HANG_SECONDS)[0]:
        try:
            said += os.read(controller, 4096)
        except OSError:
            break
    assert running.wait(HANG_SECONDS) == 5
    text = said.decode()
    assert re.search(r"waiting for 127\.0\.0\.1:\d+ …", text)
    # gone before the error is said
    assert "…\r\x1b[2K" in text.partition("error:")[0]
    os.close(controller)


def test_pipe_is_not_told(silent: Callable[[str], Program]) -> None:
    assert "waiting" not in silent("tls")("scan", "--request-timeout", "3s").err


def test_wrong_request_timeout_is_a_usage_error(files_program: Program) -> None:
    done = files_program("scan", "--request-timeout", "soon")
    assert (done.code, "'soon' is no duration" in done.err) == (2, True)


def test_user_and_password_in_a_servers_url_are_credentials_and_are_never_shown(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.headers.get("User-Agent", "").partition("/")[0], self.headers.get("Authorization", "")))
            body = b'{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no"}'
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "kubeconfig"
        url = f"http://me:s%40cret@127.0.0.1:{server.server_port}"
        path.write_text(json.dumps({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}],
        }))  # fmt: skip
        done = Program(tmp_path / "state", path)("scan", env=without_proxies())
        kubectl = [str(binary("kubectl")), "--kubeconfig", str(path), "get", "cm"]
        subprocess.run(kubectl, env={**os.environ, **without_proxies(), "HOME": str(tmp_path)}, capture_output=True, check=False)
        server.shutdown()
    expected = "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert {program for program, _ in asked} == {"ghostkey", "kubectl"}
    assert {authorization for _, authorization in asked} == {expected}
    assert done.code == 3
    assert "cret" not in done.out + done.err


def test_name_that_is_not_looked_up_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    real = socket.getaddrinfo

    def resolver(host: str, port: int, *others: Any, **named: Any) -> Any:
        """A resolver whose servers do not answer, which only a name needs."""
        flags = others[3] if len(others) > 3 else 0
        if host == "api.example.com" and not flags & socket.AI_NUMERICHOST:
            hanging.wait(HANG_SECONDS)
        return real(host, port, *others, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr("ghostkey.kube.connect.CONNECT_SECONDS", 0.2)
    dialer = Dialer(ClientConfig(server="https://api.example.com", namespace="", origin="here"))
    try:
        with pytest.raises(TimeoutError, match="no connection within"):
            dialer.open(ssl.create_default_context())
    finally:
        hanging.set()
