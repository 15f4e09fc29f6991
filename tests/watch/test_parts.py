"""The parts of the watcher that need no cluster: what they must never do."""

from __future__ import annotations

import base64
import threading
import time
import zlib

import pytest

from ghostkey.model import metrics
from ghostkey.model.errors import UsageError
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, KeyRef, ObjectRef
from ghostkey.watch import exposition
from ghostkey.watch.changes import Changes
from ghostkey.watch.events import NOTE_BYTES, note
from ghostkey.watch.notify import escaped, parse_webhook
from ghostkey.watch.server import parse_listen
from ghostkey.watch.told import TEXT_BYTES, Told


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
