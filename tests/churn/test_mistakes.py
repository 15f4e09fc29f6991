"""Every mistake of the tenant operator is convicted by its own signature, and the correct one is acquitted."""

from __future__ import annotations

import pytest

from tests.churn.helpers import TenantBed, leaks

MAP = "api: configmaps tenant-system/registry "
KEY = MAP + "data[<ns>.<S>] (key)"
CHILD = "api: secrets <ns>/tenant-<S>-credentials (object)"
HELD = "at (main.reconciler)"
SERIES = 'metrics: tenant_plan_length{name="<S>",namespace="<ns>"}'
MEMORY = f"memory: map[string]string {HELD}.memory"

EXPECTED = {
    "": set(),
    "double-encoding": set(),
    "no-delete-on-notfound": {KEY, MEMORY},
    "return-on-deletion-timestamp": {KEY, MEMORY, CHILD},
    "wrong-delete-key": {KEY},
    "owner-reference-stripped": {KEY, MEMORY, CHILD},
    "tombstone": {KEY},
    "nested-document": {MAP + "data[tenants.json] (value)"},
    "secret-registry": {"api: secrets tenant-system/registry data[<ns>.<S>] (key)"},
    "key-by-uid": {MAP + "data[<uid>] (key)", MEMORY},
    "sanitised-key": {MAP + "data[<ns>_<S>] (key)"},
    "shortened-key": {MAP + "data[<S>-<hash>] (key)"},
    # in memory one entry for every second subject stays: less than one for each says nothing of a map
    "else-branch": {KEY},
    "update-under-new-key": {MAP + "data[<ns>.<S>.gold] (key)", MEMORY},
    "parallel-map": {f"memory: map[string]time.Time {HELD}.seen"},
    "nested-empty": {f"memory: map[string]map[string]bool {HELD}.shards"},
    "annotation-never-removed": {MAP + "metadata.annotations[demo.ghostkey.dev/<ns>.<S>] (key)"},
    "series-never-deleted": {SERIES},
    "set-again-in-defer": {f"memory: map[string]time.Time {HELD}.seen"},
    # these need a fault
    "early-return": set(),
    "error-branch": set(),
    "non-leader": set(),
}
SLICE = ["", "key-by-uid", "nested-empty"]


def check(tenants: TenantBed, mistake: str, **wanted: int) -> None:
    outcome, registry = tenants.rounds(mistake, **wanted)
    assert leaks(outcome, registry) == EXPECTED[mistake], [str(v) for v in outcome.verdicts]
    assert not outcome.inconclusive
    assert outcome.result == ("leaks" if EXPECTED[mistake] else "clean")


@pytest.mark.whole(but=["", "nested-empty"])
@pytest.mark.parametrize("mistake", SLICE)
def test_mistake_has_its_own_signature(tenants: TenantBed, mistake: str) -> None:
    check(tenants, mistake, subjects=10)


@pytest.mark.whole
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mistake", EXPECTED)
def test_every_mistake_has_its_own_signature_each_time(tenants: TenantBed, mistake: str, seed: int) -> None:
    check(tenants, mistake, seed=seed)


@pytest.mark.whole
def test_cleanup_that_only_comes_late_is_slow_and_no_leak(tenants: TenantBed) -> None:
    # the delay is longer than it takes a busy machine to look at what a round has left
    outcome, registry = tenants.rounds("cleanup-lost-on-restart", "--cleanup-delay=8s", patience=300.0)
    assert not leaks(outcome, registry)
    assert {str(v.kind) for v in outcome.verdicts} == {"SLOW"}
    assert outcome.exit_code == 0
    assert outcome.seconds < 300, "patience ends as soon as nothing is left"


@pytest.mark.whole
def test_shortened_key_is_told_to_be_of_long_names_alone(tenants: TenantBed) -> None:
    outcome, registry = tenants.rounds("shortened-key")
    assert leaks(outcome, registry) == EXPECTED["shortened-key"]
    (verdict,) = outcome.findings
    assert verdict.only == "a long name"
    assert verdict.counts == (10, 20, 30)
    assert verdict.rates == (0.5, 0.5, 0.5)
