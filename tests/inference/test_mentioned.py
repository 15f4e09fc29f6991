"""A name that a live object of another kind has in a field: it may be yet to come, or live in another cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import analyse, config_map, thing

LIVE, OTHERS = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh"], ["galuba", "romeka-inc"]


@pytest.mark.parametrize(
    ("kind", "spec", "state"),
    [
        ("Mesh", {"members": [*LIVE, *OTHERS]}, "suspect"),
        ("Mesh", {"peers": [{"ref": {"name": name}} for name in OTHERS]}, "suspect"),
        ("Mesh", {"members": LIVE}, "found"),
        ("Deployment", {"args": OTHERS}, "found"),  # the fields of workloads are legion
    ],
)
def test_name_that_another_object_has_in_its_spec_is_no_proof(tmp_path: Path, kind: str, spec: object, state: str) -> None:
    version = "apps/v1" if kind == "Deployment" else "mesh.example.org/v1"
    members = [thing("Member", name) for name in LIVE]
    other = thing(kind, "main", "ops", api_version=version, spec=spec)
    found = analyse(tmp_path, [*members, other, config_map(dict.fromkeys([*LIVE, *OTHERS], "1"))])
    assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} == {(name, state) for name in OTHERS}
    said = "Mesh names it in a label or a field" in " ".join(f.message for f in found)
    assert said == (state == "suspect")
