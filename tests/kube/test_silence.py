"""Servers, proxies and resolvers that take a connection and never answer: no longer than it may take, and said on a terminal."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.config import ClientConfig
from ghostkey.kube.connect import Dialer
from ghostkey.testing.certificates import Authority
from tests.helpers import HANG_SECONDS, Program, read_terminal
from tests.kube.conftest import Reached
from tests.kube.proxies import server_tls


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


@pytest.mark.whole
def test_server_that_accepts_and_never_shakes_hands_is_given_ten_seconds(silent: Callable[[str], Program]) -> None:
    began = time.monotonic()
    done = silent("nothing")("scan")
    assert 9 <= time.monotonic() - began < HANG_SECONDS
    assert done.code == 5
    assert "no connection within 10 s" in done.err


@pytest.mark.whole(but=["nothing"])
@pytest.mark.parametrize("how", ["nothing", "tls", "drip"])
def test_request_timeout_ends_every_kind_of_silence(silent: Callable[[str], Program], how: str) -> None:
    began = time.monotonic()
    done = silent(how)("scan", "--request-timeout", "1500ms")
    assert 1.4 <= time.monotonic() - began < HANG_SECONDS
    assert done.code == 5
    assert re.search(r"no (connection|whole answer) within 1\.5 s", done.err), done.err


@pytest.mark.whole
def test_proxy_that_never_answers_is_given_ten_seconds_too(reached: Reached) -> None:
    server = Silent()
    done = reached(proxy_url=f"http://127.0.0.1:{server.port}")
    server.close()
    assert done.code == 5
    assert f"no connection through proxy http://127.0.0.1:{server.port} within 10 s" in done.err


@pytest.mark.whole
def test_terminal_is_told_for_whom_we_wait(silent: Callable[[str], Program]) -> None:
    program = silent("tls")
    controller, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", "scan", "--request-timeout", "5s"],
        env=program.environment() | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    said = read_terminal(controller)
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
