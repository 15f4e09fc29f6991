"""Dependents whose owner is gone, by reference or by the company they keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.helpers import analyse, keys, secret, thing

LIVE, GONE = [f"shop-{n}" for n in range(7)], ["shop-30", "shop-31"]
TENANTS = {name: thing("Tenant", name) for name in LIVE + GONE}


def owner(name: str) -> dict[str, Any]:
    uid = TENANTS[name]["metadata"]["uid"]
    return {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "name": name, "uid": uid}


def child(name: str, *owners: str) -> dict[str, Any]:
    references = {"ownerReferences": [owner(o) for o in owners]} if owners else {}
    labels = {"app.kubernetes.io/managed-by": "tenant-operator"}
    return secret({"password": "x"}, f"tenant-{name}-credentials", metadata={"labels": labels, **references})


def alive() -> list[dict[str, Any]]:
    return [TENANTS[name] for name in LIVE]


def test_owner_reference_to_an_object_that_is_gone(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*alive(), *(child(name, name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {f"tenant-{name}-credentials" for name in GONE}


def test_one_living_owner_is_enough(tmp_path: Path) -> None:
    assert keys(analyse(tmp_path, [*alive(), child("shop-30", "shop-30", "shop-1")])) == set()


def test_stripped_owner_references_are_told_by_the_siblings(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*alive(), *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {f"tenant-{name}-credentials" for name in GONE}
    assert "no ownerReference says so" in found[0].message


def test_owner_of_a_kind_that_was_not_seen_is_not_judged(tmp_path: Path) -> None:
    assert keys(analyse(tmp_path, [child("shop-30", "shop-30"), thing("Site", "x")])) == set()


def test_child_in_use_is_not_flagged(tmp_path: Path) -> None:
    pod = thing(
        "Pod",
        "p",
        api_version="v1",
        spec={"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "tenant-shop-31-credentials"}}]}]},
    )
    found = analyse(tmp_path, [*alive(), pod, *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {"tenant-shop-30-credentials"}
