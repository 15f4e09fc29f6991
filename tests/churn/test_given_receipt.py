"""The receipt of a run in a given cluster: it is there before anything is made, and a run that was killed is cleaned up from it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.churn.given_receipt import MARK, Cleaned, Receipt, clean_up, cluster_of
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN, SAMPLE, namespaces, operator
from tests.helpers import HANG_SECONDS, Program

TENANTS = f"/apis/{SAMPLE['apiVersion']}"


@pytest.mark.whole
def test_run_that_was_killed_is_cleaned_up_and_a_stranger_is_left_alone(cluster: ControlPlane, files_program: Program) -> None:
    folder = files_program.state / "churn"
    folder.mkdir(parents=True, mode=0o700)
    files_program.state.chmod(0o700)
    server = yaml.safe_load(Path(cluster.kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    for name, mark in (("gk-ours", "m1"), ("gk-theirs", "other")):
        made: dict[str, Any] = {"metadata": {"name": name, "annotations": {MARK: mark}}}
        cluster.request("POST", "/api/v1/namespaces", made)
        (folder / f"{name}.json").write_text(json.dumps({"server": server, "namespace": name, "mark": "m1"}))
    done = files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 5
    assert "gk-theirs does not bear the mark" in done.err
    assert "gk-ours" not in namespaces(cluster)
    assert "gk-theirs" in namespaces(cluster)
    assert [path.name for path in folder.iterdir()] == ["gk-theirs.json"]


@pytest.mark.whole
def test_run_that_is_killed_is_cleaned_up_with_the_finalizers_of_its_operator(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    before = namespaces(cluster)
    where = f"--kubeconfig={cluster.kubeconfig}"
    # the operator never comes to the end of a clean-up, for it may not write its registry
    running = files_program.start(*GIVEN_RUN, sample, operator(""), where)
    try:
        cluster.wait_until(lambda: held(cluster), "a subject that goes is held")
        cleaning = files_program("churn", "--clean-up", "--yes", where)
        assert (cleaning.code, "goes on: it is left alone" in cleaning.err) == (0, True)
        assert namespaces(cluster) > before
    finally:
        running.send_signal(signal.SIGKILL)
        _, said = running.communicate()
    line = f"ghostkey churn --clean-up --kubeconfig {cluster.kubeconfig}"
    assert f"if this run is killed: {line}" in said
    (receipt,) = (files_program.state / "churn").iterdir()
    noted = [json.loads(text) for text in receipt.read_text().splitlines()]
    assert {"manager": "tenant-operator"} in noted
    assert sum("subjects" in record for record in noted) >= 2, "before they are made, and after"

    asked = files_program("churn", "--clean-up", where)
    assert asked.code == 2
    assert "nobody has agreed" in asked.err
    assert f"  - namespace {receipt.stem}" in asked.err
    assert namespaces(cluster) > before
    following = files_program(*GIVEN_RUN, sample, "--rounds=1", where)
    assert f"note: a run that was killed has left {receipt.stem}: {line}" in following.err

    done = files_program("churn", "--clean-up", "--yes", where)
    assert done.code == 0, done.err
    assert "finalizers were taken from 3 subjects" in done.err
    assert "1 of 1 run that was not finished is cleaned up" in done.err
    assert namespaces(cluster) == before
    assert not receipt.exists()


def held(cluster: ControlPlane) -> bool:
    """Whether all subjects are deleted, and still there."""
    tenants = [one["metadata"] for one in cluster.request("GET", f"{TENANTS}/tenants")["items"]]
    return len(tenants) == 3 and all(one.get("deletionTimestamp") for one in tenants)


@pytest.mark.whole
def test_finalizer_of_somebody_else_stays_and_so_does_an_object_that_the_run_has_not_made(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    client = ApiClient(load_config(str(cluster.kubeconfig), None, None, None, ()))
    made: dict[str, Any] = {"metadata": {"name": "gk-held", "annotations": {MARK: "m1"}}}
    namespace = cluster.request("POST", "/api/v1/namespaces", made)["metadata"]["uid"]
    receipt = Receipt(
        tmp_path / "churn" / "gk-held.json", cluster.url, "gk-held", "m1", managers={"manager"}, cluster=cluster_of(client)
    )
    tenants = f"{TENANTS}/namespaces/gk-held/tenants"

    def tenant(name: str, manager: str) -> str:
        body = {**SAMPLE, "metadata": {"name": name, "finalizers": ["demo.ghostkey.dev/registry"]}}
        uid = str(cluster.request("POST", f"{tenants}?fieldManager={manager}", body)["metadata"]["uid"])
        receipt.put[uid] = {"demo.ghostkey.dev/registry"}
        return uid

    with receipt.written():
        receipt.made_namespace(namespace)
        receipt.note_subjects({
            f"{tenants}/ours": tenant("ours", "manager"), f"{tenants}/foreign": tenant("foreign", "somebody"),
            f"{tenants}/another": "uid-of-one-that-is-gone",
        })  # fmt: skip
        tenant("another", "manager")
        looks: list[Cleaned] = []

        def has_let_go() -> bool:
            looks.append(clean_up(client, receipt, patience=0.0))  # one look at all of it
            return looks[-1].held > 0

        cluster.wait_until(has_let_go, "a finalizer is taken away")
        cleaned = looks[-1]
        left = {one["metadata"]["name"] for one in cluster.request("GET", tenants)["items"]}
        assert left == {"foreign", "another"}, "only the finalizer of its operator is taken from an object that the run has made"
        assert cleaned.held == 1
        assert (
            "foreign is held by the finalizer demo.ghostkey.dev/registry, which is not known to be the operator's" in cleaned.why
        )
        assert receipt.path.exists()
        for name in left:
            cluster.kubectl("patch", "tenant", name, "-n", "gk-held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert not clean_up(client, receipt, patience=HANG_SECONDS).why
        assert not receipt.path.exists()


def test_run_that_may_make_no_namespace_leaves_no_receipt(cluster: ControlPlane, files_program: Program, sample: str) -> None:
    before = namespaces(cluster)
    done = files_program(*GIVEN_RUN, sample, f"--kubeconfig={cluster.kubeconfig_for('nobody')}")
    assert done.code == 3, (done.out, done.err)
    assert "namespaces" in done.err
    assert not list((files_program.state / "churn").glob("*"))
    assert namespaces(cluster) == before
