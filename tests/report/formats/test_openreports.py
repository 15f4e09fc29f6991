"""Reports that a real API server takes, by a kind with the fields of openreports.io's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, config_map, make_map, make_tenant, make_tenants_kind, thing

OUTCOMES = ["pass", "fail", "warn", "error", "skip"]
STRING, INTEGER = {"type": "string"}, {"type": "integer"}
OBJECT = {"type": "object", "properties": dict.fromkeys(["apiVersion", "kind", "name", "namespace", "uid", "fieldPath"], STRING)}


def _schema() -> dict[str, Any]:
    """The fields of openreports.io/v1alpha1 that ghostkey writes, typed as there."""
    result = {
        "type": "object",
        "required": ["policy"],
        "properties": {
            **dict.fromkeys(["source", "policy", "rule", "category", "message"], STRING),
            "severity": {"type": "string", "enum": ["critical", "high", "low", "medium", "info"]},
            "result": {"type": "string", "enum": OUTCOMES},
            "scored": {"type": "boolean"},
            "resources": {"type": "array", "items": OBJECT},
            "timestamp": {"type": "object", "required": ["nanos", "seconds"], "properties": {"nanos": INTEGER, "seconds": INTEGER}},
            "properties": {"type": "object", "additionalProperties": STRING},
        },
    }  # fmt: skip
    summary = {"type": "object", "properties": dict.fromkeys(OUTCOMES, INTEGER)}
    return {
        "type": "object",
        "properties": {"source": STRING, "scope": OBJECT, "summary": summary, "results": {"type": "array", "items": result}},
    }


@pytest.fixture
def reports_kind(control_plane: ControlPlane) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "reports.openreports.io"},
        "spec": {
            "group": "openreports.io",
            "scope": "Namespaced",
            "names": {"kind": "Report", "listKind": "ReportList", "plural": "reports", "singular": "report"},
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _schema()}}],
        },
    }
    if control_plane.raw("GET", f"{path}/reports.openreports.io")[0] != 200:
        control_plane.request("POST", path, crd)
    control_plane.wait_until(
        lambda: control_plane.raw("GET", "/apis/openreports.io/v1alpha1/reports")[0] == 200, "Reports are served"
    )


@pytest.mark.usefixtures("reports_kind")
def test_kubectl_applies_one_report_for_each_map_and_a_strict_server_takes_it(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_tenants_kind(control_plane)
    for number in range(6):
        make_tenant(control_plane, namespace, f"shop-{number}")
    for name in ("registry-a", "registry-b"):
        make_map(control_plane, namespace, name, {f"{namespace}.shop-{number}": "{}" for number in range(8)})
    done = program("scan", "-n", namespace, "-o", "openreports")
    assert done.code == 1
    control_plane.kubectl("apply", "--validate=strict", "-f", "-", stdin=done.out)
    path = f"/apis/openreports.io/v1alpha1/namespaces/{namespace}/reports"
    stored = control_plane.request("GET", path)["items"]
    assert {item["scope"]["name"] for item in stored} == {"registry-a", "registry-b"}
    assert [item["summary"]["fail"] for item in stored] == [2, 2]
    assert {result["properties"]["key"] for item in stored for result in item["results"]} == {
        f"{namespace}.shop-6",
        f"{namespace}.shop-7",
    }
    # a second scan writes the same reports again
    control_plane.kubectl(
        "apply", "--validate=strict", "-f", "-", stdin=program("scan", "-n", namespace, "-o", "openreports").out
    )
    again = control_plane.request("GET", path)["items"]
    assert [item["metadata"]["uid"] for item in again] == [item["metadata"]["uid"] for item in stored]


def test_a_report_has_at_most_a_thousand_results_and_counts_all(files_program: Program, tmp_path: Path) -> None:
    tenants = [thing("Tenant", f"shop-{number}") for number in range(2000)]
    registry = config_map({f"prod.shop-{number}": "{}" for number in range(3500)})
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    (tmp_path / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*spaces, *tenants, registry]}))
    (item,) = files_program("scan", "--from", str(tmp_path), "-o", "openreports").json["items"]
    assert len(item["results"]) == 1000
    assert item["summary"]["fail"] == 1500
    assert item["metadata"]["annotations"] == {"ghostkey.dev/left-out": "500"}
    assert len(json.dumps(item)) < 1 << 20
