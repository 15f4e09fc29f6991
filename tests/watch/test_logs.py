"""Keywords in the logs of an operator: a real API server, real Pods of a kubelet's stand-in, lines as a runtime keeps them."""

from __future__ import annotations

import datetime
import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.client import JSON, ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import ApiFailed, UsageError
from ghostkey.testing import ControlPlane
from ghostkey.watch import logs, operators
from ghostkey.watch.keywords import hits, open_panic, shown
from ghostkey.watch.logs import Listener, Logs
from ghostkey.watch.operators import parse_operator, selector_of
from ghostkey.watch.recent import Recent
from tests.helpers import HANG_SECONDS, Program, make_map, merge
from tests.kwok import KUBELET_FLAGS, NODE, start_node
from tests.watch.helpers import Watching, watching

# what a program of Go 1.27 has said
PANIC = """panic: assignment to entry in nil map

goroutine 18 [running]:
main.(*Registry).Add(0x0?, {0x49b755?, 0x0?})
\texample.com/operator/main.go:4 +0x2b
main.(*Reconciler).Reconcile(0x0?, {0x49b755?, 0x0?})
\texample.com/operator/main.go:6 +0x1b
main.main.func1()
\texample.com/operator/main.go:10 +0x45
created by main.main in goroutine 1
\texample.com/operator/main.go:10 +0xa5""".splitlines()
STACK = (
    "main.(*Registry).Add main.go:4",
    "main.(*Reconciler).Reconcile main.go:6",
    "main.main.func1 main.go:10",
    "main.main main.go:10",
)
# what controller-runtime 0.22 says, in JSON
OBSERVED = (
    '{"level":"error","ts":"2026-11-26T10:00:00Z","msg":"Observed a panic","panic":"runtime error: invalid memory address",'
    '"stacktrace":"goroutine 93 [running]:\\nk8s.io/apimachinery/pkg/util/runtime.logPanic({0x1, 0x2})\\n\\t/go/pkg/mod/runtime.go:107 +0xbc\\n'
    'panic({0x1, 0x2})\\n\\t/usr/local/go/src/runtime/panic.go:787 +0x132\\nmain.(*R).Reconcile(0x1)\\n\\t/src/main.go:42 +0x1"}'
)


def names(lines: list[str]) -> list[str]:
    return [hit.keyword.name for hit in hits(lines)]


def test_a_panic_is_one_hit_with_its_stack_and_without_what_it_was_called_with() -> None:
    (hit,) = hits(["starting", *PANIC, "starting again"])
    assert (hit.keyword.name, hit.line, hit.stack) == ("panic", PANIC[0], STACK)
    (hit,) = hits([OBSERVED])
    assert hit.stack == ("main.(*R).Reconcile main.go:42",)
    assert "0xbc" not in hit.line


def test_a_stack_that_is_still_on_its_way_is_waited_for() -> None:
    for cut in range(1, len(PANIC) + 1):
        assert open_panic(["starting", *PANIC[:cut]]) == 1
    assert open_panic(["starting", *PANIC, "starting again"]) == len(PANIC) + 2
    assert open_panic(["starting"]) == 1
    assert open_panic([]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "reconciled 12 tenants", "no panic, please", '{"msg":"panics: 0"}', "conflict resolution finished", "request size is fine",
        "webhook server started", "policy allowed the request", "the object has been deleted",
    ],
)  # fmt: skip
def test_lines_of_every_day_have_no_keyword(line: str) -> None:
    assert names([line]) == []


@pytest.mark.parametrize(
    "line", ["(" * 500_000, "a" * 500_000 + ")", '{"stacktrace":"' + "\\" * 100_001, "panic: " + "x(" * 200_000, "=" * 400_000]
)
def test_no_line_takes_long(line: str) -> None:
    began = time.monotonic()
    list(hits(["panic: x", line, *[line] * 3, "panic: y"]))
    open_panic([line] * 5)
    assert time.monotonic() - began < HANG_SECONDS


def test_what_looks_like_a_credential_is_not_told() -> None:
    told = shown("panic: login failed password=hunter2 token: abc Authorization: Bearer " + "Zm9v" * 20 + " for prod/acorn")
    assert "hunter2" not in told
    assert "abc" not in told
    assert "Zm9v" not in told
    assert "prod/acorn" in told
    for line in (
        r'{"msg":"{\"password\":\"hunter2\"}"}',
        "panic: dial postgres://app:hunter2@db/x",
        "run --token hunter2 --verbose",
    ):
        assert "hunter2" not in shown(line)
    assert shown('secret "x" not found') == 'secret "x" not found'
    assert len(shown("panic: " + "word " * 500)) <= 300


@pytest.mark.parametrize(
    "text", ["", "prod", "prod/", "prod/deploy", "prod/deploy/A", "Prod/app=x", "prod/app=x\n", "prod/job/x"]
)
def test_words_that_name_no_operator_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_operator(text)


def test_a_workload_or_a_selector_is_an_operator() -> None:
    assert parse_operator("prod/deploy/manager").workload == ("deployments", "manager")
    assert parse_operator("prod/app.kubernetes.io/name=x,tier in (a, b)").selector == "app.kubernetes.io/name=x,tier in (a, b)"
    expressions = [{"key": "tier", "operator": "NotIn", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]
    assert selector_of({"matchLabels": {"app": "x"}, "matchExpressions": expressions}) == "app=x,tier notin (a,b),!old"


class Operator:
    """A Deployment's Pod, and what it has said, in the format of a container runtime."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.cluster, self.log, self.previous = cluster, folder / "0.log", folder / "previous.log"
        self.log.touch()
        self.previous.touch()
        logs = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs", "metadata": {"name": "all"},
            "spec": {"logs": [{"logsFile": str(self.log), "previousLogsFile": str(self.previous), "follow": False}]},
        }  # fmt: skip
        start_node(cluster, folder, [logs])
        labels = {"app": "operator"}
        for revision, image in ((1, "example.com/operator:1.0"), (2, "example.com/operator:1.1")):
            spec = {"containers": [{"name": "manager", "image": image}], "nodeName": NODE}
            template = {"metadata": {"labels": labels}, "spec": spec}
            body: dict[str, Any] = {
                "metadata": {"name": f"operator-{revision}", "labels": labels, "annotations": {"deployment.kubernetes.io/revision": str(revision)}},
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            }  # fmt: skip
            cluster.request("POST", "/apis/apps/v1/namespaces/default/replicasets", body)
        deployment = {"metadata": {"name": "operator"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
        cluster.request("POST", "/apis/apps/v1/namespaces/default/deployments", deployment)
        cluster.request(
            "POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "operator-x", "labels": labels}, "spec": spec}
        )
        cluster.wait_until(lambda: self.pod()["status"].get("phase") == "Running", "the operator runs")

    def pod(self) -> dict[str, Any]:
        return self.cluster.request("GET", "/api/v1/namespaces/default/pods/operator-x")

    def says(self, *lines: str, file: Path | None = None) -> None:
        with (file or self.log).open("a") as out:
            for line in lines:
                stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
                out.write(f"{stamp} stderr F {line}\n")


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with ControlPlane(apiserver_flags=KUBELET_FLAGS) as cluster:
        yield Operator(cluster, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    texts: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", texts
    server.shutdown()
    server.server_close()


def next_second(cluster: ControlPlane) -> None:
    """Times of logs are asked for in whole seconds."""
    began = int(time.time())
    cluster.wait_until(lambda: int(time.time()) > began, "a second is over")


def counted(watcher: Watching, keyword: str) -> int:
    for line in watcher.get("/metrics")[1].splitlines():
        if line.startswith("ghostkey_log_lines_total{") and f'keyword="{keyword}"' in line:
            return int(line.rpartition(" ")[2])
    return -1


@pytest.mark.whole
def test_what_an_operator_says_is_counted_and_told_with_stack_image_and_maps(
    operator: Operator, tmp_path: Path, hook: tuple[str, list[str]]
) -> None:
    cluster, (url, texts) = operator.cluster, hook
    make_map(cluster, "default", "registry", {"a": "1"})
    # the server's own words
    path = "/api/v1/namespaces/default/configmaps/registry"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry"}, "data": {"a": "x" * 1_100_000}}
    status, too_large = cluster.raw("PUT", path, json.dumps(body).encode())
    assert status == 422
    stale = {**body, "data": {}, "metadata": {"name": "registry", "resourceVersion": "1"}}
    status, conflict = cluster.raw("PUT", path, json.dumps(stale).encode())
    assert status == 409
    user = "log-reader"
    program = Program(tmp_path / "state", cluster.kubeconfig)
    words = ("--lease-namespace", "default", "--user", user)
    printed = program("rbac", "--for", "watch", "--events", "--logs", "default", *words).out
    cluster.kubectl("apply", "-f", "-", stdin=printed)
    operator.says("panic: of yesterday, before anybody watched")
    next_second(cluster)
    reader = program.as_user(cluster.kubeconfig_for(user))
    with watching(
        reader, cluster, "--logs", "default/deploy/operator", "--notify", url, "--lease-namespace", "default"
    ) as watcher:
        cluster.wait_until(lambda: watcher.value("is_leader") == 1, "it leads")
        assert (counted(watcher, "panic"), counted(watcher, "conflict")) == (0, 0)
        merge(cluster, "default", "registry", {"b": "2"})
        operator.says("starting", json.loads(conflict)["message"], json.loads(too_large)["message"], *PANIC[:5])
        operator.says(*PANIC[5:], "starting again")
        cluster.wait_until(lambda: counted(watcher, "panic") == 1, "the panic is counted")
        cluster.wait_until(lambda: counted(watcher, "too-large") == 1, "what was too large is counted")
        assert counted(watcher, "conflict") == 1
        cluster.wait_until(lambda: len(texts) == 2, "panic and size are told; one conflict is not")
        told = next(text for text in texts if "panic in its log" in text)
        assert "stack: " + " ← ".join(STACK) in told
        assert "from example.com/operator:1.0, to example.com/operator:1.1" in told
        assert "default/configmaps/registry from 1 to 2 keys" in told
        assert "0x49b755" not in told
        # a container that ended: what it said at last is in the log of before
        operator.says(*PANIC, file=operator.previous)
        status_path = "/api/v1/namespaces/default/pods/operator-x/status"
        state = {"name": "manager", "restartCount": 1, "ready": True, "image": "x", "imageID": "x"}
        cluster.request("PATCH", status_path, {"status": {"containerStatuses": [state]}}, "application/merge-patch+json")
        cluster.wait_until(lambda: counted(watcher, "panic") == 2, "the panic before the restart is counted, once")
        operator.says("all is well", "panic: again")
        cluster.wait_until(lambda: counted(watcher, "panic") == 3, "it goes on")
        assert len(texts) == 2, "the same is told again after an hour"
        assert watcher.end() == 0
        assert not [line for line in watcher.said if "logs of" in line]


@pytest.mark.whole
def test_a_log_that_is_faster_than_it_is_read_is_bounded_and_that_is_said(operator: Operator, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", operator.cluster.kubeconfig)
    with watching(program, operator.cluster, "--logs", "default/app=operator") as watcher:
        operator.cluster.wait_until(lambda: counted(watcher, "panic") == 0, "it is there")
        operator.says(*["x" * 10_000] * 600)
        assert watcher.process.stderr is not None
        while "says more than is read" not in (line := watcher.process.stderr.readline()):
            assert line
        next_second(operator.cluster)
        operator.says("panic: after all that", "well")
        operator.cluster.wait_until(lambda: counted(watcher, "panic") == 1, "it goes on after what was skipped")


def test_pods_that_are_not_there_are_said(operator: Operator, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", operator.cluster.kubeconfig)
    with watching(program, operator.cluster, "--logs", "default/deploy/else", "--logs", "default/app=else") as watcher:
        assert watcher.process.stderr is not None
        while "there is no deployment else" not in (line := watcher.process.stderr.readline()):
            assert line
        assert "there is no such Pod" in line


class Flaky(ApiClient):
    """A client whose answers do not come where `fails` is in what is asked for: a server that does not answer just then."""

    fails = "nothing"

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> bytes:
        if self.fails in f"{path}?{params}":
            raise ApiFailed("the server did not answer")
        return super().get(path, params, accept)


@dataclass
class Reading:
    """Logs that are read when a test says so, and what their listener was told."""

    client: Flaky
    is_leader: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        listener = Listener(
            counted=lambda _, keyword, count: self.counts.update({keyword: count}),
            alert=self.alerts.append,
            trouble=lambda _: None,
            is_leader=lambda: self.is_leader,
        )
        self._logs = Logs(self.client, [parse_operator("default/app=operator")], Recent(), listener)

    def __call__(self, *, fails: str = "nothing") -> str:
        self.client.fails = fails
        return "; ".join(self._logs.read_on())


@pytest.fixture
def reading(operator: Operator) -> Reading:
    next_second(operator.cluster)
    return Reading(Flaky(load_config(str(operator.cluster.kubeconfig))))


def test_a_log_is_not_counted_twice_after_a_request_that_failed(operator: Operator, reading: Reading) -> None:
    operator.says("panic: once", "well")
    assert reading() == ""
    assert reading.counts["panic"] == 1
    assert "the server did not answer" in reading(fails="labelSelector")  # which Pods there are is not known
    assert "the server did not answer" in reading(fails="timestamps")
    assert reading() == ""
    assert reading.counts["panic"] == 1
    operator.says("panic: twice", "well")
    assert reading() == ""
    assert reading.counts["panic"] == 2


def test_what_a_container_said_before_it_ended_is_read_once_it_can_be(operator: Operator, reading: Reading) -> None:
    assert reading() == ""
    ended = 2 + sum(one["restartCount"] for one in operator.pod()["status"].get("containerStatuses", ()))
    operator.says("panic: at its end", "well", file=operator.previous)
    state = {"name": "manager", "restartCount": ended, "ready": True, "image": "x", "imageID": "x"}
    body = {"status": {"containerStatuses": [state]}}
    operator.cluster.request("PATCH", "/api/v1/namespaces/default/pods/operator-x/status", body, "application/merge-patch+json")
    assert "did not answer" in reading(fails="previous")
    assert reading.counts["panic"] == 0
    assert "ended several times" in reading(), "the log of the time between is nowhere"
    assert reading() == ""
    assert reading.counts["panic"] == 1


def test_a_panic_while_nobody_leads_is_told_by_who_leads_next(
    operator: Operator, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading.is_leader = False
    operator.says("panic: in between", "well")
    reading()
    assert (reading.counts["panic"], reading.alerts) == (1, [])
    reading.is_leader = True
    reading()
    reading()
    assert len(reading.alerts) == 1
    # what came long before has been told by who led then
    reading.is_leader = False
    operator.says("runtime: request is too large", "well")
    reading()
    assert reading.counts["too-large"] == 1
    monkeypatch.setattr(logs, "HANDOVER_SECONDS", 0.0)
    reading()
    reading.is_leader = True
    reading()
    assert len(reading.alerts) == 1


def test_of_many_pods_those_that_run_are_read_and_it_is_said(
    operator: Operator, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "PODS_MOST", 1)
    path = "/api/v1/namespaces/default/pods"
    spec = {"containers": [{"name": "manager", "image": "x"}]}
    operator.cluster.request("POST", path, {"metadata": {"name": "evicted", "labels": {"app": "operator"}}, "spec": spec})
    merge_patch = "application/merge-patch+json"
    operator.cluster.request("PATCH", f"{path}/evicted/status", {"status": {"phase": "Failed", "reason": "Evicted"}}, merge_patch)
    operator.says("panic: of the one that runs", "well")
    assert "there are more Pods than are read; the logs of 1 are" in reading()
    assert reading.counts["panic"] == 1
    operator.cluster.request("DELETE", f"{path}/evicted?gracePeriodSeconds=0")
