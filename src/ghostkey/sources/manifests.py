"""Files: YAML or JSON, one object or many, Lists, gzip, tar; a must-gather or `kubectl get -o yaml` as they come.

What it reads
    Every file below a directory whose name ends in .yaml, .yml, .json (also .gz), and tar archives, without unpacking.
Coverage
    A dump is taken at its word: a kind that it holds, it holds wholly. A dump that shows one namespace alone covers that
    namespace alone, and so does a must-gather for each namespace it has a folder for. Kinds it does not hold are not
    covered, so nothing is said about keys that could be theirs.
When it is wrong
    A dump made with a label selector looks complete and is not.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from ghostkey.kube.objects import MapObject, Metadata
from ghostkey.kube.pods import has_pod_spec, key_uses
from ghostkey.model.errors import NoSuchPath, SourceDamaged
from ghostkey.model.events import Coverage, Event, Gap, KindsKnown, SubjectsSeen
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.sources._maps import MapReader, read_map_field
from ghostkey.sources.live_cluster import NOT_SUBJECTS, Progress, Scope, _add_subject

FILE_BYTES = 512 << 20  # one file, unpacked; it is decoded in memory
BOMB_BYTES, BOMB_RATIO = 64 << 20, 300  # dumps of YAML pack to a tenth or a fiftieth, zeros to a thousandth
NESTED = 4  # archives in archives
UNPACKING = (tarfile.TarError, EOFError, zlib.error, OSError, SourceDamaged, ValueError)
YAML_DOCUMENT_BYTES = 256 << 20
ARCHIVE_MEMBERS = 1_000_000
ENDINGS = (".yaml", ".yml", ".json", ".jsonl")
_BLOCK = 1 << 20
_HEAD = 512  # a tar header
_NAMESPACE_FOLDER = re.compile(r"(?:^|/)namespaces/([a-z0-9][-a-z0-9]*)/")
_CLUSTER_SCOPED = {
    "Namespace", "Node", "PersistentVolume", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding",
    "StorageClass", "PriorityClass", "APIService", "IngressClass", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration", "CSIDriver", "CSINode", "RuntimeClass", "VolumeAttachment", "FlowSchema",
    "PriorityLevelConfiguration",
}  # fmt: skip
_IRREGULAR = {"Endpoints": "endpoints", "NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}


class Manifests:
    """Source of the events of one dump."""

    def __init__(self, paths: Iterable[str], scope: Scope, progress: Progress = lambda _: None) -> None:
        self._paths, self._scope, self._progress = [Path(path) for path in paths], scope, progress
        self.gaps: list[Gap] = []
        self._gathered: set[str] = set()

    def events(self) -> Iterator[Event]:
        """KeysSeen and KeyUse as documents come; SubjectsSeen, Coverage, KindsKnown and Gaps at the end.

        Raises SourceDamaged when a path does not exist, or nothing at all could be read from it.
        """
        reader = MapReader(keep_writers=True)
        kinds: dict[tuple[str, str], Kind] = {}
        batches: dict[Kind, SubjectsSeen] = {}
        holders: set[tuple[str, str, str]] = set()
        count = 0
        for where, item in self.objects():
            try:
                kind = kind_of_manifest(item, kinds)
                metadata = msgspec.convert(_without_managed_fields(item["metadata"]), Metadata, strict=False)
            except (msgspec.ValidationError, ValueError) as error:
                self._gap(f"an object in {where} is not a Kubernetes object", str(error))
                continue
            count += 1
            if count % 1000 == 0:
                self._progress(f"read {count} objects")
            spot = (kind.qualified, metadata.namespace or "", metadata.name)
            if spot in holders:
                continue  # the same object twice: must-gathers hold lists and single files
            holders.add(spot)
            batch = batches.setdefault(kind, SubjectsSeen(kind, [], [], []))
            _add_subject(batch, metadata, detailed=kind in (CONFIG_MAPS, SECRETS))
            if self._wants(kind, metadata):
                yield from self._read_holder(reader, kind, item, where)
            for word, field in self._scope.fields:
                if kind.answers_to(word):
                    yield from read_map_field(kind, item, field)
            if has_pod_spec(kind):
                yield from key_uses(kind, metadata.namespace or "", metadata.name, item.get("spec"))
        if not count:
            if self.gaps:
                raise SourceDamaged(f"{self.gaps[0].what}: {self.gaps[0].why}")
            named = ", ".join(map(str, self._paths))
            raise SourceDamaged(f"no Kubernetes objects in {named}", "give .yaml or .json files, folders or tar archives")
        for kind, batch in batches.items():
            if (kind.group, kind.resource) not in NOT_SUBJECTS:
                yield batch
        yield KindsKnown(tuple(batches))
        yield from self._coverage(batches)
        yield from reader.gaps()
        yield from self.gaps

    def _wants(self, kind: Kind, metadata: Metadata) -> bool:
        scope = self._scope
        if kind not in scope.holders or (scope.namespace and metadata.namespace != scope.namespace):
            return False
        if scope.names and (kind, metadata.name) not in scope.names:
            return False
        return not scope.selector or _selects(scope.selector, metadata.labels or {})

    def _read_holder(self, reader: MapReader, kind: Kind, item: dict[str, Any], where: str) -> Iterator[Event]:
        if kind == SECRETS and item.get("stringData"):
            item = {**item, "data": {**(item.get("data") or {}), **_encoded(item["stringData"])}}
        managed = item["metadata"].get("managedFields")
        try:
            cleaned = {**item, "data": _texts(item.get("data")), "binaryData": _texts(item.get("binaryData"))}
            cleaned["metadata"] = _without_managed_fields(item["metadata"])
            converted = msgspec.convert(cleaned, MapObject, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self._gap(f"a {kind.kind} in {where} is not as the API defines it", str(error))
            return
        if managed:
            converted.metadata.managed_fields = msgspec.Raw(msgspec.json.encode(managed, enc_hook=str))
        yield from reader.read(kind, converted)

    def _coverage(self, batches: dict[Kind, SubjectsSeen]) -> Iterator[Coverage]:
        shown = {namespace for batch in batches.values() for namespace in batch.namespaces}
        # objects of several namespaces, or of none, only come together in a dump of all namespaces
        everywhere = (len(shown) > 1 or "" in shown) and not self._gathered
        for kind in batches:
            narrow = kind.namespaced and not everywhere
            yield Coverage(kind, frozenset(self._gathered or shown) if narrow else None)

    # objects

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where, object) of everything that decodes; what does not is in `gaps`."""
        for where, document in self._documents():
            if document is None:
                continue
            if not isinstance(document, dict):
                self._gap(f"{where} holds a {type(document).__name__}, not an object", "expected apiVersion and kind")
                continue
            items = document.get("items")
            if not isinstance(items, list):
                yield where, document
                continue
            kind = str(document.get("kind") or "")
            for item in items:
                if not isinstance(item, dict):
                    self._gap(f"an item of the list in {where} is no object", f"it is {type(item).__name__}")
                elif "kind" not in item and kind.endswith("List") and kind != "List":
                    # typed lists leave apiVersion and kind out of their items
                    yield where, {"apiVersion": document.get("apiVersion"), "kind": kind[:-4], **item}
                else:
                    yield where, item

    def _documents(self) -> Iterator[tuple[str, Any]]:
        for path in self._paths:
            if str(path) == "-":
                import sys

                yield from self._stream("standard input", sys.stdin.buffer)
            elif path.is_dir():
                for file in sorted(path.rglob("*")):
                    if file.is_file() and not file.is_symlink() and _is_readable_name(file.name):
                        yield from self._file(file)
            elif path.exists():
                yield from self._file(path)
            else:
                raise NoSuchPath(f"{path} does not exist", "name a file, a folder or an archive with --from")

    def _file(self, path: Path) -> Iterator[tuple[str, Any]]:
        try:
            with path.open("rb") as handle:
                yield from self._stream(str(path), handle)
        except OSError as error:
            self._gap(f"{path} could not be read", error.strerror or str(error))

    def _stream(self, where: str, handle: Readable, depth: int = 0) -> Iterator[tuple[str, Any]]:
        head = handle.read(_HEAD)
        source = _Guarded(head, handle)
        try:
            if head[:2] == b"\x1f\x8b" and depth < NESTED:
                unzipped = gzip.GzipFile(fileobj=source)
                # a bomb is told by its ratio, which no dump of text comes near
                yield from self._stream(where, _Guarded(b"", unzipped, source), depth + 1)
            elif head[257:262] == b"ustar" and depth < NESTED:
                yield from self._tar(where, source, depth)
            else:
                content = source.read(FILE_BYTES + 1)
                if len(content) > FILE_BYTES:
                    raise SourceDamaged(f"it holds more than {FILE_BYTES >> 20} MiB in one piece")
                yield from self._parse(where, content)
        except UNPACKING as error:
            # what came before the damage may end in the middle of an object, so none of it is used
            self._gap(f"{where} could not be read", f"damaged: {error}" if not isinstance(error, SourceDamaged) else str(error))

    def _tar(self, where: str, source: Readable, depth: int) -> Iterator[tuple[str, Any]]:
        try:
            # as a stream: a must-gather may be larger than memory
            with tarfile.open(fileobj=cast(Any, source), mode="r|") as archive:
                for number, member in enumerate(archive):
                    if number >= ARCHIVE_MEMBERS:
                        raise SourceDamaged(f"it has more than {ARCHIVE_MEMBERS:,} members")
                    # names are only looked at, nothing is ever unpacked to disk; odd ones are still not trusted
                    if member.name.startswith("/") or ".." in member.name.split("/"):
                        self._gap(f"member {member.name!r} of {where} was left out", "its path leads out of the archive")
                        continue
                    if not member.isfile() or not _is_readable_name(member.name):
                        continue
                    handle = archive.extractfile(member)
                    if handle is not None:
                        yield from self._stream(f"{where}:{member.name}", handle, depth + 1)
                    # tarfile keeps a list of all it has seen
                    archive.members = []  # type: ignore[attr-defined]
        except UNPACKING as error:
            self._gap(f"{where} is damaged; what came before was read", str(error))

    def _parse(self, where: str, content: bytes) -> Iterator[tuple[str, Any]]:
        if found := _NAMESPACE_FOLDER.search(where):
            self._gathered.add(found[1])
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            # `kubectl … > file` in PowerShell
            content = content.decode("utf-16").encode()
        content = content.removeprefix(codecs.BOM_UTF8)
        if content.lstrip()[:1] in {b"{", b"["}:
            try:
                yield where, msgspec.json.decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield from self._json_stream(where, content)
            return
        yield from self._yaml(where, content)

    def _json_stream(self, where: str, content: bytes) -> Iterator[tuple[str, Any]]:
        """JSON documents one after the other, as `kubectl get -o json` of several kinds or JSON lines; else YAML flow."""
        decoder, position = json.JSONDecoder(), 0
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            self._gap(f"{where} is not UTF-8", f"byte {error.start}")
            return
        try:
            while position < len(text):
                document, position = decoder.raw_decode(text, position)
                yield where, document
                while position < len(text) and text[position].isspace():
                    position += 1
        except (ValueError, RecursionError) as error:
            self._gap(f"{where} is damaged after {position:,} characters", f"not JSON: {error}")

    def _yaml(self, where: str, content: bytes) -> Iterator[tuple[str, Any]]:
        from ghostkey.kube.yaml_text import UNREADABLE, load_yaml

        # A document at a time: one that is broken does not take its neighbours along.
        for number, part in enumerate(re.split(rb"(?m)^---(?=[ \t\r\n]|\Z)", content), 1):
            if not part.strip():
                continue
            if len(part) > YAML_DOCUMENT_BYTES:
                self._gap(f"document {number} of {where} was left out", f"over {YAML_DOCUMENT_BYTES >> 20} MiB of YAML")
                continue
            try:
                document = load_yaml(part)
            except UNREADABLE as error:
                mark = getattr(error, "problem_mark", None)
                line = f" at line {mark.line + 1}" if mark else ""
                # the parser quotes the text around the fault, which may be a Secret's value
                problem = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
                self._gap(f"document {number} of {where} could not be read", f"{problem}{line}")
                continue
            yield where, document

    def _gap(self, what: str, why: str) -> None:
        self.gaps.append(Gap(what, why))


class Readable(Protocol):
    """Bytes that come one after the other."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class _Guarded(io.RawIOBase):
    """A stream with its first bytes put back, which stops when it unpacks to far more than it was made from."""

    def __init__(self, head: bytes, handle: Readable, packed: _Guarded | None = None) -> None:
        self._head, self._handle, self._packed = head, handle, packed
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes while there are so many."""
        wanted = FILE_BYTES + 1 if size < 0 else size
        pieces, got = [self._head[:wanted]], len(self._head[:wanted])
        self._head = self._head[wanted:]
        while got < wanted and (piece := self._handle.read(min(wanted - got, _BLOCK))):
            pieces.append(piece)
            got += len(piece)
            self.count += len(piece)
            if self._packed is not None and self.count > max(BOMB_BYTES, BOMB_RATIO * self._packed.count):
                raise SourceDamaged(f"it unpacks to more than {BOMB_RATIO} times its size")
        return b"".join(pieces)


def _is_readable_name(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith((*ENDINGS, ".tar", ".tgz"))


def kind_of_manifest(item: dict[str, Any], known: dict[tuple[str, str], Kind]) -> Kind:
    """The kind of a decoded object; raises ValueError when it is none. `known` keeps the kinds of one dump."""
    api_version, name = item.get("apiVersion"), item.get("kind")
    metadata = item.get("metadata")
    if not isinstance(api_version, str) or not isinstance(name, str) or not isinstance(metadata, dict):
        raise ValueError("no apiVersion, kind or metadata")
    if not isinstance(metadata.get("name"), str):
        raise ValueError(f"a {name} without a name")
    group, _, version = api_version.rpartition("/")
    found = known.get((group, name))
    namespaced = bool(metadata.get("namespace")) or (found.namespaced if found else name not in _CLUSTER_SCOPED)
    if group == "" and name in ("ConfigMap", "Secret"):
        return CONFIG_MAPS if name == "ConfigMap" else SECRETS
    if found is None or found.namespaced != namespaced:
        if not metadata.get("namespace"):
            namespaced = False
        found = known[group, name] = Kind(group, version, name, _plural(name), namespaced)
    return found


def _without_managed_fields(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata that converts: managedFields are decoded here already, while the type wants their bytes."""
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _plural(kind: str) -> str:
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    word = kind.lower()
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def _texts(data: Any) -> dict[str, str] | None:
    """`data` with every key and value as text: a hand-written manifest may have numbers, booleans and nulls there."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError(f"data is a {type(data).__name__}, not a map")
    return {str(key): _text(value) for key, value in data.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def _encoded(strings: Any) -> dict[str, str]:
    import base64

    pairs = _texts(strings) or {}
    return {key: base64.b64encode(value.encode("utf-8", "surrogatepass")).decode() for key, value in pairs.items()}


def _selects(selector: str, labels: dict[str, str]) -> bool:
    """Whether labels match `a=b,c!=d,e,!f`; set-based terms are the API server's business."""
    for term in filter(None, (part.strip() for part in selector.split(","))):
        if "!=" in term:
            name, _, value = term.partition("!=")
            holds = labels.get(name.strip()) != value.strip()
        elif "=" in term:
            name, _, value = term.replace("==", "=").partition("=")
            holds = labels.get(name.strip()) == value.strip()
        elif term.startswith("!"):
            holds = term[1:].strip() not in labels
        else:
            holds = term in labels
        if not holds:
            return False
    return True
