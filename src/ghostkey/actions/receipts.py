"""Receipts: what a trim removed, written and synced before it acts. On disk, or in Secrets of the map's namespace."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import msgspec

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed, GhostkeyError, SourceDamaged
from ghostkey.model.plans import Receipt
from ghostkey.model.refs import SECRETS
from ghostkey.store.state import append_private, state_directory, write_private

SCHEMA_VERSION = 1
PART_BYTES = 900 << 10  # of one Secret: its values may be 1 MiB together
LABEL = "ghostkey.dev/receipt"


def new_id(created_at: str) -> str:
    """An id that sorts by time: `20261124t101530z-4f2a91c0`."""
    stamp = created_at[:19].replace("-", "").replace(":", "").lower()
    return f"{stamp}z-{secrets.token_hex(4)}"


class Receipts(Protocol):
    """Where receipts are kept."""

    def save(self, receipt: Receipt) -> str:
        """Keeps a receipt for good before it returns; where it is, in words."""
        ...

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> None:
        """Adds what became of it."""
        ...

    def load(self, name: str) -> Receipt:
        """The receipt of this id, with its latest state."""
        ...


def encode(receipt: Receipt) -> bytes:
    """One JSON line, sealed with the SHA-256 of what it says."""
    body = msgspec.json.encode(receipt)
    sealed = {"schema_version": SCHEMA_VERSION, "kind": "GhostkeyReceipt", "sha256": hashlib.sha256(body).hexdigest()}
    return msgspec.json.encode({**sealed, "receipt": msgspec.Raw(body)}) + b"\n"


def decode(content: bytes, where: str) -> Receipt:
    """The receipt with the last state noted behind it; raises SourceDamaged when it is not whole."""
    first, *rest = content.splitlines() or [b""]
    try:
        outer = msgspec.json.decode(first, type=_Outer)
        if hashlib.sha256(outer.receipt).hexdigest() != outer.sha256:
            raise ValueError("its checksum does not match")
        receipt = msgspec.json.decode(outer.receipt, type=Receipt)
    except (msgspec.DecodeError, ValueError) as error:
        raise SourceDamaged(f"receipt {where} is damaged: {error}", "use another copy of it") from None
    for line in rest:
        try:
            noted = msgspec.json.decode(line, type=_Note)
        except msgspec.DecodeError:
            break  # the note that was being written when the power went
        receipt = _with_state(receipt, noted)
    return receipt


class _Outer(msgspec.Struct):
    sha256: str
    receipt: msgspec.Raw


class _Note(msgspec.Struct):
    state: str
    resource_version: str = ""


def _with_state(receipt: Receipt, noted: _Note) -> Receipt:
    import dataclasses

    return dataclasses.replace(receipt, state=noted.state, resource_version=noted.resource_version or receipt.resource_version)


class FileReceipts:
    """Receipts as files, 0600, in a folder: `ID.receipt`."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or state_directory() / "receipts"
        self._elsewhere: dict[str, Path] = {}  # receipts that were named by their file

    def save(self, receipt: Receipt) -> str:
        """Writes and syncs the file; its path."""
        path = self._path(receipt.id)
        write_private(path, encode(receipt))
        return str(path)

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> None:
        """Appends the outcome to the file; where that cannot be done the receipt is as good without."""
        path = self._elsewhere.get(receipt.id) or self._path(receipt.id)
        with contextlib.suppress(OSError):
            append_private(path, msgspec.json.encode(_Note(state, resource_version)) + b"\n")

    def load(self, name: str) -> Receipt:
        """A receipt by id, by path, or when `name` is empty the newest one of a trim that did not fail.

        Raises GhostkeyError when there is none, SourceDamaged when it is not whole.
        """
        if Path(name).is_file():
            receipt = decode(Path(name).read_bytes(), name)
            self._elsewhere[receipt.id] = Path(name)
            return receipt
        if not name:
            for path in sorted(self.directory.glob("*.receipt"), reverse=True):
                receipt = decode(path.read_bytes(), str(path))
                if receipt.state != "failed":
                    return receipt
            raise GhostkeyError(f"no receipts in {self.directory}", "name a receipt's file; trim --apply prints it")
        path = self._find(name)
        return decode(path.read_bytes(), str(path))

    def _path(self, receipt_id: str) -> Path:
        return self.directory / f"{receipt_id}.receipt"

    def _find(self, name: str) -> Path:
        found = [path for path in sorted(self.directory.glob("*.receipt")) if path.name.startswith(name)]
        if len(found) == 1:
            return found[0]
        what = f"{len(found)} receipts begin with {name!r}" if found else f"no receipt {name!r}"
        raise GhostkeyError(f"{what} in {self.directory}", "name a receipt's file, or its id; trim prints both")


class ClusterReceipts:
    """Receipts as Secrets `ghostkey-receipt-ID[-N]`, gzipped and cut into parts, in one namespace."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    def save(self, receipt: Receipt) -> str:
        """Creates the Secrets, the first one last: a receipt without its first part was never acted upon."""
        packed = gzip.compress(encode(receipt), mtime=0)
        parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
        for number in reversed(range(len(parts))):
            # the state lives on the first part alone, where `note` writes it
            annotations = {"ghostkey.dev/parts": str(len(parts)), "ghostkey.dev/state": receipt.state} if number == 0 else {}
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "ghostkey.dev/receipt",
                "metadata": {"name": self._name(receipt.id, number), "labels": {LABEL: receipt.id}, "annotations": annotations},
                "data": {"receipt": base64.b64encode(parts[number]).decode()},
            }
            self._client.write("POST", SECRETS.path(self._namespace), json.dumps(body).encode())
        return f"secret/{self._name(receipt.id, 0)} -n {self._namespace}"

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> None:
        """Writes the outcome into the first Secret's annotations; where that is denied the receipt is as good without."""
        annotations = {"ghostkey.dev/state": state, "ghostkey.dev/resource-version": resource_version}
        body = json.dumps({"metadata": {"annotations": annotations}}).encode()
        path = SECRETS.path(self._namespace, self._name(receipt.id, 0))
        with contextlib.suppress(GhostkeyError):
            self._client.write("PATCH", path, body, "application/merge-patch+json")

    def load(self, name: str) -> Receipt:
        """A receipt by id, or when `name` is empty the newest one of the namespace whose trim did not fail."""
        receipt_id = name.removeprefix("ghostkey-receipt-") or self._newest()
        first = self._part(receipt_id, 0)
        annotations = first["metadata"].get("annotations") or {}
        count = int(annotations.get("ghostkey.dev/parts", "1"))
        parts = [first, *(self._part(receipt_id, number) for number in range(1, count))]
        packed = b"".join(base64.b64decode(part["data"]["receipt"]) for part in parts)
        where = f"secret/{self._name(receipt_id, 0)}"
        try:
            receipt = decode(gzip.decompress(packed), where)
        except (OSError, EOFError) as error:
            raise SourceDamaged(f"receipt {where} is damaged: {error}") from None
        state = str(annotations.get("ghostkey.dev/state", receipt.state))
        return _with_state(receipt, _Note(state, str(annotations.get("ghostkey.dev/resource-version", ""))))

    def _name(self, receipt_id: str, number: int) -> str:
        return f"ghostkey-receipt-{receipt_id}" + (f"-{number}" if number else "")

    def _part(self, receipt_id: str, number: int) -> dict:  # type: ignore[type-arg]
        path = SECRETS.path(self._namespace, self._name(receipt_id, number))
        found = self._client.get_object(path)
        if found is None:
            raise ApiFailed(
                f"secret {self._name(receipt_id, number)} not found in namespace {self._namespace!r}",
                f"kubectl get secrets -n {self._namespace} -l {LABEL}",
                status=HTTPStatus.NOT_FOUND,
            )
        return found

    def _newest(self) -> str:
        answer = json.loads(self._client.get(SECRETS.path(self._namespace), {"labelSelector": LABEL}))
        states = {
            item["metadata"]["labels"][LABEL]: item["metadata"]["annotations"]["ghostkey.dev/state"]
            for item in answer.get("items") or ()
            if "ghostkey.dev/state" in (item["metadata"].get("annotations") or {})
        }
        ids = sorted(receipt_id for receipt_id, state in states.items() if state != "failed")
        if not ids:
            raise GhostkeyError(f"no receipts in namespace {self._namespace!r}", "name its namespace with -n")
        return str(ids[-1])
