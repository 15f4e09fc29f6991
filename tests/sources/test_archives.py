"""Archives as people pack them: read whatever they are packed with, bounded whatever is in them."""

from __future__ import annotations

import bz2
import importlib.util
import io
import lzma
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import Program, found
from tests.sources.test_manifests import GHOSTS, GOOD, JSON, one_by_one, tar

MEMORY = 256 << 20
MIB = 1 << 20
HAS_ZSTD = sys.version_info >= (3, 14) or importlib.util.find_spec("backports.zstd") is not None


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def zstd(content: bytes, *words: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *words], input=content, capture_output=True, check=True).stdout


WAYS: dict[str, Callable[[], bytes]] = {
    "pack.zip": lambda: zipped(one_by_one()),
    "stored.zip": lambda: zipped(one_by_one(), zipfile.ZIP_STORED),
    "pack.tar.xz": lambda: tar(one_by_one(), "w:xz"),
    "pack.txz": lambda: tar(one_by_one(), "w:xz"),
    "pack.tar.bz2": lambda: tar(one_by_one(), "w:bz2"),
    "pack.tbz2": lambda: tar(one_by_one(), "w:bz2"),
    "all.json.xz": lambda: lzma.compress(JSON),
    "all.json.bz2": lambda: bz2.compress(JSON),
    "after-one-another.json.xz": lambda: lzma.compress(JSON[:100]) + lzma.compress(JSON[100:]),
    "zip-in-tar.tar": lambda: tar({"inner/pack.zip": zipped(one_by_one())}),
    "tar-in-zip.zip": lambda: zipped({"inner.tar.xz": tar(one_by_one(), "w:xz")}),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_pack_a_dump_gives_the_same_ghosts(files_program: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(WAYS[name]())
    done = files_program("scan", "--from", str(tmp_path), "-o", "json")
    assert (done.code, found(done.json), done.json["gaps"]) == (1, GHOSTS, []), done.err


def test_zip_from_standard_input(files_program: Program) -> None:
    assert found(files_program("scan", "--from", "-", "-o", "json", stdin=zipped(one_by_one())).json) == GHOSTS


@pytest.mark.skipif(not HAS_ZSTD or shutil.which("zstd") is None, reason="needs Python 3.14 or backports.zstd, and the zstd tool")
@pytest.mark.parametrize("level", ["-3", "-19"])
def test_zstd_is_read(files_program: Program, tmp_path: Path, level: str) -> None:
    (tmp_path / "all.json.zst").write_bytes(zstd(JSON, level))
    (tmp_path / "pack.tar.zst").write_bytes(zstd(tar(one_by_one()), level))
    done = files_program("scan", "--from", str(tmp_path), "-o", "json")
    assert (found(done.json), done.json["gaps"]) == (GHOSTS, [])


def test_zstd_that_cannot_be_read_is_a_gap_with_the_next_command(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "pack.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    (tmp_path / "good.json").write_bytes(JSON)
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "backports.py").write_text("raise ImportError")
    done = files_program(
        "scan", "--from", str(tmp_path / "pack.tar.zst"), "--from", str(tmp_path / "good.json"), env={"PYTHONPATH": str(tmp_path / "blocked")}
    )  # fmt: skip
    assert done.code == 3
    if sys.version_info < (3, 14):
        assert ".[zstd]" in done.err
        assert "zstd -d" in done.err


@pytest.mark.parametrize("name", ["pack.7z", "all.json.lz4", "pack.rar"])
def test_archive_of_a_sort_that_nobody_reads_is_not_passed_by_in_silence(
    files_program: Program, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"?" * 100)
    (tmp_path / "good.json").write_bytes(JSON)
    done = files_program("scan", "--from", str(tmp_path))
    assert (done.code, f"{name} was left out" in done.err) == (3, True)


def overlapping_zip() -> bytes:
    """Many names for one member of 30 MiB: each within bounds, all together far out of them."""
    raw = bytearray(zipped({"a.yaml": b"#" * (30 * MIB)}))
    end = raw.rindex(b"PK\x05\x06")
    begin = int.from_bytes(raw[end + 16 : end + 20], "little")
    entry, count = bytes(raw[begin:end]), 20_000
    tail = bytearray(raw[end:])
    tail[8:12] = min(count, 65535).to_bytes(2, "little") * 2
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    return bytes(raw[:begin]) + entry * count + bytes(tail)


def boastful_zip() -> bytes:
    """Says that its list of members takes three gigabytes."""
    raw = bytearray(zipped({"a.yaml": GOOD}))
    end = raw.rindex(b"PK\x05\x06")
    raw[end + 12 : end + 16] = (3 << 30).to_bytes(4, "little")
    return bytes(raw)


def encrypted_zip() -> bytes:
    raw = bytearray(zipped({"a.yaml": GOOD}, zipfile.ZIP_STORED))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros.zip": lambda: zipped({"a.yaml": bytes(300 * MIB)}),
    "many-zeros.zip": lambda: zipped({f"{n}.yaml": b"#" * (10 * MIB) for n in range(20)}),
    "overlapping.zip": overlapping_zip,
    "boastful.zip": boastful_zip,
    "encrypted.zip": encrypted_zip,
    "cut.zip": lambda: zipped(one_by_one())[:-40],
    "zeros.json.xz": lambda: lzma.compress(bytes(300 * MIB)),
    "large-dictionary.json.xz": lambda: lzma.compress(JSON, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 512 * MIB}]),
    "zeros.json.bz2": lambda: bz2.compress(bytes(200 * MIB)),
    "cut.json.xz": lambda: lzma.compress(JSON)[:-30],
    "cut.json.bz2": lambda: bz2.compress(JSON)[:-30],
    "flipped.tar.xz": lambda: (raw := tar(one_by_one(), "w:xz"))[:200] + bytes(8) + raw[208:],
    "escaping.zip": lambda: zipped({"../../evil.yaml": GOOD, "/abs.yaml": GOOD}),
}


@pytest.mark.whole(
    but=["zeros.zip", "boastful.zip", "encrypted.zip", "cut.zip", "cut.json.xz", "cut.json.bz2", "flipped.tar.xz", "escaping.zip"]
)
@pytest.mark.parametrize("name", BOMBS)
def test_archive_that_is_none_or_a_bomb_is_left_out_in_words(files_program: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BOMBS[name]())
    (tmp_path / "good.json").write_bytes(JSON)
    done, peak = files_program.measured("scan", "--from", str(tmp_path), "-o", "json")
    assert peak < MEMORY
    assert (done.code, found(done.json)) == (3, GHOSTS), done.err
    assert any(name in gap["what"] for gap in done.json["gaps"])
    assert not any("bug" in gap["why"] for gap in done.json["gaps"])
    assert len(done.err) < 3000
