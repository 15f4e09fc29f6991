"""Archives of audit logs, one in the other: what they may put on the disk, and how their sort is told."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ghostkey.sources import _archives
from ghostkey.sources._archives import BOMB_BYTES, BOMB_RATIO_OF_DENSE
from ghostkey.sources.history.audit import archives
from ghostkey.sources.history.audit.archives import beginnings, unpacked
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.open import DUMP, sort_of
from tests.history.lines import LogWriter
from tests.history.shop import DIGEST, gaps
from tests.unpacking import Unpacked

Files = Mapping[str, bytes]
LINE = LogWriter().patch(0, "shop", "m", {"a": "1"})


def zipped(files: Files) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: Files) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def opened(path: Path, scratch: Path) -> tuple[list[Path], int, list[str]]:
    """The files that may be logs, the bytes that are on the disk for them, and what was said."""
    notes: list[str] = []
    scratch.mkdir()
    found = [copy for copy, _ in unpacked([path], scratch, lambda what, why: notes.append(f"{what}: {why}"))]
    return found, sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file()), notes


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_in_an_archive_have_one_bound(pack: Callable[[Files], bytes], tmp_path: Path) -> None:
    inner = zipped({"audit.log": bytes(20 << 20)})
    middle = pack({f"a/audit-{number}.zip": inner for number in range(12)} | {"audit.log": LINE})
    (tmp_path / "bomb").write_bytes(pack({"audit.zip": middle}))
    most = max(BOMB_BYTES, BOMB_RATIO_OF_DENSE * (tmp_path / "bomb").stat().st_size)
    _, size, notes = opened(tmp_path / "bomb", tmp_path / "scratch")
    assert size <= most
    assert any("more than is worth reading" in note for note in notes)


def test_members_of_archives_in_an_archive_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ARCHIVE_MEMBERS", 20)
    inner = zipped({f"audit-{number}.log": LINE for number in range(8)})
    (tmp_path / "many.zip").write_bytes(zipped({f"audit-{number}.zip": inner for number in range(4)}))
    found, _, notes = opened(tmp_path / "many.zip", tmp_path / "scratch")
    # two archives with what is in them, and the third with its first member
    assert len(found) == 17
    assert any("more than 20 members" in note for note in notes)


def test_list_of_members_is_not_taken_into_memory_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "INDEX_BYTES", 2_000)
    files = {f"audit-{number}.log": LINE for number in range(100)}
    (tmp_path / "many.zip").write_bytes(zipped({"audit.zip": zipped(files), "audit.log": LINE}))
    found, _, notes = opened(tmp_path / "many.zip", tmp_path / "scratch")
    assert [file.read_bytes() for file in found] == [LINE]
    assert any("list of members" in note for note in notes)


def test_member_that_is_too_large_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "large.zip").write_bytes(zipped({"audit.log": bytes(BOMB_BYTES + (4 << 20))}))
    found, size, notes = opened(tmp_path / "large.zip", tmp_path / "scratch")
    assert (found, size, len(notes)) == ([], 0, 1)


def test_archives_within_their_bounds_are_read(tmp_path: Path) -> None:
    inner = zipped({"empty": b"", "audit.log": LINE})
    (tmp_path / "good.zip").write_bytes(zipped({"a.tgz": tarred({"b.zip": inner, "c.zip": inner}), "d.zip": inner}))
    found, _, notes = opened(tmp_path / "good.zip", tmp_path / "scratch")
    assert [file.read_bytes() for file in found] == [LINE] * 3
    assert notes == []


def test_archives_full_of_archives_are_looked_into_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    head = b""
    for _ in range(4):
        head = zipped({f"{number}": head or bytes(60_000) for number in range(300)})[: 1 << 16]
    counted = Unpacked(monkeypatch)
    assert sum(1 for _ in itertools.islice(beginnings(head), 64)) == 64
    assert counted.bytes < 64 << 20


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def test_zip_that_was_written_as_a_stream_begins_with_its_files() -> None:
    made = Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("version", b"4.19")
        archive.writestr("audit.log", LINE)
    assert list(beginnings(made.getvalue())) == [b"4.19", LINE]


def test_sort_of_an_archive_is_told_by_the_beginning_of_those_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = zipped({"zeros.log": bytes(20 << 20)})
    manifest = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"
    for name, log, sort in (("log", LINE, "audit"), ("dump", manifest, DUMP)):
        inner = zipped({"empty": b"", "version": b"4.19", "log": log, "large.zip": large})
        for pack in (zipped, tarred):
            files = {f"{number}.zip": large for number in range(30)} | {"pods.yaml": manifest, "in.zip": pack({"in.zip": inner})}
            (tmp_path / name).write_bytes(pack(files))
            counted = Unpacked(monkeypatch)
            assert sort_of(tmp_path / name) == sort
            assert counted.bytes < 64 << 20


@pytest.mark.parametrize(
    ("name", "content", "is_gap"),
    [
        ("b.log.lz4", b"x", True),
        ("b", b"\x04\x22\x4d\x18xxxx", True),
        ("b.gz", b"\x1f\x8b\x08\x00" + b"x" * 100, True),
        ("b.txt", b"hello\n", False),
        ("b.log", b"", False),
    ],
)
def test_file_that_cannot_be_unpacked_may_hold_events(tmp_path: Path, name: str, content: bytes, is_gap: bool) -> None:
    (tmp_path / "a.log").write_bytes(LINE)
    (tmp_path / name).write_bytes(content)
    found = gaps(AuditLog([tmp_path], DIGEST).events())
    assert [f"{name}: " in why for why in found] == [True] * is_gap
