"""Why a key is there, as the run's own logs tell it: by its class, and never more than they show."""

from __future__ import annotations

import pytest

from ghostkey.churn.past import Life, lives_of
from ghostkey.report.churn import life_lines
from tests.churn.helpers import TenantBed


def lives(tenants: TenantBed, mistake: str) -> dict[str, Life]:
    """Source of a signature → life, of a mistake's findings."""
    with tenants.campaign(mistake, subjects=4) as (campaign, lane, _):
        campaign.rounds(lane)
        told = lives_of(campaign.finish().findings, tenants.bed.control_plane)
        assert len({v.signature.source for v in campaign.outcome.findings}) == len(campaign.outcome.findings)
    return {signature.source: life for signature, life in told.items()}


def test_key_that_nobody_tried_to_remove_is_told_with_its_writer(tenants: TenantBed) -> None:
    told = lives(tenants, "no-delete-on-notfound")
    assert told.keys() == {"api"}, "a map in memory has no story"
    life = told["api"]
    assert life.classes.keys() == {"no-delete"}
    # every subject of three rounds, the two that came first to see whether the operator works, and those whose inserts were watched
    keys = life.classes["no-delete"]
    assert keys >= 3 * 4 + 2
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator"
    assert life.ghost["first_set_at"] < life.ghost["subject_deleted_at"]
    lines = list(life_lines(life))
    assert lines[0] == f"no-delete: {keys} keys: nobody tried to remove it"
    assert any("written" in line and "tenant-operator" in line for line in lines)


@pytest.mark.whole
def test_secret_of_which_the_audit_log_has_no_bodies_is_unknown(tenants: TenantBed) -> None:
    life = lives(tenants, "secret-registry")["api"]
    assert life.classes.keys() == {"unknown"}, life
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator", "etcd's log has it"


@pytest.mark.whole
def test_entry_of_a_document_is_told_by_the_document_that_the_trace_names(tenants: TenantBed) -> None:
    life = lives(tenants, "nested-document")["api"]
    assert life.ghost is not None
    assert life.ghost["path"].partition("/")[0] == "tenants.json"
    # where writes were refused meanwhile, the log does not show what they were for
    assert life.classes.keys() <= {"no-delete", "unknown"}, life
