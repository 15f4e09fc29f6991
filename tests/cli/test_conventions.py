"""What people of kubectl expect: levels of -v, words that were nearly right, completion of everything."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from ghostkey.cli import COMMANDS, program
from ghostkey.cli.levels import levelled
from ghostkey.store.history import History
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, make_registry

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]


@pytest.mark.parametrize(
    ("words", "left", "level"),
    [
        ("-v 6 scan", "-v scan", 6), ("scan -v=8", "scan -v", 8), ("scan --v=6 -n x", "scan -v -n x", 6), ("scan --v 2", "scan -v", 2),
        ("scan -v6", "scan -v", 6), ("scan -v", "scan -v", 1), ("scan -v cm/6", "scan -v cm/6", 1), ("explain -v 3f9c", "explain -v 3f9c", 1),
        ("maps -v 7", "maps -v 7", 1), ("maps 7 -v=6", "maps 7 -v", 6), ("scan", "scan", 0), ("scan -- -v 6", "scan -- -v 6", 0),
        ("scan --verbose", "scan -v", 1), ("-v scan -v 9", "-v scan -v", 9), ("scan -v 11", "scan -v 11", 1),
    ],
)  # fmt: skip
def test_levels_of_v_are_taken_as_kubectl_takes_them_and_no_name_is(words: str, left: str, level: int) -> None:
    assert levelled(words.split(), list(COMMANDS)) == (left.split(), level)


@pytest.mark.whole
def test_at_level_6_each_request_is_told_and_no_body(program: Program, control_plane: ControlPlane, namespace: str) -> None:
    make_map(control_plane, namespace, "tokens", {"name": "aHVudGVyMg=="}, kind="secrets")
    done = program("-v", "6", "scan", "-n", namespace, "-o", "json")
    assert done.code == 0
    assert f"/api/v1/namespaces/{namespace}/secrets?limit=500 200 in " in done.err
    assert "hunter2" not in done.err
    assert "aHVudGVyMg" not in done.err
    assert "Bearer" not in done.err
    assert json.loads(done.out)["kind"] == "GhostkeyScan"
    assert " 200 in " not in program("-v", "scan", "-n", namespace).err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("scna",), "scan"), (("guard", "aply"), "apply"), (("scan", "--onyl", "x"), "--only"), (("scan", "-o", "jsno"), "json"),
        (("explain", "gost-key"), "ghost-key"), (("rbac", "--for", "wacth"), "watch"),
    ],
)  # fmt: skip
def test_what_was_nearly_right_is_told(files_program: Program, words: tuple[str, ...], meant: str) -> None:
    done = files_program(*words)
    assert done.code == 2
    assert "id you mean" in done.err
    assert meant in done.err.lower().partition("id you mean")[2]


def test_kinds_and_analyses_that_were_nearly_right_are_told(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    done = program("scan", "-n", namespace, "--subject", "tenant-s={namespace}.{name}")
    assert "did you mean tenants" in done.err
    done = program("scan", "-n", namespace, "--only", "ghost-kye")
    assert done.code == 2
    assert "did you mean ghost-key" in done.err


def test_words_that_are_like_nothing_get_no_guess(files_program: Program) -> None:
    done = files_program("frobnicate")
    assert done.code == 2
    assert "did you mean" not in done.err


def test_maps_keys_kinds_analyses_findings_and_receipts_are_completed(
    control_plane: ControlPlane, namespace: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "tokens", {"customer-7": "eA=="}, kind="secrets")
    found = program.scan("-n", namespace)["findings"]
    assert program("trim", "cm/registry", "-n", namespace, "--ghosts", "--apply").code == 0
    for name, value in program.environment().items():
        monkeypatch.setenv(name, value)

    def complete(*words: str) -> list[str]:
        from ghostkey.cli import program as command

        *before, last = words
        return [item.value for item in ShellComplete(command, {}, "ghostkey", "_X").get_completions(list(before), last)]

    assert complete("scan", "-n", namespace, "cm/reg") == ["cm/registry"]
    assert complete("trim", "cm/registry", "-n", namespace, "--key", f"{namespace}.live-1") == [f"{namespace}.live-1"]
    assert complete("explain", "-n", namespace, "cm/registry", f"{namespace}.live-2") == [f"{namespace}.live-2"]
    assert complete("trim", "secret/tokens", "-n", namespace, "--key", "") == [], "keys of a Secret are not for the screen"
    assert complete("scan", "--kinds", "tenants") == ["tenants.demo.ghostkey.dev"]
    assert complete("scan", "--holders", "c") == ["configmaps"]
    assert complete("scan", "--only", "ghost-k") == ["ghost-key"]
    assert complete("explain", found[0]["id"][:6]) == [found[0]["id"]]
    receipts = json.loads(program("undo", "--list", "-o", "json").out)["receipts"]
    assert complete("undo", receipts[0]["id"][:4]) == [receipts[0]["id"]]
    assert complete("verify", "--from-receipt", receipts[0]["id"][:4]) == [receipts[0]["id"]]
    assert complete("guard", "plan", "--keep-out", receipts[0]["id"][:4]) == [receipts[0]["id"]]


def test_a_cluster_that_does_not_answer_completes_nothing_and_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("GHOSTKEY_STATE", str(tmp_path / "state"))
    for words in (["scan", "--kinds"], ["trim", "cm/x", "--key"], ["undo"], ["explain"]):
        found = ShellComplete(program, {}, "ghostkey", "_X").get_completions(words, "zz")
        assert found == []


def test_a_store_is_read_while_parts_come_and_go(tmp_path: Path) -> None:
    history, ends = History(tmp_path), threading.Event()

    def churn() -> None:
        while not ends.is_set():
            history.add(f"part-{threading.get_native_id()}", "watch", "x", iter(()))
            history.drop(f"part-{threading.get_native_id()}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            assert all(".part" not in str(path) for path in history.files("coverage"))
            history.imports()
    finally:
        ends.set()
        thread.join()


def test_settings_give_options_that_the_command_line_does_not(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {x: 'y'}\n")
    (tmp_path / ".ghostkey.yaml").write_text("options: {scan: {output: json, holders: [configmaps], only: ghost-key}}\n")
    assert files_program("scan", "--from", "maps.yaml", cwd=tmp_path).json["kind"] == "GhostkeyScan"
    assert "findings" not in files_program("scan", "--from", "maps.yaml", "-o", "name", cwd=tmp_path).out
    other = tmp_path / "other.yaml"
    other.write_text("options: {scan: {output: csv}}\n")
    assert files_program("scan", "--from", "maps.yaml", "--config", str(other), cwd=tmp_path).out.count(",") > 5
    assert files_program("version", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        ("churn", "options: {churn: {rounds: 5}}", "options.churn: rounds is not for a settings file"),
        ("churn", "churn: {rounds: 5}", "no field is named 'churn'"),
        ("churn", "options: {churn: rounds}", "options is no mapping"),
        ("lint", "options: {lint: {level: B}}", "options.lint: level is not for a settings file"),
        ("verify", "options: {verify: {receipts: x}}", "options.verify: receipts is not for a settings file"),
        ("trim", "scan: {only: ghost-key}", "no field is named 'scan'"),
    ],
)
def test_options_that_no_command_takes_are_an_error_that_names_key_and_file(
    files_program: Program, tmp_path: Path, command: str, text: str, said: str
) -> None:
    (tmp_path / ".ghostkey.yaml").write_text(text)
    done = files_program(command, cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert str(tmp_path / ".ghostkey.yaml") in done.err.replace("\n", "")
    assert files_program(command, "--help", cwd=tmp_path).code == 0, "the help says what is right"


def test_settings_of_others_are_no_matter_of_a_command_that_takes_nothing_of_them(files_program: Program, tmp_path: Path) -> None:
    others = (
        "options: {scan: 7}",
        "options: [scan]",
        "scan: {only: x}",
        "options: {chrun: {rounds: 5}}",
        "options: {lint: {level: B}}",
    )
    for text in ("options: {scan: {output: json}}", "ignore: [{keys: 7}]", "{ no yaml", *others):
        (tmp_path / ".ghostkey.yaml").write_text(text)
        assert files_program("churn", "--list-faults", cwd=tmp_path).code == 0, text


def test_options_of_no_command_are_a_note_of_commands_that_read_settings(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {x: 'y'}\n")
    settings = tmp_path / ".ghostkey.yaml"
    settings.write_text("options: {scna: {only: ghost-key}, lint: {level: [{}]}, scan: {output: json}}\n")
    done = files_program("scan", "--from", "maps.yaml", cwd=tmp_path)
    assert done.json["kind"] == "GhostkeyScan"
    notes = [line for line in done.err.splitlines() if line.startswith("note: ") and "options" in line]
    assert notes == [f"note: {settings}: options.scna: no command is named so; did you mean scan?"]


@pytest.mark.parametrize("command", ["undo", "version", "completion"])
@pytest.mark.parametrize("text", ["options: {COMMAND: {receipts: x}}", "COMMAND: {receipts: x}", "options: {scna: {only: x}}"])
def test_some_commands_never_look_at_settings(files_program: Program, tmp_path: Path, command: str, text: str) -> None:
    words = {"completion": ["bash"], "undo": ["no-such-receipt"]}.get(command, [])
    without = files_program(command, *words, cwd=tmp_path)
    (tmp_path / ".ghostkey.yaml").write_text(text.replace("COMMAND", command))
    done = files_program(command, *words, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (without.code, without.out, without.err)


@pytest.mark.skipif(sys.platform == "win32", reason="a current folder cannot go there")
@pytest.mark.parametrize("words", [["version"], ["churn", "--list-faults"], ["scan", "--from", "MAPS", "-o", "json"]])
def test_commands_run_in_a_folder_that_has_gone(files_program: Program, tmp_path: Path, words: list[str]) -> None:
    maps = tmp_path / "maps.yaml"
    maps.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {x: 'y'}\n")
    words = [str(maps) if word == "MAPS" else word for word in words]
    script = 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, str(tmp_path / "gone"), sys.executable, "-P", "-m", "ghostkey", *words],
        env=files_program.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("options: {scan: {kubeconfig: x}}", "kubeconfig is not for a settings file"), ("options: {trim: {apply: true}}", "apply is not for a"),
        ("options: {scan: {server: https://x}}", "server is not for"), ("options: {scan: {write-baseline: x}}", "write-baseline is not"),
        ("options: {scan: {outptu: x}}", "did you mean output?"), ("options: [scan]", "options is no mapping"),
        ("options: {scan: {kinds: {a: b}}}", "neither a text nor a list"), ("options: {scan: {output: nope}}", "'nope' is not one of"),
        ("options: {watch: {web: x}}", "web is not for"), ("options: {ui: {receipts: x}}", "receipts is not for"),
        ("options: {trim: {subject: 'pods={name}'}}", "subject is not for a"), ("options: {ui: {kinds: pods}}", "kinds is not for a"),
    ],
)  # fmt: skip
def test_settings_never_say_which_cluster_as_whom_or_that_anything_is_written(
    files_program: Program, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / ".ghostkey.yaml").write_text(text)
    command = next(name for name in ("scan", "trim", "watch", "ui") if name in text or (name == "scan" and "[" in text))
    done = files_program(command, *(["--from", "."] if command == "scan" else []), cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
