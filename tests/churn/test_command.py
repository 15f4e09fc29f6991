"""The command as a user runs it: exit codes, forms, errors that say what to do, and reproductions that run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from ghostkey.testing import binary
from ghostkey.testing import testbed_directory as sources
from ghostkey.testing.binaries import cache_directory
from tests.churn.helpers import CRD, SAMPLE, SETUP
from tests.helpers import HANG_SECONDS, Done, Program, check_sarif, check_schema


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, documents in (("crd", [CRD]), ("setup", SETUP), ("sample", [SAMPLE])):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    return [f"--{option}={tmp_path / name}.yaml" for option, name in (("crds", "crd"), ("setup", "setup"), ("sample", "sample"))]


def operator(*mistakes: str) -> str:
    return shlex.join([str(binary("tenant-operator")), *(f"--mistake={mistake}" for mistake in mistakes)])


def churn(program: Program, files: list[str], argv: str, *more: str) -> Done:
    # the program's home is an empty folder here: what is built is where it always is
    built = {"GHOSTKEY_CACHE": str(cache_directory())}
    return program("churn", f"--operator={argv}", *files, "--subjects=5", "--patience=500ms", *more, env=built)


@pytest.mark.whole
def test_leak_is_one_and_its_test_fails_on_it(files_program: Program, files: list[str], tmp_path: Path) -> None:
    done = churn(
        files_program, files, operator("wrong-delete-key"), "--no-faults", "-o", "json", f"--reproduction={tmp_path / 'out'}",
        f"--code={sources() / 'tenant-operator'}", f"--html={tmp_path / 'page.html'}",
    )  # fmt: skip
    assert done.code == 1, done.err
    code = done.json["verdicts"][0]["code"]
    assert any(clue["text"].startswith("r.memory[") for clue in code["inserts"])
    assert "keys-of-one-object-differ" in {finding["rule"] for finding in code["findings"]}
    life = done.json["verdicts"][0]["life"]
    assert life["class"] == "wrong-key-name", life
    assert set(life["classes"]) == {"wrong-key-name"}
    assert life["key"].endswith(f".{life['wrong_key']}")
    assert life["manager"] == "tenant-operator"
    assert life["written_at"] <= life["subject_deleted_at"]
    page = (tmp_path / "page.html").read_text()
    assert f"removed `{life['wrong_key']}`, which is not there" in page
    assert "after each round: 5, 10, 15" in page
    assert "reconcile.go:" in page
    assert "<script" not in page
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
    assert [v["signature"] for v in done.json["verdicts"]] == ["configmaps tenant-system/tenant-registry data[<ns>.<S>] (key)"]
    assert done.json["verdicts"][0]["subjects_after_each_round"] == [5, 10, 15]
    (folder,) = (tmp_path / "out").iterdir()
    assert len(yaml.safe_load((folder / "plan.yaml").read_text())["steps"]) == 1, "create; the closing sweep deletes"
    assert "Steps: create subject" in (folder / "README.md").read_text()
    assert run_test(folder, operator("wrong-delete-key")) == 1


@pytest.mark.whole
def test_series_that_leaks_is_told_with_its_lines_and_its_test_fails_on_it(
    files_program: Program, files: list[str], tmp_path: Path
) -> None:
    more = (f"--code={sources() / 'tenant-operator'}", f"--reproduction={tmp_path / 'out'}")
    done = churn(files_program, files, operator("series-never-deleted"), "--no-faults", "-o", "json", *more)
    assert done.code == 1, done.err
    (found,) = done.json["verdicts"]
    assert found["source"] == "metrics"
    written, made = found["code"]["inserts"]
    assert (written["path"], written["text"].startswith("tenantPlans.WithLabelValues(")) == ("reconcile.go", True)
    assert (made["path"], made["text"]) == ("metrics.go", "var tenantPlans = prometheus.NewGaugeVec(")
    assert found["code"]["sought"]["metric"] == "tenant_plan_length"
    check_schema(done.json)
    (folder,) = (tmp_path / "out").iterdir()
    assert len(yaml.safe_load((folder / "plan.yaml").read_text())["steps"]) == 1
    assert run_test(folder, operator("series-never-deleted")) == 1
    assert run_test(folder, operator()) == 0


@pytest.mark.whole
@pytest.mark.parametrize("more", [(), ("--in-cluster",)])
def test_generated_test_passes_on_the_correct_operator(
    files_program: Program, files: list[str], tmp_path: Path, more: tuple[str, ...]
) -> None:
    churn(files_program, files, operator("wrong-delete-key"), "--no-faults", f"--reproduction={tmp_path / 'out'}", *more)
    (folder,) = (tmp_path / "out").iterdir()
    assert run_test(folder, operator()) == 0
    assert run_test(folder, operator("wrong-delete-key")) == 1
    assert len(list(folder.glob("*.go"))) == (0 if more else 1), "envtest has no Pod's files"


def run_test(folder: Path, argv: str) -> int:
    """The generated test's exit code, from its own folder."""
    environment = {**os.environ, "OPERATOR": argv, "PATIENCE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, timeout=HANG_SECONDS, check=False).returncode


@pytest.mark.whole
def test_operator_without_what_it_needs_is_doubted_and_not_convicted_of_what_it_could_not_do(
    files_program: Program, files: list[str]
) -> None:
    done = churn(files_program, [one for one in files if "setup" not in one], operator(), "-o", "json")
    assert done.code == 3, (done.out, done.err)
    assert any("was answered 404 each of" in why and "--setup" in why for why in done.json["inconclusive"])
    (held,) = done.json["verdicts"]
    assert "(held by demo.ghostkey.dev/registry)" in held["signature"]
    assert (held["verdict"], "could not do its work" in held["because"]) == ("INCONCLUSIVE", True)
    assert "no faults: of an operator that could not do its work nothing would be learnt" in done.err


@pytest.mark.whole
def test_operator_that_does_nothing_is_inconclusive_and_not_clean(files_program: Program, files: list[str]) -> None:
    watcher = shlex.join([str(binary("kubectl")), "get", "tenants", "-A", "--watch", "-o", "json"])
    done = churn(files_program, files, watcher, "--no-faults", "--rounds=1", "-o", "junit")
    assert done.code == 3, (done.out, done.err)
    suite = ElementTree.fromstring(done.out)
    assert suite.get("errors") == "1"
    assert "did nothing for 5 of 5 subjects" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no operator is named"),
        (["--operator=/no/such/program"], "no program '/no/such/program'"),
        (["--operator='"], "No closing quotation"),
        (["--operator=true", "--fault=gremlins"], "no fault is named 'gremlins'"),
        (["--operator=true", "--crds=/no/such"], "no file /no/such"),
        (["--operator=true", "--allow=everything"], "gives no reason"),
        (["--operator=true", "--plan=/no/such"], "cannot read the plan /no/such: No such file or directory"),
        (["--operator=true", f"--plan={sys.executable}"], "is no plan: it is no text"),
        (["--operator=true", "--env=SECRET"], "NAME=VALUE"),
        (["--operator=true", "--patience=soon"], "'soon' is no duration"),
        (["--operator=true", "--since=HEAD", "-o", "sarif"], "--since is printed as table or json, not as sarif"),
        (["--operator=true", "--against=true", "-o", "junit"], "--against is printed as table or json, not as junit"),
        (["--operator=true", "--against=true", "--since=HEAD"], "name two older builds"),
    ],
)
def test_slips_are_usage_errors(files_program: Program, words: list[str], said: str) -> None:
    done = files_program("churn", *words)
    assert done.code == 2
    assert said in done.err


def test_operator_that_ends_is_told_with_its_last_words(files_program: Program, files: list[str]) -> None:
    says = 'print(chr(10).join([chr(39) + chr(39)] * 30)); raise SystemExit("no such flag")'
    done = churn(files_program, files, f"{shlex.quote(sys.executable)} -c '{says}'", "--no-faults")
    assert done.code == 5
    assert "no such flag" in done.err
    assert done.err.count("''") == 1, "what it says again and again is told once"


def test_plan_that_is_none_is_told(files_program: Program, files: list[str], tmp_path: Path) -> None:
    for text in ("steps: [dance]", "[1]", "steps: [create 0]\nfaults: [1]", "a: [", "steps: 1"):
        (tmp_path / "plan.yaml").write_text(text)
        done = churn(files_program, files, "true", f"--plan={tmp_path / 'plan.yaml'}")
        assert done.code == 2, done.err


def test_faults_are_listed(files_program: Program) -> None:
    done = files_program("churn", "--list-faults")
    assert done.code == 0
    assert len(done.out.splitlines()) >= 15


@pytest.mark.whole
def test_build_is_compared_with_an_older_one(files_program: Program, files: list[str]) -> None:
    leaky, correct = operator("wrong-delete-key"), operator()
    worse = churn(files_program, files, leaky, "--no-faults", f"--against={correct}", "-o", "json")
    assert worse.code == 1, worse.err
    assert [(one["was"], one["now"], one["change"]) for one in worse.json["changes"]] == [("", "LEAK", "new")]
    better = churn(files_program, files, correct, "--no-faults", f"--against={leaky}")
    assert better.code == 0
    assert better.out.startswith("gone     api: configmaps tenant-system/tenant-registry data[<ns>.<S>] (key): LEAK before")
    same = churn(files_program, files, leaky, "--no-faults", f"--against={leaky}", "-o", "json")
    assert (same.code, [one["change"] for one in same.json["changes"]]) == (0, ["same"])


@pytest.mark.whole
def test_sarif_is_what_code_scanning_takes(files_program: Program, files: list[str]) -> None:
    done = churn(
        files_program,
        files,
        operator("wrong-delete-key"),
        "--no-faults",
        "-o",
        "sarif",
        f"--code={sources() / 'tenant-operator'}",
    )
    check_sarif(json.loads(done.out))
    (run,) = json.loads(done.out)["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["churn/leak"]
    (result,) = run["results"]
    assert "which is not there" in result["message"]["text"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("reconcile.go")
