"""What is held against an operator, and what it could not do for want of something: by what a 404 says is not there."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.proxy.denied import is_in_want
from ghostkey.testing import ControlPlane
from ghostkey.testing.binaries import cache_directory
from tests.churn.helpers import CRD, SAMPLE
from tests.helpers import Done, Program

CASCADE = "demo.ghostkey.dev/cascade"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gkaaaaaabx"}}


@pytest.mark.parametrize(
    ("method", "path", "of_type", "is_wanting"),
    [
        ("POST", "/api/v1/namespaces/gk-none/configmaps", "application/json", True),
        ("PATCH", "/api/v1/namespaces/gk-none/configmaps/gkaaaaaabx?fieldManager=a", APPLY, True),
        ("POST", "/apis/none.ghostkey.dev/v1/namespaces/default/things", "application/json", True),
        ("PATCH", "/apis/none.ghostkey.dev/v1/namespaces/default/things/gkaaaaaabx", MERGE, True),
        ("PATCH", "/apis/demo.ghostkey.dev/v1/namespaces/default/none/gkaaaaaabx", MERGE, True),
        ("PATCH", "/api/v1/namespaces/default/configmaps/gkaaaaaabx", MERGE, False),
        ("DELETE", "/api/v1/namespaces/default/configmaps/gkaaaaaabx", "application/json", False),
        ("GET", "/api/v1/namespaces/gkaaaaaabx", "application/json", False),
        ("PATCH", "/api/v1/namespaces/gkaaaaaabx", MERGE, False),
    ],
)
def test_answer_tells_a_want_from_an_object_that_is_not_there(
    cluster: ControlPlane, method: str, path: str, of_type: str, is_wanting: bool
) -> None:
    sent = json.dumps(BODY).encode()
    status, answer = cluster.raw(method, path, None if method in {"GET", "DELETE"} else sent, of_type)
    assert status == 404, answer
    assert is_in_want(call_of(method, path, sent), status, answer) is is_wanting, answer


def churned(program: Program, folder: Path, way: str, *finalizers: str) -> Done:
    """A run against the operator of this way, its samples with these finalizers."""
    sample = SAMPLE | {"metadata": {"name": "acme", "finalizers": list(finalizers)}}
    (folder / "crd.yaml").write_text(yaml.safe_dump(CRD))
    (folder / "sample.yaml").write_text(yaml.safe_dump(sample))
    argv = shlex.join([sys.executable, str(Path(__file__).with_name("map_operator.py")), way])
    files = (f"--crds={folder / 'crd.yaml'}", f"--sample={folder / 'sample.yaml'}")
    return program(
        "churn", f"--operator={argv}", *files, "--subjects=3", "--patience=1s", "--no-faults", "-o", "json",
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "GHOSTKEY_CACHE": str(cache_directory())},
    )  # fmt: skip


def test_cleanup_under_a_wrong_name_is_a_leak_and_no_want(files_program: Program, tmp_path: Path) -> None:
    done = churned(files_program, tmp_path, "wrong-name")
    assert done.code == 1, (done.out, done.err)
    (leak,) = done.json["verdicts"]
    assert (leak["verdict"], leak["signature"]) == ("LEAK", "configmaps <ns>/cfg-<S> (object)")
    assert not done.json["inconclusive"]


def test_finalizer_of_a_sample_is_the_users_and_the_operator_that_takes_it_away_is_clean(
    files_program: Program, tmp_path: Path
) -> None:
    done = churned(files_program, tmp_path, "cascade", CASCADE)
    assert done.code == 0, (done.out, done.err)
    assert not [one for one in done.json["verdicts"] if one["verdict"] != "SLOW"]


def test_finalizer_of_a_sample_that_nobody_takes_away_is_not_the_operators_leak(files_program: Program, tmp_path: Path) -> None:
    done = churned(files_program, tmp_path, "cascade", CASCADE + "-of-others")
    held = [one for one in done.json["verdicts"] if "held by" in one["signature"]]
    assert held, done.out
    assert all(one["verdict"] == "INCONCLUSIVE" and "has not put it there" in one["because"] for one in held), held
