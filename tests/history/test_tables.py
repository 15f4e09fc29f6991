"""Tables of queries with audit events in them, however they are written; a row that is cut is a gap."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.open import sort_of
from tests.history.lines import GROUP
from tests.history.shop import DIGEST, gaps, keys, lives
from tests.history.test_exports import google, shop_lines, table

CUT = "a line is no audit event: cut, or something else"


def rows(found: Iterable[Iterable[object]], **how: Any) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, **how).writerows(found)
    return stream.getvalue().encode()


def aks(texts: list[str], unit: str) -> bytes:
    tables = [table(json.loads(text)) for text in texts]
    names = list(dict.fromkeys(name for one in tables for name in one))
    cells = [[json.dumps(cell) if isinstance(cell := one.get(name), list) else cell for name in names] for one in tables]
    return rows([[f"{name}{unit}" if "Time" in name else name for name in names], *cells])


def explorer(texts: list[str]) -> bytes:
    entries = [google(json.loads(text)) for text in texts]
    return rows([["insertId", "protoPayload", "timestamp"],
                 *([entry["operation"]["id"], json.dumps(entry["protoPayload"]), entry["timestamp"]] for entry in entries)])  # fmt: skip


def bigquery(text: str) -> str:
    entry = google(json.loads(text))
    payload = entry.pop("protoPayload")
    made = {f"{name}Json": json.dumps(payload.pop(name)) for name in ("request", "response")}
    entry["timestamp"] = entry["timestamp"].replace("T", " ").replace("Z", " UTC")
    return json.dumps(entry | {"protopayload_auditlog": payload | made})


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


FORMS: dict[str, Callable[[list[str]], bytes]] = {
    "CloudWatch Logs Insights": lambda t: rows([["@timestamp", "@message"], *(["2026-09-01 00:00:00.000", x] for x in t)]),
    "the event first": lambda t: rows([["message", "host", "labels"], *([x, "h", '{"a":"b"}'] for x in t)], lineterminator="\n"),
    "objects around it": lambda t: rows([["labels", "message", "x"], *(['{"a":"b"}', x, '{"c":1}'] for x in t)]),
    "Splunk": lambda t: rows([["_raw", "_time", "host"], *([x, "1", "h"] for x in t)], quoting=csv.QUOTE_ALL),
    "semicolons": lambda t: b"sep=;\r\n" + rows([["time", "event", "host"], *(["x", x, "h"] for x in t)], delimiter=";"),
    "tabs and quotes": lambda t: rows([["time", "event", "host"], *(["x", x, "h"] for x in t)], delimiter="\t"),
    "tabs": lambda t: b"time\tevent\thost\n" + b"".join(f"x\t{x}\th\n".encode() for x in t),
    "tabs without a header": lambda t: b"".join(f"x\t{x}\th\n".encode() for x in t),
    "one column": lambda t: rows([["event"], *([x] for x in t)]),
    "a byte order mark": lambda t: b"\xef\xbb\xbf" + rows([["time", "event"], *(["x", x] for x in t)]),
    "UTF-16": lambda t: rows([["time", "event"], *(["x", x] for x in t)]).decode().encode("utf-16"),
    "cells of several lines": lambda t: rows([["time", "event"], *(["x", json.dumps(json.loads(x), indent=1)] for x in t)]),
    "escaped twice": lambda t: rows([["time", "event"], *(["x", json.dumps(x)] for x in t)]),
    "a record in a cell": lambda t: rows([["time", "properties"], *(["x", json.dumps({"log": x})] for x in t)]),
    "backslashes": lambda t: b"time,event,host\n" + b"".join(f'x,"{escaped(x)}",h\n'.encode() for x in t),
    "Azure": lambda t: aks(t, ""),
    "Azure in UTC": lambda t: aks(t, " [UTC]"),
    "Logs Explorer": explorer,
    "BigQuery": lambda t: "".join(bigquery(x) + "\n" for x in t).encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_events_of_a_table_are_those_of_the_log(tmp_path: Path, form: str) -> None:
    lines = shop_lines()
    texts = [line.decode().rstrip("\n") for line in lines]
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    (tmp_path / "made").write_bytes(FORMS[form](texts))
    plain, found = (list(AuditLog([tmp_path / name], DIGEST).events()) for name in ("plain.log", "made"))
    assert sort_of(tmp_path / "made") == "audit"
    assert keys(found) == keys(plain)
    assert len(keys(plain)) == 12
    assert lives(found, f"widgets.{GROUP}") == lives(plain, f"widgets.{GROUP}")
    assert gaps(found) == []


WHOLE = [form for form in FORMS if form not in ("UTF-16", "BigQuery", "tabs without a header")]


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("share", [0.4, 0.61, 0.83])
def test_row_that_was_cut_is_a_gap_and_those_around_it_are_read(tmp_path: Path, form: str, share: float) -> None:
    texts = [line.decode().rstrip("\n") for line in shop_lines()]
    content = FORMS[form](texts)
    left = FORMS[form](texts[:11])
    row = FORMS[form](texts[:12])[len(left) :].rstrip()
    assert content.startswith(left + row)
    (tmp_path / "made").write_bytes(left + row[: int(len(row) * share)] + content[len(left + row) :])
    (tmp_path / "without").write_bytes(left + content[len(left + row) :].lstrip())
    found, without = (list(AuditLog([tmp_path / name], DIGEST).events()) for name in ("made", "without"))
    assert [key for _, key, _ in keys(found)] == [key for _, key, _ in keys(without)]
    assert CUT in [why.partition(" (")[0] for why in gaps(found)]


def test_columns_within_an_object_are_not_put_together(tmp_path: Path) -> None:
    """`request.data.a.b` may be the key `a.b`: nobody knows."""
    entry = google(json.loads(shop_lines()[2]))
    payload = entry["protoPayload"]
    names = ["insertId", "timestamp", "protoPayload.serviceName", "protoPayload.methodName", "protoPayload.resourceName",
             "protoPayload.status.code", "protoPayload.request.data.t1.amber-0"]  # fmt: skip
    cells = ["x", entry["timestamp"], "k8s.io", payload["methodName"], payload["resourceName"], "0", "v"]
    (tmp_path / "made.csv").write_bytes(rows([names, cells]))
    found = list(AuditLog([tmp_path / "made.csv"], DIGEST).events())
    assert [(op, key) for op, key, _ in keys(found)] == [("hidden-write", "")]


@pytest.mark.parametrize("form", ["Logs Explorer", "cells of several lines", "backslashes", "semicolons"])
def test_table_whose_first_rows_hold_no_event_is_read(tmp_path: Path, form: str) -> None:
    texts = [line.decode().rstrip("\n") for line in shop_lines()]
    content = FORMS[form](texts)
    begin = len(FORMS[form]([]))
    width = {
        "Logs Explorer": b"i,,x\n",
        "cells of several lines": b"x,y\n",
        "backslashes": b'x,"y",h\n',
        "semicolons": b"x;y;h\n",
    }
    (tmp_path / "made").write_bytes(content[:begin] + width[form] * 30 + content[begin:])
    found = list(AuditLog([tmp_path / "made"], DIGEST).events())
    assert len(keys(found)) == 12
    assert gaps(found) == []


def test_rows_of_other_programs_are_no_gap(tmp_path: Path) -> None:
    texts = [line.decode().rstrip("\n") for line in shop_lines()]
    others = ["I0901 trace.go:236] {a}", '{"msg":"HTTP","auditID":"x"}', 'he said "no"', ""]
    made = rows([["@timestamp", "@message"], *(["x", text] for pair in zip(texts, others * 6, strict=False) for text in pair)])
    (tmp_path / "made.csv").write_bytes(made)
    found = list(AuditLog([tmp_path / "made.csv"], DIGEST).events())
    assert len(keys(found)) == 12
    assert gaps(found) == []
