"""Audit events in YAML; what is cut or glued is a gap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.model.history import KeyEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.open import sort_of
from tests.history.shop import DIGEST, gaps, keys
from tests.history.test_exports import google, shop_lines

Documents = list[dict[str, Any]]


def indented(events: Documents) -> str:
    return "".join(f"  {line}\n" for line in yaml.safe_dump(events).splitlines())


FORMS: dict[str, Callable[[Documents], str]] = {
    "documents": lambda d: yaml.safe_dump_all(d, explicit_start=True),
    "documents in the order of the API server": lambda d: yaml.safe_dump_all(d, sort_keys=False),
    "a list": lambda d: yaml.safe_dump(d, sort_keys=False),
    "items": lambda d: yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "EventList", "items": d}, sort_keys=False),
    "items, indented": lambda d: f"kind: EventList\nitems:\n{indented(d)}metadata: {{}}\n",
    "in braces": lambda d: "".join(f"---\n{yaml.safe_dump(one, default_flow_style=True)}" for one in d),
    "after a comment": lambda d: f"# pasted\n\n{yaml.safe_dump_all(d, explicit_start=True)}",
    "from Windows": lambda d: "\ufeff" + yaml.safe_dump_all(d, explicit_start=True).replace("\n", "\r\n"),
}

# records around events, as tools print them
AROUND: dict[str, Callable[[Documents], str]] = {
    "gcloud logging read": lambda d: yaml.safe_dump_all(map(google, d), explicit_start=True),
    "a list of entries": lambda d: yaml.safe_dump(list(map(google, d))),
    "aws logs filter-log-events": lambda d: yaml.safe_dump(
        {
            "events": [{"eventId": "3", "message": json.dumps(one, separators=(",", ":")), "timestamp": 1} for one in d],
            "searchedLogStreams": [],
        }
    ),
    "records": lambda d: yaml.safe_dump([{"properties": {"log": json.dumps(one, separators=(",", ":"))}} for one in d]),
}


def read(folder: Path, content: str | bytes) -> list[Any]:
    (folder / "made").write_bytes(content.encode() if isinstance(content, str) else content)
    return list(AuditLog([folder / "made"], DIGEST).events())


def documents() -> Documents:
    return [json.loads(line) for line in shop_lines()]


@pytest.mark.parametrize("form", AROUND)
def test_records_in_yaml_are_opened(tmp_path: Path, form: str) -> None:
    events = documents()
    plain = read(tmp_path, "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in events))
    found = read(tmp_path, AROUND[form](events))
    assert sort_of(tmp_path / "made") == "audit"
    assert keys(found) == keys(plain)
    assert gaps(found) == []


@pytest.mark.parametrize("form", AROUND)
def test_record_that_was_cut_at_any_line_shows_nothing_that_was_not(tmp_path: Path, form: str) -> None:
    events = documents()[-6:]
    lines = AROUND[form](events).splitlines(keepends=True)
    whole = keys(read(tmp_path, "".join(lines)))
    before = len(AROUND[form](events[:4]).splitlines())
    for end in range(before + 1, len(lines), 3):
        found = keys(read(tmp_path, "".join(lines[:end])))
        assert found == whole[: len(found)], end


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_events_in_yaml_are_those_of_the_log(tmp_path: Path, form: str, encoding: str) -> None:
    events = documents()
    plain = read(tmp_path, "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in events))
    found = read(tmp_path, FORMS[form](events).encode(encoding))
    assert sort_of(tmp_path / "made") == "audit"
    assert keys(found) == keys(plain)
    assert len(keys(plain)) == 12
    assert gaps(found) == []


@pytest.mark.whole(but=["documents", "items, indented"])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "in braces"])
def test_event_that_was_cut_at_any_line_shows_nothing_that_was_not(tmp_path: Path, form: str) -> None:
    """What a cut left out of a response has not gone."""
    events = documents()[-6:]
    lines = FORMS[form](events).splitlines(keepends=True)
    whole = [(one.op, one.key) for one in read(tmp_path, "".join(lines)) if isinstance(one, KeyEvent)]
    before = len(FORMS[form](events[:4]).splitlines())
    for end in range(before + 1, len(lines)):
        found = read(tmp_path, "".join(lines[:end]))
        told = [(one.op, one.key) for one in found if isinstance(one, KeyEvent)]
        assert told == whole[: len(told)], end


def test_events_that_are_glued_are_damage(tmp_path: Path) -> None:
    one, other = (yaml.safe_dump(event) for event in documents()[:2])
    found = read(tmp_path, f"---\n{one}---\n{one}{other}---\n{other}")
    assert gaps(found) != []
