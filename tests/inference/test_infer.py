"""Keys of live and gone subjects by every naming scheme, and legitimate maps, on generated clusters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from bench.ghosts.__main__ import scan
from bench.ghosts.cluster import Life
from bench.ghosts.clusters import generate
from bench.ghosts.naming import NEEDS_NAMESPACE, SCHEMES

from ghostkey import api
from tests.helpers import analyse, config_map, keys, thing

NAMESPACES = ("prod", "test")
LIVE = [f"tenant-{word}-{number:02d}" for number, word in enumerate(["acorn", "birch", "cedar", "dune", "ember", "fjord"] * 3)]
GONE = [f"tenant-{word}-{number:02d}" for number, word in enumerate(["onyx", "pearl", "raven"] * 2, 40)]
# only the value says what an opaque key is for, and of a name cut short beside its namespace only the namespace is sure
SILENT = {"opaque", "ns.cut"}


@pytest.mark.parametrize("scheme", sorted(SCHEMES.keys() - SILENT))
def test_scheme_is_inferred_and_its_ghosts_found(tmp_path: Path, scheme: str) -> None:
    key_of = SCHEMES[scheme]
    lives = [Life(NAMESPACES[n % 2], name, f"{n:08x}-1111-4222-8333-444444444444") for n, name in enumerate(LIVE)]
    dead = [Life(NAMESPACES[n % 2], name, f"{n:08x}-5555-4666-8777-888888888888") for n, name in enumerate(GONE)]
    tenants = [thing("Tenant", life.name, life.namespace, life.uid) for life in lives]
    registry = config_map({key_of(life): "1" for life in [*lives, *dead]})
    found = keys(analyse(tmp_path, [*tenants, registry]), "ghost-key")
    assert found == {key_of(life) for life in dead} - {key_of(life) for life in lives}


@pytest.mark.parametrize("scheme", sorted(SCHEMES.keys() - SILENT - {"uid"}))
def test_map_that_follows_live_subjects_is_never_flagged(tmp_path: Path, scheme: str) -> None:
    lives = [Life(NAMESPACES[n % 2], name, f"{n:08x}-1111-4222-8333-444444444444") for n, name in enumerate(LIVE)]
    tenants = [thing("Tenant", life.name, life.namespace, life.uid) for life in lives]
    registry = config_map({SCHEMES[scheme](life): "1" for life in lives} | {"version": "3", "settings.yaml": "a: 1"})
    assert not keys(analyse(tmp_path, [*tenants, registry]))


def test_schemes_that_say_the_namespace_are_known_to_the_generator() -> None:
    life, other = Life("prod", "a-b", "u"), Life("test", "a-b", "u")
    assert {name for name, key_of in SCHEMES.items() if key_of(life) != key_of(other)} == NEEDS_NAMESPACE


@pytest.mark.parametrize("seed", [*range(1, 9), *(pytest.param(seed, marks=pytest.mark.whole) for seed in range(9, 201))])
def test_generated_cluster_has_no_false_alarm(tmp_path: Path, seed: int) -> None:
    cluster = generate(seed)
    found, _ = scan(cluster, tmp_path)
    assert found - cluster.ghosts == set()


@pytest.mark.parametrize("seed", [71014, 71019, 71028, 71093, 71139, 78075])  # each had such an alarm once
def test_small_maps_give_no_false_alarm(tmp_path: Path, seed: int) -> None:
    cluster = generate(seed, "small")
    found, _ = scan(cluster, tmp_path)
    assert found <= cluster.ghosts


def test_recall_over_generated_clusters(tmp_path: Path, scale: int) -> None:
    found = missed = 0
    for seed in range(1, 61 if scale > 1 else 7):
        cluster = generate(seed)
        reported, _ = scan(cluster, tmp_path)
        found += len(reported & cluster.ghosts)
        missed += len(cluster.ghosts - cluster.undecidable - reported)
    assert found / (found + missed) >= 0.95


def test_key_cut_to_a_length_is_no_ghost_while_the_longer_name_lives(tmp_path: Path) -> None:
    names = [f"customer-{word}-production" for word in ("acorn", "birch", "cedar", "dune", "ember")]
    tenants = [thing("Tenant", name) for name in names]
    registry = config_map({f"prod.{name[:20]}": "1" for name in names} | {"prod.customer-a": "1"})
    assert not keys(analyse(tmp_path, [*tenants, registry])) & {f"prod.{name[:20]}" for name in names}


def test_child_named_after_a_gone_subject_does_not_keep_its_key_alive(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name) for name in LIVE]
    child = thing("Secret", f"{GONE[0]}-credentials", api_version="v1", data={"a": "Yg=="})
    registry = config_map({f"prod.{name}": "1" for name in [*LIVE, *GONE]})
    assert f"prod.{GONE[0]}" in keys(analyse(tmp_path, [*tenants, child, registry]), "ghost-key")


def test_same_name_in_several_kinds_names_all_and_needs_all_gone(tmp_path: Path) -> None:
    both = [thing(kind, name) for name in LIVE for kind in ("Tenant", "Billing")]
    half = thing("Billing", GONE[0])
    registry = config_map({f"prod.{name}": "1" for name in [*LIVE, *GONE]})
    findings = analyse(tmp_path, [*both, half, registry], only="ghost-key")
    assert keys(findings) == {f"prod.{name}" for name in GONE[1:]}
    assert {subject.kind.kind for subject in findings[0].subjects} == {"Tenant", "Billing"}


def test_cost_of_a_map_is_not_quadratic_in_its_keys(tmp_path: Path) -> None:
    """Counted, not timed: how often names are looked up for ten times the keys."""
    from ghostkey.inference import index

    counts = []
    for size in (2_000, 20_000):
        names = [f"tenant-{number:06d}" for number in range(size)]
        objects = [thing("Tenant", name) for name in names]
        path = tmp_path / f"{size}.json"
        items = [*objects, config_map({f"prod.{name}": "1" for name in [*names, *GONE]})]
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        snapshot = api.collect(api.manifests([str(path)]))
        looked = 0
        original = index.SubjectIndex.named

        def count(self: index.SubjectIndex, name: str, original=original):  # type: ignore[no-untyped-def]
            nonlocal looked
            looked += 1
            return original(self, name)

        index.SubjectIndex.named = count  # type: ignore[method-assign]
        try:
            assert keys(api.analyse(snapshot), "ghost-key") == {f"prod.{name}" for name in GONE}
        finally:
            index.SubjectIndex.named = original  # type: ignore[method-assign]
        counts.append(looked)
    assert counts[1] <= 2 * counts[0]


def test_name_that_lives_in_another_namespace_does_not_keep_a_key_alive(tmp_path: Path) -> None:
    names = [f"shop-{number}" for number in range(6)]
    tenants = [thing("Tenant", name, "prod") for name in names]
    elsewhere = [thing("Tenant", name, "test") for name in [*names[:5], "shop-9"]]
    registry = config_map({f"prod.{name}": "1" for name in [*names, "shop-7", "shop-8", "shop-9"]})
    found = keys(analyse(tmp_path, [*tenants, *elsewhere, registry]), "ghost-key")
    assert found == {"prod.shop-7", "prod.shop-8", "prod.shop-9"}


def namespaces_map(odd: str, value: str, text: str = "{}", left_out: int = 0) -> list[dict[str, object]]:
    """Twenty namespaces of one or two words with a key each (but for the last few), and one key more."""
    names = [f"{word}{end}" for word in ("acorn", "birch", "cedar", "dune", "ember") for end in ("", "-dev", "-prod", "-stage")]
    spaces = [thing("Namespace", name, "", api_version="v1") for name in names]
    data = {text.format(name): str(100 + number) for number, name in enumerate(names[: len(names) - left_out])}
    manager = {"managedFields": [{"manager": "operator", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {
        f"f:{key}": {} for key in [*data, odd]}}}]}  # fmt: skip
    return [*spaces, config_map(data | {odd: value}, "namespace-state", metadata=manager)]


@pytest.mark.parametrize(
    ("odd", "value", "text", "left_out", "is_ghost"),
    [
        ("shard-mobile-dev-2-eu", "7", "shard-{}", 0, True),  # the operator's text is around it
        ("mobile-dev-2-eu", "7", "{}", 0, True),  # one for each, and one more
        ("mobile-dev-2-eu", "7", "{}", 12, False),  # a table of some of them
        ("shard-mobile-dev-2-eu", "-----BEGIN CERTIFICATE-----", "shard-{}", 0, False),  # another sort of value
        ("shard-default-config", "7", "shard-{}", 0, False),  # words that settings are called by
        ("max-retry-count", "7", "{}", 0, False),
    ],
)
def test_name_that_is_built_in_another_way_than_its_neighbours(
    tmp_path: Path, odd: str, value: str, text: str, left_out: int, is_ghost: bool
) -> None:
    assert (odd in keys(analyse(tmp_path, namespaces_map(odd, value, text, left_out)), "ghost-key")) is is_ghost


@pytest.mark.parametrize(("keys_of", "expected"), [(range(1, 13), "suspect"), ([1, 2, 3, 4, 5, 6, 7, 10, 12], "found")])
def test_nodes_that_count_on_may_be_yet_to_come(tmp_path: Path, keys_of: Iterable[int], expected: str) -> None:
    """A table of a rack's twelve places, seven of which have a Node; and one with the nodes 10 and 12, but not those between."""
    nodes = [thing("Node", f"node-{number}", "", api_version="v1") for number in range(1, 8)]
    table = config_map({f"node-{number}": json.dumps({"shard": number, "zone": "a"}) for number in keys_of})
    found = [finding for finding in analyse(tmp_path, [*nodes, table]) if finding.analysis == "ghost-key"]
    assert {finding.state for finding in found} == {expected}
    assert {finding.key.key for finding in found} == {f"node-{number}" for number in keys_of if number > 7}
