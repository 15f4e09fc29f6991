"""GitOps trees: what is no Kubernetes object is one line, not a gap, so that exit codes stay usable in CI."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.helpers import Program, config_map, found, thing

LIVE, GONE = ("acme", "bolt", "cove", "dune"), ("echo", "flux")
CHART_TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "chart.fullname" . }}
  labels:
    {{- include "chart.labels" . | nindent 4 }}
data:
  {{- range $key, $value := .Values.settings }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
"""
QUOTED_TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-settings"
data:
  a: "{{ .Values.a }}"
"""
TREE = {
    "apps/base/kustomization.yaml": "resources:\n- cm.yaml\n",
    "apps/overlay/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../base\n",
    "apps/overlay/patch.yaml": "- op: add\n  path: /spec/replicas\n  value: 3\n",
    "charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "charts/shop/values.yaml": "replicas: 1\nsettings: {}\n",
    "charts/shop/values.schema.json": '{"$schema": "https://json-schema.org/draft-07/schema#", "properties": {"items": {"type": "array"}}}',
    "charts/shop/templates/cm.yaml": CHART_TEMPLATE,
    "charts/shop/templates/quoted.yaml": QUOTED_TEMPLATE,
    "package.json": '{"name": "docs", "version": "1.0.0"}',
    "list.json": '{"items": ["a", "b"]}',
    ".github/workflows/ci.yml": "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n",
    ".gitlab-ci.yml": "stages: [build]\nbuild:\n  script: !reference [.x, script]\n",
    "cloudformation.yaml": "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties:\n      Name: !Ref Bucket\n",
    "kind.yaml": "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n",
    "node_modules/x/package.json": "{}",
    "empty.yaml": "# nothing yet\n",
}


def write(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


@pytest.fixture
def tree(tmp_path: Path) -> str:
    objects = [*(thing("Tenant", name) for name in LIVE), config_map({"log-level": "info"}, "settings")]
    return write(tmp_path, {**TREE, "tenants/all.yaml": yaml.safe_dump_all(objects)})


def test_tree_without_ghosts_is_green(files_program: Program, tree: str) -> None:
    done = files_program("scan", "--from", tree)
    assert (done.code, done.out) == (0, "")
    assert "not seen" not in done.err
    passed = [line for line in done.err.splitlines() if "passed over" in line]
    assert len(passed) == 1
    assert "note: 14 documents are no Kubernetes objects" in passed[0]
    for sort in (
        "chart templates (2)",
        "kustomizations (2)",
        "values files (2)",
        "charts (1)",
        "pipelines (2)",
        "files of settings (1)",
    ):
        assert sort in passed[0]


def test_what_would_have_to_be_rendered_is_said_once_with_the_command(files_program: Program, tree: str) -> None:
    done = files_program("scan", "--from", tree)
    assert done.err.count(f"helm template {tree}/charts/shop | ghostkey scan --from -") == 1
    assert done.err.count(f"kubectl kustomize {tree}/apps/overlay | ghostkey scan --from -") == 1


def test_ghosts_of_a_tree_are_news_and_no_more(files_program: Program, tree: str) -> None:
    write(Path(tree), {"tenants/registry.yaml": yaml.safe_dump(config_map({f"prod.{name}": "{}" for name in LIVE + GONE}))})
    done = files_program("scan", "--from", tree, "-o", "json")
    assert (done.code, done.json["gaps"]) == (1, [])
    assert found(done.json) == {("ghost-key", "prod", "registry", f"prod.{name}") for name in GONE}
    assert len(done.json["notes"]) == 3


@pytest.mark.parametrize(
    "text",
    ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x\n", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: x\n"],
)
def test_manifest_that_is_broken_is_a_gap_all_the_same(files_program: Program, tree: str, text: str) -> None:
    write(Path(tree), {"broken.yaml": text})
    done = files_program("scan", "--from", tree)
    assert (done.code, "broken.yaml could not be read" in done.err) == (3, True)


def test_tree_of_nothing_but_charts_says_what_it_is(files_program: Program, tmp_path: Path) -> None:
    tree = write(tmp_path, {name: text for name, text in TREE.items() if name.startswith("charts/")})
    done = files_program("scan", "--from", tree)
    assert done.code == 5
    assert "no Kubernetes objects" in done.err
    assert "helm template" in done.err


def test_map_with_templates_in_its_values_is_a_map(files_program: Program, tmp_path: Path) -> None:
    tree = write(tmp_path, {"alerts.yaml": yaml.safe_dump(config_map({"a.tmpl": '{{ define "x" }}{{ .Labels }}{{ end }}'}))})
    report = files_program.scan("--from", tree)
    assert report["summary"]["maps"] == 1
    assert not any("passed over" in note for note in report["notes"])
