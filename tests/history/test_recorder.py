"""What a recorder makes of lists that are not whole. Real servers are in test_commands and tests/watch/test_record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig
from ghostkey.model.errors import ApiFailed
from ghostkey.model.history import Covered, KeyEvent
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import prepare, story_of


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


def owned(data: dict[str, str], owners: dict[str, tuple[str, ...]], second: int = 5) -> str:
    """A map with managedFields, all of one second."""
    managed = [
        {"manager": name, "operation": "Update", "time": f"2026-09-01T00:00:{second:02d}Z", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {f"f:{key}": {} for key in keys}}}
        for name, keys in owners.items()
    ]  # fmt: skip
    metadata = {"namespace": "prod", "name": "m", "uid": "m", "resourceVersion": str(second), "managedFields": managed}
    return json.dumps({"metadata": metadata, "data": data})


def test_what_was_written_in_a_gap_is_its_owners_and_not_the_newest_ones() -> None:
    first = owned({"a": "1", "b": "1", "c": "1"}, {"alpha": ("a",), "zeta": ("b", "c")}, 5)
    second = owned({"a": "2", "b": "2", "d": "1"}, {"alpha": ("a", "d"), "zeta": ("b",)}, 6)
    events = [event for event in recorded(listed(first), listed(second)) if isinstance(event, KeyEvent)]
    told = {(event.op, event.key): event.manager for event in events if event.revision == 6}
    # both entries changed: who removed c they do not tell
    assert told == {("set", "a"): "alpha", ("set", "b"): "zeta", ("set", "d"): "alpha", ("delete", "c"): ""}
    assert {event.key: event.manager for event in events if event.revision == 5} == {"a": "alpha", "b": "zeta", "c": "zeta"}


def test_two_recorders_at_once_count_each_write_once(tmp_path: Path) -> None:
    lists = [listed(owned({"a": "1"}, {"op": ("a",)}, 5)), listed(owned({"a": "2", "b": "1"}, {"op": ("a", "b")}, 6))]
    store = History(tmp_path / "store")
    for number in range(2):
        client = Lists(*lists)
        recorder = client.recorder = Recorder(client, [CONFIG_MAPS], KeyedHash(store.secret))
        store.add(f"recorder-{number}", "watch", f"recorder {number}", recorder.events(60.0))
    engine = DuckEngine(store)
    holder = ("configmaps", "prod", "m")
    prepare(engine, only=holder)
    told = story_of(engine, *holder)
    assert [(row["op"], row["manager"], row["events"]) for row in told.writers] == [("set", "op", 2)]
    assert told.growth[-1]["keys"] == 2
