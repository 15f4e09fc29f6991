"""Stories of ghost keys, and of keys that only look like them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.findings import Certainty
from tests.helpers import analyse, config_map, keys, secret, thing

LIVE = ["amber-shop", "birch", "cedar-2", "dune-market", "ember", "fjord-7", "grove-store"]
GONE = ["bakery", "corner-store", "kiosk-3"]
Scheme = Callable[[str], str]


def tenants(names: list[str], namespace: str = "prod") -> list[dict[str, Any]]:
    return [thing("Tenant", name, namespace) for name in names]


def short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


SCHEMES: dict[str, tuple[Scheme, str]] = {
    "name": (lambda n: n, "{name}"),
    "pair": (lambda n: f"prod.{n}", "{namespace}.{name}"),
    "pair-turned": (lambda n: f"{n}_prod", "{name}_{namespace}"),
    "around": (lambda n: f"tenant-{n}.json", "tenant-{name}.json"),
    "hashed": (lambda n: f"{n}-{short(n)}", "{name}-"),
    "underscored": (lambda n: f"prod_{n}".replace("-", "_"), "_"),
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_template_is_found_and_its_ghosts_with_it(tmp_path: Path, scheme: str) -> None:
    make, template = SCHEMES[scheme]
    data = {make(name): "{}" for name in LIVE + GONE}
    found = analyse(tmp_path, [*tenants(LIVE), config_map(data)])
    assert keys(found, "ghost-key") == {make(name) for name in GONE}
    attribution = found[0].attribution
    assert attribution is not None
    assert template in attribution.template
    assert (attribution.certainty, attribution.support) == (Certainty.INFERRED, len(LIVE))


def test_evidence_is_a_chain_a_person_believes(tmp_path: Path) -> None:
    (first, *_) = analyse(tmp_path, [*tenants(LIVE), config_map({f"prod.{name}": "xyz" for name in LIVE + GONE})])
    assert first.message == "Tenant prod/bakery is gone"
    assert first.evidence[0] == "key prod.bakery, data, value of 3 bytes"
    assert "template {namespace}.{name}: 7 live tenants have a key, 70% of 10 keys, 100% of the live tenants" in first.evidence[1]
    assert (
        "the dump's tenants.demo.ghostkey.dev in all namespaces were looked through: Tenant prod/bakery is not among them"
        in first.evidence
    )


def test_key_is_a_ghost_only_if_every_fitting_kind_is_gone(tmp_path: Path) -> None:
    """Sites of the same names fit as well: a name that is still a Site is no ghost, and both kinds are named."""
    sites = [thing("Site", name) for name in [*LIVE, "bakery"]]
    found = analyse(tmp_path, [*tenants(LIVE), *sites, config_map(dict.fromkeys(LIVE + GONE, "{}"))])
    assert keys(found, "ghost-key") == {"corner-store", "kiosk-3"}
    assert found[0].attribution is not None
    assert {kind.kind for kind in found[0].attribution.kinds} == {"Tenant", "Site"}


def test_values_that_carry_uids_tell_the_subject(tmp_path: Path) -> None:
    alive = tenants(LIVE)
    data = {f"slot-{n}": json.dumps({"uid": item["metadata"]["uid"]}) for n, item in enumerate(alive)}
    gone = {f"slot-{n}": json.dumps({"uid": thing("Tenant", name)["metadata"]["uid"]}) for n, name in enumerate(GONE, 70)}
    found = analyse(tmp_path, [*alive, config_map(data | gone)])
    assert keys(found, "ghost-key") == set(gone)


def test_growth_that_follows_live_subjects_is_no_leak(tmp_path: Path) -> None:
    names = [f"shop-{n}" for n in range(500)]
    assert analyse(tmp_path, [*tenants(names), config_map({f"prod.{name}": "{}" for name in names})]) == []


def test_keys_that_pods_name_are_not_flagged(tmp_path: Path) -> None:
    pod = thing("Pod", "p", api_version="v1", spec={"containers": [{"name": "c", "env": [
        {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "registry", "key": "kiosk-3"}}}]}]})  # fmt: skip
    found = analyse(tmp_path, [*tenants(LIVE), pod, config_map(dict.fromkeys(LIVE + GONE, "{}"))])
    assert keys(found, "ghost-key") == {"bakery", "corner-store"}


def test_few_live_matches_prove_nothing(tmp_path: Path) -> None:
    """Two settings happen to be called like Tenants."""
    data = {"birch": "a", "ember": "b", **{f"setting-{n}": "c" for n in range(20)}}
    assert keys(analyse(tmp_path, [*tenants(LIVE), config_map(data)])) == set()


def test_declared_link_needs_no_live_subject(tmp_path: Path) -> None:
    objects = [*tenants(["other"], "test"), config_map({f"prod.{name}": "{}" for name in GONE})]
    assert keys(analyse(tmp_path, objects)) == set()
    declared = analyse(tmp_path, objects, "tenants={namespace}.{name}")
    annotated = config_map(
        {f"prod.{name}": "{}" for name in GONE}, metadata={"annotations": {"ghostkey.dev/subject": "tenants={namespace}.{name}"}}
    )
    by_annotation = analyse(tmp_path, [*objects[:-1], annotated])
    assert keys(by_annotation, "ghost-key") == {f"prod.{name}" for name in GONE}
    assert by_annotation[0].attribution is not None
    assert by_annotation[0].attribution.certainty == Certainty.DECLARED
    assert keys(declared) in (set(), keys(by_annotation))


@pytest.mark.parametrize(
    ("template", "constant"), [("{namespace}.{name}", "keep"), ("{uid}", "next-id"), ("t-{uid}.json", "t-all.json")]
)
def test_constant_beside_declared_entries_is_no_entry(tmp_path: Path, template: str, constant: str) -> None:
    data = {constant: "1", "prod.bakery": "{}", "t-7c0fbd12-bb33-4e62-8d3e-0d0f6a3f7b11.json": "{}"}
    found = analyse(tmp_path, [*tenants(LIVE), config_map(data)], f"tenants={template}")
    assert constant not in keys(found, "ghost-key")


def test_declared_link_beats_inference(tmp_path: Path) -> None:
    sites = [thing("Site", name) for name in GONE]
    data = dict.fromkeys(LIVE + GONE, "{}")
    declared = config_map(data, metadata={"annotations": {"ghostkey.dev/subject": "sites={name}"}})
    assert keys(analyse(tmp_path, [*tenants(LIVE), *sites, declared]), "ghost-key") == set(LIVE)


def test_annotation_that_cannot_be_understood_is_no_verdict(tmp_path: Path) -> None:
    odd = config_map(dict.fromkeys(LIVE + GONE, "{}"), metadata={"annotations": {"ghostkey.dev/subject": "what is this"}})
    assert keys(analyse(tmp_path, [*tenants(LIVE), odd]), "ghost-key") == set(GONE)


SETTINGS = {"log-level": "info", "listen": ":8080", "feature.flags": "a,b", "ember": "main", "timeout": "30s", "region": "eu"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LEGITIMATE = {
    "settings": config_map(SETTINGS),
    "ca-bundle": config_map({f"{name}.crt": PEM for name in ("isrg-root-x1", "digicert-g2", "company-root", "ember")}),
    "root-ca": config_map({"ca.crt": PEM}, "kube-root-ca.crt"),
    "dashboards": config_map({f"{name}.json": json.dumps({"panels": [], "title": name, "schemaVersion": 39}) for name in [*LIVE[:3], *GONE]}, metadata={"labels": {"grafana_dashboard": "1"}}),
    "helm-release": secret({"release": "H4sIAAAAAAAA"}, "sh.helm.release.v1.ember.v7", type="helm.sh/release.v1", metadata={"labels": {"owner": "helm"}}),
    "leader-lease": config_map({}, metadata={"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}),
    "scripts": config_map({f"{name}.sh": "#!/bin/sh\necho hello\n" for name in GONE}),
    "tls": secret({"tls.crt": PEM, "tls.key": "x", "ca.crt": PEM}, type="kubernetes.io/tls"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LEGITIMATE))
def test_legitimate_map_is_never_flagged(tmp_path: Path, name: str) -> None:
    assert keys(analyse(tmp_path, [*tenants(LIVE), LEGITIMATE[name]])) == set()


def test_entries_of_documents_and_of_other_kinds_fields(tmp_path: Path) -> None:
    document = json.dumps({"version": 2, "tenants": {f"prod.{name}": {"n": 1} for name in LIVE + GONE}})
    found = analyse(tmp_path, [*tenants(LIVE), config_map({"state.json": document})])
    assert keys(found, "ghost-key") == {f"state.json/tenants/prod.{name}" for name in GONE}
