"""Gauges of a real map against what a real API server then does."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ghostkey.kube.sizes import ANNOTATIONS_LIMIT, applied_bytes
from ghostkey.testing import ControlPlane
from ghostkey.testing.binaries import binary
from tests.helpers import Program, found, make_map, merge

KEY = "a-key-of-thirty-nine-characters-{:07d}"
VALUE = "x" * 20


def entries(count: int, start: int = 0) -> dict[str, str | None]:
    return {KEY.format(n): VALUE for n in range(start, start + count)}


@pytest.mark.whole
def test_binding_limit_and_room_left_are_right(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """The map is filled until the gauge says a few keys fit: that many go in by apply, and twice the room does not."""
    make_map(control_plane, namespace, "full", entries(11_500))  # type: ignore[arg-type]
    report = program.scan("cm/full", "-n", namespace)
    assert found(report) == {("size-limit", namespace, "full", "")}
    (finding,) = report["findings"]
    assert finding["message"].startswith("stored object with managedFields (apply) is at ")
    room = int(finding["message"].split("about ")[1].split(" more")[0].replace(",", ""))
    assert 500 < room < 5000
    merge(control_plane, namespace, "full", entries(room - 200, 20_000))
    fields = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/full")["metadata"]
    assert fields.get("managedFields"), "the gauge promised too much"
    merge(control_plane, namespace, "full", entries(700, 40_000))
    after = program.scan("cm/full", "-n", namespace)
    fields = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/full")["metadata"]
    assert not fields.get("managedFields"), "the gauge promised too little"
    assert found(after) == {("managed-fields-dropped", namespace, "full", "")}


@pytest.mark.whole
def test_values_of_one_mebibyte_bind_first_when_keys_are_few(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "large", {f"k-{n}": "x" * 100_000 for n in range(10)})
    (finding,) = program.scan("cm/large", "-n", namespace)["findings"]
    assert finding["message"].startswith("values is at 95% of 1,024 KiB")
    assert finding["severity"] == "critical"


def test_annotations_have_their_own_limit(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "notes", {"a": "1"}, metadata={"annotations": {"big": "x" * 230_000}})
    (finding,) = program.scan("cm/notes", "-n", namespace)["findings"]
    assert finding["message"].startswith("annotations are at 88% of 256 KiB")


def test_roomy_maps_say_nothing(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "small", entries(3000))  # type: ignore[arg-type]
    assert json.dumps(program.scan("cm/small", "-n", namespace)["findings"]) == "[]"


def manifest(values: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dashboards", **metadata}, "data": values}


def test_a_manifest_that_kubectl_apply_refuses_is_told_to_the_byte(
    control_plane: ControlPlane, namespace: str, files_program: Program, tmp_path: Path
) -> None:
    """The limit is met with values that Go escapes otherwise than others do, then passed by one byte."""
    for name, piece in (("plain", "x"), ("escaped", '<&>\n"\t\u2028é')):
        head = {"a": piece * 8000, "b": ""}
        metadata = {"name": name, "namespace": namespace, "annotations": {"note": "ten <chars>"}}
        with_head = applied_bytes(manifest(head, **metadata))
        for extra, is_refused in ((0, False), (1, True)):
            head["b"] = "y" * (ANNOTATIONS_LIMIT - with_head + extra)
            item = manifest(head, **metadata)
            assert applied_bytes(item) == ANNOTATIONS_LIMIT + extra
            path = tmp_path / f"{name}-{extra}.json"
            path.write_text(json.dumps(item))
            words = [str(binary("kubectl")), f"--kubeconfig={control_plane.kubeconfig}", "apply", "-f", str(path)]
            said = subprocess.run(words, capture_output=True, text=True, check=False)
            assert (said.returncode != 0) == is_refused, said
            assert ("Too long: may not be more than 262144 bytes" in said.stderr) == is_refused, said
            done = files_program("scan", "--from", str(path), "-o", "json")
            (finding,) = done.json["findings"]
            assert finding["severity"] == "critical"
            assert finding["message"].startswith("kubectl apply will refuse this manifest: ") == is_refused, finding["message"]
            assert any(step.startswith("kubectl apply --server-side") for step in finding["evidence"])
            if is_refused:
                control_plane.kubectl("apply", "--server-side", "-f", str(path))


def test_what_is_in_a_cluster_already_or_small_is_no_such_manifest(files_program: Program, tmp_path: Path) -> None:
    large = {"a": "x" * 300_000}
    for item in (manifest(large, uid="7c0f"), manifest({"a": "x" * 100_000})):
        (tmp_path / "all.json").write_text(json.dumps(item))
        assert files_program.scan("--from", str(tmp_path / "all.json"))["findings"] == []


def test_a_manifest_that_is_applied_server_side_is_no_alarm(files_program: Program, tmp_path: Path) -> None:
    """Argo CD can be told to keep no copy, and Flux never does: there it is about hands alone, and other limits count as ever."""
    flux = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"}, "spec": {"path": "./apps"},
    }  # fmt: skip
    argo = {"argocd.argoproj.io/sync-options": "Prune=false,ServerSideApply=true"}
    large, larger = {"a": "x" * 300_000}, {"a": "x" * 1_040_000}
    path = tmp_path / "all.json"
    for items, severities in (
        ([manifest(large)], ["critical"]),
        ([manifest(large, annotations=argo)], []),
        ([manifest(large), flux], ["info"]),
        ([manifest({"a": "x" * 220_000}), flux], []),
        ([manifest(larger), flux], ["critical"]),
    ):
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        found = files_program.scan("--from", str(path), "--severity", "info")["findings"]
        assert [finding["severity"] for finding in found] == severities, items[0]["metadata"]
        assert all(finding["message"].startswith("values") for finding in found if items[0]["data"] == larger)


def test_room_is_told_in_keys_or_in_bytes_and_never_in_milliards(files_program: Program, tmp_path: Path) -> None:
    """Keys whose values are empty fit for ever as far as values go, and annotations are not counted in keys."""
    items = [
        manifest({f"{number:0200d}": "" for number in range(6300)}, uid="a", name="no-values"),
        manifest({"a": "1"}, uid="b", name="notes", annotations={"big": "x" * 230_000}),
        manifest({"a": "x" * 1_040_000}, uid="c", name="one-value"),
    ]
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    found = {f["name"]: f["message"] for f in files_program.scan("--from", str(tmp_path))["findings"]}
    assert set(found) == {"no-values", "notes", "one-value"}
    assert not any("1,000,000,000" in message for message in found.values())
    assert found["notes"].endswith("32,141 bytes are left")
    assert found["one-value"].endswith("no more key fits")


def test_a_history_says_when_the_map_is_full(files_program: Program, tmp_path: Path) -> None:
    """Eleven dumps, one a day: the map grows by 40 kB a day, and reaches 1 MiB of values in less than a week."""
    days = tmp_path / "days"
    for day in range(11):
        item = manifest({f"key-{number:05d}": "x" * 990 for number in range(500 + 40 * day)}, uid="a", namespace="prod")
        folder = days / f"2027-01-{10 + day}"
        folder.mkdir(parents=True)
        (folder / "all.json").write_text(json.dumps(item))
    store = ("--store", str(tmp_path / "store"))
    imported = files_program("history", "import", *store, str(days))
    assert imported.code == 0, imported
    newest = ("scan", "--from", str(days / "2027-01-20"), "-o", "json")
    (finding,) = files_program(*newest, *store).json["findings"]
    # in so many days from now, with the bounds of the 80 % interval
    assert re.search(r"; full in \d+ days \(\d+–\d+\) at the rate of its history, 2027-01-23T", finding["message"]), finding
    assert "a day; binds first: values/1 MiB; full in " in finding["evidence"][-1]
    # without a history, or with that of a map of another size, nothing is said
    assert "full" not in files_program(*newest).json["findings"][0]["message"]
    other = manifest({f"key-{number:05d}": "x" * 990 for number in range(1050)}, uid="a", namespace="prod")
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert (
        "full"
        not in files_program("scan", "--from", str(tmp_path / "other.json"), "-o", "json", *store).json["findings"][0]["message"]
    )
    assert files_program(*newest, "--store", str(tmp_path / "nope")).code == 2
