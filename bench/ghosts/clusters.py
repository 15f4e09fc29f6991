"""Generated clusters: registries that leak in every way keys are built, and legitimate maps that only look like it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bench.ghosts.hands import hands
from bench.ghosts.small import small
from bench.ghosts.surroundings import surround

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "iris",
    "jade",
    "kestrel",
    "lagoon",
    "maple",
    "nectar",
    "onyx",
    "pearl",
    "quartz",
    "raven",
    "sable",
    "tundra",
    "umber",
    "violet",
    "willow",
    "xenon",
    "yarrow",
    "zephyr",
    "acorn",
    "basalt",
    "cobalt",
    "dune",
    "echo",
    "flint",
    "garnet",
    "hazel",
    "indigo",
    "juniper",
]
TEAMS = [
    "payments",
    "search",
    "billing",
    "media",
    "risk",
    "identity",
    "growth",
    "data",
    "ml",
    "core",
    "edge",
    "mobile",
    "web",
    "legal",
    "finance",
    "ops",
]
COMPONENTS = [
    "api",
    "worker",
    "gateway",
    "scheduler",
    "cache",
    "indexer",
    "mailer",
    "router",
    "proxy",
    "frontend",
    "importer",
    "exporter",
]
FIELDS = ["limit", "memory", "timeout", "max-conns", "retries", "pool.size", "cache.ttl", "log-level", "url", "weight"]
KINDS = [
    ("Tenant", "demo.example.com", True), ("Database", "db.example.org", True), ("Site", "web.example.net", False),
    ("Pipeline", "ci.example.io", True), ("Bucket", "storage.example.com", False), ("Queue", "mq.example.org", True),
]  # fmt: skip
BUILTIN = [("Deployment", "apps", True), ("Service", "", True), ("Node", "", False), ("StatefulSet", "apps", True)]

Truth = tuple[str, str, tuple[str, ...], str]
"""Namespace and name of a map, path into a document, key."""


@dataclasses.dataclass
class Cluster:
    """One generated cluster: its objects as manifests, its ghosts, and the maps that must never be flagged."""

    seed: int
    objects: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    ghosts: set[Truth] = dataclasses.field(default_factory=set)
    undecidable: set[Truth] = dataclasses.field(default_factory=set)
    legitimate: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)
    live: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    services: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    kinds: set[str] = dataclasses.field(default_factory=set)
    registries: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    built_in: set[tuple[str, str]] = dataclasses.field(default_factory=set)  # registries of Nodes, Services and the like
    by_name: dict[Truth, str] = dataclasses.field(default_factory=dict)  # ghosts of which the key has the name alone
    keys: int = 0


@dataclasses.dataclass(frozen=True)
class Life:
    """One subject, alive or gone."""

    namespace: str
    name: str
    uid: str


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fnv(text: str) -> str:
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{state:08x}"


SCHEMES: dict[str, Callable[[Life], str]] = {
    "name": lambda s: s.name,
    "uid": lambda s: s.uid,
    "ns.name": lambda s: f"{s.namespace}.{s.name}",
    "ns-name": lambda s: f"{s.namespace}-{s.name}",
    "ns_name": lambda s: f"{s.namespace}_{s.name}",
    "ns--name": lambda s: f"{s.namespace}--{s.name}",
    "name.ns": lambda s: f"{s.name}.{s.namespace}",
    "name_ns": lambda s: f"{s.name}_{s.namespace}",
    "prefix-name": lambda s: f"registry-{s.name}",
    "prefix.ns.name": lambda s: f"entry.{s.namespace}.{s.name}",
    "name.json": lambda s: f"{s.name}.json",
    "ns.name.yaml": lambda s: f"{s.namespace}.{s.name}.yaml",
    "uid.suffix": lambda s: f"{s.uid}.state",
    "prefix-uid": lambda s: f"id-{s.uid}",
    "name-hash": lambda s: f"{s.name}-{_sha(s.uid)[:8]}",
    "ns.name-hash": lambda s: f"{s.namespace}.{s.name}-{_sha(s.name)[:10]}",
    "sanitised": lambda s: re.sub(r"[^a-z0-9]", "_", f"{s.namespace}/{s.name}"),
    "upper": lambda s: re.sub(r"[^A-Z0-9]", "_", f"{s.namespace}_{s.name}".upper()),
    "sha256": lambda s: _sha(f"{s.namespace}/{s.name}"),
    "sha-short": lambda s: _sha(s.name)[:16],
    "truncated-hash": lambda s: s.name if len(s.name) <= 20 else f"{s.name[:14]}-{_sha(s.name)[:5]}",
    "opaque": lambda s: "e" + _sha(s.uid)[:11],
    "kind.ns.name": lambda s: f"tenant.{s.namespace}.{s.name}",
    "ns.name.field": lambda s: f"{s.namespace}.{s.name}.host",
    "name__ns": lambda s: f"{s.name}__{s.namespace}",
    "uid-undashed": lambda s: s.uid.replace("-", ""),
    "uid-short": lambda s: s.uid[:8],
    "name-uid-short": lambda s: f"{s.name}-{s.uid[:8]}",
    "name.uid": lambda s: f"{s.name}.{s.uid}",
    "ns.uid": lambda s: f"{s.namespace}.{s.uid}",
    "fnv": lambda s: _fnv(f"{s.namespace}/{s.name}"),
    "name-fnv-ns": lambda s: f"{s.name}-{_fnv(f'{s.namespace}/{s.name}')}",
    "md5-ns": lambda s: hashlib.md5(f"{s.namespace}/{s.name}".encode(), usedforsecurity=False).hexdigest(),
    "sha256-uid": lambda s: _sha(s.uid),
    "prefix-sha": lambda s: "k-" + _sha(s.name)[:12],
    "cut": lambda s: s.name[:16],
    "ns.cut": lambda s: f"{s.namespace}.{s.name[:12]}",
    "ns-name-cut-hash": lambda s: f"{s.namespace}-{s.name}"[:20] + "-" + _sha(s.namespace + s.name)[:6],
    "upper-name": lambda s: re.sub(r"[^A-Z0-9]", "_", s.name.upper()),
    "prefix-upper-ns": lambda s: "TENANT_" + re.sub(r"[^A-Z0-9]", "_", f"{s.namespace}_{s.name}".upper()),
    "name.properties": lambda s: f"{s.name}.properties",
    "ns..name": lambda s: f"{s.namespace}..{s.name}",
    "around.ns.name": lambda s: f"c1.{s.namespace}.{s.name}.v1",
    "underscored": lambda s: re.sub(r"[^a-z0-9]", "_", s.name),
    "ns.underscored": lambda s: f"{s.namespace}.{re.sub(r'[^a-z0-9]', '_', s.name)}",
    "around--ns--name": lambda s: f"svc--{s.namespace}--{s.name}--cfg",
    "name-index": lambda s: f"{s.name}-0",
}
NEEDS_NAMESPACE = {k for k in SCHEMES if "ns" in re.split(r"[^a-z]+", k)} | {"sanitised", "upper", "sha256", "fnv"}


def names(rng: random.Random, style: str) -> Iterator[str]:
    """Endless different names of one style."""
    number, seen = rng.randrange(100), set()
    while True:
        number += rng.randint(1, 3)
        a, b, c = rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS)
        tail = "".join(rng.choices(string.digits + "abcdef", k=5))
        name = {
            "numbered": f"tenant-{number:04d}",
            "bare-number": f"t{number}",
            "words": f"{a}-{b}-{number}",
            "hexed": f"{a}-{tail}",
            "long": f"{a}-{b}-{c}-{rng.choice(TEAMS)}-{number}",
            "dotted": f"{a}.{b}{number}.example",
        }[style]
        if name not in seen:
            seen.add(name)
            yield name


def generate(seed: int, mode: str = "") -> Cluster:
    """The cluster of a seed, with what a mode of `surroundings` adds: custom resources beside settings, registries of plain words."""
    rng = random.Random(seed)
    cluster = Cluster(seed)
    namespaces = rng.sample([f"{t}-{e}" for t in TEAMS for e in ("dev", "stage", "prod")] + TEAMS, rng.randint(2, 25))
    if rng.random() < 0.2:
        namespaces = rng.sample(TEAMS + WORDS, len(namespaces))  # one word each
    for namespace in [*namespaces, "kube-system", "default", "platform"]:
        _add(cluster, "Namespace", "", "", namespace)
        _add_map(cluster, namespace, "kube-root-ca.crt", {"ca.crt": _pem(rng)}, legitimate=True)
    dead_namespaces = [f"{rng.choice(WORDS)}-{n}" for n in range(rng.randint(0, 3))]
    deployments = _workloads(rng, cluster, namespaces, random.Random(f"{seed}/apps"))
    budget = int(10 ** rng.uniform(0, 5 if seed % 20 == 0 else 3.3))
    for number in range(rng.randint(1, 4)):
        _registry(rng, cluster, namespaces, dead_namespaces, max(1, budget // (number + 1)), number)
    _decoys(rng, cluster, namespaces, deployments)
    if mode:
        beside = random.Random(f"{seed}/{mode}")

        def add(kind: str, group: str, namespace: str, name: str) -> None:
            _add(cluster, kind, group, namespace, name)

        for name, data, metadata in surround(mode, beside, add, namespaces, deployments, WORDS):
            _add_map(cluster, beside.choice(namespaces), f"{name}-{beside.randrange(100)}", data, metadata, legitimate=True)
        if mode == "plain":
            _plain_registry(beside, cluster, namespaces)
        if mode == "small":

            def put(
                namespace: str,
                name: str,
                data: dict[str, str],
                metadata: dict[str, Any],
                gone: set[str],
                *,
                built_in: bool = False,
            ) -> None:
                if built_in:
                    cluster.built_in.add((namespace, name))
                if gone:
                    cluster.registries.add((namespace, name))
                _add_map(cluster, namespace, name, data, metadata, legitimate=not gone)
                cluster.ghosts |= {(namespace, name, (), key) for key in gone}

            small(beside, add, put, namespaces, 8, cluster.objects)
    # of a name that lives in another kind, elsewhere, nobody can say which was meant
    names = {name for _, name in cluster.live}
    cluster.undecidable |= {truth for truth, name in cluster.by_name.items() if name in names}
    hands(random.Random(f"{seed}/hands"), cluster.objects, cluster.registries)
    cluster.keys = sum(len(o.get("data") or ()) for o in cluster.objects)
    return cluster


def _registry(
    rng: random.Random, cluster: Cluster, namespaces: list[str], dead_namespaces: list[str], count: int, number: int
) -> None:
    # each registry is about another kind: two of one kind, and a name gone from one may live in the other
    kind, group, namespaced = rng.choice([known for known in KINDS if known[0] not in cluster.kinds])
    cluster.kinds.add(kind)
    style = rng.choice(["numbered", "bare-number", "words", "hexed", "long", "dotted"])
    scheme = rng.choice(sorted(SCHEMES if namespaced else SCHEMES.keys() - NEEDS_NAMESPACE))
    if style == "dotted" and scheme == "name.ns":
        scheme = "ns.name"
    share = rng.choice([0.0, 0.0, 0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 1.0])
    total = max(count, 1)
    gone = round(total * share)
    stream = names(rng, style)
    homes = [*namespaces] if namespaced else [""]
    lives = [Life(rng.choice(homes), next(stream), _uid(rng)) for _ in range(total - gone)]
    dead_homes = homes + (dead_namespaces if namespaced else [])
    dead = [Life(rng.choice(dead_homes), next(stream), _uid(rng)) for _ in range(gone)]
    gone_uids = {life.uid for life in dead}
    for life in lives:
        _add(cluster, kind, group, life.namespace, life.name, life.uid)
    if rng.random() < 0.2 and lives:
        # the same names in another kind, as a Service beside every custom resource
        for life in lives:
            if life.namespace:
                _add(cluster, "Service", "", life.namespace, life.name)
                owner = {"apiVersion": f"{group}/v1", "kind": kind, "name": life.name, "uid": life.uid, "controller": True}
                cluster.objects[-1]["metadata"].setdefault("ownerReferences", [owner])
    value = _value(rng, scheme)
    layout = rng.choice(
        ["one", "one", "one", "per-namespace", "sharded", "nested"] if namespaced else ["one", "sharded", "nested"]
    )
    if layout == "nested" and scheme == "opaque":
        layout = "one"  # the entries of the document say nothing of their subject
    if layout == "per-namespace" and dead_namespaces:
        layout = "one"
    title = rng.choice(["registry", "index", "state", "assignments"])
    holder = f"{kind.lower() if rng.random() < 0.5 else 'app'}-{title}-{'x' * number}".rstrip("-")
    key_of = SCHEMES[scheme]
    places: dict[tuple[str, str], dict[str, str]] = {}
    truth: dict[tuple[str, str], set[str]] = {}
    alive_in: dict[tuple[str, str], int] = {}
    for life in [*lives, *dead]:
        if layout == "per-namespace":
            place = (life.namespace, holder)
        elif layout == "sharded":
            place = ("platform", f"{holder}-{int(_sha(life.uid), 16) % 4}")
        else:
            place = ("platform", holder)
        key = key_of(life)
        if key in places.get(place, {}):
            continue
        if scheme == "opaque" and life.uid in gone_uids and (life.namespace, life.name) in cluster.live:
            continue  # gone by UID, alive by name: which one the value tells decides
        places.setdefault(place, {})[key] = value(life)
        if life.uid in gone_uids and ("uid" in scheme or (life.namespace, life.name) not in cluster.live):
            truth.setdefault(place, set()).add(key)
        else:
            alive_in[place] = alive_in.get(place, 0) + 1
    declared = share == 1.0 and scheme in {"name", "ns.name", "ns_name", "uid"} and layout != "nested"
    name_of = {key_of(life): life.name for life in dead} if scheme not in NEEDS_NAMESPACE and "uid" not in scheme else {}
    for (namespace, name), data in places.items():
        cluster.registries.add((namespace, name))
        annotations = {}
        if declared:
            template = {"name": "{name}", "ns.name": "{namespace}.{name}", "ns_name": "{namespace}_{name}", "uid": "{uid}"}[
                scheme
            ]
            annotations = {"ghostkey.dev/subject": f"{kind.lower()}s.{group}={template}"}
            _define(cluster, kind, group, namespaced)
        content = data
        path: tuple[str, ...] = ()
        if layout == "nested":
            document = {"version": 1, "entries": {key: {"plan": "gold", "n": n} for n, key in enumerate(data)}}
            content, path = {"state.json": json.dumps(document)}, ("state.json", "entries")
        _add_map(cluster, namespace, name, content, {"annotations": annotations} if annotations else None)
        ghosts = {(namespace, name, path, key) for key in truth.get((namespace, name), ())}
        # Nothing in the cluster says what a map is about when none of its subjects is left.
        if not alive_in.get((namespace, name)) and not declared:
            cluster.undecidable |= ghosts
        cluster.ghosts |= ghosts
        cluster.by_name |= {truth: name_of[truth[3]] for truth in ghosts if truth[3] in name_of}
        if not ghosts:
            cluster.legitimate.add((namespace, name))
    cluster.notes.append(f"{kind} {scheme} {style} {layout} {len(lives)} live {len(dead)} gone{' declared' if declared else ''}")


def _plain_registry(rng: random.Random, cluster: Cluster, namespaces: list[str]) -> None:
    """A registry of objects that are called by plain words, or of built-in kinds: what an inference from names alone has least of."""
    what = rng.choice(["Namespace", "Node", "Word", "Service"])
    gone = rng.sample(["billing2", "legacy", "oldteam", "alpha", "omega", "retired"], rng.randint(1, 3))
    if what == "Namespace":
        live = [*namespaces, "kube-system", "default", "platform"]
    elif what == "Node":
        live = sorted(o["metadata"]["name"] for o in cluster.objects if o["kind"] == "Node")
        gone = [f"node-{n}" for n in rng.sample(range(20, 40), rng.randint(1, 5))]
    elif what == "Word":
        live = rng.sample(WORDS, rng.randint(5, 25))
        for name in live:
            _add(cluster, "Tenant2", "plain.example.com", "", name)
    else:
        pairs = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in cluster.objects if o["kind"] == "Service"]
        live = [f"{ns}.{name}" for ns, name in pairs]
        gone = [f"{ns}.{name}-old" for ns, name in rng.sample(pairs, min(len(pairs), rng.randint(1, 4)))]
    gone = [name for name in gone if name not in live]
    value = rng.choice(
        [
            lambda: json.dumps({"id": rng.randrange(99), "shard": rng.randrange(9)}),
            lambda: str(rng.randrange(9999)),
            lambda: "assigned",
        ]
    )
    name = f"{what.lower()}-id"
    cluster.registries.add(("platform", name))
    if what != "Word":
        cluster.built_in.add(("platform", name))
    _add_map(cluster, "platform", name, {key: value() for key in [*live, *gone]})
    cluster.ghosts |= {("platform", name, (), key) for key in gone}
    cluster.notes.append(f"plain {what} {len(live)} live {len(gone)} gone")


def _value(rng: random.Random, scheme: str) -> Callable[[Life], str]:
    if scheme == "opaque":
        return rng.choice(
            [
                lambda s: json.dumps({"uid": s.uid, "phase": "Ready"}),
                lambda s: f"{s.namespace}/{s.name}" if s.namespace else json.dumps({"uid": s.uid}),
                lambda s: s.uid,
            ]
        )
    return rng.choice(
        [
            lambda s: json.dumps({"plan": rng.choice(["gold", "silver"]), "shard": rng.randrange(8)}),
            lambda s: str(rng.randrange(1000)),
            lambda s: "assigned",
            lambda s: json.dumps({"uid": s.uid, "name": s.name, "namespace": s.namespace}),
            lambda s: "",
            lambda s: f"node-{rng.randrange(5)}:90{rng.randrange(10)}",
        ]
    )


def _workloads(rng: random.Random, cluster: Cluster, namespaces: list[str], naming: random.Random) -> list[tuple[str, str]]:
    """Deployments with all that belongs to them, called by one word, or by that of a thing and what they do for it: `cart-api`."""
    made = []
    things = naming.choice([[""], [f"{word}-" for word in naming.sample(WORDS, 6)]])
    for namespace in namespaces:
        for component in rng.sample(COMPONENTS, rng.randint(1, 6)):
            name = naming.choice(things) + component
            _add(cluster, "Deployment", "apps", namespace, name)
            _add(cluster, "Service", "", namespace, name)
            _add(cluster, "ServiceAccount", "", namespace, name)
            made.append((namespace, name))
    for number in range(rng.randint(1, 8)):
        _add(cluster, "Node", "", "", f"node-{number}")
    return made


def _decoys(rng: random.Random, cluster: Cluster, namespaces: list[str], deployments: list[tuple[str, str]]) -> None:
    component_names = sorted({name for _, name in deployments})
    some = rng.sample(component_names, min(len(component_names), 4))
    decoys: list[tuple[str, dict[str, str]]] = [
        (
            "app-settings",
            {"log.level": "info", "timeout": "30s", "api.url": "https://example.com", "retries": "3", "feature.x": "on"},
        ),
        ("nginx-conf", {"nginx.conf": "worker_processes 1;\nevents {}\n", "mime.types": "types {}\n"}),
        ("ca-bundle", {"ca-bundle.crt": _pem(rng), "service-ca.crt": _pem(rng)}),
        ("log-levels", {**dict.fromkeys(some, "info"), "default": "warn", "root": "error", "legacy": "debug"}),
        (
            "dashboards",
            {f"{name}.json": json.dumps({"title": name, "panels": [], "uid": name}) for name in [*some, "overview", "slo"]},
        ),
        ("feature-flags", {f"enable-{word}": rng.choice(["true", "false"]) for word in rng.sample(WORDS, 8)}),
        ("quotas", {**dict.fromkeys(rng.sample(namespaces, min(3, len(namespaces))), "10"), "default": "5", "burst": "20"}),
        ("users", dict.fromkeys(("alice", "bob", "carol", "dave"), "admin")),
        ("locales", {code: f"{code}.utf8" for code in ("en", "fr", "de", "ja", "pt-br")}),
        ("env", {f"{w.upper()}_URL": f"http://{w}:8080" for w in rng.sample(COMPONENTS, 5)} | {"DEBUG": "0"}),
        ("zones", {f"eu-west-{n}{z}": "enabled" for n in (1, 2) for z in "abc"}),
        ("rules", {f"{c}-rules.yaml": f"groups:\n- name: {c}\n  rules: []\n" for c in rng.sample(COMPONENTS, 4)}),
        ("scripts", {"init.sh": "#!/bin/sh\nexit 0\n", "backup.sh": "#!/bin/sh\n", f"{some[0]}.sh": "#!/bin/sh\n"}),
        ("ports", {f"{8000 + n}": f"{rng.choice(namespaces)}/{rng.choice(COMPONENTS)}:80" for n in range(6)}),
        ("sessions", {_uid(rng): "active" for _ in range(12)}),
        ("checksums", {f"{w}.tar.gz": _sha(w) for w in rng.sample(WORDS, 6)}),
        ("words", dict.fromkeys(rng.sample(WORDS, 12), "1")),
        ("versions", {c: f"1.{rng.randrange(30)}.0" for c in COMPONENTS}),
        ("replicas", {f"{c}.replicas": str(rng.randrange(9)) for c in [*some, "legacy", "canary", "nightly"]}),
        ("hosts", {f"{c}.{rng.choice(namespaces)}.svc.cluster.local": "10.0.0.1" for c in COMPONENTS}),
        ("argocd", {f"accounts.{u}": "login" for u in ("alice", "bob", "ci")} | {"url": "https://cd.example.com"}),
        ("health", {f"resource.customizations.health.{g}_{k}": "hs = {}" for k, g, _ in KINDS}),
        ("crds", {f"{k.lower()}s.{g}": "v1" for k, g, _ in KINDS} | {"widgets.example.com": "v2"}),
        ("regions", {f"node-pool-{n}": "m5.large" for n in range(5)} | {f"node-{n}": "drain" for n in (0, 1, 97, 98)}),
        ("contacts", {f"{t}-oncall": f"{t}@example.com" for t in TEAMS}),
        ("teams", {t: t.title() for t in TEAMS}),
        ("other-cluster", {f"{w}-{n}.json": "{}" for n, w in enumerate(rng.sample(WORDS, 9))}),
        (
            "tuning",
            {f"{c}.{rng.choice(FIELDS)}": str(rng.randrange(9)) for c in [*some, "legacy", "global", "defaults", "canary"]},
        ),
        (
            "per-team",
            {f"{n}.{rng.choice(FIELDS)}": "1" for n in [*rng.sample(namespaces, min(3, len(namespaces))), "common", "guest"]},
        ),
        ("tables", {f"{rng.choice(WORDS)}.{rng.choice(some)}.{rng.choice(FIELDS)}": "on" for _ in range(8)}),
        ("images", {f"registry.example.com_{c}_{rng.randrange(99)}": _sha(c)[:12] for c in COMPONENTS}),
    ]
    for name, data in decoys:
        _add_map(cluster, rng.choice(namespaces), f"{name}-{rng.randrange(100)}", data, legitimate=True)
    election = {"control-plane.alpha.kubernetes.io/leader": '{"holderIdentity":"a"}'}
    _add_map(cluster, "kube-system", "leader-lock", {}, {"annotations": election}, legitimate=True)
    for revision in range(1, 4):
        cluster.objects.append(
            {
                "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
                "metadata": {"name": f"sh.helm.release.v1.app.v{revision}", "namespace": namespaces[0], "uid": _uid(rng),
                             "labels": {"owner": "helm"}},
                "data": {"release": base64.b64encode(b"H4sIAAAA").decode()},
            }
        )  # fmt: skip


def _define(cluster: Cluster, kind: str, group: str, namespaced: bool) -> None:
    """At least one object of the kind, so that the dump covers it."""
    if not any(o["kind"] == kind for o in cluster.objects):
        _add(cluster, kind, group, "default" if namespaced else "", "keeper")


def _add(cluster: Cluster, kind: str, group: str, namespace: str, name: str, uid: str = "") -> None:
    if kind == "Service" and (namespace, name) in cluster.services:
        return
    if kind == "Service":
        cluster.services.add((namespace, name))
    cluster.live.add((namespace, name))
    metadata = {"name": name, "uid": uid or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{cluster.seed}/{kind}/{namespace}/{name}"))}
    if namespace:
        metadata["namespace"] = namespace
    cluster.objects.append({"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": metadata})


def _add_map(
    cluster: Cluster,
    namespace: str,
    name: str,
    data: dict[str, str],
    more: dict[str, Any] | None = None,
    *,
    legitimate: bool = False,
) -> None:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": _stable_uid(cluster.seed, namespace, name)}
    metadata |= more or {}
    cluster.objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if legitimate:
        cluster.legitimate.add((namespace, name))


def _stable_uid(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts))))


def _uid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _pem(rng: random.Random) -> str:
    body = base64.b64encode(rng.randbytes(96)).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
