"""Heaps of real shapes, each with its decoys."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.model.findings import Finding
from ghostkey.testing import ControlPlane
from tests.helpers import Program, analyse, config_map, found, secret, thing

HASHES = ["b6c8f9tm2k", "5h8kk4gd7t", "2cfc2g6hgb", "g4hk9g2ff8", "tbbf9kd56m", "7c5tt6bdmh", "b9fbf2d5gt", "mk5mc4f2th"]
SUFFIXES = ["x7k2p", "9vbqt", "4mzn8", "w2c5d", "kq6rl", "7hjxs", "b8n4t", "zt9fq", "bcdfg"]


def at(hour: int) -> dict[str, Any]:
    return {"creationTimestamp": f"2027-01-{10 + hour // 24:02}T{hour % 24:02}:00:00Z"}


def pod(*volumes: str, name: str = "shop-1") -> dict[str, Any]:
    """A Pod that mounts these ConfigMaps, and Secrets that are named `secret/NAME`."""
    mounts = [
        {"name": f"v{n}", **({"secret": {"secretName": v[7:]}} if v.startswith("secret/") else {"configMap": {"name": v}})}
        for n, v in enumerate(volumes)
    ]
    return thing("Pod", name, api_version="v1", spec={"containers": [{"name": "a"}], "volumes": mounts})


def piles(folder: Path, *objects: dict[str, Any]) -> list[Finding]:
    return analyse(folder, list(objects), only="pile-up")


def hashed(count: int = 8, base: str = "shop-config", **fields: Any) -> list[dict[str, Any]]:
    return [config_map({"a": str(n)}, f"{base}-{HASHES[n]}", metadata={**at(n), **fields}) for n in range(count)]


def test_versions_of_a_kustomize_generator_are_one_heap_whose_newest_stays(tmp_path: Path) -> None:
    (heap,) = piles(tmp_path, *hashed(), pod(f"shop-config-{HASHES[7]}"))
    assert heap.message == f"7 of 8 configmaps shop-config-* are used by nobody; shop-config-{HASHES[7]}, the newest, must stay"
    assert (str(heap.severity), heap.state, heap.key.holder.name) == ("info", "found", "shop-config-*")
    assert any("made between 2027-01-10T00:00:00Z and 2027-01-10T06:00:00Z" in step for step in heap.evidence)


def test_the_newest_stays_although_an_older_one_is_used(tmp_path: Path) -> None:
    (heap,) = piles(tmp_path, *hashed(), pod(f"shop-config-{HASHES[2]}"))
    assert heap.message.startswith("6 of 8 ")
    assert f"shop-config-{HASHES[7]}, the newest, must stay" in heap.message
    assert any(f"shop-config-{HASHES[2]}" in step and step.startswith("in use") for step in heap.evidence)


def test_a_dump_without_times_does_not_say_which_is_the_newest(tmp_path: Path) -> None:
    maps = [config_map({"a": "1"}, f"shop-config-{text}") for text in HASHES]
    (heap,) = piles(tmp_path, *maps, pod(f"shop-config-{HASHES[3]}"))
    assert heap.message == "7 of 8 configmaps shop-config-* are used by nobody; which is the newest is not known"


def test_without_pods_it_is_unknown(tmp_path: Path) -> None:
    maps = hashed()
    deployment = thing(
        "Deployment", "shop", api_version="apps/v1", spec={"template": {"spec": pod(f"shop-config-{HASHES[7]}")["spec"]}}
    )
    (heap,) = piles(tmp_path, *maps, deployment)
    assert heap.state == "unknown"
    assert "may be used by nobody" in heap.message


def test_few_versions_or_versions_that_are_used_are_no_heap(tmp_path: Path) -> None:
    assert piles(tmp_path, *hashed(5), pod(f"shop-config-{HASHES[4]}")) == []
    assert piles(tmp_path, *hashed(), pod(*(f"shop-config-{text}" for text in HASHES))) == []
    # a ReplicaSet that could be rolled back to names its version
    sets = [
        thing(
            "ReplicaSet",
            f"shop-{n}",
            api_version="apps/v1",
            spec={"replicas": 0, "template": {"spec": pod(f"shop-config-{HASHES[n]}")["spec"]}},
        )
        for n in range(4)
    ]
    assert piles(tmp_path, *hashed(), *sets, pod(f"shop-config-{HASHES[7]}")) == []


def test_what_has_an_owner_or_is_named_elsewhere_is_no_part_of_a_heap(tmp_path: Path) -> None:
    tenant = thing("Tenant", "acme")
    owner = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "name": "acme", "uid": tenant["metadata"]["uid"]}
    used = pod(f"shop-config-{HASHES[7]}")
    assert piles(tmp_path, tenant, *hashed(ownerReferences=[owner]), used) == []
    same_names = [thing("Backup", f"shop-config-{text}") for text in HASHES]
    assert piles(tmp_path, *same_names, *hashed(), used) == []
    own_words = [thing("Tenant", text) for text in HASHES]
    assert piles(tmp_path, *own_words, *hashed(), used) == []
    index = config_map({f"config-{n}": f"shop-config-{text}" for n, text in enumerate(HASHES)}, "index")
    assert piles(tmp_path, index, *hashed(), used) == []


def test_objects_of_subjects_and_of_programs_that_read_by_label_are_no_heap(tmp_path: Path) -> None:
    decoys = [
        # one for each tenant, with generateName, read through the API
        *(secret({"password": "x"}, f"tenant-{text}", metadata=at(n)) for n, text in enumerate(SUFFIXES * 3)),
        *(secret({"url": "x"}, f"repo-{2000000000 + n}", metadata={**at(n), "labels": {"argocd.argoproj.io/secret-type": "repository"}}) for n in range(30)),
        *(secret({"tls.key": "x"}, f"sealed-secrets-key{text}", metadata={"labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}}) for text in SUFFIXES),
        *(config_map({"d.json": "{}"}, f"dashboard-{n:08x}a", metadata={"labels": {"grafana_dashboard": "1"}}) for n in range(30)),
        # shards and words are no versions
        *(config_map({"a": "1"}, f"prometheus-rulefiles-{n}") for n in range(30)),
        *(config_map({"a": "1"}, f"plan-{word}") for word in ("basic", "gold", "large", "small", "empty", "north", "south", "spare")),
        *(config_map({"a": "1"}, f"node-ip-10-0-0-{n}") for n in range(30)),
        pod("prometheus-rulefiles-1", "plan-gold", "node-ip-10-0-0-1", "secret/repo-2000000001"),
    ]  # fmt: skip
    unique = {(item["kind"], item["metadata"]["name"]): item for item in decoys}
    assert piles(tmp_path, *unique.values()) == []


def releases(name: str, count: int, **status: str) -> list[dict[str, Any]]:
    """Secrets as Helm 3 keeps them."""
    return [
        thing(
            "Secret", f"sh.helm.release.v1.{name}.v{n}", api_version="v1", type="helm.sh/release.v1",
            data={"release": base64.b64encode(b"SDRzSUFBQUFBQUFDLysx").decode()},
            metadata={**at(n), "labels": {"owner": "helm", "name": name, "version": str(n), "status": status.get(f"v{n}", "superseded")}},
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


def test_revisions_of_helm_beyond_the_ten_it_keeps_are_one_heap_for_each_release(tmp_path: Path) -> None:
    objects = [*releases("shop", 40, v39="deployed", v40="failed"), *releases("blog", 10, v10="deployed"), pod()]
    (heap,) = piles(tmp_path, *objects)
    assert (
        heap.message
        == "38 of 40 revisions of Helm release shop are used by nobody; sh.helm.release.v1.shop.v40, the newest, must stay"
    )
    assert "in use or the newest: sh.helm.release.v1.shop.v39, sh.helm.release.v1.shop.v40" in heap.evidence


def test_tokens_of_one_service_account_are_a_heap_and_one_token_for_each_is_none(tmp_path: Path) -> None:
    def token(account: str, suffix: str, hour: int) -> dict[str, Any]:
        metadata = {**at(hour), "annotations": {"kubernetes.io/service-account.name": account}}
        return secret({"token": "x"}, f"{account}-token-{suffix}", type="kubernetes.io/service-account-token", metadata=metadata)

    builder = [token("builder", text, n) for n, text in enumerate(SUFFIXES)]
    others = [token(f"app-{n}", text, n) for n, text in enumerate(SUFFIXES)]
    (heap,) = piles(tmp_path, *builder, *others, pod("secret/builder-token-x7k2p"))
    assert (
        heap.message == "7 of 9 tokens of ServiceAccount builder are used by nobody; builder-token-bcdfg, the newest, must stay"
    )
    assert any("outside of the cluster" in step for step in heap.evidence)


def test_work_specs_of_runs_that_are_over_are_a_heap(tmp_path: Path) -> None:
    """One ConfigMap for each run of a mover; its Job is gone an hour later."""
    specs = [
        config_map({"work-spec.json": "{}"}, f"photos-work-spec-{uuid.uuid5(uuid.NAMESPACE_URL, str(n)).hex[:8]}", metadata=at(n))
        for n in range(60)
    ]  # fmt: skip
    (heap,) = piles(tmp_path, *specs, pod())
    assert heap.message.startswith("59 of 60 configmaps photos-work-spec-* are used by nobody; photos-work-spec-")
    checks = [secret({"fluent.conf": "x"}, f"main-fluentd-configcheck-{n * 7919 + 2**28:08x}", metadata=at(n)) for n in range(40)]
    assert len(piles(tmp_path, *checks, pod())) == 1
    timed = [config_map({"log": "x"}, f"nightly-backup-202701{n % 28 + 1:02}-{n:06}", metadata=at(n)) for n in range(40)]
    assert len(piles(tmp_path, *timed, pod())) == 1
    # too few to be sure that nobody reads them
    assert piles(tmp_path, *specs[:15], pod()) == []


def test_locks_of_leader_elections_that_nobody_renews_are_a_heap(tmp_path: Path) -> None:
    def lock(name: str, renewed: str) -> dict[str, Any]:
        record = {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": renewed, "leaderTransitions": 3}
        return config_map({}, name, metadata={"annotations": {"control-plane.alpha.kubernetes.io/leader": json.dumps(record)}})

    stale = [lock(f"operator-{word}-lock", f"2026-0{n}-01T00:00:00Z") for n, word in enumerate(("a", "b", "c", "d", "e", "f"), 1)]
    live = [lock("scheduler", "2027-01-10T12:00:00Z"), lock("manager", "2027-01-10T12:00:04Z")]
    (heap,) = piles(tmp_path, *stale, *live, pod())
    assert heap.message == "6 of 8 locks of leader elections are used by nobody; manager, the newest, must stay"
    assert piles(tmp_path, *stale[:4], *live, pod()) == []
    # all have moved to Leases since: the last that was renewed stays
    (old,) = piles(tmp_path, *stale, config_map({}, "new", metadata=at(0)), pod())
    assert old.message == "5 of 6 locks of leader elections are used by nobody; operator-f-lock, the newest, must stay"
    # an old dump: all have stopped at the same time
    assert piles(tmp_path, *(lock(f"lock-{n}", f"2026-01-01T00:00:{n:02}Z") for n in range(20)), pod()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"renewTime": 7}', '{"renewTime": "soon"}', '{"renewTime": "2027-01-01T00:00:00"}']
)
def test_locks_that_cannot_be_read_are_left_alone(tmp_path: Path, text: str) -> None:
    maps = [
        config_map({}, f"lock-{n}", metadata={"annotations": {"control-plane.alpha.kubernetes.io/leader": text}})
        for n in range(9)
    ]
    assert piles(tmp_path, *maps, pod()) == []


def test_what_kustomize_really_makes_is_found_on_a_real_server_and_never_trimmed(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {
                "containers": [{"name": "shop", "image": "shop", "envFrom": [{"configMapRef": {"name": "shop-env"}}]}],
            }},
        },
    }  # fmt: skip
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    for release in range(7):
        kustomization = {
            "namespace": namespace,
            "resources": ["deployment.yaml"],
            "configMapGenerator": [{"name": "shop-env", "literals": [f"RELEASE={release}", "LOG=info"]}],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        control_plane.kubectl("apply", "-k", str(tmp_path))
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/shop"
    used = control_plane.request("GET", path)["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    report = program.scan("-n", namespace, "--severity", "info", "--only", "pile-up")
    assert found(report) == {("pile-up", namespace, "shop-env-*", "shop-env-*")}
    assert f"6 of 7 configmaps shop-env-* are used by nobody; {used}, the newest, must stay" in report["findings"][0]["message"]
    assert program("scan", "-n", namespace).code == 0
    assert "nothing to trim" in program("trim", f"cm/{used}", "-n", namespace, "--ghosts", "--apply").err
