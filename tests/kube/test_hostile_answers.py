"""Answers that are not what was asked: one line, exit code 5, never "0 findings"; from a small server that says anything."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import ApiFailed
from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Answer, Relay, Request
from tests.helpers import Program, make_map

MEMORY = 256 << 20
Handler = http.server.BaseHTTPRequestHandler


def says(body: bytes, status: int = 200, **headers: str) -> Callable[[Handler], None]:
    def answer(to: Handler) -> None:
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    return answer


def cut(to: Handler) -> None:
    to.send_response(200)
    to.send_header("Content-Length", "1000")
    to.end_headers()
    to.wfile.write(b'{"kind":')
    to.close_connection = True


def endless(to: Handler) -> None:
    to.send_response(200)
    to.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(2_000):
            to.wfile.write(b"[" * (1 << 20))
    to.close_connection = True


def claimed(to: Handler) -> None:
    to.send_response(200)
    to.send_header("Content-Length", str(1 << 40))
    to.end_headers()
    to.close_connection = True


def listed(kind: str, items: Any) -> bytes:
    return json.dumps({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}).encode()


ANSWERS: dict[str, Callable[[Handler], None]] = {
    "login page": says(b"<html><head><title>Sign in</title></head></html>"),
    "nothing": says(b""),
    "no content": says(b"", 204),
    "redirect": says(b"", 302, Location="https://login.example/\x1b[31m"),
    "redirect for good": says(b"<html>moved</html>", 301, Location="https://login.example/"),
    "not modified": says(b"", 304),
    "empty list": says(b"[]"),
    "null": says(b"null"),
    "a number": says(b"5"),
    "a text": says(b'"hello"'),
    "empty object": says(b"{}"),
    "no utf-8": says(b"\xff\xfe\x00"),
    "broken json": says(b'{"kind": "APIGroup'),
    "nan": says(b"NaN"),
    "deep": says(b"[" * 100_000),
    "wide": says(b"[" + b"{}," * 5_000_000 + b"{}]"),
    "digits": says(b'{"kind": ' + b"9" * 5_000 + b"}"),
    "another kind": says(listed("PodList", [])),
    "maps for everything": says(listed("ConfigMapList", [])),
    "items null": says(listed("APIGroupDiscoveryList", None)),
    "items a text": says(listed("APIGroupDiscoveryList", "x")),
    "items of texts": says(listed("APIGroupDiscoveryList", ["x"])),
    "groups null": says(b'{"kind":"APIGroupList","groups":null}'),
    "a status": says(b'{"kind":"Status","status":"Failure","message":"no","code":403}'),
    "forbidden in html": says(b"<html><title>403</title></html>", 500),
    "error without end": says(b"x" * 1_000_000, 500),
    "cut": cut,
    "endless": endless,
    "claims a terabyte": claimed,
}


@contextlib.contextmanager
def serving(answer: Callable[[Handler], None]) -> Iterator[int]:
    """The port of a server that answers everything alike."""

    class Says(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def kubeconfig(folder: Path, port: int, **user: str) -> Path:
    config: dict[str, Any] = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "namespace": "default"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
    }
    if user:
        config["contexts"][0]["context"]["user"] = "u"
        config["users"] = [{"name": "u", "user": user}]
    path = folder / "config"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.whole(but=["login page", "redirect", "deep", "items a text", "cut"])
@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_what_was_not_asked_for_is_one_line_and_exit_5(tmp_path: Path, name: str) -> None:
    with serving(ANSWERS[name]) as port:
        program = Program(tmp_path / "state", kubeconfig(tmp_path, port))
        for words in (("scan",), ("blame", "cm/x")) if name in {"login page", "empty object", "redirect"} else (("scan",),):
            done, peak = program.measured(*words)
            assert done.code == 5, (words, done)
            assert done.err.startswith("error: "), done.err
            assert done.err.count("\n") <= 2
            assert "\x1b" not in done.err
            assert "bug" not in done.err
            assert len(done.err) < 2_500
            assert "0 findings" not in done.err
            assert peak < MEMORY


class Instead:
    """Another body in place of the API server's."""

    def __init__(self, body: bytes, content_type: str = "application/json") -> None:
        self._answer = Answer(200, content_type, body)

    def exchange(self, request: Request, forward: Callable[[], Answer]) -> Answer:
        """That body."""
        return self._answer


WRONG_LISTS = {
    "login page": b"<html><title>Sign in</title></html>",
    "empty object": b"{}",
    "items null": listed("ConfigMapList", None),
    "no items": b'{"kind":"ConfigMapList","metadata":{}}',
    "another kind": listed("SecretList", []),
    "items a map": listed("ConfigMapList", {}),
}


@pytest.mark.parametrize("name", WRONG_LISTS)
def test_a_list_of_maps_that_is_none_ends_the_scan_in_one_line(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, name: str
) -> None:
    with Relay(control_plane) as relay:
        relay.spoil(
            Instead(WRONG_LISTS[name]), when=lambda request: "/configmaps" in request.path and "watch=" not in request.path
        )
        done = Program(tmp_path / "state", relay.kubeconfig)("scan", "-n", namespace, "--holders", "cm")
    assert done.code == 5, done
    assert done.err.startswith("error: the server answered ")


def test_one_map_that_is_not_as_the_api_defines_it_is_a_gap(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "good", {"a": "b"})
    good = {"metadata": {"name": "good", "namespace": namespace, "uid": "u"}, "data": {"a": "b"}}
    odd = {"metadata": {"name": "odd", "namespace": namespace, "uid": "u"}, "data": {"a": 5}}
    with Relay(control_plane) as relay:
        body = listed("ConfigMapList", [odd, good])
        relay.spoil(Instead(body), when=lambda request: request.path.startswith(f"/api/v1/namespaces/{namespace}/configmaps"))
        done = Program(tmp_path / "state", relay.kubeconfig)("scan", "-n", namespace, "--holders", "cm", "-o", "json")
    assert done.code == 3, done
    assert done.json["summary"]["maps"] == 1
    assert "a ConfigMap odd was not looked into" in done.err


@pytest.mark.whole(but=["{}"])
@pytest.mark.parametrize("body", [b"{}", b"<html></html>", listed("TenantList", None)])
def test_a_list_of_subjects_that_is_none_is_a_gap_of_that_kind(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, body: bytes
) -> None:
    with Relay(control_plane) as relay:
        relay.spoil(Instead(body), when=lambda request: "/serviceaccounts" in request.path)
        done = Program(tmp_path / "state", relay.kubeconfig)("scan", "-n", namespace, "-o", "json")
    assert done.code == 3, done
    assert [gap["kind"] for gap in done.json["gaps"]] == ["serviceaccounts"]


@pytest.mark.whole(but=["line5"])
@pytest.mark.parametrize(
    "line", [b'{"type":"ADD', b"<html>\n", b"{}\n", b"[1]\n", b'{"type":"ADDED","object":{}}\n', b"x" * 70_000 + b"\n"]
)
def test_a_watch_that_is_none_is_no_quiet_map(control_plane: ControlPlane, namespace: str, program: Program, line: bytes) -> None:
    make_map(control_plane, namespace, "m", {"a": "1", "b": "2"})
    with Relay(control_plane) as relay:
        program = program.as_user(relay.kubeconfig)
        trimmed = program("trim", "cm/m", "-n", namespace, "--key", "a", "--apply")
        assert trimmed.code == 0, trimmed
        relay.spoil(Instead(line), when=lambda request: "watch=1" in request.path)
        done = program("verify", "cm/m", "-n", namespace, "--for", "3s")
    if line.endswith(b"\n"):
        assert done.code == 5, done
        assert "not with an event of a watch" in done.err
    else:
        # cut within an event is a broken connection: it goes on, and what is there at the end is looked at
        assert done.code == 0, done


@pytest.mark.parametrize(("is_new", "words"), [(False, "again and again"), (True, "20 pages that hold nothing")])
def test_pages_for_ever_end(tmp_path: Path, is_new: bool, words: str) -> None:
    tokens = itertools.count()

    def answer(to: Handler) -> None:
        if to.path.startswith("/api?") or to.path == "/api":
            says(b'{"kind":"APIVersions"}')(to)
        elif to.path.startswith("/apis"):
            says(b'{"kind":"APIGroupList","groups":[]}')(to)
        elif to.path.startswith("/api/v1?") or to.path == "/api/v1":
            says(b'{"kind":"APIResourceList","resources":[]}')(to)
        else:
            token = f"new-{next(tokens)}" if is_new else "again"
            page = {"kind": "ConfigMapList", "metadata": {"continue": token, "resourceVersion": "1"}, "items": []}
            says(json.dumps(page, indent=1).encode())(to)

    with serving(answer) as port:
        done = Program(tmp_path / "state", kubeconfig(tmp_path, port))("scan")
    assert done.code == 5, done
    assert words in done.err


def echo_plain(to: Handler) -> None:
    says(str(to.headers).encode(), 500)(to)


def echo_page(to: Handler) -> None:
    says(f"<html><title>{to.headers['Authorization']}</title></html>".encode(), 500)(to)


def echo_status(to: Handler) -> None:
    message = f"{to.headers} s3cret-Pass"
    says(json.dumps({"kind": "Status", "status": "Failure", "message": message, "reason": message}).encode(), 403)(to)


def echo_redirect(to: Handler) -> None:
    says(b"", 302, Location=f"https://me:s3cret-Pass@login.example/{to.headers['Authorization'].split()[1]}?a=s3cret-Pass")(to)


def echo_line(to: Handler) -> None:
    to.wfile.write(f"Authorization: {to.headers['Authorization']}\r\n\r\n".encode())
    to.close_connection = True


@pytest.mark.whole(but=["echo_plain-token", "echo_page-basic", "echo_redirect-token"])
@pytest.mark.parametrize(
    "user", [{"token": "s3cret-Token"}, {"username": "me", "password": "s3cret-Pass"}], ids=["token", "basic"]
)
@pytest.mark.parametrize("echo", [echo_plain, echo_page, echo_status, echo_redirect, echo_line])
def test_a_server_that_echoes_the_request_gets_no_credentials_printed(
    tmp_path: Path, echo: Callable[[Handler], None], user: dict[str, str]
) -> None:
    with serving(echo) as port:
        done = Program(tmp_path / "state", kubeconfig(tmp_path, port, **user))("blame", "cm/x")
    assert done.code in {3, 5}, done
    for secret in ("s3cret-Token", "bWU6czNjcmV0LVBhc3M") if "token" in user else ("bWU6czNjcmV0LVBhc3M", "s3cret-Pass"):
        assert secret not in done.err + done.out
    if echo is echo_redirect:
        assert "it redirects to https://login.example\n" in done.err


def endless_continue(to: Handler) -> None:
    with contextlib.suppress(OSError):
        while True:
            to.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("timeout", [None, 1.0])
def test_a_head_without_end_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float | None) -> None:
    monkeypatch.setattr("ghostkey.kube.deadline.TIMEOUT_SECONDS", 1)
    with serving(endless_continue) as port:
        config = load_config(str(kubeconfig(tmp_path, port)))
        config.request_timeout = timeout
        with pytest.raises(ApiFailed, match="within 1 s"):
            ApiClient(config).get("/version")
