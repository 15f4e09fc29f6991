"""Git trees, dumps without a date, archives, addresses, and what etcd's files say of several managers."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import commits as bench_commits

from ghostkey import story
from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import KeyEvent
from ghostkey.sources.history.dated_dumps import DatedDumps
from ghostkey.sources.history.etcd import revisions
from ghostkey.sources.history.etcd.large import LargeMap
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.wal import _apply, _Replay
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.open import DUMP, sort_of
from ghostkey.sources.history.remote import is_remote
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.helpers import Program

HISTORY_CASES = Path(__file__).parents[1] / "cases" / "history"
FILE_CASES = Path(__file__).parents[1] / "cases" / "files"
DIGEST = KeyedHash(b"k")


def registry(*names: str) -> str:
    data = {f"prod.{name}": "1" for name in names}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry", "namespace": "prod"}, "data": data}
    )


def tenant(name: str) -> str:
    return yaml.safe_dump(
        {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name, "namespace": "prod"}}
    )


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder, self.second = folder, 1_770_000_000
        folder.mkdir()
        self.git("init", "-q")

    def git(self, *words: str, **env: str) -> str:
        own = ["-c", "user.name=a", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"]
        path = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(self.folder), **env}
        return subprocess.run(
            ["git", "-C", str(self.folder), *own, *words], check=True, capture_output=True, text=True, env=path
        ).stdout

    def commit(self, files: dict[str, str | None]) -> str:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.second += 3_600
        self.git("add", "-A")
        self.git("commit", "-qm", "c", GIT_COMMITTER_DATE=f"{self.second} +0000", GIT_AUTHOR_DATE=f"{self.second} +0000")
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("git") / "tree")
    names = [f"shop-{n}" for n in range(9)]
    made.commit({"README.md": "hello", "other/noise.yaml": registry("x").replace("registry", "noise")})
    for number in range(len(names)):
        made.commit(
            {"apps/reg/cm.yaml": registry(*names[: number + 1]), f"apps/tenants/{names[number]}.yaml": tenant(names[number])}
        )
    made.commit({f"apps/tenants/{name}.yaml": None for name in names[:2]})
    # moved to another file, it is still there
    made.commit({"apps/tenants/shop-8.yaml": None, "apps/tenants/last.yaml": tenant("shop-8")})
    return made


def test_git_history_of_a_folder_tells_who_and_where(repository: Repository, files_program: Program) -> None:
    words = ("cm/registry", "-n", "prod", "--from", str(repository.folder / "apps"), "-o", "json")
    story = files_program("explain", *words).json
    assert {row["key"] for row in story["ghosts"]} == {"prod.shop-0", "prod.shop-1"}
    assert {row["class"] for row in story["ghosts"]} == {"unknown"}
    rows = {row["key"]: row for row in files_program("blame", *words).json["keys"]}
    assert rows["prod.shop-3"]["writer"] == "ann@example.com"
    commit, _, path = rows["prod.shop-3"]["audit_id"].partition(":")
    assert path == "apps/reg/cm.yaml"
    assert "shop-3" in repository.git("show", f"{commit}:{path}")
    assert "shop-3" not in repository.git("show", f"{commit}^:{path}")


def test_repository_without_a_work_tree_tells_the_same(repository: Repository, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror.git"
    subprocess.run(["git", "clone", "-q", "--mirror", str(repository.folder), str(mirror)], check=True)
    assert sort_of(mirror) == sort_of(repository.folder) == "dumps"
    assert list(DatedDumps(mirror, DIGEST).events()) == list(DatedDumps(repository.folder, DIGEST).events())


def test_git_history_takes_as_long_as_its_changes(repository: Repository) -> None:
    """Only blobs that a commit changed are asked for: the folder's others are not read again."""
    from ghostkey.sources.history import git_tree

    asked: list[str] = []
    original = git_tree._Blobs.read

    def counted(self: Any, blob: str) -> bytes | None:
        asked.append(blob)
        return original(self, blob)

    git_tree._Blobs.read = counted  # type: ignore[method-assign]
    try:
        events = list(DatedDumps(repository.folder, DIGEST).events())
    finally:
        git_tree._Blobs.read = original  # type: ignore[method-assign]
    assert len(asked) == 1 + 2 * 9 + 1
    assert sum(isinstance(event, KeyEvent) and event.op == "set" for event in events) == 8


@pytest.mark.parametrize("commits", [150, pytest.param(bench_commits.COMMITS, marks=pytest.mark.whole)])
def test_long_history_of_a_repository_is_read_in_time(commits: int, tmp_path: Path) -> None:
    ghosts = bench_commits.make(tmp_path / "tree", commits)
    assert bench_commits.measure(tmp_path / "tree", tmp_path / "store") < bench_commits.GOAL_SECONDS
    engine = DuckEngine(History(tmp_path / "store"))
    story.prepare(engine)
    rows = engine.rows("SELECT key, class FROM missed_deletion WHERE name = 'registry'")
    assert {row["key"] for row in rows} == ghosts
    assert {row["class"] for row in rows} == {"unknown"}


def test_repository_without_manifests_is_said(tmp_path: Path) -> None:
    made = Repository(tmp_path / "tree")
    made.commit({"README.md": "a"})
    made.commit({"README.md": "b"})
    with pytest.raises(SourceDamaged, match="no commit is about manifests"):
        list(DatedDumps(made.folder, DIGEST).events())


def test_map_is_explained_from_a_dump_as_scan_finds_it(files_program: Program) -> None:
    dump = str(FILE_CASES / "troubleshoot-bundle" / "b")
    found = files_program.scan("--from", dump)["findings"]
    done = files_program("explain", "cm/tenant-registry", "-n", "ops", "--from", dump)
    assert done.code == 1
    for finding in found:
        assert finding["id"] in done.out
    alive = files_program("explain", "cm/tenant-registry", "prod.alpha", "-n", "ops", "--from", dump)
    assert (alive.code, "is for Tenant" in alive.out or "has no key" in alive.err) in ((0, True), (2, True))
    missing = files_program("explain", "cm/missing", "-n", "ops", "--from", dump)
    assert (missing.code, "the dump has no ConfigMap missing" in missing.err) == (2, True)


def test_sort_of_a_path_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    audit, dump = (tmp_path / f"{name}.tar.gz" for name in ("gathered", "dump"))
    with tarfile.open(audit, "w:gz") as archive:
        archive.add(
            FILE_CASES / "troubleshoot-bundle" / "b" / "cluster-resources" / "namespaces.json", "must-gather/namespaces.json"
        )
        archive.add(HISTORY_CASES / "ha-a.log", "must-gather/audit_logs/kube-apiserver/node-audit.log")
    with tarfile.open(dump, "w:gz") as archive:
        archive.add(FILE_CASES / "troubleshoot-bundle" / "b" / "cluster-resources" / "namespaces.json", "namespaces.json")
    assert (sort_of(audit), sort_of(dump)) == ("audit", DUMP)
    assert sort_of(HISTORY_CASES / "format-aks.json.gz") == "audit"
    assert sort_of(HISTORY_CASES / "keep") == "audit"
    assert sort_of(HISTORY_CASES / "dumps3") == "dumps"


@pytest.fixture
def web() -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(HISTORY_CASES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_logs_are_read_from_a_web_server(files_program: Program, web: str) -> None:
    words = ("--from", f"{web}/ha-a.log", "--from", f"{web}/ha-b.log")
    rows = files_program("blame", "cm/m", "-n", "shop", *words, "-o", "json").json["keys"]
    assert {row["key"]: row["writer"] for row in rows} == {"base": "alice", "k2": "bob", "k3": "op1", "k4": "op1"}
    missing = files_program("blame", "cm/m", "-n", "shop", "--from", f"{web}/missing.log")
    assert (missing.code, "404" in missing.err) == (2, True)
    assert is_remote("s3://bucket/logs/")
    assert not is_remote("C:/logs")


# etcd


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def config_map(data: dict[str, str], managers: dict[str, tuple[int, list[str]]]) -> bytes:
    """A ConfigMap as it is stored, with managedFields: manager → (seconds, keys)."""
    managed = b""
    for manager, (seconds, keys) in managers.items():
        owned = json.dumps({"f:data": {f"f:{key}": {} for key in keys}}, separators=(",", ":")).encode()
        entry = (
            _field(1, manager.encode())
            + _field(2, b"Update")
            + _field(4, b"\x08" + _varint(seconds))
            + _field(7, _field(1, owned))
        )
        managed += _field(17, entry)
    meta = _field(1, b"m") + _field(3, b"shop") + _field(5, b"uid") + managed
    body = _field(1, meta) + b"".join(_field(2, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(data.items()))
    return b"k8s\x00" + _field(1, _field(1, b"v1") + _field(2, b"ConfigMap")) + _field(2, body)


def test_manager_whose_entry_changed_wrote_the_key_not_the_newest() -> None:
    reader = Reader("etcd-snapshot", DIGEST)
    states = [
        # both were there before the compaction: each key is its owner's
        ({"a": "1", "b": "1"}, {"first": (100, ["a"]), "second": (200, ["b"])}),
        ({"a": "2", "b": "1"}, {"first": (200, ["a"]), "second": (200, ["b"])}),
        ({"b": "1"}, {"first": (200, []), "second": (200, ["b"])}),
    ]
    told: list[tuple[str, str, str]] = []
    for number, (data, managers) in enumerate(states):
        raw = config_map(data, managers)
        events = reader.put(b"/registry/configmaps/shop/m", raw, 0, len(raw), 10 + number, is_new=False, version=5 + number)
        told += [(event.op, event.key, event.manager) for event in events if isinstance(event, KeyEvent)]
    assert told == [("seen", "a", "first"), ("seen", "b", "second"), ("set", "a", "first"), ("delete", "a", "first")]


@pytest.mark.parametrize("first", [1, 1_000])  # entries of a map are kept decoded while it is small
def test_values_that_grow_are_held_within_their_bound(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "RAW_BYTES", 1 << 20)
    reader, revision = Reader("etcd-snapshot", DIGEST), 10
    for sizes in ((first, 50_000), (first, 50_000, 50_000, 50_001)):
        for number in range(100):
            for version, size in enumerate(sizes, 1):
                revision += 1
                raw = config_map({"a": "x" * size}, {"op": (1_700_000_000 + revision, ["a"])})
                key = b"/registry/configmaps/shop/m%d" % number
                list(reader.put(key, raw, 0, len(raw), revision, is_new=version == 1, version=version))
                held = sum(len(known.found.data) for known in reader._known.values())
                assert held == reader._known_bytes <= 1 << 20
                maps = [found for found, _ in reader._maps.values() if isinstance(found, LargeMap)]
                assert sum(found.end - found.begin for found in maps) <= 1 << 20
    assert not reader.bugs


def test_request_of_etcds_second_api_writes_nothing_and_is_no_damage() -> None:
    # as members up to 3.5 publish their addresses: Request{ID, Method: "PUT", Path, Val}
    request = b"\x08\x07" + _field(2, b"PUT") + _field(3, b"/0/members/1/attributes") + _field(4, b'{"name":"a"}')
    replay = _Replay(1, is_whole=True)
    assert _apply(request, replay) == []
    assert replay.revision == 1
