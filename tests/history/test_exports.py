"""Events come out of every envelope and archive that they are shipped in."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import Covered
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.open import sort_of
from tests.history.lines import GROUP
from tests.history.shop import DIGEST, Shop, gaps, keys, lives


def wrapped(lines: list[bytes], how: str) -> bytes:
    texts = [line.decode().rstrip("\n") for line in lines]
    documents = [json.loads(text) for text in texts]
    each = {
        "node logs": lambda t: f"ip-10-0-0-1.ec2.internal {t}",
        "syslog": lambda t: f"<134>1 2026-09-01T00:00:00Z host kube-apiserver 1 - - {t}",
        "journald": lambda t: f"Sep 01 00:00:00 host kube-apiserver[12]: {t}",
        "docker": lambda t: json.dumps({"log": t + "\n", "stream": "stdout", "time": "2026-09-01T00:00:00Z"}),
        "journald json": lambda t: json.dumps({"MESSAGE": t, "_HOSTNAME": "h"}),
        "journald bytes": lambda t: json.dumps({"MESSAGE": list(t.encode()), "_HOSTNAME": "h"}),
        "loki": lambda t: json.dumps({"labels": {"a": "b"}, "line": t, "timestamp": "x"}),
        "splunk": lambda t: json.dumps({"preview": False, "result": {"_raw": t}}),
        "elastic": lambda t: json.dumps({"_index": "i", "_source": {"kubernetes": {"audit": json.loads(t)}, "@timestamp": "x"}}),
        "fluent bit": lambda t: json.dumps({"date": 1.0, "log": "2026-09-01T00:00:00.000000000Z stdout F " + t, "kubernetes": {}}),
        "subscription": lambda t: json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": t}]}),
        "csv": lambda t: '1756684800,"' + t.replace('"', '""') + '",host',
        "table": lambda t: json.dumps(table(json.loads(t))),  # AKSAudit
        "in quotes": json.dumps,
        "an item a line": lambda t: t + ",",
        "among others": lambda t: f'I0901 12:00:00 1 trace.go:236] "Update"\n{t}\n{{"msg":"HTTP","auditID":"x"}}\n{{"index":{{}}}}',
    }  # fmt: skip
    if how in each:
        return "".join(each[how](text) + "\n" for text in texts).encode()
    if how == "pretty":
        return "\n".join(json.dumps(document, indent=2) for document in documents).encode()
    if how == "pretty list":
        return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": documents}, indent=1).encode()
    if how == "eks events":
        return json.dumps({"events": [{"timestamp": 1, "message": text} for text in texts]}).encode()
    if how == "firehose":
        return "".join(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": text}]}) for text in texts).encode()
    if how == "loki query":
        return json.dumps({"data": {"result": [{"stream": {}, "values": [["1", text] for text in texts]}]}}).encode()
    if how == "lambda":
        logged = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": text} for text in texts]})
        return json.dumps({"awslogs": {"data": base64.b64encode(gzip.compress(logged.encode())).decode()}}).encode()
    if how == "newest first":
        return b"".join(reversed(lines))
    if how == "cri in parts":
        return "".join(
            f"2026-09-01T00:00:00.000000000Z stdout P {text[:300]}\n2026-09-01T00:00:00.000000000Z stdout F {text[300:]}\n"
            for text in texts
        ).encode()
    assert how == "google"
    return "".join(json.dumps(google(document)) + "\n" for document in documents).encode()


def table(event: dict[str, Any]) -> dict[str, Any]:
    names = {"auditID": "AuditId", "requestReceivedTimestamp": "RequestReceivedTime", "stageTimestamp": "StageReceivedTime"}
    return {
        names.get(key, key[:1].upper() + key[1:]): json.dumps(value) if isinstance(value, dict) else value
        for key, value in event.items()
    }


def google(event: dict[str, Any]) -> dict[str, Any]:
    reference = event["objectRef"]
    group = reference.get("apiGroup", "core")
    payload = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "k8s.io",
        "authenticationInfo": {"principalEmail": event["user"]["username"]},
        "methodName": f"io.k8s.{group}.v1.{reference['resource']}.{event['verb']}",
        "resourceName": f"{group}/v1/namespaces/{reference['namespace']}/{reference['resource']}/{reference['name']}",
        "request": {"@type": "x", **(event.get("requestObject") or {})},
        "response": {"@type": "x", **(event.get("responseObject") or {})}, "status": {"code": 0},
    }  # fmt: skip
    return {"protoPayload": payload, "timestamp": event["stageTimestamp"], "operation": {"id": event["auditID"]}, "insertId": "x"}


HOW = [
    "node logs", "syslog", "journald", "docker", "journald json", "journald bytes", "loki", "splunk", "elastic", "fluent bit",
    "subscription", "csv", "table", "pretty", "pretty list", "eks events", "firehose", "loki query", "newest first",
    "cri in parts", "google", "in quotes", "an item a line", "among others", "lambda",
]  # fmt: skip


def shop_lines() -> list[bytes]:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(20.1, "shop", "m", {"amber-0": None})]
    return [*lines, log.patch(30, "shop", "other", {"last": "1"})]


@pytest.mark.parametrize("how", HOW)
def test_events_come_out_of_every_envelope(tmp_path: Path, how: str) -> None:
    lines = shop_lines()
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    (tmp_path / "wrapped").write_bytes(wrapped(lines, how))
    plain, found = (list(AuditLog([tmp_path / name], DIGEST).events()) for name in ("plain.log", "wrapped"))
    assert keys(found) == keys(plain)
    assert len(keys(plain)) == 12
    assert lives(found, f"widgets.{GROUP}") == lives(plain, f"widgets.{GROUP}")
    assert gaps(found) == gaps(plain) == []
    if how not in ("newest first", "an item a line", "among others"):
        assert [e.why for e in found if isinstance(e, Covered)] != [""]


def test_each_way_in_which_events_of_one_file_are_wrapped_is_said(tmp_path: Path) -> None:
    lines = shop_lines()
    mixed = b"".join(lines[:6]) + wrapped(lines[6:15], "docker") + wrapped(lines[15:], "loki")
    (tmp_path / "mixed.log").write_bytes(mixed)
    (said,) = [e.why for e in AuditLog([tmp_path / "mixed.log"], DIGEST).events() if isinstance(e, Covered)]
    assert said == f"{len(lines) - 15} events in line, 9 events in log"


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_packed_log_that_was_cut_is_read_to_the_cut(tmp_path: Path, cut: float) -> None:
    text = b"".join(shop_lines())
    packed = gzip.compress(text)
    (tmp_path / "cut.log.gz").write_bytes(packed[: int(len(packed) * cut)])
    assert sort_of(tmp_path / "cut.log.gz") == "audit"
    found = list(AuditLog([tmp_path / "cut.log.gz"], DIGEST).events())
    plain = keys(AuditLog([(tmp_path / "plain.log")], DIGEST).events()) if (tmp_path / "plain.log").write_bytes(text) else []
    assert 3 <= len(keys(found)) < len(plain)
    assert keys(found) == plain[: len(keys(found))]
    assert any(why.startswith("a line is no audit event") for why in gaps(found))


def test_archives_in_archives_are_opened(tmp_path: Path) -> None:
    lines = shop_lines()
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    with zipfile.ZipFile(tmp_path / "node.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("var/log/kube.log", b"".join(lines[::2]))
    (tmp_path / "other.log.gz").write_bytes(gzip.compress(b"".join(lines[1::2])))
    with tarfile.open(tmp_path / "gather.tgz", "w:gz") as outer:
        outer.add(tmp_path / "node.zip", "node-a/logs.zip")
        outer.add(tmp_path / "other.log.gz", "node-b/other.log.gz")
    with zipfile.ZipFile(tmp_path / "case.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "gather.tgz", "case/gather.tgz")
    assert sort_of(tmp_path / "case.zip") == "audit"
    found = list(AuditLog([tmp_path / "case.zip"], DIGEST).events())
    assert keys(found) == keys(AuditLog([tmp_path / "plain.log"], DIGEST).events())
    assert gaps(found) == []


def test_archives_and_folders_of_every_sort_are_one_log(tmp_path: Path) -> None:
    lines = shop_lines()
    cuts = [lines[:5], lines[5:9], lines[9:12], lines[12:]]
    folder = tmp_path / "bundle"
    (folder / "audit_logs" / "kube-apiserver").mkdir(parents=True)
    (folder / "audit_logs" / "kube-apiserver" / "node-a-audit.log.gz").write_bytes(gzip.compress(b"".join(cuts[0])))
    (folder / "audit_logs" / "node-b.log.xz").write_bytes(lzma.compress(wrapped(cuts[1], "node logs")))
    with zipfile.ZipFile(folder / "audit.zip", "w") as archive:
        archive.writestr("audit/part.json", wrapped(cuts[2], "eks events"))
    with tarfile.open(folder / "audit.tgz", "w:gz") as archive:
        inner = tmp_path / "audit.log"
        inner.write_bytes(b"".join(cuts[3]))
        archive.add(inner, "logs/audit.log")
    (folder / "version").write_text("4.19\n")
    found = list(AuditLog([folder], DIGEST).events())
    (tmp_path / "plain.log").write_bytes(b"".join(lines))
    assert keys(found) == keys(AuditLog([tmp_path / "plain.log"], DIGEST).events())
    (said,) = [e.why for e in found if isinstance(e, Covered) and not e.is_gap]
    assert "1 file without audit events passed over" in said
