"""The receipt of a run in a cluster that is given: what it is about to make, noted before it does, so that a killed run can be cleaned up.

One JSON line each: the namespace and its mark, then names and uids of subjects, and the field managers as which the operator writes.
Nothing goes but what stands there: a namespace with the mark and the uid, and finalizers of its own subjects that this operator put on them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.churn.lane import MERGE_PATCH
from ghostkey.churn.subjects import as_json
from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners
from ghostkey.model.errors import ApiFailed, GhostkeyError
from ghostkey.store.state import append_private, create_private, private_directory

try:
    import fcntl
except ImportError:  # Windows, where a run that goes on is not told from one that was killed
    fcntl = None  # type: ignore[assignment]

MARK = "ghostkey.dev/churn"
NAMESPACES = "/api/v1/namespaces"
GONE_SECONDS = 60.0
LOOKS = (0.1, 1.0)  # seconds between two, at first and at most


@dataclass(slots=True)
class Receipt:
    """What one run has made, or was about to. `subjects`: API path → uid, "" for one that may not have come to be."""

    path: Path
    server: str
    namespace: str
    mark: str
    uid: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    managers: set[str] = field(default_factory=set)

    @contextmanager
    def written(self) -> Iterator[None]:
        """On the disk for its owner alone, before anything is made; in use until the block ends, or this process does."""
        record = {"server": self.server, "namespace": self.namespace, "mark": self.mark}
        create_private(private_directory(self.path.parent) / self.path.name, json.dumps(record).encode() + b"\n")
        handle = os.open(self.path, os.O_RDONLY)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def is_in_use(self) -> bool:
        """Whether its run still goes on."""
        if fcntl is None:
            return False
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        """What others have noted meanwhile: the proxy the operator's field managers."""
        self.managers = _read(self.path).managers


def _read(path: Path) -> Receipt:
    """Raises GhostkeyError for a file that is none."""
    try:
        first, *lines = [json.loads(line) for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
        found = Receipt(path, str(first["server"]), str(first["namespace"]), str(first["mark"]))
        for line in lines:
            found.uid = str(line.get("uid", found.uid))
            found.subjects.update({str(place): str(uid) for place, uid in line.get("subjects", {}).items()})
            found.managers |= {str(line["manager"])} if "manager" in line else set()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise GhostkeyError(f"{path} is no receipt of a run", "look at it, and remove it") from None
    return found


def receipts_in(folder: Path, server: str) -> list[Receipt]:
    """Receipts of runs against this server that are not finished. Raises GhostkeyError for a file that is none."""
    found = [_read(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    return [receipt for receipt in found if receipt.server == server]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of it: subjects whose finalizers were taken away, and why the namespace still stands; "" where it is gone."""

    held: int = 0
    why: str = ""


def clean_up(client: ApiClient, receipt: Receipt, patience: float = GONE_SECONDS) -> Cleaned:
    """Removes what a run has made, waits until it is gone, and drops the receipt.

    A namespace without the mark, or of another uid, is somebody else's by now, and is left alone. Raises what the API says.
    """
    path, uid, deadline = f"{NAMESPACES}/{receipt.namespace}", receipt.uid, time.monotonic() + patience
    let_go: set[str] = set()
    wait, foreign = LOOKS[0], ""
    while (live := client.get_object(path)) is not None:
        metadata = live["metadata"]
        if (metadata.get("annotations") or {}).get(MARK) != receipt.mark or uid not in {"", metadata["uid"]}:
            if uid:
                break  # ours has gone, and another one of its name has come
            return Cleaned(why=f"namespace {receipt.namespace} does not bear the mark of {receipt.path}: it is left alone")
        uid = metadata["uid"]
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
        foreign = [name for name in finalizers if not is_put_by(receipt.managers, metadata, name)]
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


def is_put_by(managers: Iterable[str], metadata: Mapping[str, Any], finalizer: str) -> bool:
    """Whether managedFields say that one of these has put a finalizer there, and nobody else."""
    entries = field_owners(json.dumps(metadata.get("managedFields") or []).encode(), "metadata.finalizers")
    owners = {entry.manager for entry in entries if entry.keys and finalizer in entry.keys}
    return bool(owners) and owners <= set(managers)
