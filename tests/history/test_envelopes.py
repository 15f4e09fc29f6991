"""What lines hold that wrap audit events: what is cut, packed, or made to fill the memory."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import Covered, KeyEvent, microseconds
from ghostkey.sources.history.audit.envelopes import Envelope
from ghostkey.sources.history.open import sort_of
from tests.history.lines import LogWriter, at
from tests.history.shop import events, gaps, keys
from tests.history.test_exports import google, table
from tests.unpacking import Unpacked

MOST_BYTES = 65 << 20  # that all packed texts of one line may come to, and what says that it is too much


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9)).decode()


def fed(lines: Iterable[bytes]) -> tuple[list[bytes], int]:
    """The events of the lines of one file, and how often damage was noted."""
    damage: list[int] = []
    envelope = Envelope(lambda: damage.append(1))
    found = [event for line in lines for event in envelope.feed(line)]
    envelope.close()
    return found, len(damage)


def one() -> bytes:
    return LogWriter().patch(0, "shop", "m", {"a": "1" * 400}).rstrip()


def lambda_line(text: str) -> bytes:
    return json.dumps({"awslogs": {"data": text}}).encode()


def batch(*messages: str) -> str:
    return packed(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": text} for text in messages]}).encode())


@pytest.mark.parametrize("times", [1, 20])
def test_packed_text_within_packed_text_is_damage_and_is_not_unpacked(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ten_mebibytes = packed(b"x" * (10 << 20))
    outer = packed(json.dumps([ten_mebibytes] * 60).encode())
    line = json.dumps({"d": [outer] * times}).encode()
    unpacked = Unpacked(monkeypatch)
    assert fed([line]) == ([], 1)
    assert unpacked.bytes < MOST_BYTES


@pytest.mark.whole
def test_packed_texts_of_a_line_have_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    large = packed(b" " * (10 << 20))
    unpacked = Unpacked(monkeypatch)
    assert fed([json.dumps({"d": [large] * 2_000}).encode()]) == ([], 1)
    assert unpacked.bytes < MOST_BYTES
    event = one()
    assert fed([json.dumps({"d": [batch(event.decode())] * 3}).encode()]) == ([event] * 3, 0)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_packed_text_that_is_cut_is_damage(cut: float) -> None:
    text = batch(one().decode())
    assert fed([lambda_line(text)]) == ([one_of(text)], 0)
    assert fed([lambda_line(text[: int(len(text) * cut) // 4 * 4])]) == ([], 1)
    assert fed([lambda_line(text[: int(len(text) * cut)])[:-3]]) == ([], 1)


def one_of(text: str) -> bytes:
    document: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(text)))
    message: str = document["logEvents"][0]["message"]
    return message.encode()


def test_event_that_is_cut_among_others_that_are_whole_is_damage() -> None:
    whole = one()
    for made in (
        lambda_line(batch(whole.decode(), whole.decode()[:400])),
        json.dumps({"logEvents": [{"message": whole.decode()}, {"message": whole.decode()[:400]}]}).encode(),
    ):
        # the second is read as the first one was
        assert fed([made, made]) == ([whole] * 2, 2)


def test_gap_of_an_event_that_is_cut_is_where_it_is_in_its_record(tmp_path: Path) -> None:
    """One document may hold a whole log, as that of `aws logs filter-log-events` does."""
    log = LogWriter()
    texts = [log.patch(second, "shop", "m", {"a": str(second)}).decode().rstrip() for second in range(9)]
    texts[5:6] = [texts[5][:400], texts[5][400:]]
    document = json.dumps({"events": [{"message": text} for text in texts]}).encode()
    rows = [one for one in events(tmp_path, [document]) if isinstance(one, Covered) and one.is_gap and "cut" in one.why]
    assert [(row.since, row.until) for row in rows] == [(moment(4), moment(6))]


def moment(second: int) -> int | None:
    return microseconds(at(second))


@pytest.mark.parametrize("cut", [60, 300, -20])
def test_record_of_google_or_azure_that_is_cut_is_damage(cut: int) -> None:
    event = json.loads(one())
    for made in (google(event), table(event), {"properties": {"log": json.dumps({"auditID": "x"} | event)}}):
        line = json.dumps(made).encode()
        found, damage = fed([line, line, line[:cut], line])
        assert (len(found), damage) == (3, 1)
        found, damage = fed([b"node-a " + line, b"node-a " + line[:cut]])
        assert (len(found), damage) == (1, 1)


def test_whole_record_that_is_no_event_is_no_damage() -> None:
    others = [
        {
            "protoPayload": {
                "methodName": "google.container.v1.ClusterManager.GetCluster",
                "serviceName": "container.googleapis.com",
            }
        },
        {"AuditId": "x", "OperationName": "Sign-in"},
        {"msg": "HTTP", "auditID": "x"},
        {"log": '{"msg":"HTTP","auditID":"x"}'},
        {"image": packed(b"\x89PNG")},
    ]
    lines = [json.dumps(other).encode() for other in others]
    assert fed([*lines, *(b"I0901 12:00:00 1 trace.go:236] {a} " + line for line in lines)]) == ([], 0)
    assert fed([b'I0901 12:00:00 1 httplog.go:1] "HTTP" verb="GET" audit-ID="x" auditID="x" {']) == ([], 0)


def test_event_of_docker_is_whole_wherever_it_was_divided() -> None:
    """Parts of 16 KiB end anywhere, also within the escape of a newline in a value."""
    size = 16_384
    for shift in range(12):
        log = LogWriter()
        event = log.patch(0, "shop", "m", {"a.yaml": "\n\\\\n" * 8_000}, user="x" * (shift + 1)).decode()
        parts = [event[place : place + size] for place in range(0, len(event), size)]
        lines = [json.dumps({"log": part, "stream": "stdout", "time": "t"}, separators=(",", ":")).encode() for part in parts]
        found, damage = fed([*lines, *lines])
        assert ([one.rstrip() for one in found], damage) == ([event.encode().rstrip()] * 2, 0)


def key_values(value: Any) -> dict[str, Any]:
    """A value as OpenTelemetry writes one that it took apart."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": key_values(held)} for key, held in value.items()]}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [key_values(held) for held in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def otlp(body: object) -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1", "body": body}]}]}]}).encode()


def of_base64(document: object) -> str:
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


WRAPPED = {
    "aws logs get-log-events --output text": lambda event: b"EVENTS\t1788220800000\t" + event + b"\t1788220800000",
    "stdout of Fluent Bit": lambda event: b"[0] audit: [[1700000000.0, {}], " + event + b"]",
    "several Pods": lambda event: b"[pod/kube-apiserver-m0/kube-apiserver] " + event,
    "Kafka": lambda event: json.dumps({"topic": "audit", "offset": 1, "value": of_base64(json.loads(event))}).encode(),
    "Event Hubs": lambda event: json.dumps({"Body": of_base64({"records": [{"properties": {"log": event.decode()}}]})}).encode(),
    "OpenTelemetry, as text": lambda event: otlp({"stringValue": event.decode()}),
    "OpenTelemetry, taken apart": lambda event: otlp(key_values(json.loads(event))),
}


@pytest.mark.parametrize("words", WRAPPED)
def test_event_is_found_in_what_ships_it(words: str) -> None:
    event = one()
    lines = [WRAPPED[words](event)] * 3
    found, damage = fed(lines)
    assert [json.loads(one) for one in found] == [json.loads(event)] * 3
    assert damage == 0


@pytest.mark.parametrize("behind", [b' {"a":1', b"trailing", b"\t17\t{", b'"]'])
def test_event_with_something_else_behind_it_is_damage(behind: bytes) -> None:
    event = one()
    assert fed([event + behind]) == ([event + behind], 0), "a line that begins as an event is judged by who decodes it"
    assert fed([b"text " + event + behind]) == ([], 1)


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "letters of URLs": lambda content: base64.urlsafe_b64encode(content).decode(),
    "without its end": lambda content: base64.b64encode(content).decode().rstrip("="),
    "in lines": lambda content: base64.encodebytes(content).decode(),
    "of indented JSON": lambda content: base64.b64encode(json.dumps(json.loads(content), indent=1).encode()).decode(),
    "of a list": lambda content: base64.b64encode(b"[" + content + b"]").decode(),
}


@pytest.mark.parametrize("how", ENCODINGS)
def test_base64_of_every_sort_is_read(how: str) -> None:
    event = one()
    found, damage = fed([json.dumps({"value": ENCODINGS[how](event)}).encode()] * 2)
    assert [json.loads(text) for text in found] == [json.loads(event)] * 2
    assert damage == 0


@pytest.mark.parametrize("letters", [-1, -2, -3, 401, 402, 403, 404])
def test_base64_that_is_cut_is_damage(letters: int) -> None:
    text = base64.b64encode(one()).decode().rstrip("=")
    assert fed([json.dumps({"value": text[: letters - 8 if letters < 0 else letters]}).encode()]) == ([], 1)


def test_events_of_one_record_that_are_written_in_several_ways_are_all_read() -> None:
    events = [one() for _ in range(6)]
    lines = []
    for plain, packed_one in zip(events[::2], events[1::2], strict=True):
        values = [plain.decode(), base64.b64encode(packed_one).decode()]
        lines.append(json.dumps({"records": [{"value": value} for value in values]}).encode())
    found, damage = fed(lines)
    assert [json.loads(text) for text in found] == list(map(json.loads, events))
    assert damage == 0


@pytest.mark.parametrize("before", [b"", b"2026-09-01T00:00:00.000000000Z stdout F ", b"node-a "])
def test_little_that_is_left_of_a_line_is_damage(before: bytes) -> None:
    event = one()
    assert fed([before + event[:3], before + event, before + event[:12], event[-14:]])[1] == 3
    others = [b"I0901 trace.go] {a}", b'said {"a": 1} and went', b'{"msg":"x"}', b"}", b'"quoted"']
    assert fed([before + other for other in others]) == ([], 0)


@pytest.mark.parametrize(("zeros", "damage"), [(4_096, 1), (6, 0)])
def test_zeros_that_a_crash_left_are_damage(zeros: int, damage: int) -> None:
    """A few are the length that journald writes before a message."""
    assert fed([bytes(zeros) + b"\n"]) == ([], damage)


def test_number_that_is_none_is_no_end_of_the_log() -> None:
    body = key_values({**json.loads(one()), "count": 1})
    for wrong in ("²", "--5", "1e5", ""):
        text = otlp(body).replace(b'"intValue": "1"', f'"intValue": "{wrong}"'.encode())
        assert len(fed([otlp(body), text, otlp(body)])[0]) == 3


@pytest.mark.parametrize(("damage", "left"), [("cut", 2), ("half", 2), ("joined", 3)])
def test_damage_in_utf_16_is_that_of_its_line_alone(tmp_path: Path, damage: str, left: int) -> None:
    lines = [LogWriter().patch(second, "shop", "m", {"a": str(second)}).decode() for second in range(3)]
    content = "".join(lines).encode("utf-16")
    if damage == "half":
        place = len("".join(lines[:1]).encode("utf-16")) + 301
        content = content[: place - 1] + b"\x00\xd8" + content[place + 1 :]  # half of a pair, on its own
    found = events(tmp_path, [content[:-401] if damage == "cut" else content * 2 if damage == "joined" else content])
    assert len([one for one in found if isinstance(one, KeyEvent)]) == left
    assert (gaps(found) != []) == (damage != "joined")


def test_lines_with_tokens_in_them_are_no_damage() -> None:
    secret = of_base64({"apiVersion": "v1", "data": "x" * 400})
    token = of_base64({"alg": "RS256", "typ": "JWT"}) + "." + of_base64({"sub": "alice"}) + ".c2ln"
    lines = [
        json.dumps({"level": "info", "token": token}).encode(),
        json.dumps({"id": of_base64({"a": 1}), "data": secret}).encode(),
    ]
    assert fed(lines) == ([], 0)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_log_that_a_shell_has_written_in_utf_16_is_read(tmp_path: Path, encoding: str, mark: str) -> None:
    text = "\r\n".join(LogWriter().patch(second, "shop", "m", {"a": str(second)}).decode().rstrip() for second in range(3))
    found = keys(events(tmp_path, [(mark + text).encode(encoding)]))
    assert sort_of(tmp_path / "0.log") == "audit"
    assert [(op, key) for op, key, _ in found] == [("set", "a")] * 3


@pytest.mark.parametrize("where", ["another", "before", "of a list", "deeper"])
def test_an_event_beside_the_only_one_of_other_records_is_found(where: str) -> None:
    first, second = (LogWriter().patch(0, "shop", "m", {"a": value}).rstrip().decode() for value in "12")

    def line(other: str | None) -> bytes:
        beside: dict[str, Any] = {
            "another": {"more": other}, "before": {"before": other}, "of a list": {"list": [other]}, "deeper": {"o": {"p": {"q": other}}},
        }[where]  # fmt: skip
        record = {**beside, "log": first} if where == "before" else {"log": first, **beside}
        return json.dumps(record if other else {"log": first, "time": "now"}).encode() + b"\n"

    found, damage = fed([line(None)] * 3 + [line("short")] * 2 + [line(second), line(None)])
    assert [event.strip().decode() for event in found].count(second) == 1
    assert len(found) == 8
    assert not damage


def test_a_part_of_a_line_that_looks_like_all_of_it_is_put_together() -> None:
    whole = one().decode()

    def line(text: str) -> bytes:
        return json.dumps({"log": text, "stream": "stdout", "time": "now"}, separators=(",", ":")).encode() + b"\n"

    nested = whole.replace('"verb":"patch"', '"annotations":{"a":"b"},"verb":"patch"')
    cut = nested.index('"b"}') + len('"b"}')
    found, damage = fed(
        [line(whole + "\n"), line(whole + "\n"), line(nested[:cut]), line(nested[cut:] + "\n"), line(whole + "\n")]
    )
    assert [event.strip().decode() for event in found] == [whole, whole, nested, whole]
    assert not damage
