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

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ghostkey.kube.objects import MapObject, Metadata
from ghostkey.kube.pods import has_pod_spec, key_uses
from ghostkey.kube.sizes import ANNOTATIONS_LIMIT, applied_bytes
from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.events import Coverage, Event, Gap, KindsKnown, SubjectsSeen
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.sources._carried import carried_words, may_carry
from ghostkey.sources._documents import Documents
from ghostkey.sources._maps import MapReader, read_map_field
from ghostkey.sources._values import encoded
from ghostkey.sources.live_cluster import NOT_SUBJECTS, Progress, Scope, _add_subject

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
        self._documents = Documents(self._paths)

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
                self._documents.note(f"an object in {where} is not a Kubernetes object", str(error))
                continue
            count += 1
            if count % 1000 == 0:
                self._progress(f"read {count} objects")
            spot = (kind.qualified, metadata.namespace or "", metadata.name)
            if spot in holders:
                self._documents.note_again()  # must-gathers hold lists and single files
                continue
            holders.add(spot)
            batch = batches.setdefault(kind, SubjectsSeen(kind, [], [], []))
            _add_subject(batch, metadata, detailed=kind in (CONFIG_MAPS, SECRETS))
            if may_carry(kind):
                batch.carried.update(carried_words(item.get("spec"), item.get("status")))
            try:
                events = list(self._object(reader, kind, metadata, item, where))
            except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
                self._documents.note(
                    f"{kind.kind} {metadata.name} was not looked into", f"this is a bug in ghostkey: {place_of(error)}"
                )
                continue
            yield from events
        if not count:
            if gaps := self.gaps:
                raise SourceDamaged(f"{gaps[0].what}: {gaps[0].why}")
            named = ", ".join(map(str, self._paths))
            raise SourceDamaged(f"no Kubernetes objects in {named}", "give .yaml or .json files, folders or tar archives")
        for kind, batch in batches.items():
            if (kind.group, kind.resource) not in NOT_SUBJECTS:
                yield batch
        yield KindsKnown(tuple(batches))
        yield from self._coverage(batches)
        yield from reader.gaps()
        yield from self.gaps

    def _object(self, reader: MapReader, kind: Kind, metadata: Metadata, item: dict[str, Any], where: str) -> Iterator[Event]:
        if self._wants(kind, metadata):
            yield from self._read_holder(reader, kind, item, where)
        for word, field in self._scope.fields:
            if kind.answers_to(word):
                yield from read_map_field(kind, item, field)
        if has_pod_spec(kind):
            yield from key_uses(kind, metadata.namespace or "", metadata.name, item.get("spec"))

    def _wants(self, kind: Kind, metadata: Metadata) -> bool:
        scope = self._scope
        if kind not in scope.holders or (scope.namespace and metadata.namespace != scope.namespace):
            return False
        if scope.names and (kind, metadata.name) not in scope.names:
            return False
        return not scope.selector or _selects(scope.selector, metadata.labels or {})

    def _read_holder(self, reader: MapReader, kind: Kind, item: dict[str, Any], where: str) -> Iterator[Event]:
        managed = item["metadata"].get("managedFields")
        try:
            if kind == SECRETS and item.get("stringData"):
                item = {**item, "data": (_texts(item.get("data")) or {}) | _encoded(item["stringData"])}
            cleaned = {**item, "data": _texts(item.get("data")), "binaryData": _texts(item.get("binaryData"))}
            cleaned["metadata"] = _without_managed_fields(item["metadata"])
            converted = msgspec.convert(cleaned, MapObject, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self._documents.note(f"a {kind.kind} in {where} is not as the API defines it", str(error))
            return
        if managed:
            converted.metadata.managed_fields = msgspec.Raw(encoded(managed))
        copied = 0 if managed or item["metadata"].get("uid") else _applied_bytes(item, converted)
        for seen in reader.read(kind, converted):
            if seen.meta is not None:
                seen.meta.origin = where
                seen.meta.applied_bytes = copied
            yield seen

    def _coverage(self, batches: dict[Kind, SubjectsSeen]) -> Iterator[Coverage]:
        shown = {namespace for batch in batches.values() for namespace in batch.namespaces}
        # objects of several namespaces, or of none, only come together in a dump of all namespaces
        everywhere = (len(shown) > 1 or "" in shown) and not self._documents.gathered
        for kind in batches:
            narrow = kind.namespaced and not everywhere
            yield Coverage(kind, frozenset(self._documents.gathered or shown) if narrow else None)

    # objects

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where, object) of everything that decodes; what does not is in `gaps`."""
        return self._documents.objects()

    @property
    def gaps(self) -> list[Gap]:
        """What could not be read so far."""
        return list(self._documents.all_gaps())


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


def _applied_bytes(item: dict[str, Any], read: MapObject) -> int:
    """What `kubectl apply` makes of a large manifest; 0 for a small one, which no escaping makes large."""
    values = sum(map(len, [*(read.data or {}).values(), *(read.binary_data or {}).values()]))
    return applied_bytes(item) if 8 * values > ANNOTATIONS_LIMIT else 0


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
