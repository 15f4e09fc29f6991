"""Dumps as they come: what people pipe and pack is read; what is broken is a counted gap or a clear error, never a traceback."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import Program, found

LIVE, GONE = [f"shop-{n}" for n in range(8)], [f"shop-{n}" for n in range(8, 14)]
GHOSTS = {("ghost-key", "prod", "registry", f"prod.{name}") for name in GONE}


def tenant(name: str, namespace: str = "prod") -> dict[str, Any]:
    return {
        "apiVersion": "demo.ghostkey.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
    }


def config_map(data: dict[str, Any], name: str = "registry", namespace: str = "prod", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data, **fields}


OBJECTS = [*map(tenant, LIVE), config_map({f"prod.{name}": "{}" for name in LIVE + GONE})]
LIST = {"apiVersion": "v1", "kind": "List", "items": OBJECTS}


def typed_lists() -> list[dict[str, Any]]:
    bare = [{k: v for k, v in item.items() if k not in {"apiVersion", "kind"}} for item in OBJECTS]
    tenants = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "TenantList", "items": bare[:-1]}
    return [tenants, {"apiVersion": "v1", "kind": "ConfigMapList", "items": bare[-1:]}]


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def one_by_one() -> dict[str, bytes]:
    return {f"dump/{n}.yaml": yaml.safe_dump(item).encode() for n, item in enumerate(OBJECTS)}


JSON, YAML = json.dumps(LIST).encode(), yaml.safe_dump(LIST).encode()
WAYS = {
    "list.json": JSON,
    "list.yaml": YAML,
    "documents.yaml": yaml.safe_dump_all(OBJECTS).encode(),
    "windows.yaml": yaml.safe_dump_all(OBJECTS).replace("\n", "\r\n").encode(),
    "warned.json": b"Warning: v1 ComponentStatus is deprecated in v1.19+\n" + json.dumps(LIST, indent=1).encode(),
    "logged.json": b"I0901 12:00:00.000001   12 loader.go:373] Config loaded\n" + json.dumps(LIST).encode(),
    "warned-at-the-end.json": json.dumps(LIST).encode() + b"\nWarning: v1 ComponentStatus is deprecated in v1.19+\n",
    "warned-at-the-end.yaml": yaml.safe_dump(LIST).encode() + b"I0901 12:00:00.000001 12 a.go:1] a\nWarning: b",
    "warned.yaml": b"Warning: v1 ComponentStatus is deprecated in v1.19+\n" + yaml.safe_dump(LIST).encode(),
    "lines.ndjson": b"\n".join(json.dumps(item).encode() for item in LIST["items"]),
    "powershell.yaml": yaml.safe_dump(LIST).encode("utf-16"),
    "bom.json": b"\xef\xbb\xbf" + JSON,
    "lines.json": b"\n".join(json.dumps(item).encode() for item in OBJECTS),
    "indented-after-one-another.json": b"\n".join(json.dumps(item, indent=2).encode() for item in typed_lists()),
    "typed-lists.yaml": yaml.safe_dump_all(typed_lists()).encode(),
    "lists-in-a-list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": typed_lists()}).encode(),
    "lists-in-a-list.yaml": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": typed_lists()}).encode(),
    "list.json.gz": gzip.compress(JSON),
    "pack.tar": tar(one_by_one()),
    "pack.tar.gz": tar(one_by_one(), "w:gz"),
    "pack.tgz": gzip.compress(tar({"all.yaml.gz": gzip.compress(YAML)})),
    "no-ending-at-all": YAML,
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_to_pack_a_dump_gives_the_same_ghosts(files_program: Program, tmp_path: Path, way: str) -> None:
    (tmp_path / way).write_bytes(WAYS[way])
    done = files_program("scan", "--from", str(tmp_path / way), "-o", "json")
    assert done.code == 1, done.err
    assert found(done.json) == GHOSTS
    assert not done.json["gaps"]


def test_messages_of_kubectl_move_no_line_and_its_errors_are_a_gap(files_program: Program, tmp_path: Path) -> None:
    text = yaml.safe_dump(LIST)
    (tmp_path / "plain.yaml").write_text(text)
    (tmp_path / "said.yaml").write_text(
        "Warning: old\nE0901 12:00:00.000001 12 memcache.go:1] couldn't get server API group list\n" + text
    )
    plain = files_program("scan", "--from", str(tmp_path / "plain.yaml"), "-o", "sarif").json["runs"][0]["results"]
    done = files_program("scan", "--from", str(tmp_path / "said.yaml"), "-o", "sarif")

    def lines(results: list[dict[str, Any]]) -> list[int]:
        return [one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in results]

    assert lines(done.json["runs"][0]["results"]) == [line + 2 for line in lines(plain)] != []
    assert "may not be whole" in done.err
    assert "kubectl logged 1 error while" in done.err


@pytest.mark.parametrize(
    ("name", "content", "is_read"),
    [
        ("maps.txt", YAML, True),
        ("maps.txt", b"# of monday\n---\n" + yaml.safe_dump_all(OBJECTS).encode(), True),
        ("maps", JSON, True),
        ("maps.out", json.dumps(OBJECTS, indent=2).encode(), True),
        ("NOTES.txt", b"Apply this:\n\n" + YAML, False),
        ("maps.log", YAML, False),
        ("README", b"{{ template }}\n" + YAML, False),
    ],
)
def test_file_in_a_folder_whose_name_says_nothing_is_told_by_its_beginning(
    files_program: Program, tmp_path: Path, name: str, content: bytes, *, is_read: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    done = files_program("scan", "--from", str(tmp_path), "-o", "json")
    assert done.code == (1 if is_read else 5), done.err
    assert not is_read or found(done.json) == GHOSTS


def test_directory_and_standard_input(files_program: Program, tmp_path: Path) -> None:
    for name, content in one_by_one().items():
        path = tmp_path / "dump" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "dump" / "notes.txt").write_text("not read")
    assert found(files_program.scan("--from", str(tmp_path / "dump"))) == GHOSTS
    assert found(files_program("scan", "--from", "-", "-o", "json", stdin=YAML).json) == GHOSTS


def test_must_gather_covers_the_namespaces_it_has(files_program: Program, tmp_path: Path) -> None:
    """Two gathered namespaces, and keys that name subjects in a third one, which nobody gathered: those are not ghosts."""
    base = tmp_path / "must-gather.local.1" / "quay-io-image-sha256"
    keys = [f"prod.{name}" for name in LIVE + GONE] + [f"elsewhere.{name}" for name in GONE]
    for namespace, items in {"prod": [*map(tenant, LIVE)], "test": [tenant("t-1", "test")]}.items():
        folder = base / "namespaces" / namespace
        (folder / "core").mkdir(parents=True)
        (folder / "demo.ghostkey.dev" / "tenants").mkdir(parents=True)
        maps = {
            "apiVersion": "v1",
            "kind": "ConfigMapList",
            "items": [config_map(dict.fromkeys(keys, "{}"))] if namespace == "prod" else [],
        }
        (folder / "core" / "configmaps.yaml").write_text(yaml.safe_dump(maps))
        for item in items:
            (folder / "demo.ghostkey.dev" / "tenants" / f"{item['metadata']['name']}.yaml").write_text(yaml.safe_dump(item))
    report = files_program.scan("--from", str(tmp_path / "must-gather.local.1"))
    assert found(report) == GHOSTS


def test_dump_with_managed_fields_names_the_writers(files_program: Program, tmp_path: Path) -> None:
    """A must-gather, and `kubectl get --show-managed-fields`."""
    fields = {"f:data": {f"f:prod.{name}": {} for name in LIVE + GONE}}
    managed = [
        {
            "manager": "tenant-operator",
            "operation": "Update",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
    ]
    own = [{**item, "metadata": {**item["metadata"], "managedFields": managed}} for item in OBJECTS]
    for name, content in {"d.json": json.dumps({**LIST, "items": own}), "d.yaml": yaml.safe_dump_all(own)}.items():
        (tmp_path / name).write_text(content)
        report = files_program.scan("--from", str(tmp_path / name))
        assert (found(report), report["gaps"]) == (GHOSTS, [])
        assert {finding["writer"] for finding in report["findings"]} == {"tenant-operator 2026-01-01T00:00:00Z"}


def test_kinds_that_a_dump_lacks_are_not_guessed(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "maps.yaml").write_text(yaml.safe_dump(OBJECTS[-1]))
    done = files_program("scan", "--from", str(tmp_path / "maps.yaml"), "-o", "json")
    assert found(done.json) == set()


# what is broken; every row was run by hand too, and none may give a traceback (Program checks)

BIG = 100 << 20
GOOD = yaml.safe_dump_all(OBJECTS).encode()


def zip_bomb() -> bytes:
    return gzip.compress(b"\0" * (200 << 20), 9)


def deep_json() -> bytes:
    return b"[" * 200_000 + b"]" * 200_000


def alias_bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def escaping_tar() -> bytes:
    return tar({"../../evil.yaml": GOOD, "/abs.yaml": GOOD, "good.yaml": GOOD})


def tar_in_tar(depth: int) -> bytes:
    inner = GOOD
    for number in range(depth):
        inner = gzip.compress(tar({f"{number}.tar.gz" if number else "x.yaml": inner}))
    return inner


# name → (content, exit code, words that must be said)
BAD: dict[str, tuple[Any, int, str]] = {
    "empty.yaml": (b"", 5, "no Kubernetes objects"),
    "blank.yaml": (b"---\n---\n\n", 5, "no Kubernetes objects"),
    "prose.yaml": (b"just some text", 5, "not an object"),
    "broken.yaml": (b"a: [1, 2\nb: }", 5, "could not be read"),
    "broken-then-good.yaml": (b"a: [1, 2\nb: }\n---\n" + GOOD, 3, "document 1 of"),
    "tabs.yaml": (b"a:\n\t- b", 5, "could not be read"),
    "alias-bomb.yaml": (alias_bomb, 5, ""),
    "deep.json": (deep_json, 5, "deep"),
    "cut.json": (JSON[: len(JSON) // 2], 5, "damaged"),
    "two-then-cut.json": (JSON + b'{"apiVersion": "v1", "kind": ', 3, "damaged after"),
    "invalid-utf8.json": (JSON.replace(b"shop-1", b"sh\xff\xfe-1"), 5, "not UTF-8"),
    "invalid-utf8.yaml": (b"a: \xc3\x28", 5, "could not be read"),
    "nul.yaml": (b"a: \x00b\n---\n" + GOOD, 3, "document 1 of"),
    "nul.json": (b'{"a": "\x00"}', 5, "damaged"),
    "nul-escaped.json": (json.dumps(config_map({"k\x00ey": "v\x00alue"})).encode(), 1, ""),
    "truncated.gz": (gzip.compress(JSON)[:-20], 5, "damaged"),
    "flipped.gz": (gzip.compress(JSON)[:40] + b"\0\0\0\0" + gzip.compress(JSON)[44:], 5, "damaged"),
    "truncated.tar": (tar({"a.yaml": GOOD, "b.yaml": GOOD})[: 512 + len(GOOD) // 2], 5, "damaged"),
    "truncated-later.tar": (tar({"a.yaml": GOOD, "b.yaml": GOOD + b"#" * 100_000})[:-60_000], 3, "damaged"),
    "truncated.tar.gz": (tar({"a.yaml": GOOD, "b.yaml": random.Random(1).randbytes(200_000)}, "w:gz")[:-3000], 3, "damaged"),
    "escaping.tar": (escaping_tar, 3, "leads out of the archive"),
    "bomb.json.gz": (zip_bomb, 5, "100 times its size"),
    "bomb.tar.gz": (lambda: gzip.compress(tar({"a.yaml": GOOD, "b.yaml": zip_bomb()})), 3, "100 times its size"),
    "nested.tar.gz": (lambda: tar_in_tar(9), 5, ""),
    "no-kind.yaml": (b"metadata: {name: x}", 5, "not a Kubernetes object"),
    "no-name.yaml": (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {}", 5, "without a name"),
    "odd-data.yaml": (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: [1, 2]", 3, "not as the API defines it"),
    "odd-items.json": (b'{"kind": "List", "items": [1, null, {"a": 1}]}', 5, ""),
    "items-no-list.json": (b'{"apiVersion": "v1", "kind": "List", "metadata": {"name": "x"}, "items": {"a": 1}}', 0, ""),
    "numbers.yaml": (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {1: 2, true: false, n: null, d: 2026-01-01}", 0, ""),
    "bad-base64.yaml": (b"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: '%%%'}", 0, ""),
    "python-tag.yaml": (b"!!python/object/apply:os.system [echo owned]", 5, "could not be read"),
    "list.html": (b"<html><body>502 Bad Gateway</body></html>", 5, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_input_is_a_clear_error_or_a_counted_gap(files_program: Program, tmp_path: Path, name: str) -> None:
    content, code, words = BAD[name]
    (tmp_path / name).write_bytes(content() if callable(content) else content)
    done = files_program("scan", "--from", str(tmp_path / name), "-o", "json")
    assert done.code == code, done.err
    assert words in done.err
    if code == 5:
        assert done.err.startswith("error: ")
        assert done.out == ""
    if code == 3:
        assert done.json["gaps"]
        assert done.err.count("not seen: ") == len(done.json["gaps"])
        if name != "odd-data.yaml":
            # the good part was read all the same
            assert found(done.json) == GHOSTS
    assert len(done.err) < 3000
    assert not (tmp_path.parent / "evil.yaml").exists()


@pytest.mark.whole
def test_values_of_a_hundred_megabytes(files_program: Program, tmp_path: Path) -> None:
    """A value no API server would take: read, and reported as what it is."""
    with (tmp_path / "big.json").open("w") as out:
        out.write(json.dumps({**LIST, "items": [*OBJECTS, config_map({"big": "PLACE"}, "large")]}).replace("PLACE", "x" * BIG))
    report = files_program("scan", "--from", str(tmp_path / "big.json"), "-o", "json").json
    assert found(report) == GHOSTS | {("size-limit", "prod", "large", "")}


def test_missing_and_unreadable_paths(files_program: Program, tmp_path: Path) -> None:
    done = files_program("scan", "--from", str(tmp_path / "nowhere"))
    assert done.code == 2
    assert "nowhere does not exist" in done.err
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert files_program("scan", "--from", str(tmp_path / "loop.yaml")).code == 2
    (tmp_path / "empty").mkdir()
    assert "no Kubernetes objects" in files_program("scan", "--from", str(tmp_path / "empty")).err


def test_secrets_of_a_broken_document_are_not_quoted(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("kind: Secret\ndata:\n  password: hunter2: [\n")
    done = files_program("scan", "--from", str(tmp_path / "secret.yaml"))
    assert done.code == 5
    assert "hunter2" not in done.err
    assert "line 3" in done.err


@pytest.mark.parametrize(
    ("selector", "kept"),
    [("app=a", True), ("app==a", True), ("app!=a", False), ("app", True), ("!app", False), ("app=a,tier=x", False)],
)
def test_selector_chooses_maps(files_program: Program, tmp_path: Path, selector: str, kept: bool) -> None:
    labelled = {**OBJECTS[-1], "metadata": {**OBJECTS[-1]["metadata"], "labels": {"app": "a"}}}
    (tmp_path / "d.yaml").write_text(yaml.safe_dump_all([*OBJECTS[:-1], labelled]))
    assert bool(found(files_program.scan("--from", str(tmp_path / "d.yaml"), "-l", selector))) == kept


@pytest.mark.parametrize("count", [20, 1_500])
def test_audit_log_is_no_dump_and_what_reads_it_is_said(files_program: Program, tmp_path: Path, count: int) -> None:
    event = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete", "verb": "get"}
    (tmp_path / "audit.log").write_text("\n".join(json.dumps({**event, "auditID": str(number)}) for number in range(count)))
    done = files_program("scan", "--from", str(tmp_path / "audit.log"))
    assert done.code == 5
    assert "hint: this is an audit log: ghostkey explain cm/NAME" in done.err
