"""What is left behind is told to be whose request has put it there: keys, objects and whole subjects, not finalizers alone."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from ghostkey.churn.given_authors import Authored
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.past import lives_of
from ghostkey.churn.proxy.authors import Authors
from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.proxy.finalizers import Request
from ghostkey.churn.run import account_kubeconfig
from ghostkey.churn.tokens import tokens_in
from ghostkey.churn.traces import Signature, Trace
from ghostkey.testing import ControlPlane
from tests.churn.helpers import GIVEN_RUN, SAMPLE, TenantBed, operator
from tests.churn.test_renewal import grant
from tests.churn.writers import ANOTHER, APPLY, CONFIGMAPS, HOLDS, MERGE, NAMESPACE, Writers
from tests.helpers import Program


class Told:
    """What a proxy is told, in whatever order that comes."""

    def __init__(self) -> None:
        self.authors = Authors()

    def asked(self, method: str, path: str, body: dict[str, Any], answer: dict[str, Any], *events: tuple[str, Any]) -> None:
        """A request is carried out; `events` come before its answer."""
        sent = json.dumps(body).encode()
        call = call_of(method, path, sent)
        with self.authors.handing_on(call) as before:
            for event in events:
                self.shown(path, *event)
            status = 201 if method == "POST" else 200
            self.authors.answered(Request(call, path, sent, MERGE), status, json.dumps(answer).encode(), before)

    def shown(self, path: str, kind: str, document: dict[str, Any]) -> None:
        """A watch event comes."""
        line = json.dumps({"type": kind, "object": document}).encode()
        self.authors.event(call_of("GET", path.partition("/cm-")[0] + "?watch=1"), line, tokens_in(line))


def test_word_of_an_object_that_has_gone_takes_nothing_from_the_new_one_of_its_name() -> None:
    base, token, told = "/api/v1/namespaces/n/configmaps", "gkffffffax", Told()
    place, path = f"/configmaps/n/cm-{token}", f"{base}/cm-{token}"
    gone = {"kind": "Status", "details": {"uid": "u5"}}

    def made(uid: str, version: int, **more: Any) -> dict[str, Any]:
        return {"metadata": {"name": f"cm-{token}", "namespace": "n", "uid": uid, "resourceVersion": str(version)} | more}

    def made_by(version: int) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
        return "POST", base, {"metadata": {"name": f"cm-{token}"}}, made(f"u{version}", version)

    told.asked(*made_by(5))
    told.asked("DELETE", path, {}, gone)
    assert place not in told.authors.told()
    told.asked(*made_by(9))
    for late in ("MODIFIED", "DELETED"):
        told.shown(base, late, made("u5", 7))
        assert told.authors.told()[place] == {"uid": "u9", "is_made": True, "own": [token], "finalizers": []}, late
    told.asked("DELETE", path, {}, gone)
    assert place in told.authors.told()
    # one that others have made since is not the operator's
    told.shown(base, "ADDED", made("u12", 12))
    assert place not in told.authors.told()
    # its own write has ended one, and the word of that came before the answer
    told.asked(*made_by(20))
    ends = made("u20", 21, deletionTimestamp="2026-01-01T00:00:00Z")
    told.asked("PATCH", path, {"metadata": {"finalizers": None}}, ends, ("DELETED", ends))
    assert place not in told.authors.told()
    # a Pod has its time, and a namespace goes after what is in it
    for more in ({"deletionGracePeriodSeconds": 30}, {"finalizers": [HOLDS]}):
        told.asked(*made_by(30))
        told.asked(
            "PATCH", path, {"metadata": {"labels": {"a": "1"}}}, made("u30", 31, deletionTimestamp="2026-01-01T00:00:00Z", **more)
        )
        assert place in told.authors.told()
    spaces = f"/api/v1/namespaces/{token}"
    gone_soon = made("u40", 41, deletionTimestamp="2026-01-01T00:00:00Z") | {"spec": {"finalizers": ["kubernetes"]}}
    gone_soon["metadata"] |= {"name": token, "namespace": ""}
    told.asked("PATCH", spaces, {"metadata": {"labels": {"a": "1"}}}, gone_soon)
    assert f"/namespaces//{token}" in told.authors.told()


@pytest.mark.whole
def test_key_that_somebody_else_has_put_into_the_operators_map_is_not_its_leak(writers: Writers) -> None:
    mine, foreign, again, both = (f"gkbbbbbb{letter}x" for letter in "abcd")
    path = f"{CONFIGMAPS}/registry"
    writers.write(writers.operator, "POST", CONFIGMAPS, {"metadata": {"name": "registry"}, "data": {mine: "1", again: "1"}})
    writers.write(writers.client, "PATCH", path, {"data": {foreign: "1"}})
    shown = writers.operator.get_object(path)
    assert shown is not None
    writers.write(writers.operator, "PUT", path, shown | {"data": {mine: "1", foreign: "1", both: "1"}})
    writers.write(writers.client, "PATCH", path, {"data": {again: "1", both: "1"}})
    writers.write(writers.client, "POST", CONFIGMAPS, {"metadata": {"name": "theirs"}, "data": {mine: "1"}})

    def judged(tokens: set[str], path: str) -> Verdict:
        return judged_of(writers, tokens, {path})

    assert judged({mine}, path).kind is Kind.LEAK
    assert judged({both}, path).kind is Kind.LEAK
    for token in (foreign, again):
        verdict = judged({token}, path)
        assert (verdict.kind, "somebody else has put it there" in verdict.because) == (Kind.INCONCLUSIVE, True), token
    some = judged({mine, foreign}, path)
    assert (some.kind, some.tokens) == (Kind.PARTIAL, {mine})
    assert "1 of 2 dead subjects; of the others somebody else has put it there" in some.because
    assert judged({mine}, f"{CONFIGMAPS}/theirs").kind is Kind.INCONCLUSIVE


def judged_of(writers: Writers, tokens: set[str], paths: set[str]) -> Verdict:
    """What is said of these subjects' leak in these objects."""
    signature = Signature("api", "of these objects")
    verdict = Verdict(signature, Kind.LEAK, (), (), (), f"{min(paths)} somewhere", tokens=frozenset(tokens))
    return Authored().add(writers.proxy).judged(verdict, Trace(tokens, paths=paths), writers.client)


@pytest.mark.whole
def test_object_of_others_is_not_the_operators_leak_for_having_been_touched_by_it(writers: Writers) -> None:
    touched, held, own, applied = (f"gkjjjjjj{letter}x" for letter in "abcd")
    paths = {token: f"{CONFIGMAPS}/cm-{token}" for token in (touched, held, own, applied)}
    for token in (touched, held):
        writers.write(writers.client, "POST", CONFIGMAPS, {"metadata": {"name": f"cm-{token}"}, "data": {"of": token}})
    writers.write(writers.operator, "PATCH", paths[touched], {"metadata": {"labels": {"seen": "yes"}}})
    writers.hold(writers.operator, paths[held], HOLDS)
    writers.write(writers.operator, "POST", CONFIGMAPS, {"metadata": {"name": f"cm-{own}"}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"cm-{applied}"}}
    writers.operator.write("PATCH", paths[applied], json.dumps(body).encode(), APPLY, field_manager="applies")
    kinds = {token: judged_of(writers, {token}, {path}).kind for token, path in paths.items()}
    assert kinds == {
        touched: Kind.INCONCLUSIVE, held: Kind.INCONCLUSIVE, own: Kind.LEAK, applied: Kind.LEAK,
    }  # fmt: skip
    # who has made it wants it no more, and the operator holds it
    writers.delete(paths[held])
    assert judged_of(writers, {held}, {paths[held]}).kind is Kind.LEAK
    # the operator has removed its own, and others have made one of that name
    writers.delete(paths[own])
    writers.write(writers.client, "POST", CONFIGMAPS, {"metadata": {"name": f"cm-{own}"}})
    assert judged_of(writers, {own}, {paths[own]}).kind is Kind.INCONCLUSIVE


@pytest.mark.whole
def test_value_of_a_secret_is_whose_request_has_put_it_there(writers: Writers) -> None:
    mine, theirs, since = (f"gkkkkkkk{letter}x" for letter in "abc")
    secrets = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    values = {token: base64.b64encode(f"of {token}".encode()).decode() for token in (mine, theirs, since)}
    writers.write(writers.client, "POST", secrets, {"metadata": {"name": "all"}, "data": {"theirs": values[theirs]}})
    shown = writers.operator.get_object(f"{secrets}/all")
    assert shown is not None
    shown["data"]["mine"] = values[mine]
    writers.write(writers.operator, "PUT", f"{secrets}/all", shown)
    writers.write(writers.client, "PATCH", f"{secrets}/all", {"data": {"since": values[since]}})
    kinds = {token: judged_of(writers, {token}, {f"{secrets}/all"}).kind for token in (mine, theirs, since)}
    assert kinds == {mine: Kind.LEAK, theirs: Kind.INCONCLUSIVE, since: Kind.INCONCLUSIVE}


@pytest.mark.whole
def test_all_subjects_that_are_held_up_are_looked_at_and_not_the_first_alone(writers: Writers) -> None:
    tokens = [f"gkllllll{letter}x" for letter in "abcd"]
    paths = {token: writers.tenant(token) for token in tokens}
    for token, path in paths.items():
        writers.hold(writers.operator if token in tokens[1:3] else writers.client, path, HOLDS)
        writers.delete(path)
    authored = Authored().add(writers.proxy)

    def judged(*some: str) -> Verdict:
        of = frozenset(paths[token] for token in some)
        held = Verdict(
            Signature("api", f"tenants <S> (held by {HOLDS})"), Kind.STUCK, (), (), (), paths[some[0]], because="held",
            one=some[0], tokens=frozenset(some), paths=of,
        )  # fmt: skip
        return authored.judged(held, Trace(set(some), paths=set(of)), writers.client)

    for some in (tokens, tokens[::-1], tokens[1:]):
        found = judged(*some)
        assert (found.kind, found.tokens) == (Kind.STUCK, frozenset(tokens[1:3])), some
        assert f"so it is of 2 of {len(some)} dead subjects, and of the others the finalizer" in found.because
        assert (found.example, found.one) == (paths[tokens[1]], tokens[1])
    assert judged(*tokens[1:3]).because == "held"
    assert judged(tokens[0], tokens[3]).kind is Kind.INCONCLUSIVE


@pytest.mark.whole
def test_operator_is_not_blamed_for_what_another_instance_of_it_leaves_behind(
    cluster: ControlPlane, files_program: Program, sample: str
) -> None:
    theirs = cluster.start_operator("wrong-delete-key", name="theirs", flags=["--registry-name=theirs"])
    try:
        started = (operator(""), "--writes-in=tenant-system", "--no-faults", f"--kubeconfig={cluster.kubeconfig}")
        done = files_program(*GIVEN_RUN, sample, *started)
    finally:
        theirs.stop()
        cluster.kubectl("delete", "configmap", "theirs", "-n", "tenant-system", "--ignore-not-found")
    assert done.code == 3, (done.json["verdicts"], done.err)
    (found,) = (one for one in done.json["verdicts"] if one["signature"].startswith("configmaps tenant-system/theirs data["))
    assert found["verdict"] == "INCONCLUSIVE"
    assert found["because"].startswith("somebody else has put it there")
    # both hold a subject by the same finalizer, and whichever is done first lets it go
    others = [one for one in done.json["verdicts"] if one != found and one["verdict"] not in {"SLOW", "RETENTION"}]
    assert all(one["because"].startswith("somebody else has taken away the finalizer") for one in others), others


@pytest.mark.whole
@pytest.mark.parametrize("allow", [(), ((f"held by {ANOTHER}", "theirs"),)])
def test_subject_that_somebody_else_holds_up_is_not_the_operators_doing(
    tenants: TenantBed, allow: tuple[tuple[str, str], ...]
) -> None:
    api = tenants.bed.api
    with tenants.campaign("", subjects=2, allow=allow) as (campaign, lane, _):
        create = lane._create

        def held(subjects: Any) -> None:
            create(subjects)
            for made in (made for subject in subjects for made in subject.objects):
                body = json.dumps([{"op": "add", "path": "/metadata/finalizers", "value": [ANOTHER]}]).encode()
                api.ask("PATCH", made.path + "?fieldManager=tenant-operator", body, "application/json-patch+json")

        lane._create = held  # type: ignore[method-assign]
        campaign.rounds(lane)
        outcome = campaign.finish()
        lane._create = create  # type: ignore[method-assign]
        for one in api.must("GET", f"/apis/{SAMPLE['apiVersion']}/namespaces/{lane.namespace}/tenants")["items"]:
            path = f"/apis/{SAMPLE['apiVersion']}/namespaces/{lane.namespace}/tenants/{one['metadata']['name']}"
            api.ask("PATCH", path, json.dumps({"metadata": {"finalizers": None}}).encode(), MERGE)
    (held_up,) = (verdict for verdict in outcome.verdicts if "held by" in verdict.signature.place)
    if allow:
        assert (held_up.kind, held_up.because) == (Kind.ALLOWED, "theirs")
        assert (outcome.result, outcome.inconclusive) == ("clean", [])
        return
    assert held_up.kind is Kind.INCONCLUSIVE, held_up
    assert f"the finalizer {ANOTHER} holds it, and the operator has not put it there" in held_up.because
    assert outcome.result == "inconclusive"


@pytest.mark.whole
def test_subject_that_the_operator_holds_up_is_told_so_and_not_that_nobody_deleted_it(tenants: TenantBed) -> None:
    grant(tenants.bed.control_plane, "holder", verbs=["get", "list", "watch", "create"])
    held_by = account_kubeconfig(tenants.bed.control_plane, "tenant-system/holder")
    outcome, _ = dataclasses.replace(tenants, user_kubeconfig=held_by).rounds("", subjects=2)
    (verdict,) = (one for one in outcome.findings if one.kind is Kind.STUCK)
    life = lives_of([verdict], tenants.bed.control_plane)[verdict.signature]
    assert not life.classes
    assert "its finalizer holds it" in life.unknown
    assert any("written about it while it lived" in line for line in life.told), life.told
