"""What lives in every generated cluster, and the maps of it that only look like registries."""

from __future__ import annotations

import base64
import json
import random

from bench.ghosts.cluster import Cluster, add, add_map, pem, random_uid
from bench.ghosts.naming import COMPONENTS, FIELDS, KINDS, TEAMS, WORDS, sha


def workloads(rng: random.Random, cluster: Cluster, namespaces: list[str], naming: random.Random) -> list[tuple[str, str]]:
    """Deployments with all that belongs to them, called by one word, or by that of a thing and what they do for it: `cart-api`."""
    made = []
    things = naming.choice([[""], [f"{word}-" for word in naming.sample(WORDS, 6)]])
    for namespace in namespaces:
        for component in rng.sample(COMPONENTS, rng.randint(1, 6)):
            name = naming.choice(things) + component
            add(cluster, "Deployment", "apps", namespace, name)
            add(cluster, "Service", "", namespace, name)
            add(cluster, "ServiceAccount", "", namespace, name)
            made.append((namespace, name))
    for number in range(rng.randint(1, 8)):
        add(cluster, "Node", "", "", f"node-{number}")
    return made


def decoys(rng: random.Random, cluster: Cluster, namespaces: list[str], deployments: list[tuple[str, str]]) -> None:
    component_names = sorted({name for _, name in deployments})
    some = rng.sample(component_names, min(len(component_names), 4))
    kept: list[tuple[str, dict[str, str]]] = [
        (
            "app-settings",
            {"log.level": "info", "timeout": "30s", "api.url": "https://example.com", "retries": "3", "feature.x": "on"},
        ),
        ("nginx-conf", {"nginx.conf": "worker_processes 1;\nevents {}\n", "mime.types": "types {}\n"}),
        ("ca-bundle", {"ca-bundle.crt": pem(rng), "service-ca.crt": pem(rng)}),
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
        ("sessions", {random_uid(rng): "active" for _ in range(12)}),
        ("checksums", {f"{w}.tar.gz": sha(w) for w in rng.sample(WORDS, 6)}),
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
        ("images", {f"registry.example.com_{c}_{rng.randrange(99)}": sha(c)[:12] for c in COMPONENTS}),
    ]
    for name, data in kept:
        add_map(cluster, rng.choice(namespaces), f"{name}-{rng.randrange(100)}", data, legitimate=True)
    election = {"control-plane.alpha.kubernetes.io/leader": '{"holderIdentity":"a"}'}
    add_map(cluster, "kube-system", "leader-lock", {}, {"annotations": election}, legitimate=True)
    for revision in range(1, 4):
        cluster.objects.append(
            {
                "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
                "metadata": {"name": f"sh.helm.release.v1.app.v{revision}", "namespace": namespaces[0], "uid": random_uid(rng),
                             "labels": {"owner": "helm"}},
                "data": {"release": base64.b64encode(b"H4sIAAAA").decode()},
            }
        )  # fmt: skip
