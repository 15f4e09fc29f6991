"""Why a key is there, as the run's own logs tell it: by its class, and never more than they show."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ghostkey.churn.audited import WritesOfSecret, stories_of
from ghostkey.churn.bed import prepare
from ghostkey.churn.campaign import Outcome
from ghostkey.churn.inserts import SUBJECTS
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.past import Life, covered, lives_of, mark_end
from ghostkey.churn.proxy.client import WRITES_OF_SECRETS
from ghostkey.churn.traces import Signature
from ghostkey.model.errors import GhostkeyError
from ghostkey.report.churn import life_lines, render
from ghostkey.testing import ControlPlane
from tests.churn.helpers import CRD, SETUP, TenantBed
from tests.helpers import check_sarif, check_schema


def told_by(tenants: TenantBed, mistake: str) -> Outcome:
    """The outcome of a mistake, with the lives of its findings."""
    with tenants.campaign(mistake, subjects=4) as (campaign, lane, _):
        campaign.rounds(lane)
        outcome = campaign.finish()
        outcome.lives = lives_of(outcome.findings, tenants.bed.control_plane)
    return outcome


def life_of(outcome: Outcome, end: str) -> Life:
    """The life of the one signature that ends so."""
    (life,) = (life for signature, life in outcome.lives.items() if signature.place.endswith(end))
    return life


@pytest.mark.whole
def test_key_object_and_map_are_told_with_their_writer_and_what_nobody_tried(tenants: TenantBed) -> None:
    outcome = told_by(tenants, "owner-reference-stripped")
    life = life_of(outcome, "(key)")
    assert life.classes.keys() == {"no-delete"}, (life, outcome.inserts)
    # every subject of three rounds, the two that came first to see whether the operator works, and those whose inserts were watched
    keys = life.classes["no-delete"]
    assert keys >= 3 * 4 + 2
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator"
    assert life.ghost["first_set_at"] < life.ghost["subject_deleted_at"]
    lines = list(life_lines(life))
    assert lines[0] == f"no-delete: {keys} keys: nobody tried to remove it"
    assert any("written" in line and "tenant-operator" in line for line in lines)

    child = life_of(outcome, "(object)")
    # every subject of three rounds; a child with a long name is another object than that with the short one
    assert child.classes == {"no-delete": 3 * 4}
    assert "no-delete: 12 objects: nobody tried to remove it" in list(life_lines(child))
    came, written, after = child.told
    assert came.startswith("for example tenants gk-lane-")
    assert "(tenant-operator) create secrets" in written
    assert after.startswith("nobody wrote secrets tenant-gk")

    memory = life_of(outcome, ".memory")
    assert not memory.classes, "a map in memory is no object: who did not remove it is not known"
    assert "why it is there is not known: a series or a map in memory is no object" in next(life_lines(memory))
    assert any("written about it while it lived" in line and "tenant-operator" in line for line in memory.told)
    check_forms(outcome, lines[0])


def check_forms(outcome: Outcome, first: str) -> None:
    """Stories are in every form, that of keys by its first line."""
    check_schema(json.loads(render(outcome, "json")))
    sarif = json.loads(render(outcome, "sarif"))
    check_sarif(sarif)
    told = [result["message"]["text"] for result in sarif["runs"][0]["results"]]
    failures = [failure.text or "" for failure in ElementTree.fromstring(render(outcome, "junit")).iter("failure")]
    for texts in (told, failures):
        (text,) = (text for text in texts if first in text)
        assert any("written" in line and "tenant-operator" in line for line in text.splitlines())
        assert sum("for example tenants gk-lane-" in text for text in texts) == 2, [str(v) for v in outcome.findings]
    lives = [result["properties"]["life"] for result in sarif["runs"][0]["results"]]
    assert sorted(life["class"] for life in lives) == ["no-delete", "no-delete", "unknown"]


@pytest.mark.whole
def test_annotation_is_told_with_its_writer_and_that_no_later_write_names_it(tenants: TenantBed) -> None:
    life = life_of(told_by(tenants, "annotation-never-removed"), "(key)")
    assert life.classes == {"no-delete": 3 * 4}
    assert life.holder[:2] == ("configmaps", "tenant-system")
    came, written, after, elsewhere = life.told
    assert came.startswith("for example tenants gk-lane-")
    assert "(tenant-operator) patch configmaps tenant-system/registry-" in written
    assert after.startswith("nobody wrote configmaps registry-")
    # its key, which is beside the annotation, is removed
    assert elsewhere.startswith("and after it went, at other places of it: ")


@pytest.mark.whole
def test_series_of_a_metric_is_told_with_what_was_written_last_and_what_is_not_known(tenants: TenantBed) -> None:
    outcome = told_by(tenants, "series-never-deleted")
    life = life_of(outcome, '{name="<S>",namespace="<ns>"}')
    assert not life.classes
    first, *lines = life_lines(life)
    assert first.startswith("why it is there is not known: a series or a map in memory is no object")
    assert any("and after it went:" in line and "patch configmaps" in line for line in lines)
    (inserts,) = outcome.inserts.values()
    assert sum(inserts.stacks.values()) == SUBJECTS
    assert all(any("reconciler" in call.function for call in stack) for stack in inserts.stacks)
    assert inserts.never.startswith("nothing was taken out of it while 2 subjects came and went")
    document = json.loads(render(outcome, "json"))
    check_schema(document)
    (record,) = document["verdicts"]
    assert record["inserts"]["never"] == inserts.never
    assert record["life"]["class"] == "unknown"


@pytest.mark.parametrize(
    ("later", "cls"),
    [
        ({"data": {"n.gkabcdefgx": None}}, "no-delete"),
        ({"metadata": {"labels": {"of.gkabcdefgx": None}}}, "unknown"),
        ([{"op": "remove", "path": "/metadata/labels/of.gkabcdefgx"}], "unknown"),
        # it takes away what it does not name
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {}}}, "unknown"),
        ({"metadata": {"labels": {"of.gkbbbbbbbx": "1"}}}, "no-delete"),
    ],
)
def test_class_of_a_label_by_the_writes_that_could_have_removed_it(tmp_path: Path, later: object, cls: str) -> None:
    def event(second: int, verb: str, resource: str, name: str, body: object) -> str:
        return json.dumps({
            "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02}.000000Z", "user": {"username": "u"}, "userAgent": "op/1", "verb": verb,
            "objectRef": {"resource": resource, "namespace": "n", "name": name}, "responseStatus": {"code": 200}, "requestObject": body,
        })  # fmt: skip

    token = "gkabcdefgx"
    label = {"metadata": {"labels": {f"of.{token}": "1"}}}
    lines = [
        event(1, "create", "tenants", token, {}), event(2, "patch", "configmaps", "all", label),
        event(3, "delete", "tenants", token, {}), event(4, "patch", "configmaps", "all", later),
    ]  # fmt: skip
    (tmp_path / "audit.log").write_text("\n".join(lines))
    example = "/api/v1/namespaces/n/configmaps/all metadata.labels[of.<S>]"
    verdict = Verdict(
        Signature("api", "configmaps n/all metadata.labels[of.<S>] (key)"),
        Kind.LEAK,
        (1.0,),
        (1,),
        (),
        example,
        one=token,
        tokens=frozenset({token}),
    )
    assert stories_of([verdict], tmp_path / "audit.log")[verdict].classes == {cls: 1}


def test_every_finding_has_a_story_or_the_reason_why_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text("")
    for place, why in (
        ("secrets <ns>/a metadata.labels.x (value)", "no bodies of Secrets"),
        ("pods <ns>/<S> (object)", "shows no write"),
    ):
        verdict = Verdict(Signature("api", place), Kind.LEAK, (1.0,), (1,), (), "/api/v1/x", one="gkabcdefgx")
        told = stories_of([verdict], tmp_path / "audit.log")[verdict]
        assert not told.classes
        assert why in told.unknown


@pytest.mark.parametrize(
    ("writes", "cls"),
    [
        ([], "no-delete"),
        ([("delete", 403)], "delete-failed"),
        ([("delete", 200), ("create", 201)], "written-again"),
        ([("delete", 200)], "unknown"),
        ([("patch", 200)], "no-delete"),
        # a time that has run out: it may have been done
        ([("delete", 504)], "unknown"),
        ([("delete", 403), ("delete", 500)], "unknown"),
        ([("delete?dryRun=All", 200)], "no-delete"),
        ([("delete dryRun", 200)], "no-delete"),
        ([("deletecollection", 403)], "delete-failed"),
        ([("deletecollection", 504)], "unknown"),
        ([("deletecollection", 200)], "unknown"),
        ([("deletecollection?labelSelector=of=gkabcdefgx", 200)], "unknown"),
        ([("deletecollection?labelSelector=of=gkbbbbbbbx", 200)], "no-delete"),
        ([("deletecollection", 403), ("delete", 200), ("create", 201)], "written-again"),
    ],
)
def test_class_of_an_object_by_what_was_tried_after_its_subject_went(
    tmp_path: Path, writes: list[tuple[str, int]], cls: str
) -> None:
    token, child = "gkabcdefgx", "child-of-gkabcdefgx"

    def event(second: int, program: str, verb: str, resource: str, name: str, code: int) -> str:
        verb, _, query = verb.partition("?")
        verb, _, option = verb.partition(" ")
        said = {"message": f"no: u cannot {verb}"} if code >= 400 else {}
        if verb == "deletecollection":
            name = ""
        return json.dumps({
            "requestURI": f"/api/v1/namespaces/n/{resource}/{name}?{query}", "requestObject": {option: ["All"]} if option else None,
            "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02}.000000Z", "user": {"username": "u"}, "userAgent": f"{program}/1",
            "verb": verb, "objectRef": {"resource": resource, "namespace": "n", "name": name}, "responseStatus": {"code": code, **said},
        })  # fmt: skip

    lines = [
        event(1, "churn", "create", "tenants", token, 201), event(2, "op", "create", "secrets", child, 201),
        event(3, "churn", "delete", "tenants", token, 200),
        *(event(4 + n, "op", verb, "secrets", child, code) for n, (verb, code) in enumerate(writes)),
    ]  # fmt: skip
    (tmp_path / "audit.log").write_text("\n".join([*lines, '{"half": ']))
    signature = Signature("api", "secrets <ns>/child-of-<S> (object)")
    verdict = Verdict(signature, Kind.LEAK, (1.0,), (1,), (), f"/api/v1/namespaces/n/secrets/{child}")
    told = stories_of([verdict], tmp_path / "audit.log")[verdict]
    assert told.classes == {cls: 1}
    assert any("403 no" in line for line in told.lines) == any(code == 403 for _, code in writes)
    assert any("nobody wrote" in line for line in told.lines) == (cls == "no-delete" and ("patch", 200) not in writes)


@pytest.mark.whole
def test_key_of_a_secret_is_told_by_whom_the_writes_after_it_named(tenants: TenantBed) -> None:
    life = life_of(told_by(tenants, "secret-registry"), "(key)")
    assert life.classes.keys() == {"no-delete"}, life
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator", "etcd's log has it"


@pytest.mark.whole
def test_key_of_a_secret_that_somebody_else_wrote_meanwhile_is_unknown(tenants: TenantBed) -> None:
    with tenants.campaign("secret-registry", subjects=4) as (campaign, lane, registry):
        campaign.rounds(lane)
        # past the proxies: what it was about, nobody has seen
        path = f"/api/v1/namespaces/tenant-system/secrets/{registry}"
        body = json.dumps({"stringData": {"other": "1"}}).encode()
        assert tenants.bed.api.ask("PATCH", path, body, "application/merge-patch+json")[0] == 200
        (life,) = lives_of(campaign.finish().findings, tenants.bed.control_plane).values()
    assert life.classes.keys() == {"unknown"}, life


@pytest.mark.whole
def test_entry_of_a_document_is_told_by_the_document_that_the_trace_names(tenants: TenantBed) -> None:
    life = life_of(told_by(tenants, "nested-document"), "(value)")
    assert life.ghost is not None
    assert life.ghost["path"].partition("/")[0] == "tenants.json"
    # where writes were refused meanwhile, the log does not show what they were for
    assert life.classes.keys() <= {"no-delete", "unknown"}, life


@pytest.mark.parametrize(
    ("codes", "audited", "is_known"),
    [
        ([200, 200], [200, 200], True),
        ([200, 409], [200, 409], True),
        # what a fault or the guard answered never was a write, and does not stand for one that was made past the proxies
        ([200, 403, 500, 0], [200, 200], False),
        ([200], [200, 200], False),
    ],
)
def test_only_writes_that_were_carried_out_show_that_nobody_wrote_past_the_proxies(
    tmp_path: Path, codes: list[int], audited: list[int], is_known: bool
) -> None:
    seen = [{"at": 5, "namespace": "n", "name": "s", "tokens": ["other"], "code": code} for code in codes]
    (tmp_path / f"one{WRITES_OF_SECRETS}").write_text("".join(json.dumps(record) + "\n" for record in seen))
    target = {"resource": "secrets", "namespace": "n", "name": "s"}
    log = tmp_path / "audit.log"
    log.write_text(
        "".join(json.dumps({"verb": "patch", "objectRef": target, "responseStatus": {"code": code}}) + "\n" for code in audited)
    )
    assert WritesOfSecret(tmp_path, log, "n", "s").left_alone("gone", 0) is is_known


def test_log_that_is_still_written_is_read_in_whole_lines_and_to_the_end_of_the_run(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    log.write_text('{"n": 1}\n{"n": 2, "ha')

    def mark(sign: str) -> None:
        with log.open("a") as lines:
            lines.write(f'lf": 1}}\n{{"name": "{sign}"}}\n{{"later": ')

    read = covered(log, mark, tmp_path).read_text()
    assert read.startswith('{"n": 1}\n{"n": 2, "half": 1}\n{"name": "ghostkey-end-')
    assert read.endswith('"}\n')
    assert all(json.loads(line) for line in read.splitlines())


@pytest.mark.parametrize("is_packed", [False, True])
def test_log_that_is_rotated_is_read_from_its_beginning_once_and_in_order(tmp_path: Path, is_packed: bool) -> None:
    log = tmp_path / "audit.log"

    def pack(name: str, *, is_done: bool = True) -> None:
        """As the server does it: the packed file is there before it is whole, and the other one goes then."""
        content = gzip.compress((tmp_path / name).read_bytes())
        (tmp_path / f"{name}.gz").write_bytes(content if is_done else content[:12])
        if is_done:
            (tmp_path / name).unlink()

    for number, name in ((2, "audit-2026-01-01T00-00-02.000.log"), (1, "audit-2026-01-01T00-00-01.500.log"), (3, "audit.log")):
        (tmp_path / name).write_text(f'{{"n": {number}}}\n')
    (tmp_path / "audit-policy.log").write_text("no log\n")
    if is_packed:
        pack("audit-2026-01-01T00-00-01.500.log")
        pack("audit-2026-01-01T00-00-02.000.log", is_done=False)

    def mark(sign: str) -> None:
        """The server rotates as it gets there, and once more after it."""
        log.rename(tmp_path / "audit-2026-01-01T00-00-03.000.log")
        (tmp_path / "audit-2026-01-01T00-00-04.000.log").write_text(f'{{"n": 4}}\n{{"name": "{sign}"}}\n')
        log.write_text('{"n": 5}\n')
        if is_packed:
            for second in (2, 4):
                pack(f"audit-2026-01-01T00-00-0{second}.000.log")

    (tmp_path / "to").mkdir()
    lines = [json.loads(line) for line in covered(log, mark, tmp_path / "to").read_text().splitlines()]
    assert [line.get("n") for line in lines] == [1, 2, 3, 4, None]


@pytest.mark.whole
@pytest.mark.parametrize("flags", [pytest.param((), marks=pytest.mark.whole), ("--audit-log-compress",)])
def test_what_the_operator_did_before_its_api_server_rotated_the_log_is_told(flags: tuple[str, ...]) -> None:
    with ControlPlane(controller_manager=True, apiserver_flags=["--audit-log-maxsize=1", *flags]) as plane:
        tenants = TenantBed(prepare(plane, [CRD], SETUP))
        with tenants.campaign("wrong-delete-key", subjects=4) as (campaign, lane, _):
            campaign.rounds(lane)
            outcome = campaign.finish()
            filler = {"metadata": {"name": "filler"}, "data": {"x": "x" * 400_000}}
            for _ in range(4):
                plane.request("POST", "/api/v1/namespaces/default/configmaps", filler)
                plane.request("DELETE", "/api/v1/namespaces/default/configmaps/filler")
            if flags:
                plane.wait_until(lambda: any(plane.directory.glob("audit-*.log.gz")), "what was rotated is packed")
            lives = lives_of(outcome.findings, plane)
        assert len(list(plane.directory.glob("audit-*.log*"))) >= 2, "it was rotated"
        assert "tenant-operator" not in plane.audit_log.read_text()
    (life,) = lives.values()
    assert sum(life.classes.values()) >= 3 * 4, life
    assert life.classes.keys() == {"wrong-key-name"}, life


def test_log_that_does_not_get_to_the_end_of_the_run_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    log.write_text('{"n": 1}\n')
    with pytest.raises(GhostkeyError, match="did not get to the end of the run"):
        covered(log, lambda _: None, tmp_path, seconds=0)


def test_log_of_a_running_control_plane_has_the_last_write_before_it_was_asked_for(tenants: TenantBed, tmp_path: Path) -> None:
    plane = tenants.bed.control_plane
    for number in range(20):
        name = f"last-{number}"
        plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
        log = covered(plane.audit_log, lambda sign: mark_end(plane, sign), tmp_path).read_text()
        assert log.endswith("\n")
        assert any(name in line and '"create"' in line for line in log.splitlines()[-20:])
        plane.request("DELETE", f"/api/v1/namespaces/default/configmaps/{name}")


def test_log_that_is_not_there_ends_the_look_after_a_time(tmp_path: Path) -> None:
    (tmp_path / "audit-2026-01-01T00-00-01.000.log").write_text('{"n": 1}\n')
    with pytest.raises(GhostkeyError, match="the audit log is not there"):
        covered(tmp_path / "audit.log", lambda _: None, tmp_path, seconds=0.05)
