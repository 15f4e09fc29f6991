"""The receipt of a run in a cluster that is given: what it is about to make, noted before it does, so that a killed run can be cleaned up.

One JSON line each: the namespace and its mark, then names and uids of subjects, the field managers as which the operator writes, and the
finalizers that its own requests have put on objects, and taken away again.
Nothing goes but what stands there: a namespace with the mark and the uid, and finalizers of its own subjects that this operator put on them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.churn.lane import MERGE_PATCH
from ghostkey.churn.subjects import as_json
from ghostkey.foreign import TooMuchError, UnreadableError, decode_json
from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError
from ghostkey.store.state import (
    append_private,
    check_directory,
    create_private,
    private_directory,
    read_private,
    sync_directory,
)  # fmt: skip

try:
    import fcntl
except ImportError:  # Windows, where a run that goes on is not told from one that was killed
    fcntl = None  # type: ignore[assignment]

MARK = "ghostkey.dev/churn"
NAMESPACES = "/api/v1/namespaces"
GONE_SECONDS = 60.0
RECEIPT_MOST = 64 << 20  # bytes: 200 a subject, twice
_LOOK = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# Source: RFC 1123 label
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
LOOKS = (0.1, 1.0)  # seconds between two, at first and at most


@dataclass(slots=True)
class Receipt:
    """What one run has made, or was about to. `subjects`: API path → uid, "" for one that may not have come to be.

    `cluster`: see `cluster_of`; another cluster may come to have the same URL. `put`: uid → finalizers that the operator has put there.
    """

    path: Path
    server: str
    namespace: str
    mark: str
    uid: str = ""
    cluster: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    managers: set[str] = field(default_factory=set)
    put: dict[str, set[str]] = field(default_factory=dict)

    @contextmanager
    def written(self) -> Iterator[None]:
        """On the disk for its owner alone, before anything is made; in use until the block ends, or this process does."""
        record = {"server": self.server, "namespace": self.namespace, "mark": self.mark, "cluster": self.cluster}
        unnamed = private_directory(self.path.parent) / f".{self.path.name}.new"
        create_private(unnamed, json.dumps(record).encode() + b"\n")
        with contextlib.ExitStack() as stack:
            if fcntl is not None:
                handle = os.open(unnamed, _LOOK)
                stack.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
            # held before it has the name by which others find it: to none of them is it that of a run that has ended
            unnamed.rename(self.path)
            sync_directory(self.path.parent)
            yield

    def is_in_use(self) -> bool:
        """Whether its run still goes on. Raises OSError: FileNotFoundError where it has gone."""
        if fcntl is None:
            return False
        handle = os.open(self.path, _LOOK)
        try:
            # shared: of two that look at once, neither takes the other for the run
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def made_namespace(self, uid: str) -> None:
        """The namespace is there."""
        self.uid = uid
        self._note({"uid": uid})

    def note_subjects(self, subjects: Mapping[str, str]) -> None:
        """These are about to be made (uid ""), or were."""
        self.subjects.update(subjects)
        self._note({"subjects": dict(subjects)})

    def _note(self, record: Mapping[str, object]) -> None:
        append_private(self.path, json.dumps(record).encode() + b"\n")

    def read_again(self) -> None:
        """What others have noted meanwhile: the proxy of what the operator did. Raises GhostkeyError, FileNotFoundError."""
        noted = _read(self.path)
        self.managers |= noted.managers
        self.put = noted.put


def _read(path: Path) -> Receipt:
    """Raises GhostkeyError for a file that is none, FileNotFoundError for one that has gone."""
    try:
        first, *rest = read_private(path, RECEIPT_MOST).split(b"\n")
        found = _begun(path, decode_json(first))
        for line in filter(None, rest):
            try:
                record = decode_json(line)
            except TooMuchError:
                raise
            except UnreadableError:
                continue  # cut off, as its writer was killed or the disk was full: what was written after it begins a line of its own
            _add(found, record)
    except FileNotFoundError:
        raise
    except (GhostkeyError, OSError, ValueError) as error:
        why = error.strerror or "unreadable" if isinstance(error, OSError) else error
        raise GhostkeyError(f"{path} is no receipt of a run: {why}", "look at it, and remove it") from None
    return found


def _begun(path: Path, record: Any) -> Receipt:
    fields = record if isinstance(record, dict) else {}
    server, namespace, mark, cluster = (fields.get(name, "") for name in ("server", "namespace", "mark", "cluster"))
    if not (all(isinstance(text, str) for text in (server, namespace, mark, cluster)) and server and mark):
        raise ValueError("it does not begin with a server, a namespace and a mark")
    if not _NAME.fullmatch(namespace):
        raise ValueError("no namespace can be called as the one in it")
    return Receipt(path, server, namespace, mark, cluster=cluster)


def _add(found: Receipt, record: Any) -> None:
    fields: dict[str, Any] = record if isinstance(record, dict) else {"uid": None}
    uid, subjects, manager = fields.get("uid", found.uid), fields.get("subjects", {}), fields.get("manager", "")
    finalizer, on, off = (fields.get(name, "") for name in ("finalizer", "on", "off"))
    texts = [uid, manager, finalizer, on, off, *(subjects.values() if isinstance(subjects, dict) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a line of it holds something else than names and uids")
    found.uid = uid
    found.subjects.update(subjects)
    found.managers |= {manager} - {""}
    if finalizer and on:
        found.put.setdefault(on, set()).add(finalizer)
    elif finalizer:
        found.put.get(off, set()).discard(finalizer)


def receipts_in(folder: Path, server: str, tell: Callable[[str], None]) -> list[tuple[Receipt, bool]]:
    """Receipts of runs against this server that are not finished, each with whether its run goes on.

    `tell` hears of each file that is none; the others stand. Raises StateUnsafe for a folder that others may write.
    """
    if not folder.is_dir():
        return []
    check_directory(folder)
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            receipt = _read(path)
            if receipt.server == server:
                found.append((receipt, receipt.is_in_use()))
        except FileNotFoundError:
            continue  # its run, or another that cleans up, has just ended
        except (GhostkeyError, OSError) as error:
            hint = f": {error.hint}" if isinstance(error, GhostkeyError) and error.hint else ""
            tell(f"{error}{hint}")
    return found


def cluster_of(client: ApiClient) -> str:
    """The uid of kube-system, by which a cluster is known whatever its address; "" where it may not be read."""
    try:
        found = client.get_object(f"{NAMESPACES}/kube-system") or {}
    except AccessDenied:
        return ""
    return str(found.get("metadata", {}).get("uid", ""))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of it: subjects whose finalizers were taken away, and why the namespace still stands; "" where it is gone."""

    held: int = 0
    why: str = ""


def clean_up(client: ApiClient, receipt: Receipt, patience: float = GONE_SECONDS) -> Cleaned:
    """Removes what a run has made, waits until it is gone, and drops the receipt.

    A namespace without the mark, or of another uid, is somebody else's by now, and is left alone; in another cluster than that of the
    run nothing is looked for, and the receipt stays; so it does where nobody knows which cluster that was, and nothing is found.
    Raises what the API says.
    """
    here = cluster_of(client) if receipt.cluster else ""
    if here not in {"", receipt.cluster}:
        what = f"{receipt.server} is another cluster than when namespace {receipt.namespace} was made there"
        return Cleaned(why=f"{what}: nothing is removed, and {receipt.path} is kept")
    is_certain = bool(receipt.cluster) and here == receipt.cluster
    path, uid, deadline = f"{NAMESPACES}/{receipt.namespace}", receipt.uid, time.monotonic() + patience
    let_go: set[str] = set()
    wait, foreign = LOOKS[0], ""
    while (live := client.get_object(path)) is not None:
        metadata = live["metadata"]
        if (metadata.get("annotations") or {}).get(MARK) != receipt.mark or uid not in {"", metadata["uid"]}:
            if uid and is_certain:
                break  # ours has gone, and another one of its name has come
            return Cleaned(why=f"namespace {receipt.namespace} does not bear the mark of {receipt.path}: it is left alone")
        uid, is_certain = metadata["uid"], True
        # subjects first: whoever is to clean up after them can still write there
        foreign = _let_go(client, receipt, let_go)
        if not metadata.get("deletionTimestamp"):
            with _unless_written():
                client.delete(path, uid, metadata["resourceVersion"])
        if time.monotonic() > deadline:
            held = foreign or "something in it has a finalizer, which whoever put it there has to take away"
            why = f"namespace {receipt.namespace} is deleted, and still there after {patience:.0f} s: {held}"
            return Cleaned(len(let_go), why)
        time.sleep(wait)
        wait = min(LOOKS[1], wait * 1.5)
    if not is_certain:
        why = "kube-system may not be read" if receipt.cluster else f"{receipt.path} does not say of which cluster it is"
        what = (
            f"{why}, so that {receipt.server} may be another one than when {receipt.namespace} was made there, which is not here"
        )
        return Cleaned(why=f"{what}: {receipt.path} is kept; remove it once you know that the namespace is gone")
    receipt.path.unlink(missing_ok=True)
    return Cleaned(len(let_go))


def _let_go(client: ApiClient, receipt: Receipt, done: set[str]) -> str:
    """Takes from the run's own subjects the finalizers that its operator has put there: it is gone, and nobody else would.

    Those of others stay: who put them there runs in this cluster, and may not be done yet. Gives what still holds one, in words.
    """
    left = ""
    for path, uid in receipt.subjects.items():
        if path in done or f"/namespaces/{receipt.namespace}/" not in path:
            continue
        metadata: dict[str, Any] = (client.get_object(path) or {}).get("metadata") or {}
        if not metadata or uid not in {"", metadata["uid"]}:
            done.discard(path)
            continue
        if not metadata.get("deletionTimestamp"):
            with _unless_written():
                client.delete(path, metadata["uid"], metadata["resourceVersion"])
            continue
        finalizers = metadata.get("finalizers") or []
        foreign = [name for name in finalizers if not is_put_by(receipt, metadata, name)]
        if foreign:
            left = f"{path} is held by the finalizer {foreign[0]}, which is not known to be the operator's"
        if len(foreign) == len(finalizers):
            continue
        changed = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], "finalizers": foreign or None}
        with _unless_written():
            client.write("PATCH", path, as_json({"metadata": changed}), MERGE_PATCH)
            done.add(path)
    return left


@contextmanager
def _unless_written() -> Iterator[None]:
    """Of what is gone, or was written in this moment: it is looked at again."""
    try:
        yield
    except ApiFailed as error:
        if error.status not in {404, 409}:
            raise


def is_put_by(receipt: Receipt, metadata: Mapping[str, Any], finalizer: str) -> bool:
    """Whether requests of the run's operator have put a finalizer on an object, and managedFields name nobody else.

    A manager's name alone says nothing: another instance of the same program writes under the same one.
    """
    entries = field_owners(json.dumps(metadata.get("managedFields") or []).encode(), "metadata.finalizers")
    owners = {entry.manager for entry in entries if entry.keys and finalizer in entry.keys}
    return finalizer in receipt.put.get(str(metadata.get("uid")), set()) and owners <= receipt.managers
