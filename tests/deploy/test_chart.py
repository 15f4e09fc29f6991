"""The chart: linted and rendered by helm, taken by a real API server, with the rights that `ghostkey rbac` prints."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane, binary
from tests.helpers import Program

CHART = Path(__file__).parents[2] / "deploy" / "chart"
KUBE = "1.37.2"
EVERYTHING = (
    "--set", "scan.enabled=true,watch.secrets=true,watch.reports=true,watch.web=true,watch.replicas=2,watch.notify.secretName=hook,watch.serviceMonitor.enabled=true",
    "--set", "kinds={tenants.demo.ghostkey.dev,namespaces}", "--set", f"image.digest=sha256:{'a' * 64}",
)  # fmt: skip


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(binary("helm")), *words], capture_output=True, text=True, check=False)


def rendered(namespace: str, *words: str) -> list[dict[str, Any]]:
    done = helm("template", "gk", str(CHART), "--namespace", namespace, "--kube-version", KUBE, *words)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def rules(documents: list[dict[str, Any]], kind: str) -> set[tuple[tuple[str, ...], ...]]:
    """Each right by itself: group, resource, name, verb."""
    return {
        (group, resource, name, verb)
        for document in documents
        if document["kind"] == kind
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
        for verb in rule["verbs"]
    }


def test_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", str(CHART), "--kube-version", KUBE)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\[(WARNING|ERROR)\]", done.stdout)


@pytest.mark.parametrize("words", [(), EVERYTHING], ids=["as it is", "everything on"])
def test_a_real_api_server_takes_what_it_renders(control_plane: ControlPlane, namespace: str, words: tuple[str, ...]) -> None:
    documents = rendered(namespace, *words)
    monitors = [document for document in documents if document["kind"] == "ServiceMonitor"]
    assert len(monitors) == bool(words)
    others = [document for document in documents if document not in monitors]  # a kind of the Prometheus operator
    said = control_plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(others))
    assert len(said.splitlines()) == len(others)


@pytest.mark.parametrize("words", [(), EVERYTHING], ids=["as it is", "everything on"])
def test_its_rights_are_those_that_the_program_prints(program: Program, namespace: str, words: tuple[str, ...]) -> None:
    documents = rendered(namespace, *words)
    options = ["--secrets", "--reports", "--kinds", "tenants.demo.ghostkey.dev", "--kinds", "namespaces"] if words else []
    printed = list(
        yaml.safe_load_all(program("rbac", "--for", "watch", "--events", "--lease-namespace", namespace, *options).out)
    )
    assert rules(documents, "ClusterRole") == rules(printed, "ClusterRole")
    assert rules(documents, "Role") == rules(printed, "Role")


def test_its_containers_pass_the_restricted_pod_security_standard(control_plane: ControlPlane, namespace: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.request(
        "PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}}, "application/merge-patch+json"
    )
    for document in rendered(namespace, *EVERYTHING):
        spec = document.get("spec", {})
        template = spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec.get("template")
        if template:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": template["spec"]}
            pod["spec"].pop("serviceAccountName")
            control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
            assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in template["spec"]["containers"])


def test_words_that_it_gives_the_program_are_the_programs() -> None:
    from ghostkey.cli.scan import command as scan
    from ghostkey.cli.watch import command as watch

    known = {"watch": watch, "scan": scan}
    seen = set()
    for document in rendered("prod", *EVERYTHING):
        spec = document.get("spec", {})
        template = spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec.get("template")
        for container in template["spec"]["containers"] if template else ():
            name, *words = container["args"]
            known[name].make_context(name, list(words))  # raises for what the command does not know
            seen.add(name)
    assert seen == {"watch", "scan"}


@pytest.mark.parametrize(
    "words", ["watch.replicas=many", "watch.port=80", "wach.enabled=true", "image.digest=abc", "watch.patience=soon"]
)
def test_values_that_are_none_are_refused(words: str) -> None:
    done = helm("template", "gk", str(CHART), "--kube-version", KUBE, "--set", words)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr
