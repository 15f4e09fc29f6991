"""Which trim an undo means: the latest that is in force, of the map that is named, in this cluster."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.store.state import digest_key
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, read_data

DATA = {f"k{n}": str(n) for n in range(6)}


def trim(program: Program, namespace: str, key: str, name: str = "registry", *words: str) -> None:
    done = program("trim", f"cm/{name}", "-n", namespace, "--key", key, "--apply", *words)
    assert done.code == 0, done.err


def test_trims_of_one_second_are_undone_latest_first(
    control_plane: ControlPlane, namespace: str, client: ApiClient, program: Program, tmp_path: Path
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    key = digest_key(tmp_path / "state")
    receipts = api.FileReceipts(tmp_path / "state" / "receipts", key)
    for number in range(6):
        live = api.read_map(client, CONFIG_MAPS, namespace, "registry")
        api.apply(client, api.plan(live, CONFIG_MAPS, [api.Wanted("data", f"k{number}")], key), receipts, key, check_pods=False)
    for number in reversed(range(6)):
        assert program("undo").code == 0
        assert set(read_data(control_plane, namespace, "registry")) == {f"k{n}" for n in range(number, 6)}
    done = program("undo")
    assert done.code == 0
    assert "nothing to undo: every trim has been undone" in done.err


def test_order_outlives_a_clock_that_is_turned_back(tmp_path: Path) -> None:
    receipts = api.FileReceipts(tmp_path)
    late = receipts.new_id("2026-11-25T10:00:00.000000Z")
    (tmp_path / f"{late}.receipt").write_bytes(b"")
    early = receipts.new_id("2026-11-25T09:00:00.000000Z")
    (tmp_path / f"{early}.receipt").write_bytes(b"")
    assert early < late, "by time alone the second would come first"
    named = [str(error).split(".receipt")[0].rsplit("/", 1)[1] for error in receipts.newest_first()]
    assert named == [early, late]


def test_map_that_is_named_is_the_one(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    for name in ("registry", "other"):
        make_map(control_plane, namespace, name, DATA)
        trim(program, namespace, "k1", name)
    assert program("undo", "cm/registry", "-n", namespace).code == 0
    assert read_data(control_plane, namespace, "registry") == DATA
    assert "k1" not in read_data(control_plane, namespace, "other")
    again = program("undo", "cm/registry", "-n", namespace)
    assert "every trim of cm/registry has been undone" in again.err
    missing = program("undo", "cm/third", "-n", namespace)
    assert missing.code == 2
    assert f"no receipts in {program.state}/receipts of ConfigMap {namespace}/third" in missing.err


@pytest.mark.parametrize("place", [[], ["--receipts", "cluster"]], ids=["disk", "cluster"])
def test_list_shows_age_map_keys_and_state(
    control_plane: ControlPlane, namespace: str, program: Program, place: list[str]
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    assert "no receipts" in program("undo", "--list", "-n", namespace, *place).err
    trim(program, namespace, "k1", "registry", *place)
    trim(program, namespace, "k2", "registry", *place)
    assert program("undo", "-n", namespace, *place).code == 0
    done = program("undo", "--list", "-n", namespace, *place)
    assert done.code == 0
    head, first, second = done.out.splitlines()
    assert head.split() == ["AGE", "MAP", "KEYS", "STATE", "ID"]
    assert first.split()[1:6] == ["cm/registry", "-n", namespace, "1", "undone"]
    assert second.split()[1:6] == ["cm/registry", "-n", namespace, "1", "applied"]
    assert first.split()[0].endswith("s")


@pytest.mark.whole
def test_verify_takes_the_newest_receipt_of_the_map(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    for name in ("registry", "other"):
        make_map(control_plane, namespace, name, DATA)
        trim(program, namespace, "k1", name)
    done = program("verify", "cm/registry", "-n", namespace, "--for", "1s", "-o", "json")
    assert done.code == 0, done.err
    assert f"watching 1 trimmed key of cm/registry -n {namespace}" in done.err


def test_receipt_of_another_cluster_is_told_as_such(
    control_plane: ControlPlane, own_control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    trim(program, namespace, "k1")
    (receipt,) = program.state.glob("receipts/*.receipt")
    other = program.as_user(own_control_plane.kubeconfig)
    done = other("undo")
    assert done.code == 5
    assert f"is of another one: {control_plane.url}" in done.err
    named = other("undo", receipt.stem)
    assert named.code == 4
    assert f"is not in this cluster ({own_control_plane.url}); nothing was changed" in named.err
    assert f"it was trimmed at {control_plane.url}" in named.err
    assert program("undo", receipt.stem).code == 0


def test_damaged_receipt_before_the_latest_stops_and_an_older_one_is_named(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    """Passing it over would put back an older trim than the one that was meant."""
    make_map(control_plane, namespace, "registry", DATA)
    trim(program, namespace, "k1")
    trim(program, namespace, "k2")
    newest, older = sorted(program.state.glob("receipts/*.receipt"), key=lambda path: path.stem.split("-")[1], reverse=True)
    newest.write_bytes(newest.read_bytes()[:50])
    assert program("undo").code == 5
    listed = program("undo", "--list")
    assert listed.code == 3
    assert older.stem in listed.out
    assert program("undo", older.stem).code == 0
    assert set(read_data(control_plane, namespace, "registry")) == set(DATA) - {"k2"}


def test_ids_sort_by_the_microsecond(tmp_path: Path) -> None:
    receipts = api.ClusterReceipts(None, "prod")  # type: ignore[arg-type]
    now = datetime.datetime(2026, 11, 25, 10, 0, 0, tzinfo=datetime.UTC)
    times = [now + datetime.timedelta(microseconds=n) for n in range(20)]
    ids = [receipts.new_id(time.isoformat(timespec="microseconds").replace("+00:00", "Z")) for time in times]
    assert ids == sorted(ids)
