"""`ghostkey guard schema`: which strings of a CRD become keys and may be anything, before the patch and after it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane
from ghostkey.testing.binaries import cache_directory
from tests.helpers import Program

STRING: dict[str, Any] = {"type": "string"}
SPEC = {
    "type": "object",
    "properties": {
        "secretName": STRING,
        "region": STRING,
        "mode": {"type": "string", "enum": ["a", "b"]},
        "zoneName": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z]+$"},
        "selector": {"type": "object", "additionalProperties": STRING},
        "source": {"type": "object", "properties": {"bucketRef": STRING}},
    },
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "shops.demo.example.com"},
    "spec": {
        "group": "demo.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Shop", "plural": "shops", "singular": "shop", "listKind": "ShopList"},
        "versions": [
            {
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}},
            }
        ],
    },
}  # fmt: skip
GO = """package shops

type ShopSpec struct {
	SecretName string `json:"secretName"`
	Region     string `json:"region,omitempty"`
}

type Shop struct{ Spec ShopSpec }

type Reconciler struct{ Data map[string]string }

func (r *Reconciler) Reconcile(cm ConfigMap, shop Shop) {
	cm.Data[shop.Spec.Region] = "x"
}
"""
BUILT = {"GHOSTKEY_CACHE": str(cache_directory())}


@pytest.fixture
def crd(tmp_path: Path) -> Path:
    path = tmp_path / "crd.yaml"
    path.write_text(yaml.safe_dump(CRD))
    return path


def fields(document: Any) -> dict[str, list[str]]:
    return {one["path"]: one["lacks"] for one in document["crds"][0]["fields"]}


@pytest.mark.whole
def test_inputs_before_and_after_the_patch(crd: Path, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", None)
    done = program("guard", "schema", str(crd), "--testbed", "-o", "json", env=BUILT)
    assert done.code == 1, done.err
    assert fields(done.json) == {
        "spec.secretName": ["required", "minLength", "maxLength", "pattern"],
        "spec.zoneName": ["required"],
        "spec.selector": ["maxProperties"],
        "spec.source.bucketRef": ["required", "minLength", "maxLength", "pattern"],
    }
    (told,) = done.json["crds"]
    assert told["before"]["spec.secretName"] == ['""', '" "', "null", '"CN"']
    assert '""' not in told["after"]["spec.secretName"]
    assert '" "' not in told["after"]["spec.source.bucketRef"]
    assert '"CN"' in told["after"]["spec.source.bucketRef"]
    changed = yaml.safe_load(program("guard", "schema", str(crd), "--testbed", "-o", "yaml", env=BUILT).out)
    assert changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["selector"][
        "maxProperties"
    ]


@pytest.mark.whole
def test_every_served_version_and_what_is_within_lists_and_maps(crd: Path, tmp_path: Path) -> None:
    """A field of one version alone, an item of a list, a value of a map, and one beside a field that is required."""
    changed = json.loads(json.dumps(CRD))
    (stored,) = changed["spec"]["versions"]
    spec = stored["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"] = {
        "tenantNames": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "items": {"type": "array", "items": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer", "minimum": 3}, "podName": STRING}}},
        "pools": {"type": "object", "additionalProperties": {"type": "object", "properties": {"nodeName": STRING}}, "maxProperties": 5},
        "source": {"type": "object", "required": ["sort"], "properties": {"sort": {"type": "string", "enum": ["x", "y"]}, "o'd/r~Ref": STRING}},
        "endpointId": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "never": {"type": "object", "required": ["strange"], "properties": {"strange": {"type": "string", "pattern": "^[0-9]{3}-[0-9]{4}$"}, "keyName": STRING}},
    }  # fmt: skip
    other = json.loads(json.dumps(stored))
    other |= {"name": "v2", "storage": False}
    other["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = {"zoneName": STRING}
    old = {**other, "name": "v0", "served": False}
    changed["spec"]["versions"] = [old, other, stored]
    crd.write_text(yaml.safe_dump(changed))
    program = Program(tmp_path / "state", None)
    done = program("guard", "schema", str(crd), "--testbed", "--required", "-o", "json", env=BUILT)
    assert done.code == 1, done.err
    (told,) = done.json["crds"]
    assert told["not_tried"] == ""
    names = {
        "spec.tenantNames[]",
        "spec.items[].podName",
        "spec.pools{}.nodeName",
        "spec.source.o'd/r~Ref",
        "v2: spec.zoneName",
        "spec.endpointId",
    }
    assert set(fields(done.json)) == {*names, "spec.never.keyName"}
    assert set(told["before"]) == names, "where the API server takes nothing at all, nothing is said to be refused"
    for name in names:
        assert {'""', '" "', '"CN"'} <= set(told["before"][name]), name
        assert told["after"][name] == ['"CN"'], name
    text = program("guard", "schema", str(crd), "--testbed", env=BUILT)
    assert "it is not known" in text.out
    *_, command = shlex.split(text.out.splitlines()[-1])
    assert json.loads(command), "a name with a quote in it is quoted for the shell"


def test_with_code_only_what_it_makes_keys_of(crd: Path, tmp_path: Path, guarded: ControlPlane) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shops.go").write_text(GO)
    program = Program(tmp_path / "state", guarded.kubeconfig)
    words = ("guard", "schema", str(crd), "--code", str(tmp_path / "code"), "-o", "json")
    unknown = program(*words)
    assert unknown.code == 3, "a cluster that does not serve the kind cannot be asked"
    said = "the cluster has no CustomResourceDefinition shops.demo.example.com: apply it there first, or try it with --testbed"
    assert unknown.json["crds"][0]["not_tried"] == said
    assert list(fields(unknown.json)) == ["spec.region"]
    assert "shops.go:13 makes a key of it" in unknown.json["crds"][0]["fields"][0]["why"]
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    guarded.request("POST", crds, CRD)
    collection = "/apis/demo.example.com/v1/namespaces/default/shops"
    try:
        guarded.wait_until(lambda: guarded.raw("GET", collection)[0] == 200, "the kind is served")
        before = guarded.request("GET", f"{crds}/shops.demo.example.com")
        done = program(*words)
        assert done.code == 1, done.err
        assert done.json["crds"][0]["before"]["spec.region"] == ['""', '" "', "null", '"CN"']
        assert done.json["crds"][0]["after"] is None
        assert guarded.request("GET", collection)["items"] == [], "nothing was stored"
        assert (
            guarded.request("GET", f"{crds}/shops.demo.example.com")["metadata"]["generation"] == before["metadata"]["generation"]
        )
        told = program(*words[:-2])
        assert "what it then takes: --testbed" in told.err
        patch = json.loads(told.out.rpartition("-p '")[2].rstrip().rstrip("'"))
        assert {operation["path"].rpartition("/")[2] for operation in patch} == {"minLength", "maxLength", "pattern"}
        printed = program("rbac", "--for", "schema", "--kinds", "shops.demo.example.com")
        assert "create" in printed.out
    finally:
        guarded.request("DELETE", f"{crds}/shops.demo.example.com")


def test_what_is_no_crd_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: [")
    program = Program(tmp_path / "state", None)
    for path in (tmp_path / "x.yaml", tmp_path / "none"):
        assert program("guard", "schema", str(path), "--testbed").code == 2
