"""Files: YAML or JSON, one object or many, lists, archives; a must-gather, support bundle, backup or Git tree as it comes.

What it reads
    Every file below a directory whose name ends in .yaml, .yml, .json, .jsonl or .ndjson (packed with gzip, xz, bzip2 or zstd too), tar
    and zip archives, without unpacking; and files without such an ending that begin as objects do.
Coverage
    A dump is taken at its word, for each kind in each namespace: a list that shows several namespaces was made of all, one that
    shows a single namespace of that one, an empty list says that none is left. What was not collected is unknown.
When it is wrong
    When a list was cut by a selector that leaves no trace.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from ghostkey.kube.objects import MapObject, Metadata
from ghostkey.kube.pods import has_pod_spec, key_uses
from ghostkey.kube.sizes import ANNOTATIONS_LIMIT, applied_bytes
from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.events import Event, Gap, KeysSeen, KeyUse, KindsKnown, Note, Owner, Part, SubjectDetail, SubjectsSeen
from ghostkey.model.expressions import rendered
from ghostkey.model.refs import CONFIG_MAPS, NAMESPACES, SECRETS, Kind
from ghostkey.sources._carried import carried_words, fields_of, may_carry
from ghostkey.sources._documents import Documents
from ghostkey.sources._extent import Extent
from ghostkey.sources._folders import Folders
from ghostkey.sources._maps import MapReader, read_map_field, subject_detail
from ghostkey.sources._newest import Newest, revision_of
from ghostkey.sources._parts import Divided, Twin, divide
from ghostkey.sources._selectors import parsed, selects
from ghostkey.sources._sheets import Sheet
from ghostkey.sources._values import encoded as as_json
from ghostkey.sources._written import (
    CLUSTER_SCOPED,
    digest,
    encoded,
    kind_of_manifest,
    plural,
    texts,
    without_managed_fields,
)
from ghostkey.sources.live_cluster import NOT_SUBJECTS, Progress, Scope

# what comes and goes by itself: another UID under the same name is no other cluster
_PASSING = {"Pod", "ReplicaSet", "Job", "Lease", "Event", "EndpointSlice", "ControllerRevision", "Endpoints"}
PARTS_NAMED = 6
_Spot = tuple[str, str, str]


@dataclass(slots=True)
class _Entry:
    """One object: what is kept of it until it is known which cluster it belongs to."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    identity: str
    owners: tuple[Owner, ...]
    detail: SubjectDetail | None
    events: list[KeysSeen | KeyUse]
    where: str
    revision: int = 0
    known_by: tuple[tuple[str, str], ...] = ()  # (expression, what it makes of the object)
    carried: tuple[str, ...] = ()


@dataclass(slots=True)
class _Page:
    """A sheet with its objects; `more` are others of the same names, in one list or file."""

    sheet: Sheet
    entries: dict[_Spot, _Entry] = field(default_factory=dict)
    more: list[tuple[_Spot, _Entry]] = field(default_factory=list)

    def all(self) -> Iterator[tuple[_Spot, _Entry]]:
        """Every object, with what it is called."""
        yield from self.entries.items()
        yield from self.more


class Manifests:
    """Source of the events of one dump."""

    def __init__(self, paths: Iterable[str], scope: Scope, progress: Progress = lambda _: None) -> None:
        parsed(scope.selector)  # a slip in it is the command's, and not that of each map
        self._paths, self._scope, self._progress = [Path(path) for path in paths], scope, progress
        self._documents = Documents(self._paths)
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._definitions: dict[tuple[str, str], Kind] = {}
        self._pages: dict[int, _Page] = {}
        self._empty: list[tuple[Sheet, tuple[str, str]]] = []
        self._newest = Newest(())
        self._unlike = 0  # objects that stand twice in one list or file, and differ

    def events(self) -> Iterator[Event]:
        """Everything of each cluster in the dump, and Gaps and Notes at the end.

        Raises SourceDamaged when a path does not exist, or nothing at all could be read from it.
        """
        reader = MapReader(keep_writers=True)
        self._read(reader)
        if not self._pages and not self._empty:
            raise self._nothing()
        pages = list(self._pages.values())
        _unite(pages)
        held = (item for page in pages if len(pages) > 1 for item in page.entries.items())
        self._newest = Newest(((spot, entry.identity), entry.revision) for spot, entry in held if entry.events)
        parts = divide([page.sheet for page in pages], _twins(pages), [len(page.entries) for page in pages])
        folders = Folders(page.sheet.where for page in pages)
        for part in parts:
            self._add_bases(part, folders)
            yield from self._part(part, parts, pages)
        yield Part("")
        yield from self._notes(parts)
        yield from reader.gaps()
        yield from self.gaps

    def _read(self, reader: MapReader) -> None:
        count = 0
        for sheet, where, item in self._documents.objects():
            if item is None:
                self._empty.append((sheet, sheet.of))
                continue
            try:
                kind = kind_of_manifest(item, self._kinds)
                metadata = msgspec.convert(without_managed_fields(item["metadata"]), Metadata, strict=False)
            except (msgspec.ValidationError, ValueError) as error:
                said = (f"an object in {where} is not a Kubernetes object", str(error))
                self._documents.audit_events += str(item.get("apiVersion")).startswith("audit.k8s.io/")
                if sheet.is_list:
                    self._documents.note(*said)
                else:
                    self._documents.pass_over(where, item, *said)
                continue
            if "{{" in metadata.name or kind.group == "kustomize.config.k8s.io":
                said = (f"an object in {where} is not a Kubernetes object", "it is made into one by helm or kustomize")
                self._documents.pass_over(where, item, *said)
                continue
            count += 1
            if count % 1000 == 0:
                self._progress(f"read {count:,} objects")
            self._take(reader, sheet, where, item, kind, metadata)

    def _take(self, reader: MapReader, sheet: Sheet, where: str, item: dict[str, Any], kind: Kind, metadata: Metadata) -> None:
        page = self._pages.get(id(sheet))
        if page is None:
            page = self._pages[id(sheet)] = _Page(sheet)
        spot = (kind.qualified, metadata.namespace or "", metadata.name)
        identity, revision = metadata.uid or digest(item), revision_of(item["metadata"].get("resourceVersion"))
        held = page.entries.get(spot)
        if held is not None and held.identity == identity:
            self._documents.note_again()  # must-gathers hold lists and single files
            if revision <= held.revision:
                return
            held = None
        sheet.add(kind, metadata.namespace or "", metadata.labels)
        sheet.has_uids |= bool(metadata.uid)
        if kind.kind == "CustomResourceDefinition":
            self._define(item)
        try:
            events = list(self._object(reader, kind, metadata, item, where))
        except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
            self._documents.note(
                f"{kind.kind} {metadata.name} was not looked into", f"this is a bug in ghostkey: {place_of(error)}"
            )
            events = []
        owners = tuple(
            Owner(ref.api_version, ref.kind, ref.name, ref.uid, bool(ref.controller)) for ref in metadata.owner_references or ()
        )
        detail = subject_detail(metadata) if kind in (CONFIG_MAPS, SECRETS) else None
        known_by = tuple((text, rendered(text, item)) for word, text in self._scope.known_by if kind.answers_to(word))
        trees = (metadata.labels, metadata.annotations, *map(item.get, fields_of(kind))) if may_carry(kind) else ()
        carried = tuple(word for word in carried_words(*trees) if word != metadata.name)
        entry = _Entry(
            kind, metadata.namespace or "", metadata.name, metadata.uid or "", identity, owners, detail, events, where, revision, known_by,
            carried,
        )  # fmt: skip
        if held is None:
            page.entries[spot] = entry
        else:
            self._unlike += 1
            self._documents.note_again()
            page.more.append((spot, entry))

    def _define(self, item: dict[str, Any]) -> None:
        """Keeps the kind that a CRD defines."""
        spec = item.get("spec")
        if not isinstance(spec, dict) or not isinstance(names := spec.get("names"), dict):
            return
        group, kind, plural, scope = spec.get("group"), names.get("kind"), names.get("plural"), spec.get("scope")
        if isinstance(group, str) and isinstance(kind, str) and isinstance(plural, str):
            versions = spec.get("versions")
            first = versions[0] if isinstance(versions, list) and versions and isinstance(versions[0], dict) else {}
            version = first.get("name") or spec.get("version") or ""
            self._definitions[group, kind] = Kind(group, str(version), kind, plural, scope != "Cluster")

    def _nothing(self) -> SourceDamaged:
        if gaps := self.gaps:
            return SourceDamaged(f"{gaps[0].what}: {gaps[0].why}", self._documents.hint if self._documents.audit_events else "")
        named = ", ".join(map(str, self._paths))
        what, why = self._documents.passed_over.reason
        said = f": {what}: {why}" if what else ""
        said += "".join(f"; {note.text}" for note in self._documents.passed_over.notes()[1:])
        return SourceDamaged(f"no Kubernetes objects in {named}{said}", self._documents.hint)

    # parts

    def _part(self, part: Divided, parts: list[Divided], pages: list[_Page]) -> Iterator[Event]:
        held: dict[_Spot, set[str]] = {}
        yield Part(part.name)
        yield from self._subjects([pages[number] for number in part.own], held, with_maps=True)
        if part.name:
            yield Part(part.name, is_shared=True)
            yield from self._subjects([pages[number] for number in part.shared], held, with_maps=False)
            yield Part(part.name)
        every = [pages[number] for number in (*part.own, *part.shared)]
        empty = [(sheet, self._known(*of)) for sheet, of in self._empty if part.is_for(sheet, parts)]
        definitions = [kind for key, kind in self._definitions.items()]
        seen = {(kind.group, kind.kind) for page in every for kind in page.sheet.kinds}
        missing = [kind for kind in definitions if (kind.group, kind.kind) not in seen]
        live = [entry.name for page in every for entry in page.entries.values() if entry.kind == NAMESPACES]
        is_choice = any(page.sheet.where.startswith(root) for root in self._documents.choices for page in every)
        extent = Extent([page.sheet for page in every], missing, self._documents.refused, is_choice)
        coverage = list(extent.coverage(live, empty))
        yield KindsKnown(tuple(extent.kinds))
        yield from coverage
        for word, text in self._scope.known_by:
            yield from (
                replace(found, kind=replace(found.kind, known_by=text)) for found in coverage if found.kind.answers_to(word)
            )

    def _add_bases(self, part: Divided, folders: Folders) -> None:
        """What the kustomizations of a part build upon belongs to it too."""
        own = set(part.own) if part.name else set()
        shared: dict[int, None] = dict.fromkeys(part.shared)
        for folder, references in self._documents.passed_over.bases.items() if own else ():
            if own.isdisjoint(folders.within(folder)):
                continue
            for reference in references:
                base = os.path.normpath(os.path.join(folder, reference))
                shared |= dict.fromkeys(number for number in folders.within(base) if number not in own)
        part.shared[:] = shared

    def _subjects(self, pages: Iterable[_Page], held: dict[_Spot, set[str]], *, with_maps: bool) -> Iterator[Event]:
        batches: dict[Kind, SubjectsSeen] = {}
        for page in pages:
            for spot, entry in page.all():
                identities = held.setdefault(spot, set())
                if entry.identity in identities or self._newest.is_older((spot, entry.identity), entry.revision):
                    continue
                is_other = bool(identities)
                identities.add(entry.identity)
                for event in entry.events:
                    if isinstance(event, KeysSeen):
                        if is_other:  # another object of this name in the same part: told apart by its file
                            event.holder = replace(event.holder, cluster=entry.where)
                        if with_maps:
                            yield event
                    else:
                        yield event
                _add(batches.setdefault(entry.kind, SubjectsSeen(entry.kind, [], [], [])), entry)
                for text, name in entry.known_by:
                    kind = replace(entry.kind, known_by=text)
                    batch = batches.setdefault(kind, SubjectsSeen(kind, [], [], []))
                    if name:
                        _add(batch, replace(entry, name=name, uid="", owners=(), detail=None))
        for kind, batch in batches.items():
            if (kind.group, kind.resource) not in NOT_SUBJECTS:
                yield batch

    def _known(self, version: str, name: str) -> Kind:
        """The kind that a typed list is of."""
        group, _, version = version.rpartition("/")
        found = self._kinds.get((group, name)) or self._definitions.get((group, name))
        if group == "" and name in ("ConfigMap", "Secret"):
            return CONFIG_MAPS if name == "ConfigMap" else SECRETS
        return found or Kind(group, version, name, plural(name), name not in CLUSTER_SCOPED)

    def _notes(self, parts: list[Divided]) -> Iterator[Event]:
        yield from self._documents.passed_over.notes()
        if len(parts) > 1:
            names = [part.name for part in parts]
            more = f" and {len(names) - PARTS_NAMED} more" if len(names) > PARTS_NAMED else ""
            sort = "clusters, told apart by the UIDs of their objects" if all(part.has_uids for part in parts) else (
                "folders hold other objects of the same names"
            )  # fmt: skip
            yield Note(f"{len(parts)} {sort}; each was judged by itself: {', '.join(names[:PARTS_NAMED])}{more}")
        yield from self._newest.notes()
        if self._unlike:
            times = "object stands" if self._unlike == 1 else "objects stand"
            yield Note(f"{self._unlike} {times} more than once in one file, and differ; each was looked at")

    def _object(
        self, reader: MapReader, kind: Kind, metadata: Metadata, item: dict[str, Any], where: str
    ) -> Iterator[KeysSeen | KeyUse]:
        if self._wants(kind, metadata):
            yield from self._read_holder(reader, kind, item, where)
        for word, path in self._scope.fields:
            if kind.answers_to(word):
                yield from read_map_field(kind, item, path)
        if has_pod_spec(kind):
            yield from key_uses(kind, metadata.namespace or "", metadata.name, item.get("spec"))

    def _wants(self, kind: Kind, metadata: Metadata) -> bool:
        scope = self._scope
        if kind not in scope.holders or (scope.namespace and metadata.namespace != scope.namespace):
            return False
        if scope.names and (kind, metadata.name) not in scope.names:
            return False
        return not scope.selector or selects(scope.selector, metadata.labels or {})

    def _read_holder(self, reader: MapReader, kind: Kind, item: dict[str, Any], where: str) -> Iterator[KeysSeen]:
        managed = item["metadata"].get("managedFields")
        try:
            if kind == SECRETS and item.get("stringData"):
                item = {**item, "data": (texts(item.get("data")) or {}) | encoded(item["stringData"])}
            cleaned = {**item, "data": texts(item.get("data")), "binaryData": texts(item.get("binaryData"))}
            cleaned["metadata"] = without_managed_fields(item["metadata"])
            converted = msgspec.convert(cleaned, MapObject, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self._documents.note(f"a {kind.kind} in {where} is not as the API defines it", str(error))
            return
        if managed:
            converted.metadata.managed_fields = msgspec.Raw(as_json(managed))
        copied = 0 if managed or item["metadata"].get("uid") else _applied_bytes(item, converted)
        for seen in reader.read(kind, converted):
            if seen.meta is not None:
                seen.meta.origin = where
                seen.meta.applied_bytes = copied
            yield seen

    # objects

    def objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where, object) of everything that decodes; what does not is in `gaps`."""
        return ((where, item) for _, where, item in self._documents.objects() if item is not None)

    @property
    def gaps(self) -> list[Gap]:
        """What could not be read so far."""
        return list(self._documents.all_gaps())


def _unite(pages: list[_Page]) -> None:
    """Makes one kind of objects with and without a namespace: who leaves it out in a manifest leaves it to kubectl."""
    namespaced = {(kind.group, kind.kind): kind for page in pages for kind in page.sheet.kinds if kind.namespaced}
    for page in pages:
        bare = [kind for kind in page.sheet.kinds if not kind.namespaced and (kind.group, kind.kind) in namespaced]
        for kind in bare:
            known = namespaced[kind.group, kind.kind]
            page.sheet.kinds.setdefault(known, set()).update(page.sheet.kinds.pop(kind))
            for _, entry in page.all():
                if entry.kind == kind:
                    entry.kind = known


def _twins(pages: list[_Page]) -> list[Twin]:
    """Objects that stand in several sheets."""
    if len(pages) < 2:
        return []
    first: dict[_Spot, int] = {}
    several: dict[_Spot, list[int]] = {}
    for number, page in enumerate(pages):
        for spot, entry in page.entries.items():
            held = first.setdefault(spot, number)
            if held != number and entry.kind.kind not in _PASSING:
                several.setdefault(spot, [held]).append(number)
    twins = []
    for spot, numbers in several.items():
        entries = [pages[number].entries[spot] for number in numbers]
        twins.append(Twin(tuple(numbers), tuple(entry.identity for entry in entries), all(entry.uid for entry in entries)))
    return twins


def _applied_bytes(item: dict[str, Any], read: MapObject) -> int:
    """What `kubectl apply` makes of a large manifest; 0 for a small one, which no escaping makes large, and for one that keeps no copy."""
    if "ServerSideApply=true" in (read.metadata.annotations or {}).get("argocd.argoproj.io/sync-options", ""):
        return 0
    values = sum(map(len, [*(read.data or {}).values(), *(read.binary_data or {}).values()]))
    return applied_bytes(item) if 8 * values > ANNOTATIONS_LIMIT else 0


def _add(batch: SubjectsSeen, entry: _Entry) -> None:
    row = len(batch.names)
    batch.carry(entry.carried, entry.namespace)
    batch.names.append(entry.name)
    batch.namespaces.append(entry.namespace)
    batch.uids.append(entry.uid)
    if entry.owners:
        batch.owners[row] = entry.owners
    if entry.detail is not None:
        batch.details[row] = entry.detail
