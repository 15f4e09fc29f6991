"""`ghostkey watch` on a real control plane: metrics as keys come and go, and what is new told once."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.sources.live_cluster import Scope
from ghostkey.testing import ControlPlane, binary
from ghostkey.watch import follow, subjects
from tests.helpers import Program, bind, make_map, make_registry, make_tenants_kind, merge
from tests.watch.helpers import events_on, watching

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]
TENANTS = "/apis/demo.ghostkey.dev/v1/namespaces"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """A webhook: its address, and the texts that it was sent. The first request is refused."""
    texts: list[str] = []
    requests: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(1)
            if len(requests) > 1:
                texts.append(json.loads(body)["text"])
            self.send_response(503 if len(requests) == 1 else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/secret-path", texts
    server.shutdown()
    server.server_close()


def test_metrics_follow_keys_and_subjects_and_are_what_a_scan_finds(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    with watching(program, control_plane) as watcher:
        assert watcher.value("map_keys", namespace, "registry") == 10
        assert watcher.value("ghost_keys", namespace, "registry") == 2
        assert (
            0 < (watcher.value("bytes", namespace, "registry") or 0) < (watcher.value("limit_bytes", namespace, "registry") or 0)
        )

        control_plane.request("DELETE", f"{TENANTS}/{namespace}/tenants/live-0")
        control_plane.wait_until(lambda: watcher.value("ghost_keys", namespace, "registry") == 3, "the third ghost is seen")
        merge(control_plane, namespace, "registry", {f"{namespace}.gone-a": None})
        control_plane.wait_until(lambda: watcher.value("map_keys", namespace, "registry") == 9, "the key is gone")
        control_plane.wait_until(lambda: watcher.value("ghost_keys", namespace, "registry") == 2, "and its ghost")
        scanned = program.scan("-n", namespace)["findings"]
        assert len([found for found in scanned if found["analysis"] == "ghost-key"]) == 2

        make_map(control_plane, namespace, "other", {"a": "1"})
        control_plane.wait_until(lambda: watcher.value("ghost_keys", namespace, "other") == 0, "a new map has its series")
        control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/other")
        control_plane.wait_until(lambda: watcher.value("map_keys", namespace, "other") is None, "and loses it")

        text = watcher.get("/metrics")[1]
        assert "gone-b" not in text, "there is no series of a key"
        done = subprocess.run(
            [str(binary("promtool")), "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
        assert watcher.get("/healthz")[0] == 200
        assert watcher.get("/else")[0] == 404
        assert watcher.end() == 0


@pytest.mark.whole
def test_what_is_new_is_told_once_also_after_a_restart(
    program: Program, control_plane: ControlPlane, namespace: str, hook: tuple[str, list[str]]
) -> None:
    url, texts = hook
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "keys", {}, kind="secrets")
    lease = ("--events", "--notify", url, "--patience", "0.5s", "--lease-namespace", namespace, "--secrets")
    with watching(program, control_plane, *lease) as watcher:
        control_plane.wait_until(lambda: len(events_on(control_plane, namespace)) == 1, "the ghosts there are, are told")
        told = events_on(control_plane, namespace)[0]
        assert told["regarding"]["name"] == "registry"
        assert told["regarding"]["uid"]
        assert f"{namespace}.gone-a" in told["note"]
        control_plane.wait_until(
            lambda: [text for text in texts if f"{namespace}/" in text], "the webhook is told, though it refused once"
        )
        assert watcher.end() == 0
        assert url not in "".join(watcher.said)
    with watching(program, control_plane, *lease) as watcher:
        merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": "{}"})
        control_plane.wait_until(lambda: len(events_on(control_plane, namespace)) == 2, "the new ghost is told")
        newest = max(events_on(control_plane, namespace), key=lambda event: event["eventTime"])
        assert "gone-c" in newest["note"]
        assert "gone-a" not in newest["note"]
        assert watcher.end() == 0


@pytest.mark.whole
def test_of_two_watchers_one_tells_and_the_other_takes_over(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    words = ("--events", "--patience", "0.5s", "--lease-namespace", namespace)
    with watching(program, control_plane, *words) as first:
        control_plane.wait_until(lambda: first.value("is_leader") == 1, "the first one leads")
        control_plane.wait_until(lambda: events_on(control_plane, namespace), "it tells")
        with watching(program, control_plane, *words) as second:
            assert second.value("ghost_keys", namespace, "registry") == 2
            assert second.value("is_leader") == 0
            assert first.end() == 0
            control_plane.wait_until(lambda: second.value("is_leader") == 1, "the second one takes over")
            merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": "{}"})
            control_plane.wait_until(lambda: len(events_on(control_plane, namespace)) == 2, "it tells what is new, and no more")


@pytest.mark.whole
def test_nothing_is_lost_over_a_restart_of_the_api_server(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    plane = own_control_plane
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
    make_registry(plane, "prod", LIVE, GONE)
    program = Program(tmp_path / "state", plane.kubeconfig)
    with watching(program, plane) as watcher:
        plane.restart("kube-apiserver")
        merge(plane, "prod", "registry", {"prod.gone-c": "{}"})
        plane.request("DELETE", f"{TENANTS}/prod/tenants/live-0")
        plane.wait_until(
            lambda: watcher.value("map_keys", "prod", "registry") == 11, "the key that was written meanwhile is seen"
        )
        plane.wait_until(lambda: watcher.value("ghost_keys", "prod", "registry") == 4, "as are both ghosts")
        # what the watches would go on from is forgotten while nobody listens
        plane.etcd.compact()
        plane.restart("kube-apiserver")
        merge(plane, "prod", "registry", {"prod.gone-d": "{}"})
        plane.wait_until(lambda: watcher.value("ghost_keys", "prod", "registry") == 5, "and after what 410 answers")
        assert watcher.end() == 0


def test_the_printed_rights_are_enough(program: Program, control_plane: ControlPlane, namespace: str) -> None:
    import yaml

    make_registry(control_plane, namespace, LIVE, GONE)
    user = f"watcher-{namespace}"
    printed = program(
        "rbac", "--for", "watch", "--events", "--lease-namespace", namespace, "--secrets", "--kinds", "tenants.demo.ghostkey.dev"
    )
    for document in yaml.safe_load_all(printed.out):
        own = document["metadata"].get("namespace", "")
        bind(control_plane, user, document["rules"], own)
    restricted = program.as_user(control_plane.kubeconfig_for(user))
    words = (
        "--events",
        "--secrets",
        "--patience",
        "0.5s",
        "--lease-namespace",
        namespace,
        "--kinds",
        "tenants.demo.ghostkey.dev",
    )
    with watching(restricted, control_plane, *words) as watcher:
        control_plane.wait_until(lambda: len(events_on(control_plane, namespace)) == 1, "it tells with these rights alone")
        # other tests leave maps behind that nobody can read whole: they are gaps for an administrator too
        known = program.scan("--kinds", "tenants.demo.ghostkey.dev")["summary"]["gaps"]
        control_plane.wait_until(lambda: watcher.value("gaps") <= known, "no gap is one of rights")
        assert watcher.end() == 0
        assert not re.search("forbidden|denied|not allowed|cannot", " ".join(watcher.said)), watcher.said


def test_a_map_that_is_deleted_and_made_again_keeps_its_series(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_map(control_plane, namespace, "settings", {"a": "1"})
    with watching(program, control_plane, "-n", namespace) as watcher:
        assert watcher.value("ghost_keys", namespace, "settings") == 0
        # both before the next look, which finds as many ghosts as the one before
        control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/settings")
        make_map(control_plane, namespace, "settings", {"a": "1", "b": "2"})
        control_plane.wait_until(lambda: watcher.value("map_keys", namespace, "settings") == 2, "the new one is seen")
        control_plane.wait_until(lambda: watcher.value("ghost_keys", namespace, "settings") == 0, "and looked at")
        assert watcher.end() == 0


@pytest.mark.whole
def test_a_kind_that_is_gone_is_not_followed_any_more(own_control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = own_control_plane
    monkeypatch.setattr(subjects, "MISSED_SECONDS", 0.0)
    monkeypatch.setattr(follow, "DENIED_SECONDS", 0.1)
    monkeypatch.setattr(follow, "PAUSES_SECONDS", (0.1,))
    ends = threading.Event()
    client = ApiClient(load_config(str(plane.kubeconfig)))
    known = subjects.Subjects(client, Scope(), lambda: None, ends.is_set, ())

    def is_followed() -> bool:
        known.refresh()
        return "follow tenants.demo.ghostkey.dev" in {thread.name for thread in threading.enumerate()}

    make_tenants_kind(plane)
    try:
        for _ in range(2):
            plane.wait_until(is_followed, "the kind is followed")
            plane.request("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tenants.demo.ghostkey.dev")
            plane.wait_until(lambda: not is_followed(), "it is not any more")
            make_tenants_kind(plane)  # back, and gone again
    finally:
        ends.set()


@pytest.mark.whole
def test_what_was_asked_for_and_is_not_there_is_a_gap(program: Program, control_plane: ControlPlane, namespace: str) -> None:
    """As a scan has it: a watcher of a kind that is misspelt sees no ghosts, ever."""
    for words, said in (
        (("--kinds", "tennants"), "not seen: --kinds tennants: no such kind in the cluster"),
        (("-n", "no-such-namespace"), "not seen: namespace 'no-such-namespace': it does not exist"),
        (("-n", "caf\u00e9"), None),
    ):
        if said is None:
            done = program("watch", "--listen", "127.0.0.1:0", *words)
            assert (done.code, "no name that an object can have" in done.err) == (2, True), done.err
            continue
        with watching(program, control_plane, *words) as watcher:
            control_plane.wait_until(lambda running=watcher: running.value("gaps") == 1, "the gap is counted")
            assert watcher.end() == 0
            assert said in "\n".join(watcher.said)
    for path in control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]:
        control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/{path['metadata']['name']}")
    with watching(program, control_plane, "-n", namespace) as watcher:
        assert watcher.value("gaps") == 0, "a namespace without maps is there"


def test_recording_that_never_happens_is_refused(program: Program, tmp_path: Path) -> None:
    done = program("watch", "--listen", "127.0.0.1:0", "--record", str(tmp_path / "store"), "--record-every", "0s")
    assert done.code == 2
    assert "never puts anything into the store" in done.err
