"""explain: of findings of the last scans, of keys and entries that are there, and of those that are not."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import (
    HANG_SECONDS,
    Program,
    config_map,
    make_map,
    make_registry,
    merge,
    read_terminal,
    secret,
    thing,
)

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 9)]


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    document = {"tenants": {f"{namespace}.{name}": {"plan": "x"} for name in LIVE + GONE}}
    make_map(control_plane, namespace, "documents", {"doc.json": json.dumps(document), "small.yaml": "a: {b: 1}"})
    return namespace


def test_ids_are_the_same_live_and_in_a_dump(
    control_plane: ControlPlane, registry: str, program: Program, files_program: Program, tmp_path: Path
) -> None:
    kinds = "namespaces,configmaps,tenants.demo.ghostkey.dev"
    (tmp_path / "dump.json").write_text(control_plane.kubectl("get", kinds, "-A", "-o", "json"))
    live = program("scan", "-n", registry, "-o", "json").json["findings"]
    dumped = files_program("scan", "--from", str(tmp_path / "dump.json"), "-n", registry, "-o", "json").json["findings"]
    assert {f["key"]: f["id"] for f in live} == {f["key"]: f["id"] for f in dumped}
    assert len(live) == 2 * len(GONE)
    # what a live scan found is explained by its id whichever of the two wrote it down
    assert files_program("explain", live[0]["id"]).code == 0


@pytest.mark.whole
def test_findings_of_a_wider_scan_stay_known_after_a_narrower_one(registry: str, program: Program) -> None:
    ids = [f["id"] for f in program("scan", "-n", registry, "-o", "json").json["findings"]]
    assert program("scan", "cm/documents", "-n", registry).code == 1
    assert program("scan", "-n", registry, "--kinds", "namespaces").code == 0
    for found in ids:
        assert program("explain", found).code == 0


def test_findings_file_is_bounded_private_and_whole(files_program: Program, tmp_path: Path) -> None:
    items = [*(thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")), *(thing("Tenant", n) for n in LIVE)]
    for number in range(14):
        held = config_map({f"prod.{name}": "{}" for name in [*LIVE, f"gone-{number}"]})
        (tmp_path / "dump.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [*items, held]}))
        assert files_program("scan", "--from", str(tmp_path / "dump.json")).code == 1
    folder = files_program.state / "findings"
    assert len(list(folder.iterdir())) == 10
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null\n{}", b'{"where": 5}\n', b'{"where": ""}\n{"id": "0123456789ab"}', b"\xff\n\xff"]
)
def test_damaged_findings_are_one_line(files_program: Program, tmp_path: Path, damage: bytes) -> None:
    folder = files_program.state / "findings"
    folder.mkdir(parents=True)
    (folder / "20260101T000000.000000-1.jsonl").write_bytes(damage)
    done = files_program("explain", "0123456789ab")
    assert done.code == 2
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["not seen", "error", "hint"]
    assert "20260101T000000.000000-1.jsonl are damaged" in done.err
    assert files_program("explain", "ghost-key").code == 0


def test_next_line_goes_to_the_same_cluster(control_plane: ControlPlane, registry: str, program: Program, tmp_path: Path) -> None:
    odd = tmp_path / "my config"
    odd.write_text(control_plane.kubeconfig.read_text())
    elsewhere = Program(program.state, None)
    words = ("--kubeconfig", str(odd), "--context", "testbed")
    found = elsewhere("scan", "cm/registry", "-n", registry, *words, "-o", "json").json["findings"][0]["id"]
    expected = f"  next: ghostkey trim cm/registry -n {registry} --context testbed --kubeconfig '{odd}' --ghosts"
    assert expected in elsewhere("explain", found).out.splitlines()
    assert expected in elsewhere("explain", "cm/registry", "-n", registry, *words).out.splitlines()
    # and does what it says
    line = expected.partition("ghostkey ")[2]
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ghostkey {line}"], env=elsewhere.environment(), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # a dump is of no cluster that could be named
    assert program("scan", "cm/registry", "-n", registry).code == 1


def test_next_line_of_a_dump_names_no_cluster_of_ours(files_program: Program, tmp_path: Path) -> None:
    """Whatever kubectl's context is now, the dump may be of another cluster."""
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    seen = [config_map({"ca.crt": "-----BEGIN"}, "kube-root-ca.crt", name) for name in ("prod", "test")]
    items = [*spaces, *seen, *(thing("Tenant", name) for name in LIVE), config_map(dict.fromkeys(LIVE + GONE, "1"))]
    (tmp_path / "d.json").write_text(json.dumps({"kind": "List", "items": items}))
    report = files_program.scan("--from", str(tmp_path / "d.json"))
    by_id = files_program("explain", report["findings"][0]["id"]).out
    by_name = files_program("explain", "cm/registry", "-n", "prod", "--from", str(tmp_path / "d.json")).out
    for told in (by_id, by_name):
        assert "in the cluster that the dump is of: ghostkey trim cm/registry -n prod --context ITS-CLUSTER --ghosts" in told
        assert "LIST" not in told


@pytest.mark.whole
def test_key_that_is_not_there_is_a_wrong_name(registry: str, program: Program) -> None:
    for key in ("nope", "doc.json/tenants/nope", "doc.json/nope", "small.yaml/a/c", "small.yaml/a/b/c"):
        done = program("explain", "cm/documents", key, "-n", registry)
        assert (done.code, f"has no key {key!r}" in done.err) == (2, True), done


def test_key_and_entry_that_are_there_are_explained(registry: str, program: Program) -> None:
    gone = program("explain", "cm/documents", f"doc.json/tenants/{registry}.{GONE[0]}", "-n", registry)
    assert gone.code == 1
    assert f"Tenant {registry}/{GONE[0]} is gone" in gone.out
    for key in ("doc.json", f"doc.json/tenants/{registry}.{LIVE[0]}", "doc.json/tenants", "small.yaml/a/b", "small.yaml/a"):
        done = program("explain", "cm/documents", key, "-n", registry)
        assert (done.code, done.out) == (0, f"no finding is about cm/documents {key}\n"), done


def test_entries_of_a_secret_are_not_told_apart(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "tokens", None, "secrets", stringData={"doc": '{"here": 1}'})
    for entry in ("here", "nope"):
        done = program("explain", "secret/tokens", f"doc/{entry}", "-n", namespace)
        assert (done.code, "part of its secret" in done.err) == (2, True), done


def test_entry_of_a_document_has_its_story(files_program: Program, tmp_path: Path) -> None:
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for day, names in (("2026-11-02", [*LIVE, "kiosk-7"]), ("2026-11-03", LIVE)):
        tenants = [thing("Tenant", name) for name in names]
        held = config_map(
            {"doc.json": json.dumps({"tenants": {f"prod.{name}": {} for name in [*LIVE, "kiosk-7"]}}), "prod.kiosk-7": "x"}
        )
        (dumps / f"{day}.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [*tenants, held]}))
    words = ("explain", "cm/registry", "doc.json/tenants/prod.kiosk-7", "-n", "prod", "--from", str(dumps))
    done = files_program(*words)
    assert done.code == 1, done
    assert done.out.startswith("configmaps/registry in prod: doc.json/tenants/prod.kiosk-7\n")
    assert "why: " in done.out
    story = files_program(*words, "-o", "json").json
    assert {(row["path"], row["key"]) for row in story["keys"]} == {("doc.json/tenants", "prod.kiosk-7")}
    missing = files_program("explain", "cm/registry", "doc.json/nope", "-n", "prod", "--from", str(dumps))
    assert (missing.code, "no key 'doc.json/nope'" in missing.err) == (2, True)


def test_severity_that_hides_what_fails_says_so(files_program: Program, tmp_path: Path) -> None:
    items = [*(thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")), *(thing("Tenant", n) for n in LIVE)]
    items.append(config_map({f"prod.{name}": "{}" for name in [*LIVE, *GONE]}))
    items.append(secret({"a": "1"}, name="other"))
    (tmp_path / "dump.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))
    for form in ("table", "json", "name"):
        done = files_program("scan", "--from", str(tmp_path / "dump.json"), "--severity", "critical", "-o", form)
        assert done.code == 1
        assert "3 findings at or above --fail-on warning are hidden by --severity critical" in done.err
    shown = files_program("scan", "--from", str(tmp_path / "dump.json"), "--severity", "warning")
    assert "hidden" not in shown.err


# verify, ended by hand


@pytest.fixture
def trimmed(registry: str, program: Program) -> str:
    assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 0
    return registry


@pytest.mark.whole(but=["table"])
@pytest.mark.parametrize("form", ["table", "json"])
def test_ctrl_c_in_verify_tells_what_it_saw(control_plane: ControlPlane, trimmed: str, program: Program, form: str) -> None:
    watching = program.start("verify", "cm/registry", "-n", trimmed, "--for", "300s", "-o", form)
    assert watching.stderr is not None
    next(line for line in watching.stderr if line.startswith("watching"))
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=HANG_SECONDS)
    assert watching.returncode == 130, err
    if form == "json":
        report = json.loads(out)
        assert (report["result"], report["readded"], report["ghosts_after"]) == ("interrupted", [], None)
    else:
        assert out.startswith("interrupted: 0 of 3 trimmed keys came back in ")
    back = program.start("verify", "cm/registry", "-n", trimmed, "--for", "300s", "-o", form)
    assert back.stderr is not None
    next(line for line in back.stderr if line.startswith("watching"))
    merge(control_plane, trimmed, "registry", {f"{trimmed}.{GONE[0]}": "again"})
    next(line for line in back.stderr if "is back" in line)
    back.send_signal(signal.SIGINT)
    out, err = back.communicate(timeout=HANG_SECONDS)
    assert back.returncode == 1, err
    assert "re-added" in out


@pytest.mark.whole
def test_terminal_shows_how_long_verify_goes_on(trimmed: str, program: Program) -> None:
    controller, terminal = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", "verify", "cm/registry", "-n", trimmed, "--for", "4s"],
        env=program.environment() | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    said = read_terminal(controller)
    out, _ = watching.communicate(timeout=HANG_SECONDS)
    os.close(controller)
    assert watching.returncode == 0
    assert f"watching cm/registry -n {trimmed}: 0 writes, 0 keys back, 0:0".encode() in said
    assert b"left" in said
    assert out.startswith(b"converged")
