"""How times are told."""

from __future__ import annotations

import datetime

import pytest

from ghostkey.report.times import age, in_table, localised
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map

NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2027-03-01T11:59:30Z", "30s"),
        ("2027-03-01T11:00:00Z", "60m"),
        ("2027-02-28T12:00:00+00:00", "24h"),
        ("2026-03-01T12:00:00Z", "365d"),
        ("2027-03-01T12:00:09Z", "0s"),
        ("?", "?"),
        ("", "?"),
    ],
)
def test_ages_are_those_of_kubectl(at: str, shown: str) -> None:
    assert age(at, NOW) == shown


def test_local_times_have_their_offset_and_parts_of_names_are_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert in_table("2027-03-01T12:00:00Z", is_local=True) == "2027-03-01T17:30:00+05:30"
        assert localised("written at 2027-03-01T12:00:00Z.") == "written at 2027-03-01T17:30:00+05:30."
        assert localised("key job-2027-03-01T12:00:00Z of x/2027-03-01T12:00:00Z") == (
            "key job-2027-03-01T12:00:00Z of x/2027-03-01T12:00:00Z"
        )
        assert localised("9999-99-99T99:99:99Z") == "9999-99-99T99:99:99Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_blame_tells_ages_in_its_table_and_rfc_3339_in_json(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "settings", {"a": "1"})
    words = ("blame", "cm/settings", "-n", namespace)
    heading, row = program(*words).out.splitlines()
    assert heading.split() == ["WRITTEN", "BY", "MANAGER", "TOLD", "BY", "KEY"]
    assert row.split()[0][-1] in "sm"
    at = program(*words, "-o", "json").json["keys"][0]["written_at"]
    assert datetime.datetime.fromisoformat(at).utcoffset() == datetime.timedelta(0)
    assert at.endswith("Z")
    local = program(*words, "--local", env={"TZ": "Asia/Kolkata"}).out.splitlines()[1].split()[0]
    assert local.endswith("+05:30")
    assert datetime.datetime.fromisoformat(local) == datetime.datetime.fromisoformat(at)
