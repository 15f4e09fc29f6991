"""A key that is named although its subject lives is never removed without a word about whose it is."""

from __future__ import annotations

import json

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, make_map, make_registry, make_tenant, make_tenants_kind, read_data

LIVE, GONE = [f"shop-{n}" for n in range(6)], ["bakery-1", "kiosk-7"]


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    document = {f"{namespace}.{name}": {"plan": "x"} for name in LIVE + GONE}
    make_map(control_plane, namespace, "documents", {"tenants.json": json.dumps(document)})
    return namespace


def test_plan_says_whose_the_key_is_and_what_is_carried_out_says_it_first(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    key = f"{registry}.shop-1"
    warning = f"warning: the subject of 1 of 2 keys lives: {key} (Tenant {registry}/shop-1)"
    words = ("trim", "cm/registry", "-n", registry, "--key", key, "--key", f"{registry}.bakery-1")
    planned = program(*words)
    assert planned.code == 0
    assert warning in planned.err.splitlines()
    (line,) = [line for line in planned.out.splitlines() if f"- {key} " in line]
    assert line.endswith(f"named by the user; its subject lives, Tenant {registry}/shop-1")
    (other,) = [line for line in planned.out.splitlines() if "bakery-1" in line]
    assert other.endswith("named by the user")
    done = program(*words, "--apply")
    assert done.code == 0  # whoever names a key may have a reason
    said = done.err.splitlines()
    assert said.index(warning) < next(place for place, line in enumerate(said) if line.startswith("removed "))
    assert key not in read_data(control_plane, registry, "registry")


def test_expressions_entries_and_plans_of_others_say_it_too(registry: str, program: Program) -> None:
    place = ("-n", registry)
    matched = program("trim", "cm/registry", *place, "--match", rf"{registry}\.(shop|bakery)-.*")
    assert f"warning: the subject of 6 of 7 keys lives: {registry}.shop-0 (Tenant {registry}/shop-0), " in matched.err
    assert " and 1 more\n" in matched.err
    entry = program("trim", "cm/documents", *place, "--key", f"tenants.json/{registry}.shop-2")
    assert f"warning: the subject of 1 of 1 key lives: tenants.json/{registry}.shop-2 (Tenant" in entry.err
    plan = program("trim", "cm/registry", *place, "--key", f"{registry}.shop-1", "-o", "json")
    (change,) = plan.json["plan"]["changes"]
    assert change["reason"].endswith(f"its subject lives, Tenant {registry}/shop-1")
    applied = program("trim", "--plan", "-", "--apply", stdin=plan.out)
    assert applied.code == 0
    assert f"warning: the subject of 1 of 1 key lives: {registry}.shop-1" in applied.err


@pytest.mark.whole
def test_link_that_is_only_likely_is_worth_a_word_and_a_ghost_gets_none(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_tenants_kind(control_plane)
    for name in ("north-1", "south-2"):
        make_tenant(control_plane, namespace, name)
    make_map(control_plane, namespace, "few", {"tenant-north-1": "1", "tenant-west-9": "1", "log.level": "info"})
    done = program("trim", "cm/few", "-n", namespace, "--key", "tenant-north-1")
    assert f"tenant-north-1 (Tenant {namespace}/north-1)" in done.err or "tenant-north-1 (Tenant north-1)" in done.err
    for key in ("tenant-west-9", "log.level"):
        assert "warning" not in program("trim", "cm/few", "-n", namespace, "--key", key).err
    make_registry(control_plane, namespace, [f"more-{n}" for n in range(6)], ["gone-1"])
    assert "warning" not in program("trim", "cm/registry", "-n", namespace, "--ghosts").err


def test_what_could_not_be_looked_at_is_said(control_plane: ControlPlane, registry: str, program: Program) -> None:
    user = f"trimmer-{registry}"
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    bind(control_plane, user, rules, registry)
    own = program.as_user(control_plane.kubeconfig_for(user))
    done = own("trim", "cm/registry", "-n", registry, "--key", f"{registry}.shop-1", "--no-pod-check")
    assert done.code == 0, done.err
    assert "note: whether all subjects of these keys are gone is not known: not seen: " in done.err
