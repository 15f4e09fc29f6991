"""A kind with the fields of openreports.io's Report, as strict as that."""

from __future__ import annotations

from typing import Any

from ghostkey.testing import ControlPlane

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


def make_reports_kind(control_plane: ControlPlane) -> None:
    """Makes the kind, once."""
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
