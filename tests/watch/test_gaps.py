"""What is not seen deletes nothing and forgets nothing: Reports and what was told, by looks that are made by hand, on a real API server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, KeyRef, ObjectRef
from ghostkey.report.formats.openreports import report_of
from ghostkey.testing import ControlPlane
from ghostkey.watch import announce, reports
from ghostkey.watch.announce import Announcer
from ghostkey.watch.gaps import LASTING, KnownGaps
from ghostkey.watch.lease import Lease
from ghostkey.watch.look import Look, MapFindings, spot_of
from ghostkey.watch.reports import Reports
from tests.helpers import make_map
from tests.report.formats.reports_kind import make_reports_kind
from tests.watch.helpers import events_on

REPORTS = "/apis/openreports.io/v1alpha1/namespaces"
PATIENCE = 1.0
DOWN = Gap("things.example.com were not listed", "503")


def look(at: float, holders: Sequence[ObjectRef] = (), *gaps: Gap, key: str = "gone") -> Look:
    """A look that has found one ghost in each of these maps."""
    maps = {}
    for holder in holders:
        finding = Finding("ghost-key", KeyRef(holder, "data", key), Severity.WARNING, "is gone", ())
        ids = {finding.fingerprint}
        maps[spot_of(holder)] = MapFindings(holder, 1, 0, [finding], dict.fromkeys(ids, finding), ids)
    return Look(maps, list(gaps), 0.1, time.time(), at, 0.1)


@pytest.fixture
def lease(client: ApiClient, namespace: str) -> Iterator[Lease]:
    made = Lease(client, namespace, "ghostkey-watch", "a-test", 600)
    assert made.renew()
    yield made
    made.release()


@pytest.fixture
def holder(control_plane: ControlPlane, namespace: str) -> ObjectRef:
    return map_in(control_plane, namespace, "registry")


def map_in(control_plane: ControlPlane, namespace: str, name: str) -> ObjectRef:
    make_map(control_plane, namespace, name, {"gone": "1"})
    uid = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")["metadata"]["uid"]
    return ObjectRef(CONFIG_MAPS, namespace, name, uid)


def make(holder: ObjectRef, findings: Sequence[Finding]) -> dict[str, Any]:
    return report_of(holder, findings, lambda _: True, int(time.time()))


def written(control_plane: ControlPlane, namespace: str) -> set[str]:
    items = control_plane.request("GET", f"{REPORTS}/{namespace}/reports")["items"]
    return {item["scope"]["name"] for item in items}


def test_a_gap_hides_until_it_is_over_and_one_of_the_beginning_until_it_has_lasted() -> None:
    gaps = KnownGaps(PATIENCE)
    assert not gaps.hide(look(0))
    assert gaps.hide(look(1, (), DOWN))
    assert gaps.hide(look(1 + 2 * LASTING, (), DOWN)), "it was not there at the beginning"
    assert not gaps.hide(look(2 + 2 * LASTING))
    gaps = KnownGaps(PATIENCE)
    assert gaps.hide(look(0, (), DOWN)), "it may be an outage that was there before the watcher"
    assert not gaps.hide(look(LASTING, (), DOWN)), "a right that is missing, say"
    assert gaps.hide(look(LASTING + 1, (), DOWN, Gap("another", "503")))
    assert not gaps.hide(look(LASTING + 2))
    assert gaps.hide(look(LASTING + 3, (), DOWN)), "it was over"


def test_a_report_is_not_deleted_while_a_gap_may_hide_what_it_says(
    control_plane: ControlPlane, client: ApiClient, namespace: str, lease: Lease, holder: ObjectRef
) -> None:
    make_reports_kind(control_plane)
    ours = Reports(client, lease, make, namespace, patience=PATIENCE)
    ours.write(look(0, [holder]))
    assert written(control_plane, namespace) == set(), "it has not lasted"
    ours.write(look(1, [holder]))
    assert written(control_plane, namespace) == {"registry"}
    for at in (2, 3, 1000):
        ours.write(look(at, (), DOWN))
        assert written(control_plane, namespace) == {"registry"}
    # another watcher, in the middle of the outage
    after = Reports(client, lease, make, namespace, patience=PATIENCE)
    after.write(look(2000, (), DOWN))
    assert written(control_plane, namespace) == {"registry"}
    after.write(look(2001))
    assert written(control_plane, namespace) == set()


def test_a_report_that_somebody_writes_meanwhile_is_deleted_in_the_next_round(
    control_plane: ControlPlane, client: ApiClient, namespace: str, lease: Lease, holder: ObjectRef
) -> None:
    make_reports_kind(control_plane)
    ours = Reports(client, lease, make, namespace, patience=0.0)
    ours.write(look(0, [holder]))
    (report,) = control_plane.request("GET", f"{REPORTS}/{namespace}/reports")["items"]
    path = f"{REPORTS}/{namespace}/reports/{report['metadata']['name']}"
    control_plane.request("PATCH", path, {"metadata": {"labels": {"team": "shop"}}}, "application/merge-patch+json")
    ours.write(look(1))
    assert written(control_plane, namespace) == {"registry"}, "its version was the precondition"
    ours.write(look(2))
    assert written(control_plane, namespace) == set()


def test_reports_that_somebody_else_applied_stay_as_they_are(
    control_plane: ControlPlane, client: ApiClient, namespace: str, lease: Lease, holder: ObjectRef
) -> None:
    """Those of `scan -o openreports | kubectl apply -f -` have the same names, and no mark."""
    make_reports_kind(control_plane)
    path = f"{REPORTS}/{namespace}/reports"
    other = map_in(control_plane, namespace, "other")
    applied = [
        control_plane.request("POST", path, make(one, look(0, [one]).maps[spot_of(one)].findings)) for one in (holder, other)
    ]
    ours = Reports(client, lease, make, namespace, patience=0.0)
    for at in (0, 1):  # another finding of the one, nothing of the other
        with pytest.raises(reports.ApiFailed) as caught:
            ours.write(look(at, [holder], key="another"))
        assert caught.value.status == 409
    now = control_plane.request("GET", path)["items"]
    assert sorted(map(str, now)) == sorted(
        str({**one, "apiVersion": now[0]["apiVersion"], "kind": now[0]["kind"]}) for one in applied
    )


def test_maps_whose_reports_are_refused_do_not_keep_the_others_waiting(
    control_plane: ControlPlane,
    client: ApiClient,
    namespace: str,
    lease: Lease,
    holder: ObjectRef,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_reports_kind(control_plane)
    monkeypatch.setattr(reports, "WRITES_AT_ONCE", 1)
    nowhere = ObjectRef(CONFIG_MAPS, "there-is-no-such-namespace", "registry", "u")
    ours = Reports(client, lease, make, "", patience=0.0)
    for at in range(2):
        ours.write(look(at, [nowhere, holder]))
    assert written(control_plane, namespace) == {"registry"}


@pytest.mark.whole
def test_what_a_gap_hides_for_a_while_is_not_told_again(
    control_plane: ControlPlane, client: ApiClient, namespace: str, lease: Lease, holder: ObjectRef
) -> None:
    announcer = Announcer(client, lease, None, writes_events=True, patience=0.0)
    announcer.announce(look(0, [holder]))
    assert announcer.events == 1
    for at in (1, 2, 3):
        announcer.announce(look(at, (), DOWN))
    announcer.announce(look(4, [holder]))
    assert announcer.events == 1
    # another watcher, which begins in the middle of the outage
    after = Announcer(client, lease, None, writes_events=True, patience=PATIENCE)
    for at in (5, 6, 7):
        after.announce(look(at, (), DOWN))
    for at in (8, 9, 10):
        after.announce(look(at, [holder]))
    assert after.events == 0
    # a key that was gone in plain sight is new when it is back
    after.announce(look(11))
    for at in (12, 13):
        after.announce(look(at, [holder]))
    assert after.events == 0, "the Event of the same finding is there already: the API server refuses it"
    assert lease.told
    assert len(events_on(control_plane, namespace)) == 1


def test_maps_that_cannot_be_told_of_do_not_keep_the_others_waiting(
    control_plane: ControlPlane,
    client: ApiClient,
    namespace: str,
    lease: Lease,
    holder: ObjectRef,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announce, "MAPS_AT_ONCE", 1)
    gone = ObjectRef(CONFIG_MAPS, namespace, "deleted-meanwhile", "u")  # what is read again does not confirm it
    announcer = Announcer(client, lease, None, writes_events=True, patience=0.0)
    for at in range(2):
        announcer.announce(look(at, [gone, holder]))
    assert [event["regarding"]["name"] for event in events_on(control_plane, namespace)] == ["registry"]


def test_of_a_namespace_that_ends_nothing_is_told_and_that_is_no_trouble(
    control_plane: ControlPlane, client: ApiClient, namespace: str, lease: Lease
) -> None:
    make_reports_kind(control_plane)
    ending = f"{namespace}-ends"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": ending}})
    holder = map_in(control_plane, ending, "registry")
    control_plane.request("DELETE", f"/api/v1/namespaces/{ending}")
    Reports(client, lease, make, "", patience=0.0).write(look(0, [holder]))
    Announcer(client, lease, None, writes_events=True, patience=0.0).announce(look(0, [holder]))
    assert written(control_plane, ending) == set()
    assert events_on(control_plane, ending) == []
