"""Small files that unpack to much, and nothing in them: left out in words, within 256 MB, and soon."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import Program, found
from tests.sources.test_manifests import GHOSTS, JSON, OBJECTS

MEMORY = 256 << 20
MIB = 1 << 20


def sparse_tar() -> bytes:
    """A GNU sparse member that claims eight gigabytes of zeros."""
    header = tarfile.TarInfo("a.yaml")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 0
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[386:410] = b"%011o\0%011o\0" % (8 << 30, 0)
    raw[483:495] = b"%011o\0" % (8 << 30)
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + bytes(1024)


def odd_tar() -> bytes:
    """Links, devices, a folder, a member whose size is negative."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)):
            info = tarfile.TarInfo(f"odd-{number}.yaml")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    raw = bytearray(out.getvalue()[: 5 * 512])
    negative = bytearray(tarfile.TarInfo("negative.yaml").tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b"        "
    negative[148:156] = b"%06o\0 " % sum(negative)
    return bytes(raw + negative) + bytes(1024)


def zipped(text: bytes) -> Callable[[], bytes]:
    return lambda: gzip.compress(text)


FILES: dict[str, Callable[[], bytes]] = {
    "empty-items.json.gz": zipped(b'{"items":[' + b"{}," * (6 * MIB) + b"{}]}"),
    "items-with-metadata.json.gz": zipped(b'{"items":[' + b'{"metadata":{}},' * MIB + b"{}]}"),
    "ones.yaml.gz": zipped(b"x: [" + b"1," * (9 * MIB) + b"1]"),
    "ones.json.gz": zipped(b"[" + b"1," * (9 * MIB) + b"1]"),
    "brackets.json.gz": zipped(b"[" * (24 * MIB)),
    "objects.json.gz": zipped(b'{"a":' * (5 * MIB)),
    "separators.yaml.gz": zipped(b"---\n" * (6 * MIB)),
    "numbers-as-documents.yaml.gz": zipped(b"---\n1\n" * (4 * MIB)),
    "comments-as-documents.yaml.gz": zipped(b"---\n#\n" * (4 * MIB)),
    "the-same-again.yaml.gz": zipped(b"---\n{kind: A, apiVersion: v1, metadata: {name: x}}\n" * (MIB // 2)),
    "lines.json.gz": zipped(b"{}\n" * (8 * MIB)),
    "lists.json.gz": zipped(b"[]" * (8 * MIB)),
    "items.yaml.gz": zipped(b"items:\n" + b"- {}\n" * (5 * MIB)),
    "lines.yaml.gz": zipped(b"a: b\n" * (5 * MIB)),
    "newlines.yaml.gz": zipped(b"\n" * (24 * MIB)),
    "one-string.json.gz": zipped(b'{"a":"' + b"x" * (24 * MIB) + b'"}'),
    "utf-16.json.gz": zipped(("[" + "1," * (7 * MIB) + "1]").encode("utf-16")),
    "utf-32.yaml.gz": zipped(("a: " + "x" * (6 * MIB)).encode("utf-32")),
    "in-a-pod.json.gz": zipped(b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":[' + b"[]," * (8 * MIB) + b"0]}"),
    "sparse.tar": sparse_tar,
    "odd.tar": odd_tar,
}


@pytest.mark.whole(but=["empty-items.json.gz", "objects.json.gz", "lines.json.gz", "one-string.json.gz"])
@pytest.mark.parametrize("name", FILES)
def test_a_small_file_takes_little_memory_and_is_an_error_or_a_gap(files_program: Program, tmp_path: Path, name: str) -> None:
    content = FILES[name]()
    assert len(content) < 100_000
    (tmp_path / name).write_bytes(content)
    done, peak = files_program.measured("scan", "--from", str(tmp_path / name))
    assert peak < MEMORY
    assert done.code in {3, 5}, done
    assert "bug" not in done.err
    assert len(done.err) < 3000


@pytest.mark.whole(but=["empty-items.json.gz", "the-same-again.yaml.gz"])
@pytest.mark.parametrize("name", ["empty-items.json.gz", "ones.yaml.gz", "the-same-again.yaml.gz", "sparse.tar"])
def test_its_neighbours_are_read_all_the_same(files_program: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    (tmp_path / "good.json").write_bytes(JSON)
    done, peak = files_program.measured("scan", "--from", str(tmp_path), "-o", "json")
    assert peak < MEMORY
    assert done.code == 3
    assert found(done.json) >= GHOSTS
    assert any(name in gap["what"] for gap in done.json["gaps"])


def test_one_item_over_the_budget_is_left_out_and_the_others_are_read(files_program: Program, tmp_path: Path) -> None:
    large = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": [[]] * 600_000}
    (tmp_path / "dump.json").write_text(json.dumps({"kind": "List", "items": [*OBJECTS, large]}))
    done, peak = files_program.measured("scan", "--from", str(tmp_path / "dump.json"), "-o", "json")
    assert (done.code, found(done.json)) == (3, GHOSTS)
    assert "an item of the list" in done.err
    assert peak < MEMORY


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_value_of_31_mib_is_not_looked_into(files_program: Program, tmp_path: Path, kind: str) -> None:
    value = "x" * (31 * MIB) if kind == "ConfigMap" else "eHh4" * (31 * MIB // 4)
    large = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "large", "namespace": "shop"}, "data": {"a": value}}
    (tmp_path / "large.json.gz").write_bytes(gzip.compress(json.dumps(large).encode()))
    (tmp_path / "good.json").write_bytes(JSON)
    done, peak = files_program.measured("scan", "--from", str(tmp_path), "-o", "json")
    assert peak < MEMORY
    assert done.code in {1, 3}, done
    assert found(done.json) >= GHOSTS


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME], ids=repr)
def test_a_header_of_300_mb_is_not_read(files_program: Program, tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 300_000_000
    with (tmp_path / "bad.tar").open("wb") as handle:
        handle.write(header.tobuf(tarfile.GNU_FORMAT))
        handle.truncate(header.size + 2048)
    (tmp_path / "good.json").write_bytes(JSON)
    done, peak = files_program.measured("scan", "--from", str(tmp_path), "-o", "json")
    assert peak < MEMORY
    assert (done.code, found(done.json)) == (3, GHOSTS)
    assert "takes more than 1 MiB" in done.err


def test_many_headers_of_one_member_are_not_read(files_program: Program, tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, MIB
    (tmp_path / "bad.tar").write_bytes((header.tobuf(tarfile.GNU_FORMAT) + bytes(MIB)) * 3)
    done, _ = files_program.measured("scan", "--from", str(tmp_path / "bad.tar"))
    assert done.code in {3, 5}
    assert "takes more than 1 MiB" in done.err


def test_long_names_are_read(files_program: Program, tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "long.tar", "w", format=form, pax_headers={"comment": "of all"}) as archive:
            info = tarfile.TarInfo(f"{'long-' * 100}.json")
            info.size = len(JSON)
            archive.addfile(info, io.BytesIO(JSON))
        done = files_program("scan", "--from", str(tmp_path / "long.tar"), "-o", "json")
        assert found(done.json) == GHOSTS
