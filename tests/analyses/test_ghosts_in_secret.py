"""Documents in Secret values: entries of gone subjects are counted, and nothing in them is ever named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import analyse, config_map, secret, thing

LIVE, GONE = [f"shop-{n}" for n in range(8)], ["bakery-1", "kiosk-7", "mill-3"]
TENANTS = [thing("Tenant", name) for name in LIVE]


def document(names: list[str]) -> dict[str, Any]:
    return {f"prod.{name}": {"token": f"t0k-{name[::-1]}", "plan": "gold"} for name in names}


@pytest.mark.parametrize("encode", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
@pytest.mark.parametrize("path", [(), ("tenants",)], ids=["whole", "within"])
def test_entries_of_gone_subjects_are_counted_and_not_named(tmp_path: Path, encode: Any, path: tuple[str, ...]) -> None:
    content = document(LIVE + GONE)
    for part in path:
        content = {part: content}
    found = analyse(tmp_path, [*TENANTS, secret({"tokens": encode(content)})])
    assert [(str(f.key), f.message) for f in found if f.analysis == "ghosts-in-secret"] == [
        ("tokens", "3 of its 11 entries outlive their subject; which ones is part of the secret")
    ]
    said = repr(found)
    assert not any(name in said for name in GONE + LIVE)


def test_the_same_document_in_a_config_map_is_named(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*TENANTS, config_map({"tokens": json.dumps(document(LIVE + GONE))})])
    assert {f.key.key for f in found if f.analysis == "ghost-key"} == {f"prod.{name}" for name in GONE}


def test_nothing_is_said_when_every_subject_lives(tmp_path: Path) -> None:
    assert analyse(tmp_path, [*TENANTS, secret({"tokens": json.dumps(document(LIVE))})]) == []


def test_one_entry_is_one(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*TENANTS, secret({"tokens": json.dumps(document([*LIVE, "kiosk-7"]))})])
    assert [f.message.partition(";")[0] for f in found] == ["1 of its 9 entries outlives its subject"]


def test_a_declared_link_counts_too(tmp_path: Path) -> None:
    held = secret({"tokens": json.dumps(document(LIVE + GONE))})
    found = analyse(tmp_path, [*TENANTS, held], "tenants.demo={namespace}.{name}")
    assert [f.message.partition(";")[0] for f in found] == ["3 of its 11 entries outlive their subject"]


def test_value_of_a_secret_that_names_a_subject_does_not_name_it_in_findings(tmp_path: Path) -> None:
    """The link is found by the UID in the value; who it was is in the value alone."""
    gone = "6f1f7f0e-1111-4222-8333-444444444444"
    values = {f"k{n}": json.dumps({"tenantUid": tenant["metadata"]["uid"], "plan": "x"}) for n, tenant in enumerate(TENANTS)}
    values["k99"] = json.dumps({"tenantUid": gone, "name": "vanished-one", "plan": "x"})
    found = analyse(tmp_path, [*TENANTS, secret(values)], only="ghost-key")
    assert [str(f.key) for f in found] == ["k99"]
    assert gone not in repr(found)
    assert "vanished-one" not in repr(found)
    assert found[0].subjects == ()
    assert found[0].message == "Tenant that its value names is gone"


def test_a_token_that_looks_like_a_uid_is_not_taken_for_one(tmp_path: Path) -> None:
    token = "0f8fad5b-d9cb-469f-a165-70867728950e"
    found = analyse(tmp_path, [*TENANTS, secret({"tenant-uid": TENANTS[0]["metadata"]["uid"], "api-token": token})])
    assert found == []
