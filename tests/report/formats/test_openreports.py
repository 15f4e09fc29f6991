"""Reports that a real API server takes, by a kind with the fields of openreports.io's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, config_map, make_map, make_tenant, make_tenants_kind, thing
from tests.report.formats.reports_kind import make_reports_kind


@pytest.fixture
def reports_kind(control_plane: ControlPlane) -> None:
    make_reports_kind(control_plane)


@pytest.mark.whole
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
