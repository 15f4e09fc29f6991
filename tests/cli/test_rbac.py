"""What `ghostkey rbac` prints is enough for each command, and no more."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.helpers import Program, found, make_map, make_registry, read_data, wait_for_rights

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]
KINDS = "tenants.demo.ghostkey.dev"


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "other", {"a": "1"})
    return namespace


def allowed(control_plane: ControlPlane, program: Program, user: str, *words: str) -> Program:
    """The program as a user with just the rights that it prints for these words."""
    printed = program("rbac", "--user", user, *words)
    assert printed.code == 0, printed.err
    text = printed.out.replace("name: ghostkey-", f"name: {user}-ghostkey-")
    apply_roles(control_plane, user, list(yaml.safe_load_all(text)))
    return program.as_user(control_plane.kubeconfig_for(user))


def apply_roles(control_plane: ControlPlane, user: str, documents: list[dict[str, Any]]) -> None:
    control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    for document in documents:
        if "rules" in document:
            wait_for_rights(control_plane, user, document["rules"], document["metadata"].get("namespace", ""))


def every_smaller_set(documents: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The same roles, each time without one verb on one resource."""
    for number, document in enumerate(documents):
        for place, rule in enumerate(document.get("rules", [])):
            for resource, verb in itertools.product(rule["resources"], rule["verbs"]):
                rest = [
                    {**rule, "resources": [r for r in rule["resources"] if r != resource]},
                    {**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if v != verb]},
                ]
                rules = (
                    document["rules"][:place]
                    + [r for r in rest if r["resources"] and r["verbs"]]
                    + document["rules"][place + 1 :]
                )
                changed = {**document, "rules": rules}
                yield f"{verb} {resource}", [*documents[:number], *([changed] if rules else []), *documents[number + 1 :]]


@pytest.mark.whole(but=["undo-line3"])
@pytest.mark.parametrize(
    ("purpose", "line"),
    [
        ("scan", ("scan", "--holders", "configmaps", "--kinds", KINDS)),
        ("explain", ("explain", "cm/registry", "--kinds", KINDS)),
        ("trim", ("trim", "cm/registry", "--ghosts", "--kinds", KINDS)),
        ("undo", ("undo",)),
    ],
)
def test_no_printed_right_is_more_than_needed(
    control_plane: ControlPlane, registry: str, program: Program, purpose: str, line: tuple[str, ...]
) -> None:
    """Without any single one of the rights the command can no longer do its work."""
    if purpose == "undo":
        assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 0
    words = ("--for", purpose, "-n", registry, "--map", "cm/registry", "--kinds", KINDS)
    documents = list(yaml.safe_load_all(program("rbac", *words, "--user", "USER").out))
    tried = []
    for number, (missing, smaller) in enumerate(every_smaller_set(documents)):
        user = f"less-{purpose}-{registry}-{number}"
        roles = json.loads(json.dumps(smaller).replace("USER", user).replace('"ghostkey-', f'"{user}-'))
        apply_roles(control_plane, user, roles)
        done = program.as_user(control_plane.kubeconfig_for(user))(*line, "-n", registry)
        assert done.code == 3, f"{purpose} works without {missing}: {done}"
        tried.append(missing)
    assert len(tried) == len(set(tried)) >= (2 if purpose == "undo" else 9)
    expected = 1 if purpose in {"scan", "explain"} else 0
    assert allowed(control_plane, program, f"enough-{purpose}-{registry}", *words)(*line, "-n", registry).code == expected


def test_scan_with_printed_rights_sees_everything(control_plane: ControlPlane, registry: str, program: Program) -> None:
    done = allowed(control_plane, program, f"scan-{registry}")("scan", "-n", registry, "-o", "json")
    assert done.code == 1
    assert done.json["gaps"] == []
    assert len(found(done.json)) == len(GONE)


def test_scan_of_one_namespace_and_kind(control_plane: ControlPlane, registry: str, program: Program) -> None:
    user = allowed(control_plane, program, f"narrow-{registry}", "-n", registry, "--kinds", KINDS)
    done = user("scan", "-n", registry, "--kinds", KINDS, "-o", "json")
    assert (done.code, done.json["gaps"]) == (1, [])
    assert len(found(done.json)) == len(GONE)
    # nothing beyond: no write, no map of another namespace
    assert user("trim", "cm/registry", "-n", registry, "--kinds", KINDS, "--ghosts", "--apply").code == 3
    assert user("scan", "-n", "default", "--kinds", KINDS).code == 3


def test_trim_undo_and_verify_of_one_map(control_plane: ControlPlane, registry: str, program: Program) -> None:
    words = ("-n", registry, "--kinds", KINDS, "--map", "cm/registry")
    before = read_data(control_plane, registry, "registry")
    trimmer = allowed(control_plane, program, f"trim-{registry}", "--for", "trim", *words)
    done = trimmer("trim", "cm/registry", "-n", registry, "--ghosts", "--kinds", KINDS, "--apply")
    assert done.code == 0, done.err
    assert set(read_data(control_plane, registry, "registry")) == {f"{registry}.{name}" for name in LIVE}
    # the one map and no other
    other = trimmer("trim", "cm/other", "-n", registry, "--key", "a", "--apply")
    assert other.code == 3
    assert 'cannot get resource "configmaps"' in other.err
    verifier = allowed(control_plane, program, f"verify-{registry}", "--for", "verify", *words)
    assert verifier("verify", "cm/registry", "-n", registry, "--for", "1s", "--kinds", KINDS).code == 0
    undoer = allowed(control_plane, program, f"undo-{registry}", "--for", "undo", *words)
    assert undoer("undo").code == 0
    assert read_data(control_plane, registry, "registry") == before


def test_receipts_in_the_cluster_need_their_own_rights(control_plane: ControlPlane, registry: str, program: Program) -> None:
    words = ("--for", "trim", "-n", registry, "--kinds", KINDS, "--map", "cm/registry")
    line = ("trim", "cm/registry", "-n", registry, "--key", f"{registry}.{GONE[0]}", "--receipts", "cluster", "--apply")
    without = allowed(control_plane, program, f"disk-{registry}", *words)(*line)
    assert without.code == 3
    # the receipt could not be kept, so nothing was removed
    assert f"{registry}.{GONE[0]}" in read_data(control_plane, registry, "registry")
    assert allowed(control_plane, program, f"cluster-{registry}", *words, "--receipts", "cluster")(*line).code == 0


@pytest.mark.parametrize("purpose", ["scan", "explain", "trim", "undo", "verify"])
def test_no_rule_is_wider_than_reading_and_patching(files_program: Program, purpose: str) -> None:
    done = files_program("rbac", "--for", purpose, "-n", "shop", "--map", "cm/registry", "--kinds", KINDS)
    documents = list(yaml.safe_load_all(done.out))
    rules = [rule for document in documents for rule in document["rules"]]
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert verbs <= {"get", "list", "watch"} | ({"patch"} if purpose in {"trim", "undo"} else set())
    assert all("*" not in rule["resources"] + rule["apiGroups"] for rule in rules)
    writing = [rule for rule in rules if "patch" in rule["verbs"]]
    assert all(rule.get("resourceNames") == ["registry"] for rule in writing)
    assert not any("secrets" in rule["resources"] for rule in rules), json.dumps(rules)


@pytest.mark.whole
def test_receipts_in_the_cluster_take_create_to_trim_and_no_more(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    words = ("--for", "trim", "-n", registry, "--kinds", KINDS, "--map", "cm/registry", "--receipts", "cluster")
    line = ("trim", "cm/registry", "-n", registry, "--ghosts", "--kinds", KINDS, "--receipts", "cluster", "--apply")
    documents = list(yaml.safe_load_all(program("rbac", *words, "--user", "USER").out))
    on_secrets = [rule["verbs"] for document in documents for rule in document.get("rules", []) if "secrets" in rule["resources"]]
    assert on_secrets == [["create"]]
    assert all(d["metadata"].get("namespace") == registry for d in documents if "secrets" in str(d.get("rules")))
    for number, (missing, smaller) in enumerate(every_smaller_set(documents)):
        user = f"less-receipts-{registry}-{number}"
        apply_roles(control_plane, user, json.loads(json.dumps(smaller).replace("USER", user).replace('"ghostkey-', f'"{user}-')))
        done = program.as_user(control_plane.kubeconfig_for(user))(*line)
        assert done.code == 3, f"trim works without {missing}: {done}"
    assert set(GONE) <= {key.partition(".")[2] for key in read_data(control_plane, registry, "registry")}
    done = allowed(control_plane, program, f"receipts-{registry}", *words)(*line)
    assert done.code == 0, done.err
    assert set(read_data(control_plane, registry, "registry")) == {f"{registry}.{name}" for name in LIVE}


def test_receipts_in_the_cluster_take_get_and_list_to_undo_and_no_more(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    before = read_data(control_plane, registry, "registry")
    key = f"{registry}.{GONE[0]}"
    place = ("-n", registry, "--receipts", "cluster")

    def trim() -> str:
        done = program("trim", "cm/registry", "--key", key, "--apply", "-o", "json", *place)
        assert done.code == 0, done.err
        return str(done.json["receipt"])

    receipt = trim()
    words = ("--for", "undo", "--kinds", KINDS, "--map", "cm/registry", *place)
    documents = list(yaml.safe_load_all(program("rbac", *words, "--user", "USER").out))
    on_secrets = [rule["verbs"] for document in documents for rule in document.get("rules", []) if "secrets" in rule["resources"]]
    assert on_secrets == [["get", "list"]]
    for number, (missing, smaller) in enumerate(every_smaller_set(documents)):
        user = f"less-undo-{registry}-{number}"
        apply_roles(control_plane, user, json.loads(json.dumps(smaller).replace("USER", user).replace('"ghostkey-', f'"{user}-')))
        undoer = program.as_user(control_plane.kubeconfig_for(user))
        # the newest is found by listing, one that is named by reading it
        codes = [undoer("undo", *place).code, undoer("undo", receipt, *place).code]
        assert 3 in codes, f"undo works without {missing}: {codes}"
        if read_data(control_plane, registry, "registry") == before:
            receipt = trim()
    undoer = allowed(control_plane, program, f"undoer-{registry}", *words)
    done = undoer("undo", *place)
    assert done.code == 0, done.err
    assert read_data(control_plane, registry, "registry") == before
    receipt = trim()
    assert undoer("undo", receipt, *place).code == 0
    assert read_data(control_plane, registry, "registry") == before


@pytest.mark.parametrize("purpose", ["scan", "trim", "undo", "verify", "watch", "guard", "maps"])
def test_what_is_printed_is_written_out_as_people_write_it(files_program: Program, purpose: str) -> None:
    for words in ((), ("-n", "shop", "--map", "cm/registry"), ("--user", "jane")):
        done = files_program("rbac", "--for", purpose, *words)
        assert not [line for line in done.out.splitlines() if "&id" in line or "*id" in line]
        assert done.code in {0, 2}, done.err
        assert done.code == 2 or list(yaml.safe_load_all(done.out))


def test_receipts_in_the_cluster_need_a_namespace(files_program: Program) -> None:
    done = files_program("rbac", "--for", "trim", "--receipts", "cluster")
    assert (done.code, "name it with -n" in done.err) == (2, True)


@pytest.mark.whole
def test_holders_narrow_the_role_of_scan(control_plane: ControlPlane, registry: str, program: Program) -> None:
    words = ("-n", registry, "--kinds", KINDS, "--holders", "configmaps")
    printed = program("rbac", *words).out
    assert "secrets" not in printed
    done = allowed(control_plane, program, f"holders-{registry}", *words)(
        "scan", "-n", registry, "--kinds", KINDS, "--holders", "configmaps", "-o", "json"
    )
    assert (done.code, done.json["gaps"]) == (1, [])
    assert len(found(done.json)) == len(GONE)
    assert program("rbac", "--for", "trim", "--holders", "configmaps").code == 2
    assert program("rbac", "--holders", "pods").code == 2


@pytest.mark.parametrize(("kind", "hint"), [
    ("tenants", "kubectl api-resources"), ("Tenants", "kubectl api-resources"), ("tenants.demo", "kubectl api-resources"),
    ("deployments", "write deployments.apps"), ("jobs", "write jobs.batch"), ("", "kubectl api-resources"),
    ("pod", "kubectl api-resources"), (".demo.ghostkey.dev", "kubectl api-resources"), ("*", "kubectl api-resources"),
    ("tenants.demo.ghostkey.dev/status", "kubectl api-resources"), ("tenants.*", "kubectl api-resources"),
])  # fmt: skip
def test_kind_that_cannot_be_placed_in_a_group_is_refused(files_program: Program, kind: str, hint: str) -> None:
    done = files_program("rbac", "--kinds", kind)
    assert (done.code, done.out, hint in done.err) == (2, "", True), done.err


@pytest.mark.parametrize(("kind", "group"), [
    ("pods", ""), ("namespaces", ""), ("serviceaccounts", ""), ("deployments.apps", "apps"), ("jobs.batch", "batch"),
    ("tenants.demo.ghostkey.dev", "demo.ghostkey.dev"), ("leases.coordination.k8s.io", "coordination.k8s.io"),
])  # fmt: skip
def test_kind_of_a_known_group_is_taken(files_program: Program, kind: str, group: str) -> None:
    rules = yaml.safe_load(files_program("rbac", "--kinds", kind).out)["rules"]
    assert any(group in rule["apiGroups"] and kind.partition(".")[0] in rule["resources"] for rule in rules)
    granted = [
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert len(granted) == len(set(granted))
