"""The cluster behind a kubeconfig, read once.

What it reads
    Holders first (ConfigMaps, Secrets, and map-valued fields that were asked for), then every other listable kind as
    metadata, Pods and workloads with their Pod specs. In this order a subject that is made during the scan is never
    missed for a key that was already there.
Coverage
    A kind is covered where its LIST succeeded: everywhere, or in one namespace when only that is allowed.
Source
    Kubernetes API concepts: large list chunking, metadata-only fetches, aggregated discovery.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.kube.answers import decode_list, decode_named, not_asked
from ghostkey.kube.client import JSON, METADATA_LIST, ApiClient
from ghostkey.kube.discovery import discover, resolve
from ghostkey.kube.objects import (
    LooseList,
    MapObject,
    Metadata,
    MetadataList,
    decode_custom,
    decode_loose,
    decode_map,
    decode_maps,
    decode_metadata,
    decode_raw_list,
)
from ghostkey.kube.pods import has_pod_spec, key_uses
from ghostkey.model.errors import AccessDenied, ApiFailed, NotAsked, NotFound, UsageError, place_of
from ghostkey.model.events import Coverage, Event, Gap, KeysSeen, KindsKnown, Owner, SubjectsSeen
from ghostkey.model.expressions import rendered
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.sources._carried import carried_words, may_carry
from ghostkey.sources._maps import MapReader, read_map_field, subject_detail
from ghostkey.sources._selectors import SELECTOR_HINT

WORKERS = 4
CUSTOM_BYTES = 64 << 20  # of one kind's objects that are read whole, a second's work; of what comes after, metadata alone
# records of happenings and of findings: no key is written for one, and their lists are long
NOT_SUBJECTS = {
    ("", "events"), ("events.k8s.io", "events"), ("", "componentstatuses"), ("openreports.io", "reports"),
    ("openreports.io", "clusterreports"), ("wgpolicyk8s.io", "policyreports"), ("wgpolicyk8s.io", "clusterpolicyreports"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read: `namespace` empty for all; `names` as (kind, name) pairs for single maps; `fields` as (kind, path).

    `known_by` are (kind, expression) of kinds whose objects keys know by fields instead of their names.
    """

    namespace: str = ""
    selector: str = ""
    names: tuple[tuple[Kind, str], ...] = ()
    holders: tuple[Kind, ...] = (CONFIG_MAPS, SECRETS)
    fields: tuple[tuple[str, str], ...] = ()
    subject_kinds: tuple[str, ...] = ()
    known_by: tuple[tuple[str, str], ...] = ()


Progress = Callable[[str], None]


class LiveCluster:
    """Source of the events of one census."""

    def __init__(self, client: ApiClient, scope: Scope, progress: Progress = lambda _: None) -> None:
        self._client, self._scope, self._progress = client, scope, progress
        self._cluster = client.config.server

    def events(self) -> Iterator[Event]:
        """KindsKnown, then KeysSeen of all holders, then SubjectsSeen, KeyUse and Coverage of each kind, and Gaps."""
        self._progress("asking which kinds there are")
        discovered = discover(self._client)
        yield KindsKnown(discovered.kinds)
        subject_kinds = self.subject_kinds(discovered.kinds)
        if not self._scope.subject_kinds:
            yield from discovered.gaps
        pool = ThreadPoolExecutor(WORKERS)
        try:
            # subjects are on their way while maps are looked into; where maps are listed whole they are subjects as well
            maps = self._scope.holders if self._is_whole else ()
            asked = {kind: pool.submit(self.read_subjects, kind) for kind in subject_kinds if kind not in maps}
            already: set[Kind] = set()
            yield from self._all_holders(discovered.kinds, already)
            for kind in subject_kinds:
                if kind not in already:
                    events = asked[kind].result() if kind in asked else self.read_subjects(kind)
                    self._progress(f"listed {kind.qualified}")
                    yield from events
        finally:
            pool.shutdown(cancel_futures=True)
        for word, expression in self._scope.known_by:
            with contextlib.suppress(NotFound):
                yield from self.read_by_fields(replace(resolve(word, discovered.kinds), known_by=expression))

    def reread(self, holders: Sequence[ObjectRef]) -> Iterator[KeysSeen]:
        """The same maps again, now, with the writer of each key; maps that are gone yield nothing."""
        reader = MapReader(self._cluster, keep_writers=True)
        for holder in holders:
            path = holder.kind.path(holder.namespace, holder.name)
            try:
                body = self._client.get(path)
            except ApiFailed as error:
                if error.status == 404:
                    continue
                raise
            if holder.kind in (CONFIG_MAPS, SECRETS):
                yield from reader.read(holder.kind, _one_map(path, body))
            else:
                found = decode_named(path, body)
                for word, field in self._scope.fields:
                    if holder.kind.answers_to(word):
                        yield from read_map_field(holder.kind, found, field, self._cluster)

    def subject_kinds(self, kinds: tuple[Kind, ...]) -> list[Kind]:
        """The kinds, of those served, that the scope has as subjects."""
        if self._scope.subject_kinds:
            # Pods are asked for all the same: what they name is never trimmed
            chosen = []
            for word in self._scope.subject_kinds:
                with contextlib.suppress(NotFound):
                    chosen.append(resolve(word, kinds))
            return list(dict.fromkeys([*chosen, *(kind for kind in kinds if has_pod_spec(kind))]))
        return [kind for kind in kinds if (kind.group, kind.resource) not in NOT_SUBJECTS]

    # holders

    @property
    def _is_whole(self) -> bool:
        """Whether maps are listed of the whole cluster, all of them."""
        return not (self._scope.names or self._scope.namespace or self._scope.selector)

    def _all_holders(self, kinds: tuple[Kind, ...], already: set[Kind]) -> Iterator[Event]:
        reader = MapReader(self._cluster)
        for kind in self._scope.holders:
            yield from self._holders(kind, reader, already)
        for word, field in self._scope.fields:
            with contextlib.suppress(NotFound):
                yield from self._field_holders(resolve(word, kinds), field)
        yield from reader.gaps()

    def _holders(self, kind: Kind, reader: MapReader, already: set[Kind]) -> Iterator[Event]:
        names = [name for wanted, name in self._scope.names if wanted == kind]
        if self._scope.names:
            for name in names:
                yield from self._named_holder(kind, name, reader)
            return
        params = {"labelSelector": self._scope.selector} if self._scope.selector else {}
        whole = self._is_whole
        count = 0
        try:
            for body in self._client.list_pages(kind.path(self._scope.namespace), params):
                items, odd = decode_page(kind, body)
                yield from odd
                batch = SubjectsSeen(kind, [], [], [])
                for item in items:
                    yield from reader.read(kind, item)
                    if whole:
                        add_subject(batch, item.metadata, detailed=True)
                count += len(items)
                self._progress(f"read {count} {kind.qualified}")
                if whole:
                    yield batch
        except ApiFailed as error:
            if error.status == HTTPStatus.BAD_REQUEST and params:
                raise UsageError(f"-l {self._scope.selector!r} is no label selector: {error}", SELECTOR_HINT) from None
            raise
        except AccessDenied as error:
            if error.status != 403:
                raise
            where = f"in {self._scope.namespace!r}" if self._scope.namespace else "in all namespaces"
            yield Gap(
                f"{kind.qualified} could not be listed {where}: their keys were not looked at",
                str(error),
                hint=error.hint,
            )
            return
        if whole:
            already.add(kind)
            yield Coverage(kind)

    def _named_holder(self, kind: Kind, name: str, reader: MapReader) -> Iterator[Event]:
        if not self._scope.namespace:
            raise UsageError(f"{kind.kind} {name} needs a namespace", "add -n NAMESPACE")
        try:
            path = kind.path(self._scope.namespace, name)
            body = self._client.get(path)
        except ApiFailed as error:
            if error.status != 404:
                raise
            return  # said by whoever knows what else was asked for
        yield from reader.read(kind, _one_map(path, body))

    def _field_holders(self, kind: Kind, field: str) -> Iterator[Event]:
        namespace = self._scope.namespace if kind.namespaced else ""
        try:
            for body in self._client.list_pages(kind.path(namespace)):
                for raw in decode_list(kind.path(namespace), body, decode_raw_list):
                    try:
                        events = list(read_map_field(kind, decode_json(raw), field, self._cluster))
                    except UnreadableError as error:
                        yield Gap(f"an object of {kind.qualified} was not looked into", str(error))
                        continue
                    except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
                        why = f"this is a bug in ghostkey: {place_of(error)}"
                        yield Gap(f"an object of {kind.qualified} was not looked into", why)
                        continue
                    yield from events
        except AccessDenied as error:
            yield Gap(
                f"{kind.qualified} could not be listed: {field} was not looked at",
                str(error),
                hint=error.hint,
            )

    # subjects

    def read_subjects(self, kind: Kind) -> list[Event]:
        """The objects of one kind as they are now, with what was covered; what could not be listed is a gap."""
        try:
            return [*self._list_subjects(kind, ""), Coverage(kind)]
        except AccessDenied as error:
            if error.status != 403:
                raise
            denied = error
        except ApiFailed as error:
            return [Gap(f"{kind.qualified} could not be listed", str(error), kind.qualified, error.hint)]
        namespace = self._scope.namespace
        if kind.namespaced and namespace:
            try:
                events = self._list_subjects(kind, namespace)
            except (AccessDenied, ApiFailed):
                pass
            else:
                what = f"{kind.qualified} could be listed in namespace {namespace!r} only"
                only = Coverage(kind, frozenset([namespace]))
                return [*events, only, Gap(what, str(denied), kind.qualified, denied.hint)]
        return [Gap(f"{kind.qualified} could not be listed", str(denied), kind.qualified, denied.hint)]

    def _list_subjects(self, kind: Kind, namespace: str) -> list[Event]:
        try:
            return list((self._list_custom if kind.is_custom else self._list_built_in)(kind, kind.path(namespace)))
        except msgspec.DecodeError as error:
            raise ApiFailed(f"the server's list of {kind.qualified} is not as the API defines it: {error}") from None

    def _list_built_in(self, kind: Kind, path: str) -> Iterator[Event]:
        """Metadata of objects, and what Pods and workloads use."""
        with_spec = has_pod_spec(kind)
        detailed = kind in (CONFIG_MAPS, SECRETS)
        decode: Callable[[bytes], LooseList | MetadataList] = decode_loose if with_spec else decode_metadata
        kinds = (f"{kind.kind}List",) if with_spec else ()
        for body in self._client.list_pages(path, accept=JSON if with_spec else METADATA_LIST):
            batch = SubjectsSeen(kind, [], [], [])
            for item in decode_list(path, body, decode, kinds):
                add_subject(batch, item.metadata, detailed=detailed)
                if with_spec:
                    yield from key_uses(kind, item.metadata.namespace or "", item.metadata.name, item.spec)
            yield batch

    def _list_custom(self, kind: Kind, path: str) -> Iterator[Event]:
        """Custom resources whole, since keys are made of their fields too; where there are very many, the first of them."""
        sizes: list[int] = []
        for body in self._client.list_pages(path, accept=lambda: JSON if sum(sizes) < CUSTOM_BYTES else METADATA_LIST):
            sizes.append(len(body))
            batch = SubjectsSeen(kind, [], [], [])
            try:
                items = decode_list(path, body, decode_custom)
            except (msgspec.ValidationError, NotAsked):
                items = decode_list(path, body, decode_metadata)  # an object nested too deep is an object all the same
            for item in items:
                fields = (getattr(item, "spec", None), getattr(item, "status", None))
                add_subject(batch, item.metadata, detailed=False, fields=fields)
            yield batch

    def read_by_fields(self, kind: Kind) -> Iterator[Event]:
        """Objects of a kind under what an expression makes of their fields; what lacks them has no key."""
        batch = SubjectsSeen(kind, [], [], [])
        try:
            for body in self._client.list_pages(kind.path()):
                for raw in decode_list(kind.path(), body, decode_raw_list):
                    item = decode_json(raw)
                    metadata = item.get("metadata") if isinstance(item, dict) else None
                    if isinstance(metadata, dict) and (name := rendered(kind.known_by, item)):
                        batch.names.append(name)
                        batch.namespaces.append(str(metadata.get("namespace") or ""))
                        batch.uids.append("")  # its UID is that of the object itself
        except (AccessDenied, ApiFailed, UnreadableError) as error:
            hint = getattr(error, "hint", "")
            yield Gap(f"{kind.qualified} could not be listed with {kind.known_by}", str(error), kind.qualified, hint)
            return
        yield batch
        yield Coverage(kind)


def _one_map(path: str, body: bytes) -> MapObject:
    try:
        found: MapObject = decode_map(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_asked(path, body, path.rpartition("/")[2]) from None
    if found.metadata.name != path.rpartition("/")[2]:
        raise not_asked(path, body, path.rpartition("/")[2])
    return found


def decode_page(kind: Kind, body: bytes) -> tuple[list[MapObject], list[Gap]]:
    """The maps of a page, and those that are not as the API defines them as gaps."""
    path, kinds = kind.path(), (f"{kind.kind}List",)
    try:
        return decode_list(path, body, decode_maps, kinds), []
    except msgspec.ValidationError:
        pass
    found: list[MapObject] = []
    gaps: list[Gap] = []
    for raw in decode_list(path, body, decode_raw_list, kinds):
        try:
            found.append(decode_map(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            named = _NAMED.search(bytes(raw)[:2000])
            which = f" {named[1].decode(errors='replace')}" if named else ""
            gaps.append(
                Gap(f"a {kind.kind}{which} was not looked into", f"it is not as the API defines it: {type(error).__name__}")
            )
    return found, gaps


_NAMED = re.compile(rb'"name"\s*:\s*"([^"]{1,253})"')


def add_subject(batch: SubjectsSeen, metadata: Metadata, *, detailed: bool, fields: tuple[Any, ...] = ()) -> None:
    """Adds an object to a batch; `detailed` keeps what is asked of possible dependents, `fields` are looked into for words."""
    row = len(batch.names)
    batch.names.append(metadata.name)
    batch.namespaces.append(metadata.namespace or "")
    batch.uids.append(metadata.uid or "")
    if metadata.owner_references:
        batch.owners[row] = tuple(
            Owner(ref.api_version, ref.kind, ref.name, ref.uid, bool(ref.controller)) for ref in metadata.owner_references
        )
    if detailed:
        batch.details[row] = subject_detail(metadata)
    elif (metadata.labels or metadata.annotations or fields) and may_carry(batch.kind):
        words = carried_words(metadata.labels, metadata.annotations, *fields)
        batch.carry((word for word in words if word != metadata.name), metadata.namespace or "")
