"""Generated clusters: registries that leak in every way keys are built, and legitimate maps that only look like it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from bench.ghosts.cluster import Cluster, Life, add, add_map, define, pem, random_uid
from bench.ghosts.decoys import decoys, workloads
from bench.ghosts.hands import hands
from bench.ghosts.naming import KINDS, NEEDS_NAMESPACE, SCHEMES, TEAMS, WORDS, names, sha
from bench.ghosts.small import small
from bench.ghosts.surroundings import surround


def generate(seed: int, mode: str = "") -> Cluster:
    """The cluster of a seed, with what a mode of `surroundings` adds: custom resources beside settings, registries of plain words."""
    rng = random.Random(seed)
    cluster = Cluster(seed)
    namespaces = rng.sample([f"{t}-{e}" for t in TEAMS for e in ("dev", "stage", "prod")] + TEAMS, rng.randint(2, 25))
    if rng.random() < 0.2:
        namespaces = rng.sample(TEAMS + WORDS, len(namespaces))  # one word each
    for namespace in [*namespaces, "kube-system", "default", "platform"]:
        add(cluster, "Namespace", "", "", namespace)
        add_map(cluster, namespace, "kube-root-ca.crt", {"ca.crt": pem(rng)}, legitimate=True)
    dead_namespaces = [f"{rng.choice(WORDS)}-{n}" for n in range(rng.randint(0, 3))]
    deployments = workloads(rng, cluster, namespaces, random.Random(f"{seed}/apps"))
    budget = int(10 ** rng.uniform(0, 5 if seed % 20 == 0 else 3.3))
    for number in range(rng.randint(1, 4)):
        _registry(rng, cluster, namespaces, dead_namespaces, max(1, budget // (number + 1)), number)
    decoys(rng, cluster, namespaces, deployments)
    if mode:
        beside = random.Random(f"{seed}/{mode}")

        def beside_them(kind: str, group: str, namespace: str, name: str) -> None:
            add(cluster, kind, group, namespace, name)

        for name, data, metadata in surround(mode, beside, beside_them, namespaces, deployments, WORDS):
            add_map(cluster, beside.choice(namespaces), f"{name}-{beside.randrange(100)}", data, metadata, legitimate=True)
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
                add_map(cluster, namespace, name, data, metadata, legitimate=not gone)
                cluster.ghosts |= {(namespace, name, (), key) for key in gone}

            small(beside, beside_them, put, namespaces, 8, cluster.objects)
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
    lives = [Life(rng.choice(homes), next(stream), random_uid(rng)) for _ in range(total - gone)]
    dead_homes = homes + (dead_namespaces if namespaced else [])
    dead = [Life(rng.choice(dead_homes), next(stream), random_uid(rng)) for _ in range(gone)]
    gone_uids = {life.uid for life in dead}
    for life in lives:
        add(cluster, kind, group, life.namespace, life.name, life.uid)
    if rng.random() < 0.2 and lives:
        # the same names in another kind, as a Service beside every custom resource
        for life in lives:
            if life.namespace:
                add(cluster, "Service", "", life.namespace, life.name)
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
            place = ("platform", f"{holder}-{int(sha(life.uid), 16) % 4}")
        else:
            place = ("platform", holder)
        key = key_of(life)
        if key in places.get(place, {}):
            continue
        text = value(life)
        is_told = scheme == "opaque" or life.uid in text
        if is_told and life.uid in gone_uids and (life.namespace, life.name) in cluster.live:
            continue  # gone by UID, alive by name: which one the value tells decides
        places.setdefault(place, {})[key] = text
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
            define(cluster, kind, group, namespaced)
        content = data
        path: tuple[str, ...] = ()
        if layout == "nested":
            document = {"version": 1, "entries": {key: {"plan": "gold", "n": n} for n, key in enumerate(data)}}
            content, path = {"state.json": json.dumps(document)}, ("state.json", "entries")
        add_map(cluster, namespace, name, content, {"annotations": annotations} if annotations else None)
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
            add(cluster, "Tenant2", "plain.example.com", "", name)
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
    add_map(cluster, "platform", name, {key: value() for key in [*live, *gone]})
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
