"""Small dumps that went wrong once, each with the right answer in its first line; `scan` is run as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import Program, found

CASES = Path(__file__).parents[1] / "cases" / "inference"
QUIET = sorted(path.name for path in CASES.glob("FA*.yaml"))
FOUND = {
    "M02-namespace-of-one-word.yaml": {"billing", "legacy"},
    "M04-uid-in-yaml-value.yaml": {"203dca3246", "dbee6a5d76"},
    "M05-two-prefixes-share-the-namespaces.yaml": {"cidr-team-billing", "range-team-legacy"},
    "M08-pod--node.yaml": {
        f"{app}-7c9d8b6f5-{pod}" for app in ("galuba", "romeka") for pod in ("x2x4z--node-1", "k8q2m--node-2")
    },
    "M10-base64url.yaml": {"YS9nYWx1YmE", "YS9yb21la2EtaW5j"},
    "M13-camel.yaml": {"Galuba", "RomekaInc"},
    "M15-slash-as--2F.yaml": {"a-2Fgaluba", "a-2Fromeka-inc"},
    "M18-at-sign.yaml": {"galuba_at_example.com", "romeka-inc_at_example.com"},
    "M20-name.action.timestamp.yaml": {
        f"{name}.{action}.{time}"
        for name, time in (("galuba", "20260916-061500"), ("romeka-inc", "20260917-071500"))
        for action in ("cpu-burn", "pod-kill")
    },
    "M21-tcp-services.yaml": {"9007", "9008"},
    "M24-crd-group-ends-in-k8s.io.yaml": {"galuba-eu", "romeka-inc", "sofano-inc"},
    "M24b-control.yaml": {"galuba-eu", "romeka-inc", "sofano-inc"},
    "M26-service-fqdn.yaml": {"old-a.a.svc.cluster.local", "old-b.b.svc.cluster.local"},
    "M02b-namespaces-with-dash.yaml": {"team-billing", "team-legacy"},
    "M04b-uid-in-nested-json-value.yaml": {"203dca3246", "dbee6a5d76"},
}
# what is likely and not proven by names alone: told to who asks, with the line that would declare it
SUSPECTED = {
    "FA04-constants-beside-files.yaml": {"ta.key"},
}


@pytest.mark.parametrize("name", QUIET)
def test_map_of_somebodys_own_is_no_news(files_program: Program, name: str) -> None:
    report = files_program.scan("--from", str(CASES / name), "--severity", "info")
    assert {found[3] for found in found(report) if found[0] == "ghost-key"} == set()
    assert files_program("scan", "--from", str(CASES / name)).code == 0


@pytest.mark.parametrize("name", sorted(FOUND))
def test_ghosts_are_found(files_program: Program, name: str) -> None:
    report = files_program.scan("--from", str(CASES / name))
    assert {key for analysis, _, _, key in found(report) if analysis == "ghost-key"} == FOUND[name]


@pytest.mark.parametrize("name", sorted(SUSPECTED))
def test_suspects_are_told_to_who_asks_and_never_fail_a_build(files_program: Program, name: str) -> None:
    report = files_program.scan("--from", str(CASES / name), "--severity", "info")
    assert {key for analysis, _, _, key in found(report, "suspect") if analysis == "ghost-key"} == SUSPECTED[name]
    assert any(
        "one that has not all of them may be a constant" in step for found in report["findings"] for step in found["evidence"]
    )
    quiet = files_program("scan", "--from", str(CASES / name))
    assert quiet.code == 0
    assert not quiet.out
