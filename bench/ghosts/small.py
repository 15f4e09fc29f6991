"""Small registries and small tables, many to a cluster: where the evidence is thin, and has to be weighed with most care."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import zlib
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


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _camel(text: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[^a-z0-9]", text))


def _safe_hash(text: str) -> str:
    """Kubernetes' SafeEncodeString of FNV-1a in decimal."""
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join("bcdfghjklmnpqrstvwxz2456789"[ord(digit) % 27] for digit in str(state))


def _time(text: str) -> str:
    number = int(_sha(text)[:8], 16)
    return f"2026{number % 12 + 1:02d}{number % 28 + 1:02d}-{number % 24:02d}{number % 60:02d}00"


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
# how programs write keys, and hardly anybody else
MACHINE_SCHEMES: dict[str, Callable[[str, str], str]] = {
    "base64url": lambda namespace, name: base64.urlsafe_b64encode(f"{namespace}/{name}".encode()).decode().rstrip("="),
    "base64url-name": lambda _, name: base64.urlsafe_b64encode(name.encode()).decode().rstrip("="),
    "base32": lambda namespace, name: base64.b32encode(f"{namespace}/{name}".encode()).decode().rstrip("=").lower(),
    "hex": lambda namespace, name: f"{namespace}/{name}".encode().hex(),
    "-2F": lambda namespace, name: f"{namespace}-2F{name}",
    "camel": lambda _, name: _camel(name),
    "camel-pair": lambda namespace, name: _camel(f"{namespace}-{name}"),
    "squashed": lambda _, name: name.replace("-", ""),
    "crc32": lambda namespace, name: f"{zlib.crc32(f'{namespace}/{name}'.encode()):08x}",
    "name-safe-hash": lambda _, name: f"{name}-{_safe_hash(name)}",
    "name.action.time": lambda _, name: f"{name}.pod-kill.{_time(name)}",
    "pair.action.time": lambda namespace, name: f"{namespace}.{name}.{_time(name)}",
    "time.name": lambda _, name: f"{_time(name)}.{name}",
    "name--node": lambda _, name: f"{name}--node-{int(_sha(name)[:4], 16) % 3}",
    "cut-hash": lambda _, name: name if len(name) <= 12 else f"{name[:6]}-{_sha(name)[:5]}",
    "cidr|range": lambda _, name: ("cidr-", "range-")[int(_sha(name)[:4], 16) % 2] + name,
}
TITLES = ["book", "table", "index", "registry", "settings", "map", "state", "config", "assignments", "info"]


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
    _of_services(rng, put, namespaces, objects)
    _of_pods(rng, add, put, namespaces)
    _of_kind_not_shown(rng, add, put, namespaces)
    for number in range(count):
        kind = (f"Sort{chr(65 + number)}", f"sort{number}.example.com")
        (_registry if rng.random() < 0.6 else _table)(rng, add, put, namespaces, kind, number)


def _title(rng: random.Random, kind: str, named: float, number: int) -> str:
    """What a map is called: by its kind in some cases, by anything in others."""
    title = f"{rng.choice(TITLES)}-{number}"
    return f"{kind.lower()}-{title}" if rng.random() < named else title


def _of_built_in(rng: random.Random, put: PUT, namespaces: list[str], kind: str, live: list[str], number: int) -> None:
    """A registry of all namespaces, nodes … there are, and of a few that were."""
    scheme = SCHEMES[rng.choice(["name", "name", "name", "prefix", "suffix", "name.json"])]
    value = rng.choice(VALUES)
    system = {"default", "kube-system", "platform"}
    forgotten = rng.choice([0.0, 0.0, 0.1]) if kind == "Node" else 0.0  # machines that came just now
    kept = [name for name in live if (name not in system or rng.random() < 0.7) and rng.random() >= forgotten]
    gone = [
        f"{rng.choice(live)}-{tail}" if rng.random() < 0.5 else tail + rng.choice(SYLLABLES)
        for tail in rng.sample(TAILS, rng.randint(1, 3))
    ]
    if kind == "Node" and len(live) > 4 and rng.random() < 0.5:
        # machines come and go
        gone += [_another_machine(rng, name) for name in rng.choices(live, k=rng.randint(2, 2 * len(live)))]
    gone = sorted({name for name in gone if name not in live})
    data = {scheme("", name): value(rng) for name in [*kept, *gone]}
    put(
        rng.choice(namespaces), _title(rng, kind, 0.5, 100 + number), data, {}, {scheme("", name) for name in gone}, built_in=True
    )


def _another_machine(rng: random.Random, name: str) -> str:
    """A name like this one: the last number of its first label is another."""
    first, dot, domain = name.partition(".")
    return re.sub(r"\d+(?=\D*$)", str(rng.randrange(250)), first) + dot + domain


def _some_of_built_in(rng: random.Random, put: PUT, namespaces: list[str], kind: str, live: list[str], number: int) -> None:
    """Settings for a few of them, and for what is none."""
    scheme = SCHEMES[rng.choice(["name", "name", "prefix", "suffix", "name.json"])]
    value = rng.choice(VALUES)
    some = rng.sample(live, max(1, int(len(live) * rng.choice([0.1, 0.3, 0.5, 0.7]))))
    stream = brands(rng, rng.choice(["word", "mixed", "tailed"]))
    others = [next(stream) if rng.random() < 0.5 else rng.choice(CONSTANTS) for _ in range(rng.randint(1, 6))]
    put(
        rng.choice(namespaces),
        _title(rng, kind, 0.3, 200 + number),
        {scheme("", name): value(rng) for name in [*some, *others]},
        {},
        set(),
    )


def _of_services(rng: random.Random, put: PUT, namespaces: list[str], objects: list[dict[str, Any]]) -> None:
    """Addresses of some Services, of which a few are gone; or values that point to them."""
    live = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in objects if o["kind"] == "Service"]
    if len(live) < 6 or rng.random() < 0.4:
        return
    some = rng.sample(live, rng.randint(5, min(20, len(live))))
    gone = [pair for pair in {(rng.choice(some)[0], f"old-{tail}") for tail in rng.sample(TAILS, 2)} if pair not in live]
    if rng.random() < 0.5:
        data = {f"{name}.{namespace}.svc.cluster.local": "up" for namespace, name in [*some, *gone]}
        put(
            namespaces[0],
            "targets",
            data,
            {},
            {f"{name}.{namespace}.svc.cluster.local" for namespace, name in gone},
            built_in=True,
        )
    else:
        ports = {pair: str(9000 + number) for number, pair in enumerate([*some, *gone])}
        data = {port: f"{namespace}/{name}:80" for (namespace, name), port in ports.items()}
        put(namespaces[0], "tcp", data, {}, {ports[pair] for pair in gone}, built_in=True)


def _of_kind_not_shown(rng: random.Random, add: ADD, put: PUT, namespaces: list[str]) -> None:
    """A registry of objects that the dump does not hold, most of which made a Deployment or Service of their name: nobody can tell."""
    if rng.random() < 0.5:
        return
    stream = brands(rng, rng.choice(["word", "mixed", "tailed", "numbered"]))
    lives = [(rng.choice(namespaces), next(stream)) for _ in range(rng.randint(4, 20))]
    made = lives[: max(3, int(len(lives) * rng.uniform(0.4, 0.9)))]
    kinds = [("Deployment", "apps"), ("Service", ""), ("StatefulSet", "apps")]
    for namespace, name in made:
        for kind in rng.sample(kinds, rng.randint(1, 2)):
            add(*kind, namespace, name)
    scheme = SCHEMES[rng.choice(["name", "pair.", "pair-", "pair_", "name.json", "prefix"])]
    value = rng.choice(VALUES)
    put(rng.choice(namespaces), _title(rng, "tenant", 0.3, 300), {scheme(*life): value(rng) for life in lives}, {}, set())


def _of_pods(rng: random.Random, add: ADD, put: PUT, namespaces: list[str]) -> None:
    """What is attached for each Pod of a namespace, by its name or by its name and node."""
    if rng.random() < 0.5:
        return
    stream = brands(rng, "word")
    home = rng.choice(namespaces)
    apps = [f"{next(stream)}-{rng.getrandbits(36):09x}" for _ in range(rng.randint(2, 8))]
    pods = [f"{app}-{''.join(rng.choices('bcdfghjklmnpqrstvwxz2456789', k=5))}" for app in apps for _ in range(rng.randint(1, 4))]
    gone = set(rng.sample(pods, max(1, len(pods) // 5)))
    for pod in pods:
        if pod not in gone:
            add("Pod", "", home, pod)
    scheme = rng.choice([lambda pod: pod, lambda pod: f"{pod}--node-{len(pod) % 3}", lambda pod: f"{pod}.state"])
    put(home, "attached", {scheme(pod): "1" for pod in pods}, {}, {scheme(pod) for pod in gone}, built_in=True)


def _registry(rng: random.Random, add: ADD, put: PUT, namespaces: list[str], kind: tuple[str, str], number: int) -> None:
    stream = brands(rng, rng.choice(["word", "mixed", "tailed", "numbered", "hexed"]))
    word = rng.choice(sorted([*SCHEMES, *SCHEMES, *MACHINE_SCHEMES, "kind"]))
    scheme = {**SCHEMES, **MACHINE_SCHEMES, "kind": lambda _, name: f"{kind[0].lower()}-{name}"}[word]
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
    put(rng.choice(namespaces), _title(rng, kind[0], 0.4, number), data, {}, {scheme(*life) for life in gone})


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
    put(rng.choice(namespaces), _title(rng, kind[0], 0.2, number), data, metadata, set())
