"""`explain cm/NAME [KEY]` answers why a key is not a ghost, and whom a live key is for."""

from __future__ import annotations

from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, make_tenant, make_tenants_kind


def test_live_key_has_its_subject_and_others_what_spoke_against_them(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_tenants_kind(control_plane)
    names = ["acme-1", "bakery-2", "carrier-3"]
    for name in names:
        make_tenant(control_plane, namespace, name)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in names} | {"next-id": "7"})
    live = program("explain", "cm/registry", f"{namespace}.acme-1", "-n", namespace, "--kinds", "tenants.demo.ghostkey.dev")
    assert f"it is for Tenant {namespace}/acme-1, which lives: {{namespace}}.{{name}}" in live.out
    assert live.code == 0
    constant = program("explain", "cm/registry", "next-id", "-n", namespace, "--kinds", "tenants.demo.ghostkey.dev")
    assert "{namespace}.{name} of tenants.demo.ghostkey.dev" in constant.out
    assert "bits" in constant.out
    assert constant.code == 0


def test_table_of_some_of_the_objects_says_what_would_tip_it(
    program: Program, control_plane: ControlPlane, namespace: str
) -> None:
    make_tenants_kind(control_plane)
    for name in ("small", "large", "acme-1", "bakery-2", "carrier-3", "dairy-4"):
        make_tenant(control_plane, namespace, name)
    make_map(control_plane, namespace, "sizes", dict.fromkeys(("small", "medium", "large", "huge", "tiny", "xl"), "1"))
    told = program("explain", "cm/sizes", "medium", "-n", namespace, "--kinds", "tenants.demo.ghostkey.dev")
    assert told.code == 0
    assert "2 of 6 such keys have a live object" in told.out
    assert "against it" in told.out
    assert "--subject 'tenants.demo.ghostkey.dev={name}'" in told.out
    declared = program(
        "explain",
        "cm/sizes",
        "medium",
        "-n",
        namespace,
        "--kinds",
        "tenants.demo.ghostkey.dev",
        "--subject",
        "tenants.demo={name}",
    )
    assert declared.code == 1
    assert "declared by --subject" in declared.out


def test_only_the_named_map_is_told_of(program: Program, control_plane: ControlPlane, namespace: str) -> None:
    make_tenants_kind(control_plane)
    names = ["acme-1", "bakery-2", "carrier-3"]
    for name in names:
        make_tenant(control_plane, namespace, name)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in names})
    make_map(control_plane, namespace, "settings", {"level": "info", f"{namespace}.acme-1": "a key of another map too"})
    told = program("explain", "cm/settings", "-n", namespace, "--kinds", "tenants.demo.ghostkey.dev")
    assert told.code == 0
    assert "carrier-3" not in told.out
    assert "3 of 3 such keys" not in told.out
