"""What people really hand over: small dumps that went wrong once, each with the right answer; `scan` is run as a user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Program, found

CASES = Path(__file__).parents[1] / "cases" / "files"
CLUSTERS = [
    "c-1cl3n", "c-vk0cv", "c-mq79s", "c-3yahu", "c-cdrhc", "c-wpyf2", "c-1qt9f", "c-y34x8", "c-48dp3",
]  # fmt: skip


def scan(program: Program, case: str, *words: str) -> Any:
    return program.scan("--from", str(CASES / case), *words)


def ghosts(report: Any, state: str = "found") -> set[str]:
    return {key for analysis, _, _, key in found(report, state) if analysis == "ghost-key"}


def orphans(report: Any, state: str = "found") -> set[str]:
    return {name for analysis, _, name, _ in found(report, state) if analysis == "orphaned-child"}


@pytest.mark.parametrize(
    ("case", "count", "said"),
    [
        ("per-namespace-dumps", 6, "tenants.demo.example.com in namespace shop-c were not seen (only in shop-a, shop-b)"),
        ("one-namespace-and-cluster-scoped", 9, "in namespace shop-b were not seen (only in shop-a)"),
    ],
)
def test_dump_of_some_namespaces_says_nothing_of_the_others(files_program: Program, case: str, count: int, said: str) -> None:
    report = scan(files_program, case, "--severity", "info")
    assert not found(report)
    unknown = [finding for finding in report["findings"] if finding["state"] == "unknown"]
    assert len(unknown) == count
    assert all(any("unknown: " in step for step in finding["evidence"]) for finding in unknown)
    assert any(said in step for finding in unknown for step in finding["evidence"])
    assert files_program("scan", "--from", str(CASES / case)).code == 0


def test_nothing_lives_in_a_namespace_that_is_gone(files_program: Program) -> None:
    assert ghosts(scan(files_program, "must-gather-gone-namespace")) == {"t-old1.main", "t-old2.main"}


def test_owner_in_a_namespace_of_which_its_kind_was_not_collected_is_not_gone(files_program: Program) -> None:
    assert not scan(files_program, "must-gather-half")["findings"]


def test_owner_is_there_by_its_name_where_a_dump_leaves_uids_out(files_program: Program) -> None:
    assert not scan(files_program, "owner-without-uid")["findings"]


def test_dependents_whose_owner_is_gone_are_told(files_program: Program) -> None:
    assert len(orphans(scan(files_program, "owner-gone-45"))) == 40
    assert files_program("scan", "--from", str(CASES / "owner-gone-45")).code == 1


def test_dependents_named_after_what_is_gone_are_told(files_program: Program) -> None:
    assert orphans(scan(files_program, "named-children")) == {"cluster-edge-dus", "cluster-edge-lej", "cluster-edge-drs"}


def test_secrets_named_exactly_as_what_is_gone_are_told(files_program: Program) -> None:
    assert orphans(scan(files_program, "secrets-named-as-subject")) == set(CLUSTERS)


def test_few_that_live_tell_of_many_that_are_gone(files_program: Program) -> None:
    told = orphans(scan(files_program, "two-left-thirty-gone"))
    assert len(told) == 60
    items = json.loads((CASES / "two-left-thirty-gone" / "dump.json").read_text())["items"]
    alive = [item["metadata"]["name"] for item in items if item["kind"] == "Cluster"]
    assert len(alive) == 2
    assert not [name for name in told if any(cluster in name for cluster in alive)]


def test_two_clusters_in_one_folder_are_judged_one_by_one(files_program: Program) -> None:
    report = scan(files_program, "two-clusters")
    assert ghosts(report) == {"prod.echo", "prod.flux"}
    assert {Path(finding["origin"]).name for finding in report["findings"]} == {"cluster-b"}
    assert any("2 clusters, told apart by the UIDs" in note for note in report["notes"])
    assert report["summary"]["maps"] == 3


def test_list_that_holds_nothing_hides_nothing(files_program: Program) -> None:
    done = files_program("scan", "--from", str(CASES / "null-list"), "-o", "json")
    assert (done.code, done.json["gaps"]) == (0, [])


def test_support_bundle_is_read_with_its_bare_arrays(files_program: Program) -> None:
    report = scan(files_program, "troubleshoot-bundle")
    assert (ghosts(report), report["gaps"]) == ({"prod.echo", "prod.flux"}, [])


def test_every_archive_in_a_folder_is_read(files_program: Program) -> None:
    report = scan(files_program, "unread-archives")
    assert (ghosts(report), report["gaps"]) == ({"prod.echo", "prod.flux"}, [])
    for name in ("N5.zip", "N5.tar.xz"):
        assert ghosts(scan(files_program, f"unread-archives/{name}")) == {"prod.echo", "prod.flux"}
