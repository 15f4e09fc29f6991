"""One incident becomes a folder of defences, each of which was run on the real thing; what does not hold is not in it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ghostkey.learn.parts.regression import Build, _environment
from ghostkey.testing import binary
from tests.helpers import HANG_SECONDS, Done
from tests.learn.conftest import KEPT, MISTAKE, SOURCE, TENANTS, Case

WHOLE = {
    "README.md", "incident.json", "guard.yaml", "alert.rules.yaml", "alert.test.yaml", "lint.yaml", "post-mortem.md", "post-mortem.html",
    "test/crds.yaml", "test/setup.yaml", "test/sample.yaml", "test/plan.yaml",
}  # fmt: skip


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def states(done: Done) -> dict[str, str]:
    return {one["part"]: one["state"] for one in done.json["parts"]}


def pytest_of(folder: Path, operator: str) -> int:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPERATOR": operator}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "test")]
    return subprocess.run(words, env=environment, capture_output=True, timeout=HANG_SECONDS, check=False, cwd=folder).returncode


@pytest.mark.whole
def test_finding_of_a_scan_becomes_a_folder_of_which_every_part_was_run(case: Case) -> None:
    finding, out = case.finding(), case.folder / "lesson"
    binary("promtool")
    began = time.monotonic()
    done = case.learn(
        finding["id"], *case.build(MISTAKE), "--code", SOURCE, "--from", str(case.plane.audit_log), "-o", "json", out=out
    )
    seconds = time.monotonic() - began
    assert done.code == 0, done.out + done.err
    assert states(done) == dict.fromkeys(("guard", "alert", "lint", "test", "post-mortem"), "held")
    found = files(out)
    assert found - {name for name in found if name.startswith("test/test_incident_")} == WHOLE
    print(f"finding to folder in {seconds:.0f} s")
    # what it says is what happened
    told = (out / "post-mortem.md").read_text()
    assert f"{TENANTS - KEPT:,} keys" in told
    assert "no-delete" in told
    assert "went, and the key stayed" in told
    assert "a day" in told or "Not known" in told
    assert "Content-Security-Policy" in (out / "post-mortem.html").read_text()
    caps = list(yaml.safe_load_all((out / "guard.yaml").read_text()))[-1]
    assert caps["spec"]["caps"] == {"configmaps/tenant-registry": TENANTS + 10}
    # and another time, from the folder alone
    assert pytest_of(out, case.operator(MISTAKE)) == 1
    assert pytest_of(out, case.operator()) == 0
    linted = case.program("lint", SOURCE, "--config", str(out / "lint.yaml"), "-o", "json")
    assert linted.code == 1
    assert all("incident" in one["message"] for one in linted.json["findings"])


@pytest.mark.whole
def test_folder_is_never_overwritten_and_parts_without_means_are_said(case: Case) -> None:
    finding, out = case.finding(), case.folder / "lesson"
    done = case.learn(finding["id"], out=out)
    assert done.code == 3, done.err
    assert "no operator was named" in done.out
    assert "name the source with --code DIR" in done.out
    assert {"guard.yaml", "alert.rules.yaml", "post-mortem.md"} <= files(out)
    (out / "mine.txt").write_text("mine")
    again = case.learn(finding["id"], out=out, offline=True)
    assert again.code == 5
    assert "is there already" in again.err
    assert (out / "mine.txt").read_text() == "mine"
    assert case.learn(finding["id"], "--force", out=out, offline=True).code == 3
    assert "mine.txt" not in files(out)
    assert not [path for path in case.folder.iterdir() if path.name.startswith(".lesson")]


@pytest.mark.whole
def test_test_that_does_not_show_the_incident_is_not_written(case: Case) -> None:
    """The operator that is given does not leak, so that nothing generated can fail on it."""
    out = case.folder / "lesson"
    done = case.learn(case.finding()["id"], *case.build("", fixed=False), "-o", "json", out=out)
    assert done.code == 3
    assert states(done)["test"] == "failed"
    (said,) = [one["said"] for one in done.json["parts"] if one["part"] == "test"]
    assert "passes on the operator that leaks" in said
    assert not [name for name in files(out) if name.startswith("test/")]
    assert "not written" in (out / "README.md").read_text()


@pytest.mark.whole
def test_receipt_and_files_are_incidents_too(case: Case) -> None:
    finding = case.finding()
    trimmed = case.program("trim", "cm/tenant-registry", "-n", "tenant-system", "--key", finding["key"], "--apply")
    assert trimmed.code == 0, trimmed.err
    receipt = json.loads(case.program("undo", "--list", "-o", "json").out)["receipts"][0]["id"]
    out = case.folder / "of-receipt"
    assert case.learn(receipt, out=out, offline=True).code == 3
    assert "ghostkey undo" in (out / "post-mortem.md").read_text()
    assert case.program("undo").code == 0
    scan = case.folder / "scan.json"
    scan.write_text(json.dumps(case.program.scan("cm/tenant-registry", "-n", "tenant-system")))
    assert case.learn(str(scan), out=case.folder / "of-scan", offline=True).code == 3
    story = case.program(
        "explain", "cm/tenant-registry", "-n", "tenant-system", "--from", str(case.plane.audit_log), "-o", "json"
    )
    (case.folder / "story.json").write_text(story.out)
    assert case.learn(str(case.folder / "story.json"), out=case.folder / "of-story", offline=True).code == 3
    assert "no-delete" in (case.folder / "of-story" / "post-mortem.md").read_text()
    linted = case.program("lint", SOURCE, "-o", "json")
    (case.folder / "lint.json").write_text(linted.out)
    pick = linted.json["findings"][0]["fingerprint"]
    done = case.learn(str(case.folder / "lint.json"), "--pick", pick, "--code", SOURCE, "-o", "json", out=case.folder / "of-lint")
    assert states(done)["lint"] == "held"
    assert states(done)["guard"] == "none"


def test_what_is_no_incident_is_one_clear_error(case: Case) -> None:
    bad: dict[str, Any] = {
        "none.json": "{}", "text.json": "hello", "scan.json": '{"kind": "GhostkeyScan", "findings": [{"state": "found"}]}',
        "deep.json": "[" * 5000,
        "name.json": json.dumps({"kind": "GhostkeyStory", "kind_": 1}),
    }  # fmt: skip
    for name, text in bad.items():
        (case.folder / name).write_text(text)
        done = case.learn(str(case.folder / name), out=case.folder / "out")
        assert done.code == 2, (name, done.err)
        assert done.err.count("error: ") == 1
        assert "Error)" not in done.err, "no name of an exception"
    (case.folder / "other.json").write_text('{"kind": "List"}')
    assert "learnt from: its kind is 'List'" in case.learn(str(case.folder / "other.json"), out=case.folder / "out").err
    assert case.learn("0123456789ab", out=case.folder / "out").code == 2
    assert case.program("learn").code == 2
    assert not (case.folder / "out").exists()


@pytest.mark.whole
def test_same_pattern_elsewhere_is_recognised(case: Case) -> None:
    finding = case.finding()
    assert case.learn(finding["id"], out=case.folder / "lesson", offline=True).code == 3
    (kept,) = (case.program.state / "incidents").glob("*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert finding["key"] not in kept.read_text()
    listed = case.program("learn", "--list")
    assert listed.code == 0
    about = r"tenant-system +configmaps/tenant-registry +keys \{namespace\}\.\{name\} for tenants\.demo\.ghostkey\.dev"
    assert re.search(about, listed.out)
    # a receipt of the same incident knows less of it, and takes nothing away
    trimmed = case.program("trim", "cm/tenant-registry", "-n", "tenant-system", "--key", finding["key"], "--apply")
    assert trimmed.code == 0, trimmed.err
    assert case.program("undo").code == 0
    receipt = json.loads(case.program("undo", "--list", "-o", "json").out)["receipts"][0]["id"]
    assert case.learn(receipt, out=case.folder / "of-receipt", offline=True).code == 3
    assert "ghostkey undo" not in (case.folder / "of-receipt" / "post-mortem.md").read_text(), "it is undone"
    assert re.search(about, case.program("learn", "--list").out)
    # the same operator's registry in another namespace
    case.plane.raw("POST", "/api/v1/namespaces", b'{"metadata": {"name": "payments"}}')
    data = case.plane.request("GET", "/api/v1/namespaces/tenant-system/configmaps/tenant-registry")["data"]
    case.plane.raw(
        "POST",
        "/api/v1/namespaces/payments/configmaps?fieldManager=tenant-operator",
        json.dumps({"metadata": {"name": "copy"}, "data": data}).encode(),
    )
    try:
        report = case.program.scan("-n", "payments")
        ghosts = [one for one in report["findings"] if one["analysis"] == "ghost-key"]
        assert ghosts
        assert all(any("like incident" in line and "in tenant-system" in line for line in one["evidence"]) for one in ghosts)
        assert "like incident" in case.program("scan", "-n", "payments").err
        own = [one for one in case.program.scan()["findings"] if one["name"] == "tenant-registry"]
        assert not any("like incident" in line for one in own for line in one["evidence"]), "it is not like itself"
        kept.write_text("{")
        damaged = case.program("scan", "-n", "payments")
        assert damaged.code == 1
        assert damaged.err.count("is damaged") == 1
    finally:
        case.plane.request("DELETE", "/api/v1/namespaces/payments/configmaps/copy")


def test_baseline_only_gets_better(case: Case) -> None:
    finding, baseline = case.finding(), case.folder / "known.json"
    place = ("cm/tenant-registry", "-n", "tenant-system")
    assert case.program("scan", "--write-baseline", str(baseline)).code in {0, 3}
    first = json.loads(baseline.read_text())["findings"]
    assert case.program("scan", "--baseline", str(baseline), "--ratchet").code == 0
    assert json.loads(baseline.read_text())["findings"] == first, "nothing is gone"
    assert case.program("trim", *place, "--key", finding["key"], "--apply").code == 0
    asked = case.program("scan", "--baseline", str(baseline))
    assert asked.code == 0
    assert "1 finding of baseline" in asked.err
    assert "--ratchet takes what is gone out" in asked.err
    narrow = case.program("scan", *place, "--baseline", str(baseline), "--ratchet")
    assert "stays as it is: the scan was of a part" in narrow.err
    assert json.loads(baseline.read_text())["findings"] == first
    assert case.program("scan", "--baseline", str(baseline), "--ratchet").code == 0
    assert len(json.loads(baseline.read_text())["findings"]) == len(first) - 1
    assert case.program("undo").code == 0
    back = case.program("scan", "--baseline", str(baseline), "--ratchet", "-o", "json")
    assert back.code == 1
    assert [one["key"] for one in back.json["findings"]] == [finding["key"]]
    assert case.program("scan", "--ratchet").code == 2
    assert case.program("scan", "--ratchet", "--baseline", str(baseline), "--write-baseline", str(baseline)).code == 2


@pytest.mark.whole
def test_names_in_a_secret_are_in_no_file(case: Case) -> None:
    """The registry of another operator is a Secret: a guard names it, and nobody its keys."""
    hidden = {f"default.hush-{number}" for number in range(6)}
    holder = {"kind": "Secret", "namespace": "default", "name": "vault", "group": "", "version": "v1", "uid": ""}
    attribution = {"template": "{namespace}.{name}", "kinds": ["tenants.demo.ghostkey.dev"]}
    records = [
        {
            "id": f"{number:012x}", "analysis": "ghost-key", "severity": "warning", "state": "found", "holder": holder, "namespace": "default",
            "name": "vault", "field": "data", "path": [], "key": key, "subjects": [], "attribution": attribution, "origin": "",
            "writer": "op 2026-11-25T10:00:00Z", "message": f"{key} is gone", "evidence": [f"no Tenant is called {key}"],
        }
        for number, key in enumerate(sorted(hidden))
    ]  # fmt: skip
    (case.folder / "scan.json").write_text(json.dumps({"kind": "GhostkeyScan", "findings": records}))
    out = case.folder / "lesson"
    done = case.learn(str(case.folder / "scan.json"), "--cap", "6", out=out, offline=True)
    assert done.code == 3, done.err
    assert "guard.yaml" in files(out)
    texts = [path.read_text() for path in out.rglob("*") if path.is_file()] + [done.out, done.err]
    assert not [key for key in hidden for text in texts if key in text]
    (kept,) = (case.program.state / "incidents").glob("*.json")
    assert "vault" not in kept.read_text() + kept.name


def test_words_of_others_are_no_markup(case: Case) -> None:
    evil = "<script>alert(1)</script>[x](http://evil.example)\n# y"
    story: dict[str, Any] = {
        "kind": "configmaps", "namespace": "default", "name": "m", "growth": [], "writers": [], "coverage": [], "forecast": None,
        "ghosts": [
            {"path": "", "key": evil, "template": evil, "subject_kind": evil, "manager": evil, "writer": evil, "first_set_at": 1, "subject_deleted_at": 2,
             "class": evil}
        ],
    }  # fmt: skip
    (case.folder / "story.json").write_text(json.dumps(story))
    out = case.folder / "lesson"
    done = case.learn(str(case.folder / "story.json"), out=out, offline=True)
    assert done.code == 3, done.err
    page, text = (out / "post-mortem.html").read_text(), (out / "post-mortem.md").read_text()
    assert "<script" not in page
    assert not re.search(r"(?<!\\)(<script|\]\()", text), "each is escaped"
    assert "\n# y" not in text
    story["name"] = 'm"} or vector(1) #'
    (case.folder / "story.json").write_text(json.dumps(story))
    assert case.learn(str(case.folder / "story.json"), out=case.folder / "other", offline=True).code == 2


SCRIPT = """#!/bin/sh
[ "$DB_PASSWORD" = hunter2 ] || exit 1
exec {operator} $MISTAKE
"""


@pytest.mark.whole
def test_environment_that_an_operator_needs_goes_with_the_test_but_for_credentials(case: Case) -> None:
    script, out = case.folder / "operator.sh", case.folder / "lesson"
    script.write_text(SCRIPT.format(operator=case.operator()))
    script.chmod(0o755)
    words = [str(script) if word == case.operator(MISTAKE) else word for word in case.build(MISTAKE, fixed=False)]
    environment = ("--env", f"MISTAKE=--mistake={MISTAKE}", "--env", "DB_PASSWORD=hunter2")
    done = case.learn(case.finding()["id"], *words, *environment, "-o", "json", out=out)
    assert states(done)["test"] == "held", done.out + done.err
    (test,) = (out / "test").glob("test_incident_*.py")
    assert f'"MISTAKE": "--mistake={MISTAKE}"' in test.read_text()
    assert not [path for path in out.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert "hunter2" not in done.out + done.err


def test_environment_is_written_as_python_has_it() -> None:
    build = Build("operator", environment={"MODE": 'a "b" {c}\n\udcff', "API_TOKEN": "hunter2"})
    text = _environment(build)
    assert "hunter2" not in text
    assert eval(text, {"os": SimpleNamespace(environ={"API_TOKEN": "of another"})}) == {
        "MODE": 'a "b" {c}\n\udcff', "API_TOKEN": "of another"
    }  # fmt: skip
    assert build.private == {"API_TOKEN": "hunter2"}
