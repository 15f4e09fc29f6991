"""`ghostkey watch --reports` on a real control plane: one Report for each map, owned by it, and written only when it says another thing."""

from __future__ import annotations

from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, make_map, make_registry, merge
from tests.report.formats.reports_kind import make_reports_kind
from tests.watch.helpers import watching

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]
REPORTS = "/apis/openreports.io/v1alpha1/namespaces"


def reports(control_plane: ControlPlane, namespace: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(kind, name) of the map → its Report."""
    items = control_plane.request("GET", f"{REPORTS}/{namespace}/reports")["items"]
    return {(item["scope"]["kind"], item["scope"]["name"]): item for item in items}


def words(namespace: str, *more: str) -> tuple[str, ...]:
    return "-n", namespace, "--reports", "--patience", "0.5s", "--lease-namespace", namespace, *more


@pytest.mark.whole
def test_one_report_for_each_map_that_follows_what_is_found(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_reports_kind(control_plane)
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "settings", {"color": "blue"})
    registry = ("ConfigMap", "registry")
    uid = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/registry")["metadata"]["uid"]
    with watching(program, control_plane, *words(namespace)) as watcher:
        control_plane.wait_until(lambda: registry in reports(control_plane, namespace), "the Report is written")
        found = reports(control_plane, namespace)
        assert set(found) == {registry}
        assert found[registry]["metadata"]["ownerReferences"] == [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "registry", "uid": uid}
        ]
        assert found[registry]["summary"]["fail"] == 2
        version = found[registry]["metadata"]["resourceVersion"]
        assert {one["properties"]["key"] for one in found[registry]["results"]} == {f"{namespace}.{name}" for name in GONE}

        # somebody else's change of the map, of which nothing is found, is no reason to write
        looked = watcher.value("last_look_timestamp_seconds")
        make_map(control_plane, namespace, "other", {"a": "b"})
        control_plane.wait_until(lambda: watcher.value("last_look_timestamp_seconds") != looked, "it looked again")
        assert reports(control_plane, namespace)[registry]["metadata"]["resourceVersion"] == version

        # another writer in between: its version is the precondition, and what is found wins in the end
        name = found[registry]["metadata"]["name"]
        patch = {"metadata": {"labels": {"team": "shop"}}}
        control_plane.request("PATCH", f"{REPORTS}/{namespace}/reports/{name}", patch, "application/merge-patch+json")
        merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": "{}"})
        control_plane.wait_until(
            lambda: reports(control_plane, namespace)[registry]["summary"]["fail"] == 3, "the Report is written again"
        )
        assert watcher.end() == 0
    with watching(program, control_plane, *words(namespace)) as watcher:
        # after a restart nothing is written anew, and what has nothing left to say is deleted
        version = reports(control_plane, namespace)[registry]["metadata"]["resourceVersion"]
        control_plane.wait_until(lambda: watcher.value("is_leader") == 1, "it leads")
        merge(control_plane, namespace, "registry", {"plain": "{}"})
        control_plane.wait_until(lambda: watcher.value("map_keys", namespace, "registry") == 12, "it has seen the change")
        assert reports(control_plane, namespace)[registry]["metadata"]["resourceVersion"] == version
        merge(control_plane, namespace, "registry", dict.fromkeys((f"{namespace}.gone-{one}" for one in "abc"), None))
        control_plane.wait_until(lambda: not reports(control_plane, namespace), "it is gone")


def test_rights_that_are_printed_are_enough_and_of_a_secret_findings_are_counted(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_reports_kind(control_plane)
    make_registry(control_plane, namespace, LIVE, [])
    make_map(control_plane, namespace, "tokens", {f"{namespace}.{name}": "eA==" for name in LIVE + GONE}, kind="secrets")
    user = f"watcher-{namespace}"
    printed = program("rbac", "--for", "watch", "--reports", "--secrets", "--lease-namespace", namespace, "--user", user)
    control_plane.kubectl("apply", "-f", "-", stdin=printed.out)
    watcher_program = program.as_user(control_plane.kubeconfig_for(user))
    with watching(watcher_program, control_plane, "--reports", "--secrets", "--patience", "0.5s", "--lease-namespace", namespace):
        control_plane.wait_until(lambda: ("Secret", "tokens") in reports(control_plane, namespace), "the Report is written")
    (found,) = reports(control_plane, namespace).values()
    assert "gone-a" not in str(found)
    assert [one["properties"] for one in found["results"]] == [{"state": "found", "count": "2"}]
    assert found["summary"]["fail"] == 2


@pytest.mark.whole
@pytest.mark.parametrize("has_kind", [False, True], ids=["without the kind", "without the right"])
def test_where_none_can_be_written_it_is_said_and_metrics_go_on(
    own_control_plane: ControlPlane, program: Program, *, has_kind: bool
) -> None:
    plane = own_control_plane
    make_registry(plane, "default", LIVE, GONE)
    user = "reader"
    bind(plane, user, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch", "get"]}])
    bind(plane, f"{user}", [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}], "default")
    if has_kind:
        make_reports_kind(plane)
    reader = Program(program.state, plane.kubeconfig_for(user))
    with watching(reader, plane, "--reports", "--patience", "0.1s") as watcher:
        plane.wait_until(lambda: watcher.value("ghost_keys", "default", "registry") == 2, "metrics are there")
        plane.wait_until(lambda: watcher.value("is_leader") == 1, "it leads")
        merge(plane, "default", "registry", {"default.gone-c": "{}"})
        plane.wait_until(lambda: watcher.value("ghost_keys", "default", "registry") == 3, "metrics go on")
        assert watcher.process.stderr is not None
        wanted = "cannot" if has_kind else "has no reports.openreports.io"
        while wanted not in (line := watcher.process.stderr.readline()):
            assert line, "nothing was said"
        assert "Reports are not written" in line
