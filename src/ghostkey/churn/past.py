"""Why a trace outlives its subject, from the memory of the run's own control plane: its audit log, and etcd's log of writes (WAL)."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ghostkey.churn.api import Api
from ghostkey.churn.audited import WritesOfSecret, stories_of
from ghostkey.churn.judge import Verdict
from ghostkey.churn.tokens import tokens_in
from ghostkey.churn.traces import Signature, place_masked
from ghostkey.model.errors import GhostkeyError
from ghostkey.store.scratch import scratch_directory
from ghostkey.story import story_of
from ghostkey.story.opening import Past, opened

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

FIELDS = ("data", "binaryData", "stringData")  # of maps, whose keys have a history
MAPS_MOST = 20  # of which the history is asked, about a second each
COVERED_SECONDS = 30.0  # within which the audit log has a call that was answered
_POLL, _PIECE = 0.02, 1 << 20
_PACKED = ".gz"  # of what is rotated under --audit-log-compress
_TRACE = re.compile(r"^/api/v1/namespaces/([^/]+)/(configmaps|secrets)/([^/ ]+) (.+)$")
Holder = tuple[str, str, str]  # resource, namespace, name


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of the keys of one signature: how many are of which class of `ghostkey explain`, and one of them in full.

    `ghost`: a row of the analysis missed_deletion; None where the history does not tell; and of what is no key, whose story are the
    lines `told`. `unknown`: why there is no class.
    """

    holder: Holder
    classes: dict[str, int] = field(default_factory=dict)
    ghost: dict[str, Any] | None = None
    unknown: str = ""
    told: tuple[str, ...] = ()


def lives_of(verdicts: Iterable[Verdict], control_plane: ControlPlane) -> dict[Signature, Life]:
    """The life behind each verdict: of keys, and of entries of documents, of ConfigMaps and Secrets all; of other traces one.

    Reads the logs once, whatever the number of verdicts. A history that cannot be read becomes an `unknown`.
    """
    chosen = list(verdicts)
    if not chosen:
        return {}
    with scratch_directory("churn-log") as folder:
        try:
            log = covered(control_plane.audit_log, lambda sign: mark_end(control_plane, sign), folder)
        except (GhostkeyError, OSError) as error:
            return {verdict.signature: Life(("", "", ""), unknown=str(error)) for verdict in chosen}
        return _lives_by(chosen, log, control_plane)


def covered(log: Path, mark: Callable[[str], None], folder: Path, seconds: float = COVERED_SECONDS) -> Path:
    """A copy of an audit log that its server goes on writing: whole lines alone, and all that was answered before this was called.

    What the server has rotated comes first.

    `mark` makes a call that names the text it is given; once the log has that, it has what came before. Raises GhostkeyError where it
    is not there after so many seconds, and OSError.
    """
    sign = f"ghostkey-end-{secrets.token_hex(8)}"
    with _pieces(log, time.monotonic() + seconds) as pieces:
        # what was there before cannot hold it; by inode, since rotation gives a file another name
        looked = {os.fstat(piece.fileno()).st_ino: piece.seek(0, os.SEEK_END) for piece in pieces}
    mark(sign)
    deadline = time.monotonic() + seconds
    while True:
        with _pieces(log, deadline) as pieces:
            for number, piece in enumerate(pieces):
                if end := _end_of(sign.encode(), piece, looked):
                    return _copied(pieces[:number], piece, end, folder / "audit.log")
        if time.monotonic() > deadline:
            raise GhostkeyError(f"the audit log did not get to the end of the run within {seconds:g} s")
        time.sleep(_POLL)


@contextlib.contextmanager
def _pieces(log: Path, deadline: float) -> Iterator[list[BinaryIO]]:
    """The files of a log that its server rotates, the oldest first, each once. Raises OSError, and GhostkeyError after the deadline."""
    while True:
        with contextlib.ExitStack() as stack:
            names = _names(log)
            try:
                files: list[BinaryIO] = [stack.enter_context(_opened(name)) for name in names]
                # else it was rotated meanwhile: a file may be there twice, or be missing
                is_whole = names == _names(log) and os.path.samestat(os.fstat(files[-1].fileno()), log.stat())
            except FileNotFoundError:
                if not log.parent.is_dir():
                    raise
                is_whole = False
            if is_whole:
                yield files
                return
        if time.monotonic() > deadline:
            raise GhostkeyError(f"the audit log is not there: {log} is none, or another one at each look")
        time.sleep(_POLL)


def _names(log: Path) -> list[Path]:
    # Source: gopkg.in/natefinch/lumberjack.v2 backupName: NAME-2006-01-02T15-04-05.000.EXT, which is in the order of time
    backup = re.compile(rf"{re.escape(log.stem)}-\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{{3}}{re.escape(log.suffix)}")
    found = {path.name for path in log.parent.iterdir() if backup.fullmatch(path.name.removesuffix(_PACKED))}
    # of one that is being packed both are there, and what is packed is not whole
    return [*(log.parent / name for name in sorted(found) if name.removesuffix(_PACKED) not in found - {name}), log]


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb") if path.name.endswith(_PACKED) else path.open("rb"))


def _end_of(sign: bytes, piece: BinaryIO, looked: dict[int, int]) -> int:
    """Where the lines end that are there together with the sign; 0 while it is not there. `looked`: inode → whole lines seen in vain."""
    inode = os.fstat(piece.fileno()).st_ino
    begin = piece.seek(looked.setdefault(inode, 0))
    read = piece.read()
    end = read.rfind(b"\n") + 1
    if sign in read[:end]:
        return begin + end
    looked[inode] = begin + end
    return 0


def _copied(before: Iterable[BinaryIO], last: BinaryIO, end: int, to: Path) -> Path:
    with to.open("wb") as whole:
        for piece in before:
            piece.seek(0)
            shutil.copyfileobj(piece, whole, _PIECE)
        last.seek(0)
        while end > 0 and (content := last.read(min(end, _PIECE))):
            whole.write(content)
            end -= len(content)
    return to


def mark_end(control_plane: ControlPlane, sign: str) -> None:
    """Has the audit log name this text. Raises ApiFailed."""
    # a write that changes nothing, for there is no such object: the audit policy leaves out what only reads
    Api(control_plane).must("DELETE", f"/api/v1/namespaces/default/configmaps/{sign}", allowed=(404,))


def _lives_by(verdicts: Iterable[Verdict], log: Path, control_plane: ControlPlane) -> dict[Signature, Life]:
    asked: dict[Holder, list[tuple[Verdict, str]]] = {}
    others = []
    for verdict in verdicts:
        match = _TRACE.match(verdict.example) if verdict.signature.source == "api" else None
        if match and match[4].startswith(FIELDS):
            asked.setdefault((match[2], match[1], match[3]), []).append((verdict, match[4]))
        else:
            others.append(verdict)
    found = _others(others, log)
    logs = (str(log), str(control_plane.directory / "etcd" / "member" / "wal"))
    with scratch_directory("churn-history") as store:
        for number, (holder, traces) in enumerate(asked.items()):
            if number >= MAPS_MOST:
                found |= {v.signature: Life(holder, unknown=f"only {MAPS_MOST} maps are asked about") for v, _ in traces}
                continue
            found |= _lives(holder, traces, Past(logs if number == 0 else (), store=str(store)), log, control_plane)
    return found


def _others(verdicts: list[Verdict], log: Path) -> dict[Signature, Life]:
    """The lives of traces that are no keys."""
    try:
        told = stories_of(verdicts, log)
    except OSError as error:
        return {verdict.signature: Life(("", "", ""), unknown=str(error)) for verdict in verdicts}
    return {
        verdict.signature: Life(story.place, dict(story.classes), unknown=story.unknown, told=story.lines)
        for verdict, story in told.items()
    }


def _lives(
    holder: Holder, traces: Iterable[tuple[Verdict, str]], past: Past, log: Path, control_plane: ControlPlane
) -> dict[Signature, Life]:
    try:
        with opened(holder, past) as engine:
            ghosts = story_of(engine, *holder).ghosts
        if holder[0] == "secrets":
            writes = WritesOfSecret(control_plane.directory, log, *holder[1:])
            ghosts = [_known_better(row, writes) for row in ghosts]
    except (GhostkeyError, OSError) as error:
        return {verdict.signature: Life(holder, unknown=str(error)) for verdict, _ in traces}
    return {verdict.signature: _life(holder, [row for row in ghosts if place in _places(row)]) for verdict, place in traces}


def _known_better(row: dict[str, Any], writes: WritesOfSecret) -> dict[str, Any]:
    """A ghost of a Secret, of whose writes the audit log shows that they were there alone: the proxies saw whom they named."""
    token = next(iter(sorted(tokens_in(str(row["subject_name"]).encode()))), "")
    gone = row["subject_deleted_at"]
    if row["class"] == "unknown" and token and gone is not None and writes.left_alone(token, gone):
        return {**row, "class": "no-delete"}
    return row


def _life(holder: Holder, ghosts: list[dict[str, Any]]) -> Life:
    if not ghosts:
        return Life(holder, unknown="the logs show no such key of a subject that has gone")
    classes = Counter(str(row["class"]) for row in ghosts)
    most, _ = classes.most_common(1)[0]
    # the first of those whose reason most have: its subject went first, so no cleanup of it is late
    return Life(holder, dict(classes.most_common()), next(row for row in ghosts if row["class"] == most))


def _places(row: dict[str, Any]) -> set[str]:
    """How traces call the place of a key, or of the document that an entry is in."""
    name = row["path"].partition("/")[0] or row["key"]
    return {place_masked(f"{row['field']}[{name}]"), place_masked(f"{row['field']}.{name}")}
