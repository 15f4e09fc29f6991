"""Faults that need no proxy, in a cluster that is given: what they bring about, whom they acquit, and which cannot strike there."""

from __future__ import annotations

import pytest

from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN, namespaces, operator
from tests.helpers import Program

WORDS = ("--rounds=1", "--writes-in=tenant-system")
KEY = "configmaps tenant-system/tenant-registry data[<ns>.<S>] (key)"


@pytest.mark.whole
@pytest.mark.parametrize(
    ("fault", "started"),
    [
        pytest.param(
            "restarted-after-delete", operator("cleanup-lost-on-restart", "--cleanup-delay=500ms"), marks=pytest.mark.whole
        ),
        ("leader-change", operator("non-leader", "--leader-elect")),
        pytest.param("deleted-while-down", operator("cleanup-lost-on-restart", "--cleanup-delay=500ms"), marks=pytest.mark.whole),
    ],
)
def test_fault_alone_convicts_the_leaky_and_nothing_of_ours_is_left(
    cluster: ControlPlane, files_program: Program, sample: str, fault: str, started: str
) -> None:
    before = namespaces(cluster)
    done = files_program(*GIVEN_RUN, sample, started, *WORDS, f"--fault={fault}", f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 1, (done.out, done.err)
    (found,) = (one for one in done.json["verdicts"] if one["signature"] == KEY and one["found_by"] == "faults")
    assert found["verdict"] == "LEAK"
    assert found["fault"] == fault
    assert (done.json["summary"]["fault_points"], done.json["summary"]["fault_points_struck"]) == (1, 1)
    assert namespaces(cluster) == before
    leases = cluster.request("GET", "/apis/coordination.k8s.io/v1/namespaces/tenant-system/leases")["items"]
    assert not leases, "the Lease of the operator that would run there is not touched"


@pytest.mark.whole
def test_faults_acquit_the_correct_one_and_those_that_cannot_strike_are_told(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    started = operator("", "--leader-elect")
    done = files_program(*GIVEN_RUN, sample, started, *WORDS, f"--kubeconfig={cluster.kubeconfig}")
    kinds = {one["signature"]: one["verdict"] for one in done.json["verdicts"] if one["verdict"] not in {"SLOW", "INCONCLUSIVE"}}
    assert not kinds, done.out
    assert all("garbage collector" in why for why in done.json["inconclusive"]), done.json["inconclusive"]
    assert done.json["summary"]["fault_points_struck"] == 3
    (note,) = (note for note in done.json["notes"] if "into a cluster that is not ours it injects nothing" in note)
    assert "conflict" in note
    assert "kill-after-write" in note
    assert "leader-change" not in note


@pytest.mark.whole
def test_operator_that_does_not_elect_has_no_leader_to_change(cluster: ControlPlane, files_program: Program, sample: str) -> None:
    words = (*WORDS, "--fault=leader-change", f"--kubeconfig={cluster.kubeconfig}")
    done = files_program(*GIVEN_RUN, sample, operator(""), *words)
    assert "no leader-change: the operator asks for no Lease" in " ".join(done.json["notes"])
    assert done.json["summary"]["fault_points"] == 0
