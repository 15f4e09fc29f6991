"""What a recorder makes of lists that are not whole. Real servers are in test_commands and tests/watch/test_record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig
from ghostkey.model.errors import ApiFailed
from ghostkey.model.history import Covered, KeyEvent
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder


def listed(*maps: str) -> bytes:
    items = ",".join(maps)
    return f'{{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"7"}},"items":[{items}]}}'.encode()


def config_map(name: str, **data: str) -> str:
    return json.dumps({"metadata": {"namespace": "prod", "name": name, "uid": name, "resourceVersion": "5"}, "data": data})


class Lists(ApiClient):
    """Answers each LIST with the next of these, and forgets at once where a watch was."""

    def __init__(self, *bodies: bytes) -> None:
        super().__init__(ClientConfig("http://127.0.0.1:9", "default", "a test"))
        self.bodies = list(bodies)
        self.recorder: Recorder | None = None

    def list_pages(self, path: str, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.bodies.pop(0)

    def watch(self, path: str, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        if not self.bodies and self.recorder is not None:
            self.recorder.stop()
        raise ApiFailed("too old resource version", status=410)
        yield {}


def recorded(*bodies: bytes) -> list[Any]:
    client = Lists(*bodies)
    client.recorder = Recorder(client, [CONFIG_MAPS], KeyedHash(b"key"))
    return list(client.recorder.events(60.0))


def deleted(events: list[Any]) -> list[str]:
    return sorted(event.key for event in events if isinstance(event, KeyEvent) and event.op == "delete")


def test_what_a_later_list_has_not_is_gone_and_what_it_cannot_show_is_not() -> None:
    first = listed(config_map("a", x="1"), config_map("b", y="1"))
    assert deleted(recorded(first, listed(config_map("a", x="1")))) == ["y"]
    deep = "[" * 300 + "]" * 300
    events = recorded(first, listed(config_map("a", x="1"), f'{{"metadata":{{"name":"b","namespace":"prod"}},"data":{deep}}}'))
    assert deleted(events) == []
    assert any(isinstance(event, Covered) and event.is_gap and "was not looked into" in event.why for event in events)
