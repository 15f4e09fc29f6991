"""What stands beside maps on real clusters: a custom resource for each app, a few of plain words, and maps of them that people keep."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

MODES = ("", "gitops", "few", "plain", "small")
SIZES = ["tiny", "small", "medium", "large", "xlarge", "huge", "micro", "nano"]
COUNTRIES = ["de", "fr", "it", "es", "nl", "be", "at", "ch", "se", "no", "pl", "cz", "dk", "fi", "pt", "ie"]
COLOURS = ["red", "green", "blue", "amber", "violet", "teal", "black", "white"]
TIERS = ["free", "basic", "standard", "premium", "enterprise", "trial"]
REGIONS = ["eu-west-1", "eu-west-2", "us-east-1", "us-east-2", "ap-south-1", "sa-east-1"]
ROOTS = ["corp-root", "isrg-root-x1", "digicert-g2", "legacy-root", "dst-root-x3", "vault-issuing"]
PEOPLES = [SIZES, COUNTRIES, COLOURS, TIERS, REGIONS]

Add = Callable[..., None]


def surround(
    mode: str, rng: random.Random, add: Add, namespaces: list[str], apps: list[tuple[str, str]], words: list[str]
) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Adds the objects of a mode; (name, data, metadata) of maps of them that nobody forgot to clean."""
    names = sorted({name for _, name in apps})
    decoys: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    if mode == "gitops":
        _gitops(rng, add, namespaces, apps)
    if mode in {"gitops", "few"}:
        decoys += _of_apps(rng, names, words)
    if mode == "few":
        for number in range(rng.randint(1, 3)):
            vocabulary = rng.choice([*PEOPLES, names, words])
            chosen = rng.sample(vocabulary, min(len(vocabulary), rng.randint(2, 7)))
            for name in chosen:
                add(f"Class{'ABC'[number]}", "classes.example.com", "", name)
            others = rng.sample(vocabulary, min(len(vocabulary), rng.randint(4, 12)))
            decoys.append((f"table-{number}", dict.fromkeys(others, rng.choice(["1", "{}", "on"])), {}))
    return decoys


def _gitops(rng: random.Random, add: Add, namespaces: list[str], apps: list[tuple[str, str]]) -> None:
    """One Application or HelmRelease for each app, called like it."""
    how = rng.choice(["argo", "argo-per-namespace", "flux", "argo-set"])
    for namespace, name in apps:
        if how == "argo":
            add("Application", "argoproj.io", "argocd", name)
        elif how == "argo-per-namespace":
            add("Application", "argoproj.io", "argocd", f"{namespace}-{name}")
        elif how == "argo-set":
            add("Application", "argoproj.io", "argocd", f"{name}-{rng.choice(['prod', 'dev'])}")
        else:
            add("HelmRelease", "helm.toolkit.fluxcd.io", namespace, name)
    if rng.random() < 0.5:
        for namespace in namespaces:
            add("Kustomization", "kustomize.toolkit.fluxcd.io", "flux-system", namespace)


def _of_apps(rng: random.Random, names: list[str], words: list[str]) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    # a person who is thorough names every app there is
    some = names if rng.random() < 0.4 else rng.sample(names, min(len(names), rng.randint(2, 9)))
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    strangers = _strangers(rng, names)
    every = [*some, *strangers]
    made: list[tuple[str, dict[str, str]]] = [
        ("trusted-roots", {f"{n}.pem": pem for n in [*some, *rng.sample(ROOTS, rng.randint(1, 3))]}),
        ("app-ports", {n: str(8000 + i) for i, n in enumerate(every)}),
        ("app-levels", dict.fromkeys(every, "info")),
        ("app-owners", {f"{n}-owner": "team@example.com" for n in every}),
        ("app-rules", {f"{n}.rules.yaml": "groups:\n- name: a\n  rules: []\n" for n in every}),
        ("app-flags", {f"enable-{n}": "true" for n in [*every, *rng.sample(words, 2)]}),
        ("app-boards", {f"{n}.json": '{"title": "x", "panels": []}' for n in [*every, "overview"]}),
        ("app-upstreams", {n: f"http://{n}:8080" for n in every}),
        ("app-urls", {f"{n.upper().replace('-', '_')}_URL": f"https://{n}.example.com" for n in every}),
        ("app-images", {n: f"registry.example.com/{n}:1.{i}.0" for i, n in enumerate(every)}),
        ("app-routes", {"routes.json": json.dumps({n: {"weight": 1, "path": f"/{n}"} for n in every})}),
        ("app-pages", {f"page-{i}.yaml": f"name: {n}\nowner: team\n" for i, n in enumerate(every)}),
        ("app-order", {f"slot-{i}": n for i, n in enumerate(every)}),
    ]
    chosen = rng.sample(made, rng.randint(3, 10))
    return [(name, data, _provenance(rng, data)) for name, data in chosen]


def _strangers(rng: random.Random, names: list[str]) -> list[str]:
    """What has a setting and is no app: called by other words, or by the very words that apps are called by."""
    others = ["grpc", "jmx", "admin", "metrics-proxy", "legacy-app", "batch-7", "canary", "old-web"]
    pieces = [name.rpartition("-") for name in names]
    crossed = sorted({f"{rng.choice(pieces)[0]}-{rng.choice(pieces)[2]}".strip("-") for _ in range(4)} - set(names))
    return list(dict.fromkeys(rng.sample(others, rng.randint(1, 4)) if rng.random() < 0.6 or not crossed else crossed))


def _provenance(rng: random.Random, data: dict[str, str]) -> dict[str, Any]:
    """How it got there, where the dump tells; most dumps do not."""
    how = rng.choice(["", "", "", "kubectl", "helm", "argocd"])
    if how == "kubectl":
        return {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "ConfigMap", "data": data})}
        }
    if how == "helm":
        return {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "app"}}
    if how == "argocd":
        return {"annotations": {"argocd.argoproj.io/tracking-id": "app:/ConfigMap:a/b"}}
    return {}
