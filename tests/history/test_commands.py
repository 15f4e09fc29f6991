"""history, blame, record and explain --from, as a person runs them, on a real control plane."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.testing import ControlPlane
from tests.cli.test_rbac import allowed
from tests.helpers import HANG_SECONDS, Program, make_map, make_tenant, make_tenants_kind, merge

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 9)]
TENANTS = "/apis/demo.ghostkey.dev/v1/namespaces/{}/tenants"


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audit log and the etcd data of a map that leaked three keys."""
    folder = tmp_path_factory.mktemp("leaked")
    with ControlPlane() as control_plane:
        make_tenants_kind(control_plane)
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
        make_map(control_plane, "prod", "registry", {})
        for name in [*LIVE, *GONE]:
            make_tenant(control_plane, "prod", name)
            merge(control_plane, "prod", "registry", {f"prod.{name}": '{"plan":"gold"}'})
        for name in GONE:
            control_plane.request("DELETE", f"{TENANTS.format('prod')}/{name}")
        control_plane.wait_until(lambda: f"tenants/{GONE[-1]}" in control_plane.audit_log.read_text(), "the log has it all")
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        shutil.copytree(control_plane.directory / "etcd" / "member", folder / "member")
        shutil.copy(control_plane.audit_log, folder / "audit.log")
    return folder


@pytest.mark.whole(but=["blame"])
@pytest.mark.parametrize("command", ["explain", "blame"])
def test_map_that_the_history_does_not_know_leads_to_the_one_that_was_meant(
    files_program: Program, leaked: Path, command: str
) -> None:
    log = str(leaked / "audit.log")
    done = files_program(command, "cm/regstry", "-n", "prod", "--from", log)
    assert (done.code, "hint: did you mean registry?" in done.err) == (2, True), done.err
    done = files_program(command, "cm/registry", "-n", "default", "--from", log)
    assert (done.code, "hint: there is one of that name in prod: name it with -n" in done.err) == (2, True), done.err


def test_story_of_a_map_from_its_audit_log(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    done = files_program("explain", "cm/registry", "-n", "prod", "--from", str(leaked / "audit.log"), "--html", str(page))
    assert done.code == 1
    assert done.out.startswith("configmaps/registry in prod: 9 keys, 3 of them outlive their subject\n")
    assert "no-delete: 3 keys: nobody tried to remove it" in done.out
    assert "Tenant prod/shop-6 went" in done.out
    assert "unknown before" in done.out
    assert page.read_text().startswith("<!doctype html>")


def test_story_of_a_key_is_a_timeline(files_program: Program, leaked: Path) -> None:
    done = files_program("explain", "cm/registry", "prod.shop-6", "-n", "prod", "--from", str(leaked / "audit.log"))
    steps = [line for line in done.out.splitlines() if line.startswith("  ")]
    assert [word in step for word, step in zip(("created", "written", "gone", "still there"), steps, strict=False)] == [True] * 4
    assert "why: no-delete" in done.out


def test_etcd_alone_says_what_it_cannot_know(files_program: Program, leaked: Path) -> None:
    snapshot = str(leaked / "member" / "snap" / "db")
    done = files_program("explain", "cm/registry", "-n", "prod", "--from", snapshot, "-o", "json")
    assert {row["class"] for row in done.json["ghosts"]} == {"unknown"}
    both = files_program(
        "explain", "cm/registry", "-n", "prod", "--from", snapshot, "--from", str(leaked / "audit.log"), "-o", "json"
    )
    assert {row["class"] for row in both.json["ghosts"]} == {"no-delete"}


def test_import_is_idempotent_and_survives_growth(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    store, log = str(tmp_path / "store"), tmp_path / "audit.log"
    lines = (leaked / "audit.log").read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 2]))
    assert files_program("history", "import", "--store", store, str(log)).code == 0
    assert "was imported before" in files_program("history", "import", "--store", store, str(log)).out
    log.write_bytes(b"".join(lines))
    files_program("history", "import", "--store", store, str(log))
    listed = files_program("history", "list", "--store", store, "-o", "json").json["imports"]
    assert len(listed) == 1
    copy = tmp_path / "rotated.log.gz"
    copy.write_bytes(gzip.compress(b"".join(lines)))
    files_program("history", "import", "--store", store, str(copy))
    told = files_program("explain", "cm/registry", "-n", "prod", "--store", store, "-o", "json").json
    assert told["growth"][-1]["keys"] == 9
    assert len(told["ghosts"]) == 3


def test_killed_import_leaves_nothing_behind(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    running = files_program.start("history", "import", "--store", str(store), "-", stdin=subprocess.PIPE)
    assert running.stdin is not None
    running.stdin.buffer.write((leaked / "audit.log").read_bytes())
    running.stdin.flush()
    running.kill()
    running.communicate()
    assert History(store).imports() == []
    assert files_program("history", "import", "--store", str(store), str(leaked / "audit.log")).code == 0
    assert len(History(store).imports()) == 1


def test_stdin_and_rotated_sets_and_webhook_batches_say_the_same(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    raw = (leaked / "audit.log").read_bytes()
    lines = raw.splitlines(keepends=True)
    rotated = tmp_path / "rotated"
    rotated.mkdir()
    # as kube-apiserver rotates: the current file has no date, and sorts last by time though first by name
    (rotated / "audit-2026-01-01T00-00-00.000.log").write_bytes(b"".join(lines[: len(lines) // 3]))
    (rotated / "audit-2026-01-01T00-01-00.000.log.gz").write_bytes(gzip.compress(b"".join(lines[len(lines) // 3 : -50])))
    (rotated / "audit.log").write_bytes(b"".join(lines[-50:]))
    batch = tmp_path / "webhook.json"
    items = [json.loads(line) for line in lines]
    batch.write_text(json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}))
    words = ("explain", "cm/registry", "-n", "prod", "-o", "json", "--from")
    expected = files_program(*words, str(leaked / "audit.log")).json["ghosts"]
    assert len(expected) == 3
    assert files_program(*words, "-", stdin=raw).json["ghosts"] == expected
    assert files_program(*words, str(rotated)).json["ghosts"] == expected
    assert files_program(*words, str(batch)).json["ghosts"] == expected


def test_blame_from_history_and_from_managed_fields(
    control_plane: ControlPlane, namespace: str, program: Program, leaked: Path
) -> None:
    done = program("blame", "cm/registry", "-n", "prod", "--from", str(leaked / "audit.log"), "-o", "json")
    assert {row["writer"] for row in done.json["keys"]} == {"ghostkey-admin"}
    assert len(done.json["keys"]) == 9
    make_map(control_plane, namespace, "registry", {"a": "1"})
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry?fieldManager=somebody"
    control_plane.request("PATCH", path, {"data": {"b": "2"}}, "application/merge-patch+json")
    rows = program("blame", "cm/registry", "-n", namespace, "-o", "json").json["keys"]
    assert {row["key"]: row["manager"] for row in rows}["b"] == "somebody"


@pytest.mark.whole
def test_what_the_cluster_remembers_ends_the_story(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    """The log ends before the last write; managedFields know who it was, and the key is there by them."""
    make_map(control_plane, namespace, "registry", {"a": "1", "b": "2"})
    control_plane.wait_until(lambda: namespace in control_plane.audit_log.read_text(), "it is in the audit log")
    log = tmp_path / "audit.log"
    log.write_text("".join(line for line in control_plane.audit_log.open() if namespace in line))
    merge(control_plane, namespace, "registry", {"a": None})
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry?fieldManager=latecomer"
    control_plane.request("PATCH", path, {"data": {"c": "3"}}, "application/merge-patch+json")
    words = ("cm/registry", "-n", namespace, "--from", str(log), "--from", "live")
    rows = {row["key"]: row for row in program("blame", *words, "-o", "json").json["keys"]}
    assert (rows["c"]["manager"], rows["c"]["source"]) == ("latecomer", "live")
    assert rows["b"]["source"] == "audit"
    assert "a" not in rows
    store = str(tmp_path / "store")
    for _ in range(2):  # what the cluster remembers now takes the place of what it did
        told = program("explain", *words, "--store", store, "-o", "json").json
        assert "managedFields tell the last write" in json.dumps(told["coverage"])
        assert program("history", "list", "--store", store).out.count("live") == 2
    missing = program("explain", "cm/missing", "-n", namespace, "--from", "live")
    assert (missing.code, "not found" in missing.err) == (2, True)


@pytest.mark.whole
def test_a_fleets_store_is_read_by_spark_where_it_lies(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    files_program("history", "import", "--store", str(store), str(leaked / "audit.log"))
    words = ("explain", "cm/registry", "-n", "prod", "-o", "json", "--store")
    expected = files_program(*words, str(store)).json
    told = files_program(*words, store.as_uri(), "--engine", "spark")
    assert told.json["ghosts"] == expected["ghosts"] != []
    assert told.json["growth"] == expected["growth"]
    assert "add --engine spark" in files_program(*words, store.as_uri()).err
    missing = files_program(*words, (tmp_path / "nowhere").as_uri(), "--engine", "spark")
    assert (missing.code, "cannot read" in missing.err, "Traceback" in missing.err) == (5, True, False)


def test_gaps_are_listed_and_are_exit_3(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    files_program("history", "import", "--store", store, str(leaked / "member"))
    done = files_program("history", "gaps", "--store", store)
    assert "etcd-wal: seen from" in done.out
    assert done.code == (3 if "not seen" in done.out else 0)


def test_export_is_json_lines_without_values(files_program: Program, leaked: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    files_program("history", "import", "--store", store, str(leaked / "audit.log"))
    done = files_program("history", "export", "key_events", "--store", store)
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert {row["key"] for row in rows if row["name"] == "registry"} >= {"prod.shop-0"}
    assert "gold" not in done.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "MISSING"), 2, "does not exist"),
        (("--from", "TEXT"), 5, "is no audit log, etcd snapshot or WAL"),
        (("--store", "EMPTY"), 2, "holds no history"),
    ],
)
def test_bad_sources_are_one_clear_line(
    files_program: Program, tmp_path: Path, words: tuple[str, str], code: int, said: str
) -> None:
    (tmp_path / "TEXT").write_text("hello")
    done = files_program("explain", "cm/registry", "-n", "prod", words[0], str(tmp_path / words[1]))
    assert done.code == code
    assert said in done.err
    assert "hint:" in done.err


def test_unknown_map_is_said(files_program: Program, leaked: Path) -> None:
    done = files_program("explain", "cm/other", "-n", "prod", "--from", str(leaked / "audit.log"))
    assert done.code == 2
    assert "the history has no cm/other in namespace 'prod'" in done.err


@pytest.mark.whole
def test_dated_dumps_and_git_tell_between_which_a_key_came(files_program: Program, tmp_path: Path) -> None:
    def manifests(*names: str, live: int) -> str:
        tenants = [
            {
                "apiVersion": "demo.ghostkey.dev/v1",
                "kind": "Tenant",
                "metadata": {"name": n, "namespace": "prod", "uid": f"uid-{n}"},
            }
            for n in names[:live]
        ]
        registry = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry", "namespace": "prod"},
                    "data": {f"prod.{name}": "1" for name in names}}  # fmt: skip
        return yaml.safe_dump_all([*tenants, registry])

    dumps, tree = tmp_path / "dumps", tmp_path / "tree"
    for folder in (dumps, tree):
        folder.mkdir()
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], check=True)
    for day, (names, live) in enumerate([(LIVE, 6), ([*LIVE, *GONE], 9), ([*LIVE, *GONE], 6)], 1):
        text = manifests(*names, live=live)
        (dumps / f"2026-11-0{day}.yaml").write_text(text)
        (tree / "all.yaml").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        env = {
            "GIT_COMMITTER_DATE": f"2026-11-0{day}T00:00:00Z",
            "GIT_AUTHOR_DATE": f"2026-11-0{day}T00:00:00Z",
            "HOME": str(tmp_path),
        }
        subprocess.run([*git, "commit", "-qm", f"day {day}"], check=True, env={"PATH": "/usr/bin:/bin:/usr/local/bin", **env})
    for source in (dumps, tree):
        told = files_program("explain", "cm/registry", "-n", "prod", "--from", str(source), "-o", "json").json
        assert {row["key"] for row in told["ghosts"]} == {f"prod.{name}" for name in GONE}
        assert {row["class"] for row in told["ghosts"]} == {"unknown"}
        assert any("between two dumps" in row["why"] for row in told["coverage"])


@pytest.mark.whole
def test_record_sees_what_happens_through_a_restart_of_the_api_server(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with ControlPlane() as control_plane:
        make_tenants_kind(control_plane)
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
        make_map(control_plane, "prod", "registry", {"prod.shop-0": "1"})
        recording = Program(tmp_path / "state", control_plane.kubeconfig).start("record", "--store", str(store), "--for", "5m")
        assert recording.stderr is not None
        assert recording.stderr.readline().startswith("recording")
        merge(control_plane, "prod", "registry", {"prod.shop-1": "1"})
        make_tenant(control_plane, "prod", "shop-1")
        control_plane.restart("kube-apiserver")
        merge(control_plane, "prod", "registry", {"prod.shop-2": "1", "prod.shop-0": None})
        control_plane.request("DELETE", f"{TENANTS.format('prod')}/shop-1")
        # what comes last has been seen when a second recorder that starts now has nothing to add
        control_plane.wait_until(
            lambda: "shop-1" not in control_plane.raw("GET", TENANTS.format("prod"))[1].decode(), "it is gone"
        )
        control_plane.etcd.compact()
        recording.send_signal(signal.SIGTERM)
        _, err = recording.communicate(timeout=HANG_SECONDS)
        assert "key events" in err
    rows = DuckEngine(History(store)).rows("SELECT * FROM key_events WHERE namespace = 'prod' AND name = 'registry'")
    seen = {(row["key"], row["op"]) for row in rows}
    assert {("prod.shop-0", "seen"), ("prod.shop-1", "set")} <= seen
    covered = DuckEngine(History(store)).rows("SELECT * FROM coverage WHERE NOT is_gap AND kind = 'configmaps'")
    assert len(covered) == 1


@pytest.mark.whole
def test_watch_that_breaks_misses_nothing_or_says_so() -> None:
    """Keys written while the API server restarts and etcd forgets: each is seen, and a relist is a gap in the coverage."""
    with ControlPlane() as control_plane:
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
        make_map(control_plane, "prod", "registry", {"a": "1"})
        ready = threading.Event()
        client = ApiClient(load_config(str(control_plane.kubeconfig)))
        recorder = Recorder(client, [CONFIG_MAPS], KeyedHash(b"k"), namespace="prod", on_ready=ready.set)
        events: list[HistoryEvent] = []
        watching = threading.Thread(target=lambda: events.extend(recorder.events(300)))
        watching.start()
        assert ready.wait(HANG_SECONDS)
        for number in range(3):
            control_plane.restart("kube-apiserver")
            merge(control_plane, "prod", "registry", {f"round-{number}": "1", f"round-{number - 1}": None})
            control_plane.etcd.compact()
            control_plane.wait_until(
                lambda number=number: any(isinstance(e, KeyEvent) and e.key == f"round-{number}" for e in events),  # type: ignore[misc]
                f"the watch has seen round {number}",
            )
        recorder.stop()
        watching.join()
    seen = [(e.key, e.op) for e in events if isinstance(e, KeyEvent) and e.key.startswith("round")]
    assert seen == [("round-0", "set"), ("round-1", "set"), ("round-0", "delete"), ("round-2", "set"), ("round-1", "delete")]
    (covered,) = [e for e in events if isinstance(e, Covered) and not e.is_gap]
    gaps = [e for e in events if isinstance(e, Covered) and e.is_gap]
    assert all(covered.since <= gap.since <= gap.until <= covered.until for gap in gaps)  # type: ignore[operator]


@pytest.mark.whole
def test_record_and_blame_with_printed_rights(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    make_tenants_kind(control_plane)
    make_map(control_plane, namespace, "registry", {"a": "1"})
    recorder = allowed(control_plane, program, f"recorder-{namespace}", "--for", "record", "--kinds", "tenants.demo.ghostkey.dev")
    done = recorder("record", "--store", str(tmp_path / "store"), "--for", "2s", "--kinds", "tenants.demo")
    assert done.code == 0, done.err
    reader = allowed(control_plane, program, f"blamer-{namespace}", "--for", "blame", "-n", namespace, "--map", "cm/registry")
    assert reader("blame", "cm/registry", "-n", namespace).code == 0
    assert reader("blame", "cm/other", "-n", namespace).code == 3
