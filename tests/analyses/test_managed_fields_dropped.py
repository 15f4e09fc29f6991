"""What the API server does silently at a quarter of the famous 1 MiB."""

from __future__ import annotations

from pathlib import Path

from ghostkey.testing import ControlPlane
from tests.helpers import Program, analyse, config_map, found, keys, make_map

DATA = {f"a-key-of-thirty-nine-characters-{n:07d}": "x" * 20 for n in range(14_500)}


def test_dropped_managed_fields_are_seen_on_a_real_server(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    made = make_map(control_plane, namespace, "full", DATA)
    assert "managedFields" not in made["metadata"]
    report = program.scan("cm/full", "-n", namespace)
    assert found(report) == {("managed-fields-dropped", namespace, "full", "")}
    assert report["findings"][0]["severity"] == "critical"
    values = next(line for line in report["findings"][0]["evidence"] if line.startswith("values"))
    assert "(28%)" in values


def test_dump_that_shows_none_anywhere_is_not_judged(tmp_path: Path) -> None:
    """`kubectl get -o yaml` leaves managedFields out."""
    assert keys(analyse(tmp_path, [config_map(DATA)]), "managed-fields-dropped") == set()
    others = config_map(
        {"a": "1"},
        "other",
        metadata={
            "managedFields": [
                {"manager": "x", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}}
            ]
        },
    )
    assert len(analyse(tmp_path, [config_map(DATA), others], only="managed-fields-dropped")) == 1
