"""Receipts: what a trim removed, written and synced before it acts. On disk, or in Secrets of the map's namespace."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import gzip
import hashlib
import hmac
import json
import secrets
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ghostkey.actions.strangers import RECEIPT_ID, check_receipt, decode_note
from ghostkey.foreign import decode_json
from ghostkey.kube.answers import decode_list
from ghostkey.kube.client import MERGE_PATCH, ApiClient
from ghostkey.kube.objects import decode_raw_list
from ghostkey.model.errors import AccessDenied, GhostkeyError, NoSuchPath, NotFound, SourceDamaged
from ghostkey.model.plans import Receipt
from ghostkey.model.refs import SECRETS
from ghostkey.store.state import DigestKey, any_key, append_private, create_private, read_private, state_directory

SCHEMA_VERSION = 2
PART_BYTES = 900 << 10  # of one Secret: its values may be 1 MiB together
PARTS = 64
RECEIPT_BYTES = 32 << 20  # unpacked; a map has at most 1.5 MiB, a document in it stands in a receipt three times
LABEL = "ghostkey.dev/receipt"
SECRET_TYPE = "ghostkey.dev/receipt"  # noqa: S105 (a type of Secrets)
STATE, VERSION, COUNT = "ghostkey.dev/state", "ghostkey.dev/resource-version", "ghostkey.dev/parts"


class Receipts(Protocol):
    """Where receipts are kept."""

    def new_id(self, created_at: str) -> str:
        """An id that no other receipt has, which sorts behind those of all earlier trims."""
        ...

    def save(self, receipt: Receipt) -> str:
        """Keeps a receipt for good before it returns; where it is, in words. Raises GhostkeyError when it cannot."""
        ...

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> str:
        """Adds what became of it; empty, or a sentence when that could not be written down (the receipt is as good without)."""
        ...

    def load(self, name: str) -> Receipt:
        """The receipt of this id, or of the one id that begins so, with its latest state. Raises GhostkeyError."""
        ...

    def newest_first(self) -> Iterator[Receipt | GhostkeyError]:
        """All receipts, the latest trim first; the error instead of one that cannot be read, or is not whole."""
        ...


def encode(receipt: Receipt, key: DigestKey) -> bytes:
    """One JSON line, with the SHA-256 of what it says, and sealed with this machine's key."""
    body = msgspec.json.encode(receipt)
    outer = {
        "schema_version": SCHEMA_VERSION,
        "kind": "GhostkeyReceipt",
        "sha256": hashlib.sha256(body).hexdigest(),
        "seal": key.seal(body),
        "receipt": msgspec.Raw(body),
    }
    return msgspec.json.encode(outer) + b"\n"


def decode(content: bytes, where: str, key: DigestKey | None = None, name: str = "", namespace: str = "") -> Receipt:
    """The receipt with the last state noted behind it.

    Raises SourceDamaged when it is not whole, or would reach further than a receipt may (see `strangers`).
    """
    first, *rest = content.splitlines() or [b""]
    try:
        outer = msgspec.json.decode(first, type=_Outer)
        if hashlib.sha256(outer.receipt).hexdigest() != outer.sha256:
            raise ValueError("its checksum does not match")
        receipt = msgspec.json.decode(outer.receipt, type=Receipt)
        is_ours = key is not None and hmac.compare_digest(key.seal(bytes(outer.receipt)).encode(), outer.seal.encode())
        receipt = check_receipt(dataclasses.replace(receipt, is_ours=is_ours), name, namespace)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise SourceDamaged(f"receipt {where} is damaged: {error}", "use another copy of it; ghostkey undo --list") from None
    for line in rest:
        # a note that was being written when the power went is passed over
        if noted := decode_note(line):
            receipt = _with_state(receipt, *noted)
    return receipt


class _Outer(msgspec.Struct):
    sha256: str
    receipt: msgspec.Raw
    seal: str = ""


def _with_state(receipt: Receipt, state: str, resource_version: str) -> Receipt:
    return dataclasses.replace(receipt, state=state, resource_version=resource_version or receipt.resource_version)


def _new_id(created_at: str, sequence: int) -> str:
    """`20261124t101530123456z-000007-4f2a91c0`: time in microseconds, and a number that clocks cannot turn back."""
    stamp = "".join(character for character in created_at[:26] if character.isdigit()).ljust(20, "0")
    numbered = f"-{sequence:06d}" if sequence else ""
    return f"{stamp[:8]}t{stamp[8:]}z{numbered}-{secrets.token_hex(4)}"


class FileReceipts:
    """Receipts as files, 0600, in a folder: `ID.receipt`."""

    def __init__(self, directory: Path | None = None, key: DigestKey | None = None) -> None:
        self.directory = directory or state_directory() / "receipts"
        self._given_key = key
        self._elsewhere: dict[str, Path] = {}  # receipts that were named by their file

    def __str__(self) -> str:
        return str(self.directory)

    def new_id(self, created_at: str) -> str:
        """An id with a number one above those of all receipts in the folder."""
        return _new_id(created_at, max((_sequence(path.stem) for path in self._paths()), default=0) + 1)

    def save(self, receipt: Receipt) -> str:
        """Writes and syncs the file; its path."""
        path = self._path(check_receipt(receipt, receipt.id).id)
        try:
            create_private(path, encode(receipt, self._key()))
        except OSError as error:
            raise GhostkeyError(
                f"cannot keep the receipt {path}: {error.strerror or error}; nothing was changed",
                "make room there, or keep receipts elsewhere: --receipts DIR|cluster",
            ) from None
        return str(path)

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> str:
        """Appends the outcome to the file."""
        path = self._elsewhere.get(receipt.id) or self._path(receipt.id)
        line = msgspec.json.encode({"state": state, "resource_version": resource_version}) + b"\n"
        try:
            append_private(path, line)
        except (OSError, GhostkeyError) as error:
            words = getattr(error, "strerror", None) or str(error)
            return f"the receipt {path} could not be marked as {state}: {words}; it is as good without"
        return ""

    def load(self, name: str) -> Receipt:
        """The receipt of this id, or of the one id that begins so."""
        found = [path for path in self._paths() if path.stem.startswith(name)]
        exact = [path for path in found if path.stem == name]
        found = exact or found
        if len(found) != 1:
            what = f"{len(found)} receipts begin with {name!r}" if found else f"no receipt {name!r}"
            hint = "ghostkey undo --list shows them; a file is named with a slash, as ./FILE"
            raise NotFound(f"{what} in {self.directory}", hint)
        return self._read(found[0])

    def load_file(self, path: Path) -> Receipt:
        """A receipt by its file, as from another machine. Raises GhostkeyError when it cannot be read, NoSuchPath, SourceDamaged when it is none."""
        if not path.is_file() and (path.is_dir() or not path.exists()):
            why = "is a folder" if path.is_dir() else "does not exist"
            raise NoSuchPath(f"receipt {path} {why}", "name a file, or an id without a slash; ghostkey undo --list shows the ids")
        receipt = self._read(path, path.stem if path.suffix == ".receipt" else "")
        self._elsewhere[receipt.id] = path
        return receipt

    def newest_first(self) -> Iterator[Receipt | GhostkeyError]:
        """All receipts of the folder, by number, then by id."""
        for path in sorted(self._paths(), key=lambda path: (_sequence(path.stem), path.stem), reverse=True):
            try:
                yield self._read(path)
            except GhostkeyError as error:
                yield error

    def _read(self, path: Path, name: str | None = None) -> Receipt:
        try:
            content = read_private(path, RECEIPT_BYTES)
        except OSError as error:
            raise GhostkeyError(f"cannot read receipt {path}: {error.strerror or error}") from None
        return decode(content, str(path), self._key(), path.stem if name is None else name)

    def _key(self) -> DigestKey:
        if self._given_key is None:
            self._given_key = any_key()
        return self._given_key

    def _path(self, receipt_id: str) -> Path:
        return self.directory / f"{receipt_id}.receipt"

    def _paths(self) -> list[Path]:
        try:
            return [path for path in self.directory.glob("*.receipt") if not path.name.startswith(".")]
        except OSError as error:
            raise GhostkeyError(f"cannot read {self.directory}: {error.strerror or error}") from None


def _sequence(stem: str) -> int:
    # nine digits are as many as an id may have: a file that claims more than eight is not counted on
    parts = stem.split("-")
    return int(parts[1]) if RECEIPT_ID.fullmatch(stem) and len(parts) == 3 and len(parts[1]) < 9 else 0


class ClusterReceipts:
    """Receipts as Secrets `ghostkey-receipt-ID[-N]`, gzipped and cut into parts, in the map's namespace.

    Saving needs the right to create Secrets alone. Where a Secret may not be patched, its state stays "pending", and is told
    by the map.
    """

    def __init__(self, client: ApiClient, namespace: str, key: DigestKey | None = None) -> None:
        self._client, self._namespace, self._given_key = client, namespace, key

    def __str__(self) -> str:
        return f"the Secrets of namespace {self._namespace!r}"

    def new_id(self, created_at: str) -> str:
        """An id by the time, to the microsecond: counting would take the right to list Secrets."""
        return _new_id(created_at, 0)

    def save(self, receipt: Receipt) -> str:
        """Creates the Secrets, the first one last: a receipt without its first part was never acted upon."""
        packed = gzip.compress(encode(receipt, self._key()), mtime=0)
        parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
        for number in reversed(range(len(parts))):
            # the state lives on the first part alone, where `note` writes it
            annotations = {COUNT: str(len(parts)), STATE: receipt.state} if number == 0 else {}
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": SECRET_TYPE,
                "immutable": True,
                "metadata": {"name": self._name(receipt.id, number), "labels": {LABEL: receipt.id}, "annotations": annotations},
                "data": {"receipt": base64.b64encode(parts[number]).decode()},
            }
            try:
                self._client.write("POST", SECRETS.path(self._namespace), json.dumps(body).encode())
            except AccessDenied as error:
                raise AccessDenied(f"cannot keep the receipt, nothing was changed: {error}", error.hint, error.status) from None
            except GhostkeyError as error:
                raise GhostkeyError(f"cannot keep the receipt, nothing was changed: {error}", error.hint) from None
        return f"secret/{self._name(receipt.id, 0)} -n {self._namespace}"

    def note(self, receipt: Receipt, state: str, resource_version: str = "") -> str:
        """Writes the outcome into the first Secret's annotations; where that is denied, the map tells it."""
        body = json.dumps({"metadata": {"annotations": {STATE: state, VERSION: resource_version}}}).encode()
        path = SECRETS.path(self._namespace, self._name(receipt.id, 0))
        try:
            self._client.write("PATCH", path, body, MERGE_PATCH)
        except GhostkeyError as error:
            if getattr(error, "status", 0) != HTTPStatus.FORBIDDEN:
                return f"the receipt secret/{self._name(receipt.id, 0)} could not be marked as {state}: {error}"
        return ""

    def load(self, name: str) -> Receipt:
        """A receipt by id, by the name of its Secret, or by the beginning of either."""
        wanted = name.removeprefix("ghostkey-receipt-")
        if RECEIPT_ID.fullmatch(wanted):
            return self._read(wanted, self._part(wanted, 0))
        found = sorted({receipt_id for receipt_id in self._firsts() if receipt_id.startswith(wanted)})
        if len(found) != 1:
            what = f"{len(found)} receipts begin with {name!r}" if found else f"no receipt {name!r}"
            hint = f"ghostkey undo --list --receipts cluster -n {self._namespace} shows them"
            raise NotFound(f"{what} in namespace {self._namespace!r}", hint)
        return self._read(found[0], self._part(found[0], 0))

    def newest_first(self) -> Iterator[Receipt | GhostkeyError]:
        """All receipts of the namespace, by id, which begins with the time."""
        for receipt_id, first in sorted(self._firsts().items(), reverse=True):
            try:
                yield self._read(receipt_id, first)
            except GhostkeyError as error:
                yield error

    def _read(self, receipt_id: str, first: dict[str, Any]) -> Receipt:
        where = f"secret/{self._name(receipt_id, 0)}"
        annotations = first["metadata"].get("annotations") or {}
        count = str(annotations.get(COUNT, "1"))
        if not (count.isdecimal() and len(count) < 4 and 1 <= int(count) <= PARTS):
            raise SourceDamaged(f"receipt {where} is damaged: it claims {count[:20]!r} parts")
        try:
            parts = [first, *(self._part(receipt_id, number) for number in range(1, int(count)))]
            packed = b"".join(base64.b64decode(part["data"]["receipt"], validate=True) for part in parts)
            unpacked = _unpacked(packed)
        except (binascii.Error, ValueError, LookupError, TypeError, zlib.error) as error:
            raise SourceDamaged(f"receipt {where} is damaged: {error}") from None
        receipt = decode(unpacked, where, self._key(), receipt_id, self._namespace)
        noted = decode_note(msgspec.json.encode({"state": annotations.get(STATE), "resource_version": annotations.get(VERSION)}))
        return _with_state(receipt, *noted) if noted else receipt

    def _key(self) -> DigestKey:
        if self._given_key is None:
            self._given_key = any_key()
        return self._given_key

    def _name(self, receipt_id: str, number: int) -> str:
        return f"ghostkey-receipt-{receipt_id}" + (f"-{number}" if number else "")

    def _part(self, receipt_id: str, number: int) -> dict[str, Any]:
        name = self._name(receipt_id, number)
        found = self._client.get_object(SECRETS.path(self._namespace, name))
        if found is None:
            # a part of a receipt that is there is damage, not a wrong name
            error = SourceDamaged if number else NotFound
            raise error(
                f"secret {name} not found in namespace {self._namespace!r}",
                f"kubectl get secrets -n {self._namespace} -l {LABEL}",
            )
        return found

    def _firsts(self) -> dict[str, dict[str, Any]]:
        """The first Secret of each receipt, by id."""
        firsts: dict[str, dict[str, Any]] = {}
        selected = {"labelSelector": LABEL, "fieldSelector": f"type={SECRET_TYPE}"}
        path = SECRETS.path(self._namespace)
        for body in self._client.list_pages(path, selected, limit=20):
            for raw in decode_list(path, body, decode_raw_list, ("SecretList",)):
                item = decode_json(raw)
                receipt_id = str(item["metadata"]["labels"][LABEL])
                if item["metadata"]["name"] == self._name(receipt_id, 0):
                    firsts[receipt_id] = item
        return firsts


def _unpacked(packed: bytes) -> bytes:
    """What gzip packed, as far as a receipt may go; raises ValueError behind that."""
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(packed, RECEIPT_BYTES)
    if stream.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {RECEIPT_BYTES >> 20} MiB")
    if not stream.eof:
        raise ValueError("it is cut off")
    return content
