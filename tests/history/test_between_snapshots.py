"""What went whole in what was compacted between two snapshots of a real etcd: a later snapshot shows all that is there."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from ghostkey.model.history import Covered
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import prepare
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, make_tenant, make_tenants_kind, merge
from tests.history.shop import DIGEST

NAMES = [f"shop-{n}" for n in range(7)]
TENANTS = "/apis/demo.ghostkey.dev/v1/namespaces/prod/tenants"
MAPS = "/api/v1/namespaces/prod/configmaps"


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two snapshots; between them a Tenant and a map go, a Tenant is made again, and all that is forgotten."""
    folder = tmp_path_factory.mktemp("nights")
    with ControlPlane(apiserver_flags=["--etcd-compaction-interval=0s"]) as control_plane:
        db = control_plane.directory / "etcd" / "member" / "snap" / "db"

        def compacted(target: Path) -> None:
            revision = control_plane.etcd.compact()

            def is_told() -> bool:
                shutil.copy(db, target)
                rows = [event for event in EtcdSnapshot(target, DIGEST).events() if isinstance(event, Covered)]
                return any(row.since_revision == row.until_revision == revision for row in rows)

            control_plane.wait_until(is_told, "the compaction is on the disk")

        make_tenants_kind(control_plane)
        control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
        make_map(control_plane, "prod", "registry", {})
        make_map(control_plane, "prod", "other", {f"prod.{name}": "v" for name in NAMES})
        for name in NAMES:
            make_tenant(control_plane, "prod", name)
            merge(control_plane, "prod", "registry", {f"prod.{name}": '{"plan":"gold"}'})
        compacted(folder / "first.db")
        control_plane.request("DELETE", f"{TENANTS}/shop-0")
        control_plane.request("DELETE", f"{TENANTS}/shop-1")
        make_tenant(control_plane, "prod", "shop-1")
        control_plane.request("DELETE", f"{MAPS}/other")
        compacted(folder / "second.db")
        control_plane.processes["kube-apiserver"].stop(signal.SIGKILL)
    return folder


@pytest.mark.whole
@pytest.mark.parametrize("paths", [["first.db", "second.db"], ["second.db", "first.db"]])
def test_object_that_a_later_snapshot_does_not_show_has_gone(files_program: Program, nights: Path, paths: list[str]) -> None:
    words = [word for path in paths for word in ("--from", str(nights / path))]
    told = files_program("explain", "cm/registry", "-n", "prod", *words, "-o", "json").json
    assert [(row["key"], row["class"]) for row in told["ghosts"]] == [("prod.shop-0", "unknown")]
    assert "its subject lives" in files_program("explain", "cm/registry", "prod.shop-1", "-n", "prod", *words).out
    gone = files_program("explain", "cm/other", "-n", "prod", *words, "-o", "json").json
    assert [row["key"] for row in gone["keys"] if row["is_present"]] == []
    assert gone["ghosts"] == []


def test_object_that_a_snapshot_shows_lives_whatever_was_forgotten(files_program: Program, nights: Path) -> None:
    for path in ("first.db", "second.db"):
        told = files_program("explain", "cm/registry", "-n", "prod", "--from", str(nights / path), "-o", "json").json
        assert told["ghosts"] == []
        assert sum(row["is_present"] for row in told["keys"]) == len(NAMES)


def test_revisions_that_were_used_again_tell_of_no_end(nights: Path, tmp_path: Path) -> None:
    """After a restore to an older state, the later snapshot has lower revisions than the one before."""
    store = History(tmp_path / "store")
    for path, later in (("first.db", 1_000_000_000), ("second.db", 0)):
        events = [
            event._replace(since=event.since + later, until=event.until + later)
            if isinstance(event, Covered) and event.since is not None and event.until is not None
            else event
            for event in EtcdSnapshot(nights / path, DIGEST).events()
        ]
        store.add(path, "etcd-snapshot", path, events)
    engine = DuckEngine(store)
    prepare(engine)
    assert {row["is_alive"] for row in engine.rows("SELECT is_alive FROM subject_life WHERE kind LIKE 'tenants%'")} == {True}
