"""Names that machines make: volumes called by a UUID, nodes by their address."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, thing

VOLUMES = [f"pvc-{uuid.uuid5(uuid.NAMESPACE_OID, str(number))}" for number in range(9)]
NODES = [f"ip-10-0-{number}-{11 * number}.ec2.internal" for number in range(1, 6)]
NODES_GONE = ["ip-10-0-9-91.ec2.internal", "ip-10-0-9-92.ec2.internal"]


def volumes(names: list[str]) -> list[dict[str, Any]]:
    return [thing("PersistentVolume", name, "", api_version="v1") for name in names]


def told(tmp_path: Path, objects: list[dict[str, Any]]) -> set[str]:
    return {finding.key.key for finding in analyse(tmp_path, objects) if finding.state == "found"}


def test_key_of_a_volume_that_is_gone_is_found_by_the_uuid_in_its_name(tmp_path: Path) -> None:
    live, gone = VOLUMES[:6], VOLUMES[6:]
    assert told(tmp_path, [*volumes(live), config_map(dict.fromkeys([*live, *gone, "default"], "sda"))]) == set(gone)
    assert told(tmp_path, [*volumes(VOLUMES), config_map(dict.fromkeys(VOLUMES, "sda"))]) == set()


def test_classes_that_people_name_prove_nothing(tmp_path: Path) -> None:
    classes = [thing("StorageClass", name, "", api_version="storage.k8s.io/v1") for name in ("fast", "slow", "local-ssd")]
    assert told(tmp_path, [*classes, config_map(dict.fromkeys(["fast", "slow", "local-ssd", "archive", "cold-2"], "x"))]) == set()


NAMED = ["worker101", "worker102", "worker103", "worker104"]


def maps_of(names: list[str]) -> list[dict[str, Any]]:
    return [config_map({"devices": "[]"}, f"local-device-{name}", "storage") for name in names]


@pytest.mark.parametrize(
    ("live", "gone", "state"),
    [
        (NODES, NODES_GONE, "suspect"),  # they may be of nodes that are yet to come
        ([f"ip-10-0-{number}-7.ec2.internal" for number in range(10, 19)], NODES_GONE, "found"),
        (NAMED, ["worker105", "worker106"], ""),
        (["a-1", "a-2", "b-1", "b-2"], ["c-1"], ""),
    ],
    ids=["few by address", "many by address", "numbered", "words"],
)
def test_object_of_a_node_that_is_gone_is_told_where_a_machine_named_the_nodes(
    tmp_path: Path, live: list[str], gone: list[str], state: str
) -> None:
    nodes = [thing("Node", name, "", api_version="v1") for name in live]
    found = [finding for finding in analyse(tmp_path, [*nodes, *maps_of([*live, *gone])]) if finding.analysis == "orphaned-child"]
    assert {(finding.key.key, finding.state) for finding in found} == (
        {(f"local-device-{name}", state) for name in gone} if state else set()
    )


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "ClusterRole", "PriorityClass", "Namespace"])
def test_object_of_what_people_number_is_no_orphan(tmp_path: Path, kind: str) -> None:
    live = [
        thing(kind, f"team{number}", "" if kind != "PersistentVolumeClaim" else "storage", api_version="v1")
        for number in range(1, 5)
    ]
    found = analyse(tmp_path, [*live, *maps_of([f"team{number}" for number in range(1, 8)])])
    assert [finding for finding in found if finding.analysis == "orphaned-child"] == []


def test_words_of_one_length_beside_a_namespace_are_no_cut_names(tmp_path: Path) -> None:
    routes = [thing("Route", name, "shop") for name in ("checkoutservice", "currencyservice", "shippingservice", "adservice")]
    limits = {f"shop.{word}": "10" for word in ("checkout", "currency", "shipping", "delivery", "discount")}
    assert told(tmp_path, [*routes, config_map(limits, "rate-limits")]) == set()


def test_key_that_names_what_lives_beside_a_node_that_is_gone_is_a_suspect_and_proof_where_all_beside_live(
    tmp_path: Path,
) -> None:
    nodes = [thing("Node", f"node-{number}", "", api_version="v1") for number in (0, 1)]
    jobs = [thing("Job", name, "shop", api_version="batch/v1") for name in ("orange", "violet")]
    pairs = [
        "orange--node-2",
        "violet--node-1",
        "mauve--node-0",
        "green--node-2",
        "teal--node-1",
        "black--node-0",
        "white--node-0",
    ]
    found = {
        finding.key.key: finding
        for finding in analyse(tmp_path, [*nodes, *jobs, config_map(dict.fromkeys(pairs, "assigned"), "placed", "shop")])
    }
    assert found["orange--node-2"].state == "suspect"
    assert found["green--node-2"].state == "found"
    assert any("Job orange lives" in line for line in found["orange--node-2"].evidence)
    # an agent on each node: what stands beside its name stays, and the node is what goes
    pairs = [f"{agent}--node-{number}" for agent in ("orange", "violet") for number in (0, 1, 5)]
    found = {
        finding.key.key: finding
        for finding in analyse(tmp_path, [*nodes, *jobs, config_map(dict.fromkeys(pairs, "assigned"), "placed", "shop")])
    }
    assert {key: finding.state for key, finding in found.items()} == dict.fromkeys(["orange--node-5", "violet--node-5"], "found")
