"""What tools write: must-gathers, support bundles, backups, Insights archives and dumps of kubectl, in their documented layouts.

One cluster in all of them: `ops/registry` has a key for each Tenant of namespace prod, for two that are gone, and for one in
namespace stage, of which a tool may have collected nothing.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.helpers import Program, config_map, found, thing

SPACES = ("default", "kube-system", "ops", "prod", "stage")
LIVE, GONE = ("acme", "bolt", "cove", "dune"), ("echo", "flux")
REGISTRY = config_map({f"prod.{name}": "{}" for name in LIVE + GONE} | {"stage.blue": "{}"}, "registry", "ops")
TENANTS = [thing("Tenant", name) for name in LIVE]
NAMESPACES = [thing("Namespace", name, "", api_version="v1") for name in SPACES]
GHOSTS = {("ghost-key", "ops", "registry", f"prod.{name}") for name in GONE}
STAGE = ("ghost-key", "ops", "registry", "stage.blue")
CRD = thing(
    "CustomResourceDefinition", "tenants.demo.ghostkey.dev", "", api_version="apiextensions.k8s.io/v1",
    spec={"group": "demo.ghostkey.dev", "scope": "Namespaced", "names": {"kind": "Tenant", "plural": "tenants"}, "versions": [{"name": "v1"}]},
)  # fmt: skip
Files = dict[str, Any]  # path → content: text as it is, anything else as JSON or YAML


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(name, content))
    return folder


def encoded(name: str, content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    return (json.dumps(content) if name.endswith("json") else yaml.safe_dump(content)).encode()


def packed(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            data = encoded(name, content)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def listed(kind: str, items: list[Any] | None, version: str = "v1") -> dict[str, Any]:
    return {"kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "687"}, "items": items}


def must_gather() -> Files:
    """`oc adm must-gather`, with `oc adm inspect` of three namespaces."""
    base = "must-gather.local.5421342344627712289/quay-io-openshift-release-dev-sha256-1234"
    files: Files = {
        "must-gather.local.5421342344627712289/timestamp": "2026-11-02 10:00:00",
        f"{base}/version": "openshift/must-gather\n4.20.0\n",
        f"{base}/cluster-scoped-resources/apiextensions.k8s.io/customresourcedefinitions/tenants.demo.ghostkey.dev.yaml": CRD,
        f"{base}/namespaces/ops/core/configmaps.yaml": listed("ConfigMap", [REGISTRY]),
        f"{base}/namespaces/prod/core/configmaps.yaml": listed("ConfigMap", []),
        f"{base}/namespaces/prod/core/pods.yaml": listed("Pod", None),
    }
    for item in NAMESPACES:
        files[f"{base}/cluster-scoped-resources/core/namespaces/{item['metadata']['name']}.yaml"] = item
    for name in ("ops", "prod"):
        files[f"{base}/namespaces/{name}/{name}.yaml"] = thing("Namespace", name, "", api_version="v1")
    for item in TENANTS:
        files[f"{base}/namespaces/prod/demo.ghostkey.dev/tenants/{item['metadata']['name']}.yaml"] = item
    return files


def support_bundle(*, with_kinds: bool = True) -> Files:
    """troubleshoot.sh 0.120: lists by namespace, bare arrays of custom resources, errors beside them."""
    base = "support-bundle-2026-11-02T10_00_00/cluster-resources"

    def of(kind: str, items: list[Any] | None) -> dict[str, Any]:
        if with_kinds:
            return listed(kind, items)
        bare = [{k: v for k, v in item.items() if k not in {"kind", "apiVersion"}} for item in items or []]
        return {"metadata": {"resourceVersion": "687"}, "items": bare if items is not None else None}

    files: Files = {
        "support-bundle-2026-11-02T10_00_00/version.yaml": "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n  versionNumber: 0.120.0\n",
        "support-bundle-2026-11-02T10_00_00/analysis.json": [{"name": "x", "severity": "debug"}],
        f"{base}/groups.json": [{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}],
        f"{base}/resources.json": [{"kind": "APIResourceList", "groupVersion": "v1", "resources": []}],
        f"{base}/auth-cani-list/ops.json": {"metadata": {}, "spec": {}, "status": {"incomplete": False}},
        f"{base}/custom-resource-definitions.json": of("CustomResourceDefinition", [CRD]),
        f"{base}/namespaces.json": of("Namespace", NAMESPACES),
        f"{base}/custom-resources/tenants.demo.ghostkey.dev/prod.json": TENANTS,
        f"{base}/custom-resources/tenants.demo.ghostkey.dev/prod.yaml": TENANTS,
        f"{base}/custom-resources/custom-resources-errors.json": "null",
        f"{base}/configmaps-errors.json": "null",
        f"{base}/pods-errors.json": {},
    }
    for space in SPACES:
        files[f"{base}/configmaps/{space}.json"] = of("ConfigMap", [REGISTRY] if space == "ops" else None)
        files[f"{base}/pods/{space}.json"] = of("Pod", None)
    return files


def backup(spaces: tuple[str, ...] = SPACES) -> Files:
    """Velero's output format 1.1.0: each object by itself, and again in the preferred version."""
    files: Files = {"metadata/version": "1.1.0"}
    items = [*(item for item in NAMESPACES if item["metadata"]["name"] in spaces), REGISTRY, *TENANTS]
    for item in items:
        group = item["apiVersion"].rpartition("/")[0]
        resource = item["kind"].lower() + "s" + (f".{group}" if group else "")
        namespace = item["metadata"].get("namespace")
        place = (f"namespaces/{namespace}" if namespace else "cluster") + f"/{item['metadata']['name']}.json"
        files[f"resources/{resource}/{place}"] = item
        files[f"resources/{resource}/v1-preferredversion/{place}"] = item
    return files


def insights() -> Files:
    """Archives of the Insights operator: what it picked of some objects."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "router-1", "uid": "0b3c7c0e-0000-4000-8000-000000000001"}
    pod = thing(
        "Pod",
        "router-1-abc",
        "openshift-ingress",
        api_version="v1",
        metadata={"ownerReferences": [owner]},
        spec={"containers": []},
    )
    return {
        "insights-operator/gathers.json": {"status_reports": [{"name": "clusterconfig/pods"}], "memory_alloc_bytes": 1},
        "config/pod/openshift-ingress/router-1-abc.json": pod,
        "config/replicaset.json": thing("ReplicaSet", "other", "openshift-ingress", api_version="apps/v1"),
        "config/node/n1.json": thing("Node", "n1", "", api_version="v1"),
        "config/id": "9d0b2d7c-0000-4000-8000-000000000001",
        "config/configmaps/openshift-config/ca/ca-bundle.crt": "-----BEGIN",
    }


def test_must_gather_is_whole_for_what_it_collected(files_program: Program, tmp_path: Path) -> None:
    done = files_program("scan", "--from", str(write(tmp_path, must_gather())), "-o", "json")
    assert (done.code, found(done.json), done.json["gaps"]) == (1, GHOSTS, [])
    assert found(done.json, "unknown") == {STAGE}
    said = [step for finding in done.json["findings"] if finding["key"] == "stage.blue" for step in finding["evidence"]]
    assert any("in namespace stage were not seen (only in prod)" in step for step in said)


@pytest.mark.parametrize("with_kinds", [True, False])
def test_support_bundle_is_whole_for_custom_resources(files_program: Program, tmp_path: Path, with_kinds: bool) -> None:
    path = packed(tmp_path / "support-bundle.tar.gz", support_bundle(with_kinds=with_kinds))
    done = files_program("scan", "--from", str(path), "-o", "json")
    assert (done.code, found(done.json), done.json["gaps"]) == (1, GHOSTS | {STAGE}, [])


def test_support_bundle_that_was_refused_a_kind_knows_nothing_of_it(files_program: Program, tmp_path: Path) -> None:
    files = {name: content for name, content in support_bundle().items() if "/tenants.demo" not in name}
    errors = next(name for name in files if name.endswith("custom-resources-errors.json"))
    files[errors] = {"tenants.demo.ghostkey.dev": "tenants.demo.ghostkey.dev is forbidden"}
    path = str(packed(tmp_path / "support-bundle.tar.gz", files))
    assert not found(files_program.scan("--from", path))
    report = files_program.scan("--from", path, "--subject", "tenants={namespace}.{name}")
    assert not found(report)
    assert len(found(report, "unknown")) == len(LIVE + GONE) + 1


def test_backup_of_all_namespaces_is_whole(files_program: Program, tmp_path: Path) -> None:
    path = packed(tmp_path / "backup.tar.gz", backup())
    done = files_program("scan", "--from", str(path), "-o", "json")
    assert (done.code, found(done.json) >= GHOSTS, done.json["gaps"]) == (1, True, [])


def test_backup_of_some_namespaces_says_nothing_of_the_others(files_program: Program, tmp_path: Path) -> None:
    path = packed(tmp_path / "backup.tar.gz", backup(("ops", "prod")))
    assert found(files_program.scan("--from", str(path))) == GHOSTS


def test_insights_archive_holds_a_choice_and_proves_nothing(files_program: Program, tmp_path: Path) -> None:
    path = packed(tmp_path / "insights.tar.gz", insights())
    done = files_program("scan", "--from", str(path), "-o", "json", "--severity", "info")
    assert (done.code, done.json["findings"], done.json["gaps"]) == (0, [], [])


def test_dump_of_kubectl_cluster_info(
    control_plane: ControlPlane, namespace: str, files_program: Program, tmp_path: Path
) -> None:
    """The real tool; what an empty list says is true of its folder's namespace."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "0b3c7c0e-0000-4000-8000-000000000002"}
    container = {"name": "c", "image": "registry.k8s.io/pause:3.10"}
    pod = {
        "metadata": {"name": "web-1-x", "ownerReferences": [owner]},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }
    account = {"metadata": {"name": "default"}}
    control_plane.raw("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", json.dumps(account).encode())
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    control_plane.kubectl("cluster-info", "dump", "--namespaces", f"{namespace},default", f"--output-directory={tmp_path}")
    assert (tmp_path / namespace / "replicasets.json").exists()
    done = files_program("scan", "--from", str(tmp_path), "-o", "json")
    assert done.json["gaps"] == []
    assert ("orphaned-child", namespace, "web-1-x", "web-1-x") in found(done.json)
