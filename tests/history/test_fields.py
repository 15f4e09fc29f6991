"""Events whose fields are written in another way than the API server's: columns, pairs, names with dots, objects as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import KeyEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.open import sort_of
from tests.history.lines import GROUP
from tests.history.shop import DIGEST, gaps, keys, lives
from tests.history.test_exports import google, shop_lines, table

Events = list[dict[str, Any]]


def texts(event: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in event.items()}


def columns(events: Events) -> tuple[list[str], list[list[Any]]]:
    rows = [texts(table(event)) for event in events]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[row.get(name) for name in names] for row in rows]


def of_log_analytics(events: Events) -> object:
    names, rows = columns(events)
    return {"tables": [{"name": "PrimaryResult", "columns": [{"name": name, "type": "string"} for name in names], "rows": rows}]}


def of_data_explorer(events: Events) -> object:
    names, rows = columns(events)
    return {"Tables": [{"TableName": "Table_0", "Columns": [{"ColumnName": name} for name in names], "Rows": rows}]}


def flat(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in node.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name: value}
    return found


def lines(make: Callable[[dict[str, Any]], object]) -> Callable[[Events], str]:
    return lambda events: "".join(json.dumps(make(event)) + "\n" for event in events)


FORMS: dict[str, Callable[[Events], str]] = {
    "objects as text": lines(lambda event: texts(event) | {"__topic__": "audit-c1", "__time__": "1"}),
    "pairs": lines(lambda event: {"contents": [{"key": key, "value": value} for key, value in texts(event).items()]}),
    "columns and rows": lambda events: json.dumps(of_log_analytics(events)),
    "Data Explorer": lambda events: json.dumps(of_data_explorer(events)),
    "logfmt": lambda events: "".join(f"level=info msg={json.dumps(json.dumps(event))}\n" for event in events),
    "two fields of a record": lambda events: "".join(
        json.dumps({"a": one, "b": other}) + "\n" for one, other in zip(events[::2], events[1::2], strict=True)
    ),
    "more than in the one before": lambda events: json.dumps({"a": events[0]}) + "\n" + json.dumps({"a": events[1], "b": events[2:]}),
}  # fmt: skip


def read(folder: Path, content: str) -> list[Any]:
    (folder / "made").write_text(content)
    return list(AuditLog([folder / "made"], DIGEST).events())


@pytest.mark.parametrize("form", FORMS)
def test_events_are_those_of_the_log(tmp_path: Path, form: str) -> None:
    events = [json.loads(line) for line in shop_lines()]
    plain, found = read(tmp_path, lines(dict)(events)), read(tmp_path, FORMS[form](events))
    assert sort_of(tmp_path / "made") == "audit"
    assert keys(found) == keys(plain)
    assert len(keys(plain)) == 12
    assert lives(found, f"widgets.{GROUP}") == lives(plain, f"widgets.{GROUP}")
    assert gaps(found) == []


FLAT: dict[str, Callable[[dict[str, Any]], object]] = {
    "bare": flat,
    "below others": lambda event: {"_source": flat({"kubernetes": {"audit": event}})},
    "each in a list": lambda event: {
        "fields": {
            name: value if isinstance(value, list) else [value] for name, value in flat({"kubernetes": {"audit": event}}).items()
        }
    },
}


@pytest.mark.parametrize("form", FLAT)
def test_names_with_dots_hide_what_was_written(tmp_path: Path, form: str) -> None:
    """`requestObject.data.t1.amber-0` may be a key of its own or a part of one."""
    events = [json.loads(line) for line in shop_lines()]
    found = read(tmp_path, lines(FLAT[form])(events))
    assert {one.op for one in found if isinstance(one, KeyEvent)} == {"hidden-write"}
    assert len(lives(found, f"widgets.{GROUP}")) == 10
    assert any("does not show what patch changed" in why for why in gaps(found))


def test_entry_that_google_divided_shows_no_part_of_a_map_as_all_of_it(tmp_path: Path) -> None:
    entries = [google(json.loads(line)) for line in shop_lines()]
    for index in range(2):
        part = json.loads(json.dumps(entries[-2]))
        part["split"] = {"uid": "x", "index": index, "totalSplits": 2}
        part["protoPayload"]["response"]["data"] = {"settings": "1"}
        entries.append(part)
    del entries[-4]
    found = read(tmp_path, "".join(json.dumps(entry) + "\n" for entry in entries))
    assert not [one for one in found if isinstance(one, KeyEvent) and one.op == "delete"]
    assert any("level Metadata does not show" in why for why in gaps(found))


def test_entry_of_google_that_says_only_that_a_request_came_in_is_no_answer(tmp_path: Path) -> None:
    lines_ = shop_lines()
    entries = [google(json.loads(line)) for line in lines_]
    entries[-2]["operation"] |= {"first": True}
    del entries[-2]["protoPayload"]["response"]
    found = read(tmp_path, "".join(json.dumps(entry) + "\n" for entry in entries))
    assert [(one.op, one.key) for one in found if isinstance(one, KeyEvent)][-1] == ("hidden-write", "")
    entries[-2]["operation"] |= {"last": True}
    found = read(tmp_path, "".join(json.dumps(entry) + "\n" for entry in entries))
    assert [(one.op, one.key) for one in found if isinstance(one, KeyEvent)][-2] == ("missed-delete", "amber-0")
