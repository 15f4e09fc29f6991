"""What is within a Secret's value never comes out: not on stdout or stderr, not in any file that a command writes."""

from __future__ import annotations

import base64
import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ghostkey.report.formats import format_names
from ghostkey.testing import ControlPlane
from tests.helpers import Done, Program, config_map, make_map, make_tenant, make_tenants_kind, secret, thing

LIVE, GONE = [f"shop-{n}" for n in range(8)], ["bakery-1", "kiosk-7", "mill-3"]
# every word of these is in a Secret's value and nowhere else
TOKENS = {f"tok3n{n}.{'qzx' * 4}{n * 7919}": name for n, name in enumerate(LIVE + GONE)}
BY_TENANT = {f"prod.{name}": {"hidd3nfield": f"pa55-{n}", "plan": "gold"} for n, name in enumerate(LIVE + GONE)}
VALUES = {
    "tokens.json": json.dumps(TOKENS),
    "tokens.yaml": yaml.safe_dump({"inner": TOKENS, "other": 1}),
    "tenants.json": json.dumps(BY_TENANT),
    "tenants.yaml": yaml.safe_dump(BY_TENANT),
}
SECRET_WORDS = [*TOKENS, "qzxqzx", "hidd3nfield", "pa55-", *(f"prod.{name}" for name in GONE)]
FORMS = format_names()


@dataclass
class Watched:
    """The program, and a look at all that it says and writes."""

    program: Program
    folder: Path

    def __call__(self, *words: str) -> Done:
        done = self.program(*words)
        assert_silent(done.out, f"stdout of {words}")
        assert_silent(done.err, f"stderr of {words}")
        for path in self.folder.rglob("*"):
            if path.is_file():
                assert_silent(path.read_bytes().decode("latin-1"), f"{path} after {words}")
        return done


def assert_silent(text: str, where: str) -> None:
    told = [word for word in SECRET_WORDS if word in text or base64.b64encode(word.encode()).decode().rstrip("=")[:-2] in text]
    assert not told, f"{where} tells {told}"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    items = [*spaces, *(thing("Tenant", name) for name in LIVE), secret(VALUES, name="credentials")]
    items.append(thing("Secret", "written", api_version="v1", stringData=VALUES))
    path = tmp_path / "dumps" / "2026-11-02.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return path


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(Program(tmp_path / "home" / "state", None), tmp_path / "home")


@pytest.mark.parametrize("form", FORMS)
def test_scan_of_a_dump_counts_and_never_names(watched: Watched, dump: Path, form: str) -> None:
    done = watched("scan", "--from", str(dump), "-o", form, "--severity", "info")
    assert done.code == 1
    if form == "json":
        counted = {(f["name"], f["key"]): f["message"] for f in done.json["findings"] if f["analysis"] == "ghosts-in-secret"}
        said = "3 of its 11 entries outlive their subject; which ones is part of the secret"
        keys = ("tenants.json", "tenants.yaml")
        assert counted == {(name, key): said for name in ("credentials", "written") for key in keys}
        watched("explain", done.json["findings"][0]["id"])


def test_declared_subjects_do_not_name_entries_either(watched: Watched, dump: Path) -> None:
    assert watched("scan", "--from", str(dump), "--subject", "tenants.demo={namespace}.{name}", "-o", "json").code == 1


def test_fields_of_secrets_tell_their_keys_and_nothing_of_values(watched: Watched, dump: Path) -> None:
    field = "secrets:stringData"
    watched("scan", "--from", str(dump), "--field", field, "-o", "json", "--severity", "info")
    watched("history", "import", str(dump.parent), "--source", "dumps", "--field", field)
    rows = watched("history", "export", "key_events").out
    assert "tokens.json" in rows


def test_history_of_dumps_tells_keys_only(watched: Watched, dump: Path, tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    told = watched("explain", "secret/credentials", "-n", "prod", "--from", str(dump.parent), "--html", str(page))
    assert "4 keys" in told.out
    assert_silent(page.read_text(), "the page")
    assert watched("explain", "secret/credentials", "-n", "prod", "--from", str(dump.parent), "-o", "json").json["keys"]
    assert "tokens.json" in watched("blame", "secret/credentials", "-n", "prod", "--from", str(dump.parent)).out


def test_everything_that_is_written_is_private(watched: Watched, dump: Path) -> None:
    """The page, the store and the findings of the last scan: 0600, their folders 0700."""
    page = watched.folder / "pages" / "story.html"
    page.parent.mkdir(parents=True)
    page.parent.chmod(0o755)
    page.write_text("an older page")
    page.chmod(0o644)
    store = watched.folder / "deep" / "store"
    words = ("explain", "secret/credentials", "-n", "prod", "--from", str(dump.parent), "--store", str(store))
    assert watched(*words, "--html", str(page)).code == 0
    watched("scan", "--from", str(dump))
    written = [path for path in watched.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} >= {".html", ".parquet", ".json", ".jsonl", ".key"}
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in watched.folder.rglob("*") if path != page.parent}
    assert {path: oct(mode) for path, mode in modes.items() if mode not in (0o600, 0o700)} == {}
    assert page.read_text() != "an older page"


@dataclass
class Cluster:
    """A control plane whose audit log has bodies of Secrets too, and what was left of it."""

    plane: ControlPlane
    program: Program


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}
    with ControlPlane(audit_policy=policy) as plane:
        make_tenants_kind(plane)
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "prod"}})
        for name in LIVE:
            make_tenant(plane, "prod", name)
        make_map(plane, "prod", "credentials", None, "secrets", stringData=VALUES)
        changed = {"stringData": {"tokens.json": json.dumps(TOKENS | {"tok3n-more": "mill-3"})}}
        plane.request("PATCH", "/api/v1/namespaces/prod/secrets/credentials", changed, "application/merge-patch+json")
        home = tmp_path_factory.mktemp("home")
        yield Cluster(plane, Program(home / "state", plane.kubeconfig))


@pytest.mark.whole
def test_live_cluster_audit_log_etcd_and_recorder_keep_the_secret(cluster: Cluster, tmp_path: Path) -> None:
    watched = Watched(cluster.program, cluster.program.state.parent)
    for form in FORMS:
        assert watched("scan", "-n", "prod", "-o", form, "--severity", "info").code == 1
    found = watched("scan", "-n", "prod", "-o", "json").json["findings"]
    assert {f["key"] for f in found if f["analysis"] == "ghosts-in-secret"} == {"tenants.json", "tenants.yaml"}
    watched("explain", found[0]["id"])
    assert watched("explain", "secret/credentials", "-n", "prod").code == 1
    watched("explain", "secret/credentials", "tokens.json", "-n", "prod")
    # the document's key may go by name, never because of what is in it
    assert "nothing to trim" in watched("trim", "secret/credentials", "-n", "prod", "--ghosts").err
    watched("blame", "secret/credentials", "-n", "prod")
    store = watched.folder / "store"
    assert watched("record", "--for", "1s", "--store", str(store), "--kinds", "tenants.demo", "-n", "prod").code == 0
    copied = tmp_path / "etcd"
    shutil.copytree(cluster.plane.directory / "etcd" / "member", copied)
    shutil.copy(cluster.plane.audit_log, tmp_path / "audit.log")
    for source in (tmp_path / "audit.log", copied / "snap" / "db", copied / "wal"):
        page = watched.folder / f"{source.name}.html"
        told = watched("explain", "secret/credentials", "-n", "prod", "--from", str(source), "--html", str(page))
        assert "tokens.json" in told.out or "4 keys" in told.out, told
        watched("explain", "secret/credentials", "-n", "prod", "--from", str(source), "-o", "json")
        watched("explain", "secret/credentials", "tokens.json", "-n", "prod", "--from", str(source))
        watched("blame", "secret/credentials", "-n", "prod", "--from", str(source))
        watched("history", "import", str(source), "--store", str(store))
    watched("explain", "secret/credentials", "-n", "prod", "--from", "live")
    for table in ("key_events", "subject_events", "coverage"):
        rows = watched("history", "export", table, "--store", str(store))
        assert rows.code == 0
    assert "tokens.json" in watched("history", "export", "key_events", "--store", str(store)).out


def test_the_same_entries_in_a_config_map_are_told(watched: Watched, dump: Path, tmp_path: Path) -> None:
    """What is watched for would be seen: the control of the tests above."""
    items = json.loads(dump.read_text())["items"] + [config_map({"tenants.json": VALUES["tenants.json"]})]
    dump.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    with pytest.raises(AssertionError, match="stdout of"):
        watched("scan", "--from", str(dump), "-o", "json")
