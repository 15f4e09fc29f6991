"""How a server is reached: proxies as kubectl takes them, and never around them."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.proxies import is_bypassed
from ghostkey.testing import ControlPlane, binary
from ghostkey.testing.certificates import Authority
from tests.helpers import Program
from tests.kube.conftest import Reached, without_proxies
from tests.kube.proxies import HOST, HttpProxy, Proxy, SocksProxy, running, server_tls


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


@pytest.mark.whole(but=["http", "https+user"])
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


@pytest.mark.whole(but=["http", "https+user"])
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


@pytest.mark.whole(but=["http-upper", "socks5-upper"])
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


@pytest.mark.whole(but=["api.ghost.test", "*.ghost.test"])
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


@pytest.mark.whole(but=["", "api.ghost.test:1"])
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
