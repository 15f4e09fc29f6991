"""Two real API servers on one etcd, written through at the same time: their two logs tell what etcd tells, and by whom."""

from __future__ import annotations

import json
import random
import ssl
import threading
from http.client import HTTPSConnection

import pytest

from ghostkey.model.history import Covered, HistoryEvent, KeyEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.states import KeyedHash
from ghostkey.testing import ControlPlane
from ghostkey.testing.control_plane import _free_ports
from tests.history.test_mistakes import SHOWS_ALL

DIGEST = KeyedHash(b"the same for both")
MAP = "/api/v1/namespaces/default/configmaps/shared"
WRITES = 250  # of each of three writers
MERGE, JSON_PATCH, APPLY = (f"application/{kind}" for kind in ("merge-patch+json", "json-patch+json", "apply-patch+yaml"))


class Writer(threading.Thread):
    """Writes a map through one server as one user; `made` is what each revision was made by."""

    def __init__(self, connection: HTTPSConnection, user: str, seed: int) -> None:
        super().__init__()
        self.connection, self.user, self.rng = connection, user, random.Random(seed)
        self.made: dict[int, str] = {}
        self.refused = 0

    def run(self) -> None:
        for number in range(WRITES):
            key = f"key-{self.rng.randrange(30)}"
            kind, body = self.rng.choice([
                (MERGE, {"data": {key: f"{self.user}-{number}"}}), (MERGE, {"data": {key: None}}),
                (JSON_PATCH, [{"op": "add", "path": f"/data/{key}", "value": f"{self.user}-{number}"}]),
                (JSON_PATCH, [{"op": "remove", "path": f"/data/{key}"}]),
                (APPLY, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"},
                         "data": {f"{self.user}-{n}": str(number) for n in range(self.rng.randrange(4))}}),
            ])  # fmt: skip
            query = f"?fieldManager={self.user}" + ("&force=true" if kind == APPLY else "")
            headers = {"Content-Type": kind, "Impersonate-User": self.user, "Impersonate-Group": "system:masters"}
            self.connection.request("PATCH", MAP + query, json.dumps(body), headers)
            response = self.connection.getresponse()
            answer = json.loads(response.read())
            if response.status == 200:
                # a write that changes nothing keeps the revision that somebody else made
                self.made.setdefault(int(answer["metadata"]["resourceVersion"]), self.user)
            self.refused += response.status != 200


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[HistoryEvent], list[HistoryEvent], list[dict[int, str]]]:
    """The events of both logs, those of etcd, and what each writer knows that it made."""
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        argv, env = control_plane._started["kube-apiserver"]
        (port,) = _free_ports(1)
        other = control_plane.directory / "audit-2.log"
        changed = {"--secure-port": str(port), "--audit-log-path": str(other)}
        second = [f"{name}={changed[name]}" if (name := word.partition("=")[0]) in changed else word for word in argv]
        control_plane.start("kube-apiserver-2", second, env)
        control_plane.request(
            "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "shared"}, "data": {"first": "1"}}
        )
        first, context = control_plane.connect(), ssl.create_default_context(cafile=str(control_plane.directory / "ca.crt"))
        context.load_cert_chain(control_plane.directory / "admin.pem")

        def answers() -> bool:
            probe = HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
            try:
                probe.request("GET", "/readyz")
                return probe.getresponse().status == 200
            except OSError:
                return False
            finally:
                probe.close()

        control_plane.wait_until(answers, "the second server answers")
        through_second = [HTTPSConnection("127.0.0.1", port, context=context, timeout=300) for _ in range(2)]
        writers = [Writer(first, "ann", 1), Writer(through_second[0], "bob", 2), Writer(through_second[1], "cid", 3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        control_plane.request("PATCH", MAP, {"data": {"last": "1"}}, MERGE)
        control_plane.wait_until(lambda: '"last"' in control_plane.audit_log.read_text()[-8_000:], "the log has the last write")
        control_plane.processes["kube-apiserver-2"].stop()
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        logs = list(AuditLog([control_plane.audit_log, other], DIGEST).events())
        etcd = list(EtcdSnapshot(control_plane.directory / "etcd" / "member" / "snap" / "db", DIGEST).events())
    assert all(writer.made for writer in writers)
    return logs, etcd, [writer.made for writer in writers]


def facts(events: list[HistoryEvent]) -> set[tuple[object, ...]]:
    return {
        (e.revision, e.key, e.op, e.value_hash)
        for e in events
        if isinstance(e, KeyEvent) and e.name == "shared" and e.op in ("set", "delete")
    }


def test_two_logs_tell_what_etcd_tells(seen: tuple[list[HistoryEvent], list[HistoryEvent], list[dict[int, str]]]) -> None:
    logs, etcd, _ = seen
    assert len(facts(etcd)) > WRITES
    # of writes at the very same time the logs may show one before it is named: that one is seen, and a gap; never another's
    assert facts(logs) <= facts(etcd)
    lost = facts(etcd) - facts(logs)
    assert len(lost) <= len(facts(etcd)) // 100
    gaps = [e.why for e in logs if isinstance(e, Covered) and e.is_gap and "revisions" in e.why]
    assert bool(gaps) == bool(lost)


def test_each_key_is_credited_to_who_made_its_revision(
    seen: tuple[list[HistoryEvent], list[HistoryEvent], list[dict[int, str]]],
) -> None:
    logs, _, made = seen
    credited = {
        (e.revision, e.user) for e in logs if isinstance(e, KeyEvent) and e.name == "shared" and e.op in ("set", "delete")
    }
    wrong = [
        (revision, user)
        for revision, user in credited
        if user in ("ann", "bob", "cid") and not any(known.get(revision or 0) == user for known in made)
    ]
    assert wrong == []
    assert {user for _, user in credited} >= {"ann", "bob", "cid"}
