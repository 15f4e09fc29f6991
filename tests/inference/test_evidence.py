"""Each piece of evidence sorts a case into the level that its page says; the sum is the verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ghostkey.inference.evidence import Case, enough_of, look_at, pieces, weigh, weights
from ghostkey.inference.template import Template, parse_template
from ghostkey.model.events import WORD, HolderMeta, KeysSeen
from ghostkey.model.refs import CONFIG_MAPS, Kind, ObjectRef

TENANT = Kind("demo.example.com", "v1", "Tenant", "tenants", True)
NAMES = tuple(f"shop-{number}" for number in range(10))


def a_map(name: str = "registry", **meta: Any) -> KeysSeen:
    holder = ObjectRef(CONFIG_MAPS, "prod", name)
    held = HolderMeta(meta.pop("labels", {}), meta.pop("annotations", {}), **meta)
    return KeysSeen(holder, "data", (), [*NAMES, "shop-77"], [1] * 11, [WORD] * 11, meta=held)


def case(**changes: Any) -> Case:
    """Ten of ten Tenants have a key, and one key has none."""
    base = Case(
        template=Template("name"), kind=TENANT, maps=(a_map(),), live=frozenset(NAMES), live_names=NAMES,
        gone_names=("shop-77",), near=10, made=11, keys=11, shared=0.0, live_values=frozenset({"word"}), gone_alike=1.0,
        with_uid=0.0, with_name=0.0, is_mounted=False, is_named=False, maps_agreeing=1,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


NODE = {"kind": Kind("", "v1", "Node", "nodes", False)}
PAIR = {"template": parse_template("{namespace}.{name}")}
BUILT_IN = Kind("apps", "v1", "Deployment", "deployments", True)
LAST_APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
LEVELS: dict[str, list[tuple[dict[str, Any], str | None]]] = {
    "objects-with-a-key": [({}, "10-30 objects, >=1, own"), ({"near": 100}, "10-30 objects, <0.2, own")],
    "keys-with-an-object": [({}, "0.8-1, own"), ({"made": 40, "shared": 0.9}, "0.2-0.34, like others")],
    "keys-of-this-form": [({}, "bare names"), ({"template": parse_template("a-{name}"), "keys": 100}, "<0.34")],
    "names": [({}, "own, telling >=1"), ({"kind": BUILT_IN, "live_names": ("api", "db")}, "built-in, settings")],
    "form": [({}, "name"), ({"template": parse_template("{name}.crt")}, "file"), (PAIR, "pair")],
    "values": [({}, "all word"), ({"live_values": frozenset({"json:plan,shard"})}, "records")],
    "others-alike": [({}, "alike >=1, settings <0.01"), ({"gone_names": ()}, None)],
    "provenance": [
        ({}, None),
        ({"maps": (a_map(annotations=LAST_APPLIED),)}, "declared"),
        ({"maps": (a_map(labels={"app.kubernetes.io/managed-by": "Helm"}),)}, "declared"),
        ({"maps": (a_map(owner_kinds=("ExternalSecret",)),)}, "copied"),
        ({"maps": (a_map(annotations={"reflector.v1.k8s.emberstack.com/reflects": "base/x"}),)}, "copied"),
    ],
    "reader": [({}, None), ({"is_mounted": True}, "mounted"), ({"is_named": True}, "named")],
    "writers": [
        ({}, None),
        ({"maps": (a_map(writers=("tenant-operator",)),)}, "controller"),
        ({"maps": (a_map(writers=("kubectl-edit",)),)}, "tools"),
        ({"maps": (a_map(writers=("Mozilla",)),)}, "tools"),  # a console's user, under the name of the browser
        ({"maps": (a_map(writers=("kubectl-create", "manager")),)}, "both"),
    ],
    "family": [({}, None), ({"maps": (a_map(), a_map()), "maps_agreeing": 2}, "2-4")],
    "complete": [
        ({}, "both: >=10 objects, both: >=0.8, both: own"),
        ({"near": 100}, None),
        ({"near": 100, "made": 100}, "neither: >=10 objects, neither: <0.5, neither: own"),
        ({"made": 100}, "objects: 10-30 objects, objects: <0.2, objects: own"),
    ],
    "plain-words": [({}, None), ({"live_names": ("red", "blue", "teal")}, ">=0.8, >=8 objects, own"), (PAIR, None)],
    "vocabulary": [({}, "<0.01"), ({"live_names": ("red", "xl"), "gone_names": ("eu-west-1", "teal")}, ">=0.67"), (PAIR, None)],
    "names-its-kind": [({}, None), ({"template": parse_template("tenant-{name}")}, "key, own"), ({"maps": (a_map(name="tenants"),)}, "map, own")],
    "machine-made": [
        ({}, None),
        ({**NODE, "gone_names": ("switch",)}, "<0.34, <3 lost"),
        ({**NODE, "gone_names": ("worker-be453",)}, ">=1, <3 lost"),
        ({**NODE, "gone_names": ("ip-10-0-3-15.ec2.internal",)}, ">=1, <3 lost"),
        (NODE, ">=1, <3 lost"),  # shop-77 beside shop-0 … shop-9: sparse
        ({**NODE, "gone_names": ("shop-10", "shop-12")}, "<0.34, <3 lost"),  # a plan that counts them all
        ({**NODE, "near": 20}, "<0.34, <3 lost"),  # a table of some
    ],
    "identifiers": [({}, None), ({"with_uid": 0.9}, "UID"), ({"with_name": 0.9}, "name")],
}  # fmt: skip


def test_every_piece_has_its_levels_here() -> None:
    assert LEVELS.keys() == pieces().keys()


@pytest.mark.parametrize(("piece", "changes", "level"), [(p, c, level) for p, rows in LEVELS.items() for c, level in rows])
def test_piece_sees_the_level(piece: str, changes: dict[str, Any], level: str | None) -> None:
    seen = look_at(case(**changes)).get(piece)
    assert (", ".join(seen.parts) if seen else None) == level
    assert seen is None or seen.sentence


def cases_of_all_sorts() -> list[Case]:
    """Every level beside every other that a case can have it with, at shares that no rounding moves over a bound."""
    kinds = [{}, {"shared": 0.9}, {"kind": BUILT_IN}, NODE, {"kind": Kind("", "v1", "Pod", "pods", True)}]
    lives = [("a",), ("red", "blue", "teal"), ("api", "db", "cache"), NAMES, tuple(f"u{n}" for n in range(40))]
    lost: list[dict[str, Any]] = [
        {"gone_names": names, "gone_alike": alike}
        for names in (("shop-77",), ("api", "shop-77"), ("api", "config"), ("worker-be453", "x-1", "y-2", "z"))
        for alike in (0.0, 0.5, 0.8, 0.997, 1.0)
    ]
    forms = [
        {"template": parse_template(text)}
        for text in ("{name}", "{namespace}.{name}", "{namespace}-{name}", "a-{name}", "tenant-{name}", "{name}.crt")
    ]
    maps = [{"maps": (a_map(),)}, {"maps": (a_map("tenants"), a_map("tenants")), "maps_agreeing": 2}]
    return [
        case(live=frozenset(names), live_names=names, near=near, made=made, keys=keys, **kind, **gone, **form, **held)
        for names in lives
        for near in (len(names), 2 * len(names), 10 * len(names))
        for made, keys in ((len(names), 400), (3 * len(names), 400), (9 * len(names), 400))
        for kind in kinds
        for gone in lost[::3]
        for form in forms
        for held in maps
    ] + [case(live_values=frozenset(values), **gone) for values in (["json:a,b"], ["json:a,b", "json:a,c"], ["word"], ["word", "url"]) for gone in lost]  # fmt: skip


@pytest.mark.whole
def test_sentence_names_everything_that_its_weight_is_of() -> None:
    levels: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for one in cases_of_all_sorts():
        for name, seen in look_at(one).items():
            levels.setdefault((name, seen.sentence), set()).add(seen.parts)
    assert {told: found for told, found in levels.items() if len(found) > 1} == {}
    assert len({name for name, _ in levels}) > 10


def test_share_of_nearly_none_is_not_told_as_none() -> None:
    (said,) = [
        piece.sentence for piece in weigh(case(gone_alike=0.001, gone_names=("api",))).pieces if piece.name == "others-alike"
    ]
    assert (
        said
        == "1% of the keys without a live object look like those with one, and 100% of their names are called as settings are"
    )


def test_registry_of_own_names_is_proven_and_a_table_of_some_apps_is_not() -> None:
    assert weigh(case()).bits >= enough_of("own", 1)
    apps = {
        "shared": 1.0,
        "live_names": ("cart", "search", "mail"),
        "live": frozenset({"cart", "search", "mail"}),
    }
    few = case(**apps, near=12, made=6, keys=6, gone_names=("grpc", "jmx", "admin"), live_values=frozenset({"number"}))
    assert weigh(few).bits < 0


def test_weights_know_every_piece() -> None:
    assert set(weights()[1]) <= pieces().keys()
