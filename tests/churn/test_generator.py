"""Objects are made of a schema, and the API server says whether they are valid."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ghostkey.churn.generator import FILLS, accepting_nonsense, candidate, generated, is_valid, schema_of
from ghostkey.churn.run import nonsense_notes
from ghostkey.churn.subjects import Resource, read_documents
from ghostkey.model.errors import UsageError
from tests.churn.helpers import CRD, TenantBed

TENANTS = Resource("demo.ghostkey.dev", "v1", "tenants", "Tenant", is_namespaced=True)
GAUGES = Resource("gen.ghostkey.dev", "v1", "gauges", "Gauge", is_namespaced=True)
SPEC: dict[str, Any] = {
    "type": "object", "required": ["mode", "range", "items", "target"],
    "properties": {
        "mode": {"type": "string", "enum": ["Off", "On"]},
        "range": {"type": "string", "format": "cidr"},
        "size": {"type": "integer", "minimum": 10, "multipleOf": 5},
        "items": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "pattern": "^[a-z][-a-z0-9]*$", "maxLength": 20}}}},
        "target": {"type": "object", "minProperties": 1, "properties": {"port": {"x-kubernetes-int-or-string": True},
                   "secretName": {"type": "string"}}},
    },
    "x-kubernetes-validations": [{"rule": "self.mode == 'Off' || has(self.size)", "message": "a size, when it is on"}],
}  # fmt: skip
GAUGE = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gauges.gen.ghostkey.dev"},
    "spec": {"group": GAUGES.group, "scope": "Namespaced", "names": {"kind": "Gauge", "plural": "gauges"}, "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}}}]},
}  # fmt: skip


@pytest.mark.whole
def test_schemas_with_rules_are_met(tenants: TenantBed) -> None:
    api = tenants.bed.api
    api.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", GAUGE)
    tenants.bed.control_plane.wait_until(lambda: api.ask("GET", GAUGES.path("default"))[0] == 200, "gauges are served")
    assert all(generated(GAUGE, GAUGES, api, seed=seed, fill=fill) is not None for seed in range(5) for fill in FILLS)
    sample = generated(GAUGE, GAUGES, api)
    assert sample is not None
    assert nonsense_notes(tenants.bed, [GAUGE], [(GAUGES, sample)]) == [
        'Gauge spec.target.secretName may be "" and " ": the CRD asks for no minLength or pattern'
    ]


def test_nothing_is_stored(tenants: TenantBed) -> None:
    assert generated(CRD, TENANTS, tenants.bed.api) is not None
    assert all(i["metadata"]["name"] != "sample" for i in tenants.bed.api.must("GET", TENANTS.path("default"))["items"])


def test_fields_that_take_nonsense_are_told(tenants: TenantBed) -> None:
    crd = {"spec": {"versions": [{"storage": True, "schema": {"openAPIV3Schema": {"properties": {"spec": {"type": "object", "properties": {
        "planName": {"type": "string"}}}}}}}]}}  # fmt: skip
    base = candidate(schema_of(CRD), TENANTS, random.Random(1), 0.0)
    assert is_valid(base, TENANTS, tenants.bed.api)
    # the API server does not know planName, so nothing is accepted there; `plan` takes anything, and is no name
    assert accepting_nonsense(crd, TENANTS, base, tenants.bed.api) == {}


def test_files_are_read_as_strangers_write_them(tmp_path: Path) -> None:
    sample = tmp_path / "sample.yaml"
    sample.write_text(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, spec: {operator: [=, <]}}\n---\n{apiVersion: v1, kind: B}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    assert [document["kind"] for document in read_documents([str(tmp_path)])] == ["A", "B"]
    sample.write_text(
        "a: &a [x, x]\nb: &b [*a, *a]\n"
        + "".join(f"{chr(99 + n)}: &{chr(99 + n)} [*{chr(98 + n)}, *{chr(98 + n)}]\n" for n in range(20))
    )
    with pytest.raises(UsageError, match="stands for more than"):
        read_documents([str(sample)])
    sample.write_text("a: [")
    with pytest.raises(UsageError, match="cannot read line"):
        read_documents([str(sample)])
