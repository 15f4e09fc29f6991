"""A scan of nothing is not a scan that found nothing: what was asked for and is not there is "not seen", exit 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, config_map, make_map, make_tenant, make_tenants_kind, thing


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    items = [*(thing("Namespace", name, "", api_version="v1") for name in ("prod", "empty")), thing("Tenant", "shop-1")]
    items.append(config_map({"a": "1"}, name="settings", metadata={"labels": {"app": "shop"}}))
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return tmp_path / "dump"


NOTHING = [
    (("-n", "nope"), "not seen: namespace 'nope'"),
    (("-n", "nope", "cm/settings"), "not seen: namespace 'nope'"),
    (("-l", "app=shopp"), "not seen: -l app=shopp"),
    (("-n", "NS", "-l", "app=shopp"), "not seen: -l app=shopp"),
    (("-n", "NS", "cm/nope"), "not seen: cm/nope -n"),
    (("-n", "NS", "cm/nope", "cm/settings"), "not seen: cm/nope -n"),
    (("-n", "NS", "secret/settings"), "not seen: secret/settings -n"),
    (("--kinds", "tenantz"), "not seen: --kinds tenantz"),
    (("--kinds", "tenants", "--kinds", "tenantz"), "not seen: --kinds tenantz"),
    (("--kinds", "tenants.other"), "not seen: --kinds tenants.other"),
    (("--field", "tenantz:spec.shards"), "not seen: --field tenantz"),
]
SOMETHING = [
    ("-n", "NS"), ("-n", "EMPTY"), ("-l", "app=shop"), ("-n", "NS", "-l", "app in (shop)"), ("-n", "NS", "cm/settings"),
    ("--kinds", "tenants"), ("--kinds", "tenants.demo"), ("--kinds", "Tenant"), ("--field", "tenants:spec.shards"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), NOTHING, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_dump_without_what_was_asked_for_is_not_seen(
    files_program: Program, dump: Path, words: tuple[str, ...], said: str
) -> None:
    done = files_program("scan", "--from", str(dump), *(word.replace("NS", "prod") for word in words))
    assert (done.code, said in done.err) == (3, True), done
    report = files_program("scan", "--from", str(dump), "-o", "json", *(word.replace("NS", "prod") for word in words))
    assert (report.code, len(report.json["gaps"])) == (3, 1)


@pytest.mark.parametrize("words", [words for words in SOMETHING if "in (" not in " ".join(words)], ids=" ".join)
def test_dump_with_what_was_asked_for_is_green(files_program: Program, dump: Path, words: tuple[str, ...]) -> None:
    done = files_program("scan", "--from", str(dump), *(w.replace("NS", "prod").replace("EMPTY", "empty") for w in words))
    assert done.code == 0, done


@pytest.mark.parametrize("beside", [[], [thing("Namespace", "prod", "", api_version="v1")]], ids=["alone", "and namespaces"])
def test_dump_of_maps_alone_says_that_nobody_can_know(
    files_program: Program, tmp_path: Path, beside: list[dict[str, Any]]
) -> None:
    maps = tmp_path / "maps.json"
    items = [config_map({"prod.shop-1": "1", "prod.shop-2": "2"}, name="settings"), *beside]
    maps.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    for words in (("scan",), ("explain", "cm/settings", "-n", "prod")):
        done = files_program(*words, "--from", str(maps))
        assert (done.code, "subjects of their keys live is not known" in done.err) == (0, True), done
    assert files_program("scan", "--from", str(maps), "-o", "json").json["notes"]
    (tmp_path / "none.json").write_text(json.dumps(thing("Tenant", "shop-1")))
    done = files_program("scan", "--from", str(tmp_path / "none.json"))
    assert "nothing was looked into" in done.err


def test_dump_in_which_less_was_asked_for_is_told_nothing_of(files_program: Program, dump: Path) -> None:
    for words in ((), ("-n", "empty"), ("--holders", "secrets")):
        assert "note:" not in files_program("scan", "--from", str(dump), *words).err


@pytest.fixture
def scanned(control_plane: ControlPlane, namespace: str) -> str:
    make_tenants_kind(control_plane)
    make_tenant(control_plane, namespace, "shop-1")
    make_map(control_plane, namespace, "settings", {"a": "1"}, metadata={"labels": {"app": "shop"}})
    if control_plane.raw("GET", "/api/v1/namespaces/empty")[0] != 200:
        control_plane.raw("POST", "/api/v1/namespaces", b'{"metadata": {"name": "empty"}}')
    return namespace


@pytest.mark.whole(but=["-n nope-", "-l app=shopp-", "-n NS cm/nope cm/settings-", "--kinds tenants --kinds tenantz-"])
@pytest.mark.parametrize(("words", "said"), NOTHING, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_cluster_without_what_was_asked_for_is_not_seen(
    scanned: str, program: Program, words: tuple[str, ...], said: str
) -> None:
    where = () if "-n" in words or "-l" in words else ("-n", scanned)
    done = program("scan", *where, *(word.replace("NS", scanned) for word in words))
    assert (done.code, said in done.err) == (3, True), done


@pytest.mark.whole(but=["-n NS", "-n NS -l app in (shop)", "--kinds tenants.demo"])
@pytest.mark.parametrize("words", SOMETHING, ids=" ".join)
def test_cluster_with_what_was_asked_for_is_green(scanned: str, program: Program, words: tuple[str, ...]) -> None:
    where = () if "-n" in words else ("-n", scanned)
    done = program("scan", *where, *(w.replace("NS", scanned).replace("EMPTY", "empty") for w in words), "--fail-on", "never")
    assert done.code == 0, done


def test_namespace_is_asked_for_where_namespaces_cannot_be_listed(
    control_plane: ControlPlane, scanned: str, program: Program
) -> None:
    """With --kinds nobody lists namespaces; one without a map is asked for by name, if that is allowed."""
    assert program("scan", "-n", "nope", "--kinds", "tenants.demo").code == 3
    assert program("scan", "-n", "empty", "--kinds", "tenants.demo").code == 0
    user = f"narrow-{scanned}"
    bind(control_plane, user, [{"apiGroups": ["*"], "resources": ["configmaps", "secrets", "tenants", "pods", "replicationcontrollers",
         "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"], "verbs": ["list"]}])  # fmt: skip
    narrow = program.as_user(control_plane.kubeconfig_for(user))
    done = narrow("scan", "-n", "empty", "--kinds", "tenants.demo")
    assert (done.code, "whether it exists may not be asked" in done.err) == (3, True), done
    assert narrow("scan", "-n", scanned, "--kinds", "tenants.demo", "-l", "app=shop").code == 0


def test_entries_of_documents_are_counted_apart_from_keys(files_program: Program, tmp_path: Path) -> None:
    shards = "\n".join(f"shard-{number}: 1" for number in range(4))
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "a", "uid": "u"}}
    for name, data in (("documents", {"shards.yaml": shards, "size": "4"}), ("plain", {"size": "4"})):
        (tmp_path / f"{name}.json").write_text(json.dumps({**item, "data": data}))
    done = files_program("scan", "--from", str(tmp_path / "documents.json"))
    assert "0 findings in 2 keys and 4 entries of documents of 1 map\n" in done.err
    assert "0 findings in 1 key of 1 map\n" in files_program("scan", "--from", str(tmp_path / "plain.json")).err
    counts = files_program("scan", "--from", str(tmp_path / "documents.json"), "-o", "json").json["summary"]
    assert (counts["maps"], counts["keys"], counts["entries"]) == (1, 2, 4)
