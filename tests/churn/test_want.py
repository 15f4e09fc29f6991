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
from tests.helpers import Program

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


@pytest.mark.whole
@pytest.mark.parametrize(
    ("way", "is_there", "code", "kinds"),
    [
        ("right", True, 0, set()),
        ("right", False, 3, {"INCONCLUSIVE"}),
        ("wrong-name", True, 1, {"LEAK"}),
    ],
)
def test_object_of_one_name_that_is_not_there_while_subjects_live_is_a_want_and_no_leak(
    files_program: Program, tmp_path: Path, way: str, is_there: bool, code: int, kinds: set[str]
) -> None:
    setup = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "everything", "namespace": "default"}}]
    for name, documents in (("crd", [CRD]), ("sample", [SAMPLE]), ("setup", setup)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    argv = shlex.join([sys.executable, str(Path(__file__).with_name("fixed_operator.py")), way])
    files = [f"--crds={tmp_path / 'crd.yaml'}", f"--sample={tmp_path / 'sample.yaml'}"]
    done = files_program(
        "churn", f"--operator={argv}", *files, *([f"--setup={tmp_path / 'setup.yaml'}"] if is_there else []), "--subjects=3",
        "--patience=1s", "--no-faults", "-o", "json",
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "GHOSTKEY_CACHE": str(cache_directory())},
    )  # fmt: skip
    assert done.code == code, (done.out, done.err)
    assert {one["verdict"] for one in done.json["verdicts"]} - {"SLOW"} == kinds, done.out
    why = "patch configmaps of everything was answered 404 each of "
    assert any(why in one and "--setup" in one for one in done.json["inconclusive"]) is not is_there
