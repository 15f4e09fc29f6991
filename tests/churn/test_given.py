"""A cluster that is given: what is found there, what it takes, and that nothing is left and nothing else is touched."""

from __future__ import annotations

import json

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN as RUN
from tests.churn.helpers import SAMPLE, namespaces, operator
from tests.cli.test_rbac import apply_roles, every_smaller_set
from tests.helpers import Program

KINDS = "tenants.demo.ghostkey.dev"


@pytest.mark.whole
def test_leak_is_found_and_nothing_of_ours_is_left(cluster: ControlPlane, files_program: Program, sample: str) -> None:
    before = namespaces(cluster)
    operator = cluster.start_operator("wrong-delete-key")
    try:
        done = files_program(*RUN, sample, f"--kubeconfig={cluster.kubeconfig}")
    finally:
        operator.stop()
    assert done.code == 1, (done.out, done.err)
    assert "LEAK" in {verdict["verdict"] for verdict in done.json["verdicts"] if "data[<ns>.<S>]" in verdict["signature"]}
    assert "no faults" in done.err
    assert namespaces(cluster) == before
    assert not list((files_program.state / "churn").iterdir())


@pytest.mark.whole
def test_operator_that_we_start_is_convicted_of_keys_and_of_memory(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    before = namespaces(cluster)
    started = (operator("no-delete-on-notfound"), "--writes-in=tenant-system", f"--kubeconfig={cluster.kubeconfig}")
    done = files_program(*RUN, sample, *started)
    assert done.code == 1, (done.out, done.err)
    found = done.json["verdicts"]
    assert {(one["verdict"], one["signature"]) for one in found if one["verdict"] in {"LEAK", "PARTIAL", "STUCK"}} == {
        ("LEAK", "configmaps tenant-system/tenant-registry data[<ns>.<S>] (key)"),
        ("LEAK", "map[string]string at (main.reconciler).memory"),
    }
    # of a new kind it takes its first child after half a minute
    assert all("garbage collector has not taken it yet" in why for why in done.json["inconclusive"])
    assert namespaces(cluster) == before


@pytest.mark.whole
def test_operator_that_we_start_is_whom_it_is_told_to_be(cluster: ControlPlane, files_program: Program, sample: str) -> None:
    binding = {
        "metadata": {"name": "gk-test-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": "tenant-system"}],
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    cluster.request("POST", bindings, binding)
    words = ("--in-cluster", "--as-serviceaccount=tenant-system/operator", "--writes-in=tenant-system", "--rounds=1")
    try:
        done = files_program(*RUN, sample, operator("wrong-delete-key"), *words, f"--kubeconfig={cluster.kubeconfig}")
    finally:
        cluster.request("DELETE", f"{bindings}/gk-test-operator")
    assert done.code == 1, (done.out, done.err)
    written = [line for line in cluster.audit_log.read_text().splitlines() if '"tenant-operator/' in line and '"patch"' in line]
    by = {json.loads(line).get("impersonatedUser", {}).get("username") for line in written[-6:]}
    assert by == {"system:serviceaccount:tenant-system:operator"}


@pytest.mark.whole
def test_operator_that_we_start_sees_our_subjects_alone_and_writes_nothing_elsewhere(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    before = namespaces(cluster)
    theirs = f"/apis/{SAMPLE['apiVersion']}/namespaces/default/tenants"
    cluster.request("POST", theirs, SAMPLE)
    registry = cluster.raw("GET", "/api/v1/namespaces/tenant-system/configmaps/tenant-registry")
    try:
        done = files_program(*RUN, sample, operator("wrong-delete-key"), "--rounds=1", f"--kubeconfig={cluster.kubeconfig}")
        tenant = cluster.request("GET", f"{theirs}/acme")
    finally:
        cluster.request("DELETE", f"{theirs}/acme")
    assert done.code == 3, (done.out, done.err)
    assert "the operator was refused: patch configmaps in tenant-system, " in " ".join(done.json["inconclusive"])
    assert {verdict["verdict"] for verdict in done.json["verdicts"]} <= {"INCONCLUSIVE", "SLOW"}
    assert namespaces(cluster) == before, "its finalizers hold nothing up"
    assert "times: --writes-in NS lets it write there" in " ".join(done.json["inconclusive"])
    assert "finalizers" not in tenant["metadata"], "the operator would have put one on every Tenant that it sees"
    assert cluster.raw("GET", "/api/v1/namespaces/tenant-system/configmaps/tenant-registry") == registry


@pytest.mark.whole
def test_nobody_who_writes_nothing_is_acquitted(cluster: ControlPlane, files_program: Program, sample: str) -> None:
    done = files_program(*RUN, sample, "--rounds=1", f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 3, (done.out, done.err)
    assert "did nothing for 3 of 3 subjects" in done.out


@pytest.mark.whole
@pytest.mark.parametrize("most", [2, pytest.param(None, marks=pytest.mark.whole)])
def test_rights_that_are_printed_are_enough_and_none_is_too_many(
    cluster: ControlPlane, files_program: Program, sample: str, most: int | None
) -> None:
    printed = files_program("rbac", "--for", "churn", "--kinds", KINDS, "--user", "USER")
    documents = list(yaml.safe_load_all(printed.out))
    operator = cluster.start_operator()
    try:
        sets = [("", documents), *every_smaller_set(documents)]
        for number, (missing, some) in enumerate(sets[:most]):
            user = f"churner-{most}-{number}"
            roles = json.loads(json.dumps(some).replace("USER", user).replace('"ghostkey-', f'"{user}-'))
            apply_roles(cluster, user, roles)
            kubeconfig = cluster.kubeconfig_for(user)
            done = files_program(*RUN, sample, "--rounds=1", "--subjects=1", f"--kubeconfig={kubeconfig}")
            assert done.code == (3 if missing else 0), (missing, done.out, done.err)
            files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
    finally:
        operator.stop()
    assert not {name for name in namespaces(cluster) if "gk-lane" in name}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nobody has agreed"),
        (("--yes", "--against=true"), "nothing but subjects is made"),
        (("--yes", "--since=HEAD", "--build=make"), "leave out --since, --build"),
        (("--yes", "--for=10m"), "nothing comes of --for"),
        (("--yes", "--code=/", "--life=7s"), "nothing comes of --life, --code"),
        (("--yes", "--writes-in=default"), "add --operator"),
        (("--yes", "--env=LEVEL=1"), "add --operator"),
        (("--operator=true",), "nobody has agreed"),
        (("--yes", "--operator=/no/such"), "no program '/no/such'"),
        (("--yes", "--namespace-prefix=Kube_"), "begins no namespace"),
    ],
)
def test_slips_make_nothing(
    cluster: ControlPlane, files_program: Program, sample: str, words: tuple[str, ...], said: str
) -> None:
    before = namespaces(cluster)
    done = files_program("churn", sample, *words, f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 2
    assert said in done.err
    assert namespaces(cluster) == before
