"""The Go test that is written is code that Go compiles, and tells a build that leaks from one that does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.plan import FaultPoint, Plan, Step
from ghostkey.churn.reproduce import GO_MOD, Case, write
from ghostkey.churn.traces import Signature
from ghostkey.testing import binary
from ghostkey.testing import testbed_directory as sources
from tests.churn.helpers import CRD, SAMPLE, SETUP
from tests.helpers import HANG_SECONDS

KEY = Signature("api", "configmaps tenant-system/tenant-registry data[<ns>.<S>] (key)")
LEAST = Plan((Step("create", 0),))
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go")


def written(folder: Path, plan: Plan = LEAST, signature: Signature = KEY) -> Path:
    case = Case(str(binary("tenant-operator")), {}, [CRD], SETUP, [SAMPLE])
    return write(folder, case, Verdict(signature, Kind.LEAK, (), (), (), ""), plan)


def go(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "", "GOWORK": "off", **environment}
    return subprocess.run(
        ["go", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )


def assets(folder: Path) -> str:
    """A folder of the control plane's programs, as envtest looks for them."""
    folder.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (folder / name).symlink_to(binary(name))
    return str(folder)


@pytest.mark.whole
@needs_go
def test_go_test_compiles_and_fails_on_the_leaking_build_alone(tmp_path: Path) -> None:
    place = written(tmp_path)
    tidy = go(place, "mod", "tidy")
    assert tidy.returncode == 0, tidy.stderr
    vet = go(place, "vet", ".")
    assert vet.returncode == 0, vet.stderr
    programs = assets(tmp_path / "assets")
    spaced = tmp_path / "a folder" / "the operator"
    spaced.parent.mkdir()
    spaced.symlink_to(binary("tenant-operator"))
    for mistake, code in (("--mistake=wrong-delete-key", 1), ("", 0)):
        argv = f"'{spaced}' {mistake}"
        done = go(place, "test", "-count=1", ".", KUBEBUILDER_ASSETS=programs, OPERATOR=argv, PATIENCE="10s")
        assert done.returncode == code, done.stdout + done.stderr
        assert ("nothing names the subject any more" in done.stdout) == bool(code), done.stdout
    unsaid = go(place, "test", "-count=1", ".", KUBEBUILDER_ASSETS=programs, OPERATOR=" ")
    assert "OPERATOR does not say how" in unsaid.stdout


@needs_go
def test_go_test_is_written_as_gofmt_writes_it(tmp_path: Path) -> None:
    place = written(tmp_path)
    done = subprocess.run(["gofmt", "-l", "-e", "."], cwd=place, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_long_name_is_what_a_subject_with_an_odd_number_has(tmp_path: Path) -> None:
    short, long = (written(tmp_path / str(n), Plan((Step("create", n),))) / "churn_test.go" for n in (0, 1))
    assert 'const subject = "gkchurn2x"' in short.read_text()
    assert 'const subject = "gkchurn2x-of-a-subject-with-a-long-name"' in long.read_text()


@pytest.mark.parametrize(
    ("plan", "signature"),
    [
        (Plan((Step("create", 0), Step("create", 1))), KEY),
        (Plan((Step("create", 0), Step("patch", 0))), KEY),
        (Plan((Step("create", 0), Step("kill"))), KEY),
        (Plan((Step("create", 0),), (FaultPoint("conflict", "patch", "configmaps", 1, 0),)), KEY),
        (LEAST, Signature("metrics", "tenants{name=<S>}")),
        (LEAST, Signature("api", "widgets <ns>/<S> (object)")),
    ],
)
def test_what_a_go_test_would_not_show_has_none(tmp_path: Path, plan: Plan, signature: Signature) -> None:
    assert not list(written(tmp_path, plan, signature).glob("*.go"))


def test_versions_are_those_that_the_testbed_is_built_with() -> None:
    known = set((sources() / "tenant-operator" / "go.mod").read_text().replace(" // indirect", "").splitlines())
    wanted = [line for line in GO_MOD.splitlines() if line.startswith("\t")]
    assert len(wanted) == 3
    assert set(wanted) <= known
