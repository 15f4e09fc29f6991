"""Names that machines make: volumes called by a UUID, nodes by their address, names cut within a word."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, thing

VOLUMES = [f"pvc-{uuid.uuid5(uuid.NAMESPACE_OID, str(number))}" for number in range(9)]
NODES = [f"ip-10-0-{number}-{11 * number}.ec2.internal" for number in range(1, 6)]
NODES_GONE = ["ip-10-0-9-91.ec2.internal", "ip-10-0-9-92.ec2.internal"]
QUEUES = [
    "quartz-umber-iris",
    "tundra-xenon-data",
    "umber-maple-risk",
    "amber-onyx-media",
    "onyx-grove-flint",
    "birch-tundra-growth",
]


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


@pytest.mark.parametrize(
    ("live", "gone", "expected"), [(NODES, NODES_GONE, True), (["a-1", "a-2", "b-1", "b-2"], ["c-1"], False)]
)
def test_object_of_a_node_that_is_gone_is_told_where_a_machine_named_the_nodes(
    tmp_path: Path, live: list[str], gone: list[str], *, expected: bool
) -> None:
    nodes = [thing("Node", name, "", api_version="v1") for name in live]
    maps = [config_map({"devices": "[]"}, f"local-device-{name}", "storage") for name in [*live, *gone]]
    assert told(tmp_path, [*nodes, *maps]) == ({f"local-device-{name}" for name in gone} if expected else set())


def test_name_that_is_cut_beside_its_whole_namespace_is_found_when_gone(tmp_path: Path) -> None:
    spaces = ["billing", "core-dev"]
    queues = [thing("Queue", name, spaces[number % 2]) for number, name in enumerate(QUEUES)]
    live = {f"{spaces[number % 2]}.{name[:12]}": "1" for number, name in enumerate(QUEUES)}
    gone = {"billing.grove-echo-p": "1", "core-dev.jade-birch-b": "1"}
    assert told(tmp_path, [*queues, config_map(live | gone)]) == set(gone)
    longer = [thing("Queue", "grove-echo-pricing", "billing"), thing("Queue", "jade-birch-bus", "core-dev")]
    assert told(tmp_path, [*queues, *longer, config_map(live | gone)]) == set()


def test_first_words_of_names_are_no_cut_names(tmp_path: Path) -> None:
    queues = [
        thing("Queue", f"{first}-{rest}", "billing")
        for first, rest in [("checkout", "api"), ("payments", "web"), ("invoices", "db")]
    ]
    keys = dict.fromkeys(["billing.checkout", "billing.payments", "billing.invoices", "billing.catalogs"], "1")
    assert told(tmp_path, [*queues, config_map(keys)]) == set()
