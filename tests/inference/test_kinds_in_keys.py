"""Inventories of many kinds: the kind that has many keys tells how those of the others are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, keys, thing

API = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "CronJob": "batch/v1", "Queue": "mq.example.org/v1"}
PLURAL = {"Deployment": "deployments", "StatefulSet": "statefulsets", "CronJob": "cronjobs", "Queue": "queues"}
LIVE = [("Deployment", "shop", "cart"), ("Deployment", "shop", "web-2"), ("Deployment", "pay", "ledger"), ("Deployment", "pay", "fx-eu"),
        ("StatefulSet", "db", "pg-main"), ("CronJob", "ops", "nightly-2"), ("Queue", "ops", "orders-7")]  # fmt: skip
GONE = [
    ("Deployment", "shop", "cart-1"),
    ("StatefulSet", "db", "pg-old"),
    ("CronJob", "ops", "etl-4"),
    ("Queue", "pay", "refunds-3"),
]
WAYS: dict[str, Callable[[str, str, str], str]] = {
    "Kind_ns_name": lambda kind, namespace, name: f"{kind}_{namespace}_{name}",
    "kind.ns.name": lambda kind, namespace, name: f"{kind.lower()}.{namespace}.{name}",
    "plurals.ns.name": lambda kind, namespace, name: f"{PLURAL[kind]}.{namespace}.{name}",
    "ns.kind.name": lambda kind, namespace, name: f"{namespace}.{kind.lower()}.{name}",
    "ns.name.kind": lambda kind, namespace, name: f"{namespace}.{name}.{kind.lower()}",
    "ns.name.word": lambda kind, namespace, name: f"{namespace}--{name}--{kind.lower()}",
    "KIND.ns.name": lambda kind, namespace, name: f"{kind.upper()}.{namespace}.{name}",
}


def _objects(subjects: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    made = [thing(kind, name, namespace, api_version=API[kind]) for kind, namespace, name in subjects]
    # seen in more than one namespace: a kind that lives in one alone may have been listed there alone
    return made + [thing(kind, "keeper", "other", api_version=API[kind]) for kind in API]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_kind_of_one_live_object_is_told_by_that_of_many(tmp_path: Path, way: str) -> None:
    inventory = config_map({WAYS[way](*subject): "1" for subject in LIVE + GONE})
    found = analyse(tmp_path, [*_objects(LIVE), inventory])
    assert keys([f for f in found if f.state == "found"], "ghost-key") == {WAYS[way](*subject) for subject in GONE}


def test_kind_that_was_not_listed_is_not_spoken_of(tmp_path: Path) -> None:
    inventory = config_map({WAYS["Kind_ns_name"](*subject): "1" for subject in LIVE + GONE})
    objects = [known for known in _objects(LIVE) if known["kind"] != "Queue"]
    found = keys(analyse(tmp_path, [*objects, inventory]), "ghost-key")
    assert found == {WAYS["Kind_ns_name"](*subject) for subject in GONE if subject[0] != "Queue"}


def test_evidence_says_of_which_kind_it_is(tmp_path: Path) -> None:
    inventory = config_map({WAYS["Kind_ns_name"](*subject): "1" for subject in LIVE + GONE})
    [told] = [f for f in analyse(tmp_path, [*_objects(LIVE), inventory]) if f.key.key == "CronJob_ops_etl-4"]
    assert (
        "keys of another kind are made in the same way here: Deployment_{namespace}_{name}; what is weighed is of them"
        in told.evidence
    )


def test_word_of_a_kind_within_a_longer_word_is_not_the_kind(tmp_path: Path) -> None:
    """`podinfo.` is no `pod.`: nothing is put in its place."""
    live = [("Deployment", "shop", f"cart-{number}") for number in range(6)]
    data = {f"deploymentinfo.{namespace}.{name}": "1" for _, namespace, name in live}
    data["statefulsetinfo.db.pg-main"] = data["statefulsetinfo.db.pg-old"] = "1"
    inventory = config_map(data)
    assert keys(analyse(tmp_path, [*_objects([*live, ("StatefulSet", "db", "pg-main")]), inventory]), "ghost-key") == set()


def test_settings_beside_an_inventory_stay_settings(tmp_path: Path) -> None:
    data = {WAYS["kind.ns.name"](*subject): "1" for subject in LIVE}
    data |= {
        "statefulset.default.replicas": "3",
        "cronjob.default.timeout": "60",
        "queue.max.size": "9",
        "deployment.default.image": "a",
    }
    assert keys(analyse(tmp_path, [*_objects(LIVE), config_map(data)]), "ghost-key") == set()


@pytest.mark.parametrize("word", ["service", "svc", "Service", "services"])
def test_word_of_the_kind_may_stand_between_namespace_and_name(tmp_path: Path, word: str) -> None:
    live = [("shop", "cart-1"), ("shop", "web-2"), ("pay", "ledger-3"), ("pay", "fx-eu"), ("ops", "mail-7"), ("ops", "dns-2")]
    objects = [thing("Service", name, namespace, api_version="v1") for namespace, name in [*live, ("other", "keeper-1")]]
    gone = [("shop", "cart-9"), ("pay", "ledger-8")]
    routes = config_map({f"{namespace}.{word}.{name}": "1" for namespace, name in live + gone})
    assert keys(analyse(tmp_path, [*objects, routes]), "ghost-key") == {f"shop.{word}.cart-9", f"pay.{word}.ledger-8"}
    turned = config_map({f"{name}.{word}.{namespace}": "1" for namespace, name in live + gone})
    assert keys(analyse(tmp_path, [*objects, turned]), "ghost-key") == {f"cart-9.{word}.shop", f"ledger-8.{word}.pay"}


@pytest.mark.parametrize("kind", ["A\\g<9>", "(", ".*", "Sub\\1"])
def test_kind_of_any_name_is_a_kind(tmp_path: Path, kind: str) -> None:
    """A dump is a stranger's: what it calls a kind is no expression."""
    others = [
        thing(kind, name, namespace, api_version="x.example.com/v1") for name in ("a1", "b2") for namespace in ("shop", "ops")
    ]
    inventory = config_map({WAYS["Kind_ns_name"](*subject): "1" for subject in LIVE + GONE})
    found = analyse(tmp_path, [*_objects(LIVE), *others, inventory])
    assert keys(found, "ghost-key") == {WAYS["Kind_ns_name"](*subject) for subject in GONE}
