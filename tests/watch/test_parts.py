"""The parts of the watcher that need no cluster: what they must never do."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig
from ghostkey.model import metrics
from ghostkey.model.errors import UsageError
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, KeyRef, Kind, ObjectRef
from ghostkey.watch import exposition, server
from ghostkey.watch.changes import Changes
from ghostkey.watch.events import NOTE_BYTES, note
from ghostkey.watch.follow import Follower
from ghostkey.watch.notify import escaped, parse_webhook
from ghostkey.watch.server import parse_listen
from ghostkey.watch.told import TEXT_BYTES, Told
from tests.helpers import HANG_SECONDS


def finding(holder: ObjectRef, key: str, message: str = "gone") -> Finding:
    return Finding("ghost-key", KeyRef(holder, "data", key), Severity.WARNING, message, ())


def test_what_was_told_is_new_again_only_when_it_was_gone() -> None:
    told = Told()
    told.tell("prod/configmaps/a", ["0" * 12, "1" * 12])
    told = Told(told.text)
    assert told.new("prod/configmaps/a", ["1" * 12, "2" * 12]) == {"2" * 12}
    assert told.new("prod/configmaps/b", ["1" * 12]) == {"1" * 12}
    assert told.forget({"prod/configmaps/a": {"1" * 12}})
    assert told.new("prod/configmaps/a", ["0" * 12, "1" * 12]) == {"0" * 12}


def test_what_was_told_fits_an_annotation_whatever_there_is_and_is_not_told_again() -> None:
    told, many = Told(), [f"{number * 7919:012x}" for number in range(60_000)]
    told.tell("prod/configmaps/large", many)
    told.tell("prod/configmaps/small", ["a" * 12])
    text = told.text
    assert len(text) <= TEXT_BYTES
    again = Told(text)
    assert again.new("prod/configmaps/large", [*many, "b" * 12]) == set()
    assert again.new("prod/configmaps/small", ["a" * 12, "b" * 12]) == {"b" * 12}
    assert again.forget({"prod/configmaps/small": {"a" * 12}})
    assert again.new("prod/configmaps/large", ["b" * 12]) == {"b" * 12}, "it was clean"


@pytest.mark.parametrize(
    "text",
    ["?", "AAAA", base64.b64encode(zlib.compress(b"[1]")).decode(), base64.b64encode(zlib.compress(b"0" * (64 << 20))).decode()],
)
def test_an_annotation_of_a_stranger_is_as_none(text: str) -> None:
    assert Told(text).new("a", ["1" * 12]) == {"1" * 12}


def test_of_a_secret_nothing_in_it_is_named() -> None:
    holder = ObjectRef(SECRETS, "prod", "tokens", "u")
    new = {str(number): finding(holder, f"customer-{number}", f"Tenant customer-{number} is gone") for number in range(3)}
    text = note(holder, new)
    assert "3 keys" in text
    assert "customer" not in text
    assert "customer-1" in note(ObjectRef(CONFIG_MAPS, "prod", "tokens", "u"), new)


def test_a_note_is_short_whatever_keys_are_called() -> None:
    holder = ObjectRef(CONFIG_MAPS, "prod", "registry", "u")
    new = {str(number): finding(holder, "ключ" * 60 + str(number) + "\udcff") for number in range(500)}
    assert len(note(holder, new).encode()) <= NOTE_BYTES


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/x", "ftp://127.0.0.1/", "hooks", "https://user:pw@h/x", "http://[::1", "https://h:port/x"]
)
def test_webhooks_that_would_tell_in_the_open_are_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_webhook(url)
    assert "/x" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/x?y=1", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:80/"]
)
def test_webhooks_that_are_private_are_taken(url: str) -> None:
    assert parse_webhook(url).geturl() == url


def test_a_message_makes_no_link_and_no_mention() -> None:
    assert escaped("<!channel> & <https://x|y>") == "&lt;!channel&gt; &amp; &lt;https://x|y&gt;"


@pytest.mark.parametrize("text", ["9464", "localhost:9464", "127.0.0.1:", "127.0.0.1:99999", "1.2.3:80"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_listen(text)
    assert parse_listen("[::1]:9464") == ("::1", 9464)


def test_series_are_bounded_and_those_left_out_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "SERIES_MOST", 3)
    found = exposition.Exposition()
    for number in range(5):
        found.set_map(metrics.MAP_KEYS, "prod", f"configmaps/m{number}", number)
    text = found.text().decode()
    assert text.count("ghostkey_map_keys{") == 3
    assert "ghostkey_maps_left_out 2\n" in text
    found.remove_map("prod", "configmaps/m4")
    assert "ghostkey_maps_left_out 1\n" in found.text().decode()


def test_looks_wait_for_changes_to_settle_and_rest_after_a_long_one() -> None:
    changes = Changes()
    assert not changes.wait(0.0, 0.05), "nothing has changed"
    changes.note()
    began = time.monotonic()
    assert changes.wait(0.0, 60)
    assert time.monotonic() - began >= 0.4
    changes.note()
    began = time.monotonic()
    assert changes.wait(0.3, 60)
    assert time.monotonic() - began >= 1.2
    changes.note()
    threading.Timer(0.1, changes.stop).start()
    assert not changes.wait(1000.0, 60), "a stop ends every wait"


def test_a_series_that_has_room_again_is_not_counted_as_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "SERIES_MOST", 1)
    found = exposition.Exposition()
    for name in ("a", "b"):
        found.set_map(metrics.MAP_KEYS, "prod", f"configmaps/{name}", 1)
    assert found.has_map(metrics.MAP_KEYS, "prod", "configmaps/b"), "it is counted among those left out"
    assert not found.has_map(metrics.MAP_KEYS, "prod", "configmaps/c")
    found.remove_map("prod", "configmaps/a")
    found.set_map(metrics.MAP_KEYS, "prod", "configmaps/b", 2)
    assert "ghostkey_maps_left_out 0\n" in found.text().decode()


def test_connections_that_ask_nothing_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MOST", 2)
    address, end = server.serve(("127.0.0.1", 0), {"/": lambda _: server.Answer(200, b"here")})
    host, _, port = address.rpartition(":")

    def ask() -> bytes:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 10) as asking:
            asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return asking.makefile("rb").read()
        return b""

    try:
        idle = [socket.create_connection((host, int(port)), 10) for _ in range(2)]
        assert ask() == b"", "there is no thread for it"
        for one in idle:
            one.close()
        deadline = time.monotonic() + HANG_SECONDS
        while not ask().endswith(b"here"):
            assert time.monotonic() < deadline
    finally:
        end()


def test_a_watch_that_is_cut_at_once_is_not_asked_for_as_fast_as_that_goes() -> None:
    """What somebody in between does, who takes a watch for a request that has had its answer."""
    asked: list[float] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=between.serve_forever, daemon=True).start()
    stopped = threading.Event()
    client = ApiClient(ClientConfig(f"http://127.0.0.1:{between.server_address[1]}", "default", "a test"))
    Follower(client, CONFIG_MAPS, Sink(), stopped.is_set).start(is_kept=False)
    stopped.wait(1.5)
    stopped.set()
    between.shutdown()
    between.server_close()
    assert 1 <= len(asked) <= 5


class Sink:
    """Is told, and does nothing."""

    def listed(self, kind: Kind, pages: Iterator[bytes]) -> None: ...
    def changed(self, kind: Kind, what: str, found: Mapping[str, Any]) -> None: ...
    def forgotten(self, kind: Kind) -> None: ...
    def broke(self, kind: Kind, why: str) -> None: ...
