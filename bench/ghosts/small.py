"""Small registries and small tables, many to a cluster: where the evidence is thin, and has to be weighed with most care."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

SYLLABLES = [
    "ga",
    "lu",
    "ba",
    "ro",
    "me",
    "ka",
    "so",
    "fa",
    "no",
    "mi",
    "ra",
    "ve",
    "lo",
    "ter",
    "dab",
    "ri",
    "on",
    "kol",
    "zi",
    "pa",
]
TAILS = ["eu", "us", "inc", "gmbh", "prod", "main", "2", "17", "v2", "blue"]
CONSTANTS = [
    "created-by", "operator-version", "next-id", "schema-version", "last-sync", "default", "config.yaml", "leader", "checksum",
    "issuing-ca", "team-default", "global", "enabled", "owner", "template",
]  # fmt: skip
BUILT_IN = ["Namespace", "Node"]
ADD = Callable[..., None]
PUT = Callable[..., None]


def brands(rng: random.Random, style: str) -> Iterator[str]:
    """Endless different names, as customers, sites and databases have."""
    seen: set[str] = set()
    while True:
        word = "".join(rng.choices(SYLLABLES, k=rng.randint(2, 4)))
        tail = rng.choice(TAILS)
        name = {
            "word": word,
            "mixed": rng.choice([word, f"{word}-{tail}"]),
            "tailed": f"{word}-{tail}",
            "numbered": f"{word}-{rng.randrange(1000):03d}",
            "hexed": f"{word[:4]}-{rng.getrandbits(20):05x}",
        }[style]
        if name not in seen:
            seen.add(name)
            yield name


SCHEMES: dict[str, Callable[[str, str], str]] = {
    "name": lambda _, name: name,
    "name.json": lambda _, name: f"{name}.json",
    "name.crt": lambda _, name: f"{name}.crt",
    "prefix": lambda _, name: f"shard-{name}",
    "suffix": lambda _, name: f"{name}-endpoint",
    "pair.": lambda namespace, name: f"{namespace}.{name}",
    "pair-": lambda namespace, name: f"{namespace}-{name}",
    "pair_": lambda namespace, name: f"{namespace}_{name}",
}
VALUES: list[Callable[[random.Random], str]] = [
    lambda rng: json.dumps({"plan": rng.choice(["gold", "tin"]), "shard": rng.randrange(9)}),
    lambda rng: json.dumps({"id": rng.randrange(999)}),
    lambda rng: str(rng.randrange(9999)),
    lambda _: "assigned",
    lambda rng: f"10.0.{rng.randrange(255)}.{rng.randrange(255)}",
    lambda rng: rng.choice(["true", "false"]),
    lambda _: "",
    lambda _: '["a", "b"]',
    lambda _: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
]


def small(rng: random.Random, add: ADD, put: PUT, namespaces: list[str], count: int, objects: list[dict[str, Any]]) -> None:
    """Adds `count` maps, each about a kind of its own, and some of built-in kinds; `put` gets (namespace, name, data, metadata, ghosts)."""
    style = rng.choice(["ip-10-0-{}-{}.eu-central-1.compute.internal", "worker-{}-{}", "gke-pool-{}-{:04x}", "node{}{}"])
    for _ in range(rng.choice([0, 0, 5, 15, 40])):
        add("Node", "", "", style.format(rng.randrange(4), rng.randrange(250)))
    for number, kind in enumerate(BUILT_IN):
        live = sorted({o["metadata"]["name"] for o in objects if o["kind"] == kind})
        if live:
            (_of_built_in if rng.random() < 0.6 else _some_of_built_in)(rng, put, namespaces, kind, live, number)
    for number in range(count):
        kind = (f"Sort{chr(65 + number)}", f"sort{number}.example.com")
        (_registry if rng.random() < 0.6 else _table)(rng, add, put, namespaces, kind, number)


def _of_built_in(rng: random.Random, put: PUT, namespaces: list[str], kind: str, live: list[str], number: int) -> None:
    """A registry of all namespaces, nodes … there are, and of a few that were."""
    scheme = SCHEMES[rng.choice(["name", "name", "name", "prefix", "suffix", "name.json"])]
    value = rng.choice(VALUES)
    system = {"default", "kube-system", "platform"}
    kept = [name for name in live if name not in system or rng.random() < 0.7]
    gone = [
        f"{rng.choice(live)}-{tail}" if rng.random() < 0.5 else tail + rng.choice(SYLLABLES)
        for tail in rng.sample(TAILS, rng.randint(1, 3))
    ]
    gone = [name for name in gone if name not in live]
    data = {scheme("", name): value(rng) for name in [*kept, *gone]}
    put(rng.choice(namespaces), f"{kind.lower()}-ids-{number}", data, {}, {scheme("", name) for name in gone})


def _some_of_built_in(rng: random.Random, put: PUT, namespaces: list[str], kind: str, live: list[str], number: int) -> None:
    """Settings for a few of them, and for what is none."""
    scheme = SCHEMES[rng.choice(["name", "name", "prefix", "suffix", "name.json"])]
    value = rng.choice(VALUES)
    some = rng.sample(live, max(1, int(len(live) * rng.choice([0.1, 0.3, 0.5, 0.7]))))
    stream = brands(rng, rng.choice(["word", "mixed", "tailed"]))
    others = [next(stream) if rng.random() < 0.5 else rng.choice(CONSTANTS) for _ in range(rng.randint(1, 6))]
    put(
        rng.choice(namespaces),
        f"{kind.lower()}-some-{number}",
        {scheme("", name): value(rng) for name in [*some, *others]},
        {},
        set(),
    )


def _registry(rng: random.Random, add: ADD, put: PUT, namespaces: list[str], kind: tuple[str, str], number: int) -> None:
    stream = brands(rng, rng.choice(["word", "mixed", "tailed", "numbered", "hexed"]))
    scheme = SCHEMES[rng.choice(sorted(SCHEMES))]
    value = rng.choice(VALUES)
    homes = rng.sample(namespaces, min(len(namespaces), rng.randint(1, 3)))
    live = [(rng.choice(homes), next(stream)) for _ in range(rng.choice([1, 2, 3, 4, 5, 6, 8, 10, 15, 25]))]
    gone = [(rng.choice(homes), next(stream)) for _ in range(rng.choice([1, 1, 2, 3, 4, 6]))]
    for namespace, name in live:
        add(*kind, namespace, name)
    # some registries are not complete: a class of the objects has no key
    kept = live if rng.random() < 0.8 else live[: max(1, int(len(live) * rng.uniform(0.3, 0.9)))]
    data = {scheme(*life): value(rng) for life in [*kept, *gone]}
    if rng.random() < 0.3:
        data |= {constant: rng.choice([value(rng), "1"]) for constant in rng.sample(CONSTANTS, rng.randint(1, 3))}
    put(rng.choice(namespaces), f"book-{number}", data, {}, {scheme(*life) for life in gone})


def _table(rng: random.Random, add: ADD, put: PUT, namespaces: list[str], kind: tuple[str, str], number: int) -> None:
    """A person's table of customers, of whom some have a custom resource: what has none was never one."""
    stream = brands(rng, rng.choice(["word", "mixed", "tailed"]))
    scheme = SCHEMES[rng.choice(["name", "name", "name.json", "name.crt", "prefix", "suffix"])]
    value = rng.choice(VALUES)
    names = [next(stream) for _ in range(rng.randint(4, 14))]
    with_object = names[: rng.randint(1, max(1, len(names) // 2))]
    for name in [*with_object, *(next(stream) for _ in range(rng.choice([0, 0, 1, 4, 12])))]:
        add(*kind, rng.choice(namespaces), name)
    metadata: dict[str, Any] = {}
    data = {scheme("", name): value(rng) for name in names}
    chance = rng.random()
    if chance > 0.85:
        owner = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "name": "x",
            "uid": "0" * 8,
            "controller": True,
        }
        metadata = {"ownerReferences": [owner]}
    if chance < 0.3:
        metadata = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": data})}}
    put(rng.choice(namespaces), f"table-{number}", data, metadata, set())
