"""Where dead subjects still stand: any object, key, value, annotation, finalizer or status that the API server stores.

One range over etcd at one revision finds the objects, whatever their kind; the API tells where in them. Only the live state is read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ghostkey.churn.subjects import Resource
from ghostkey.churn.tokens import Named, Spellings, masked

# what is told of subjects, and heartbeats: kept for an hour whatever an operator does
EXEMPT = frozenset({"events", "leases", "customresourcedefinitions"})
LANE_NAMESPACE = re.compile(r"gk-lane-\d+-[0-9a-z]+")
READ_MOST = 60  # objects that are asked for, to tell where in them a name stands
DEPTH_MOST = 60
# Source: k8s.io/kubernetes/pkg/registry: resources that etcd knows by another name
_OTHER_NAMES = {
    "minions": "nodes", "services/specs": "services", "services/endpoints": "endpoints", "controllers": "replicationcontrollers",
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """One kind of trace, the same for every subject: `source` is `api`, `metrics` or `memory`, `place` what stands where."""

    source: str
    place: str

    def __str__(self) -> str:
        return f"{self.source}: {self.place}"


@dataclass(slots=True)
class Trace:
    """Subjects (tokens) of which a signature was seen, one evidence, and what objects it is in."""

    tokens: set[str] = field(default_factory=set)
    example: str = ""
    paths: set[str] = field(default_factory=set)
    series: int = 0
    is_stuck: bool = False
    is_weak: bool = True  # known by eight digits alone

    def add(self, other: Trace) -> None:
        """Counts what was seen of it elsewhere, too."""
        if other is not self:
            self.tokens |= other.tokens
            self.paths |= other.paths
            self.series += other.series


class Reader(Protocol):
    """What traces are read from: everything that is stored, and one object as JSON."""

    def stored(self) -> Iterable[tuple[bytes, bytes]]:
        """Key and value of everything in etcd, or of every object that the API lists."""
        ...

    def get(self, path: str) -> dict[str, Any] | None:
        """An object; None when it is gone."""
        ...


Found = dict[Signature, Trace]


class ApiTraces:
    """Reads traces of dead subjects."""

    def __init__(self, reader: Reader, resources: Mapping[tuple[str, str], Resource]) -> None:
        self._reader, self._resources = reader, resources

    def read(self, dead: Iterable[Named], own: Iterable[str]) -> Found:
        """Signature → trace. `own`: API paths of the dead subjects themselves, which are another matter. Raises what reading raises."""
        names = list(dead)
        spellings, found = Spellings(names), Found()
        own_paths, asked = set(own), 0
        for key, value in self._reader.stored():
            in_key, in_value = spellings.find(key), {}
            if not in_key:
                in_value = spellings.find(value)
            if not in_key and not in_value:
                continue
            text = key.decode(errors="replace")
            resource, path = self._place(text)
            if resource is None or resource.plural in EXEMPT:
                if resource is None:
                    _add(found, Signature("api", place_masked(text)), in_key or in_value, text, "")
                continue
            if path in own_paths:
                self._stuck(found, resource, path, in_key)
            elif in_key:
                _add(found, Signature("api", f"{resource.plural} {place_masked(_short(text))} (object)"), in_key, path, path)
            elif asked < READ_MOST:
                asked += 1
                self._look_into(found, resource, path, spellings)
            else:
                _add(found, Signature("api", f"{resource.plural} {place_masked(_short(text))}"), in_value, path, path)
        return {signature: trace for signature, trace in found.items() if not (trace.is_weak and len(trace.tokens) < 2)}

    def _place(self, key: str) -> tuple[Resource | None, str]:
        parts = key.strip("/").split("/")[1:]
        if not parts:
            return None, ""
        if "/".join(parts[:2]) in _OTHER_NAMES:
            parts = [_OTHER_NAMES["/".join(parts[:2])], *parts[2:]]
        parts[0] = _OTHER_NAMES.get(parts[0], parts[0])
        group, rest = ("", parts)
        if (parts[0], parts[1] if len(parts) > 1 else "") in self._resources:
            group, rest = parts[0], parts[1:]
        resource = self._resources.get((group, rest[0])) or next(
            (known for (_, plural), known in self._resources.items() if plural == rest[0] and known.group != ""), None
        )
        if resource is None or len(rest) != (3 if resource.is_namespaced else 2):
            return None, ""
        return resource, resource.path(rest[1] if resource.is_namespaced else "", rest[-1])

    def _stuck(self, found: Found, resource: Resource, path: str, tokens: Mapping[str, set[str]]) -> None:
        document = self._reader.get(path)
        metadata = (document or {}).get("metadata") or {}
        if metadata.get("deletionTimestamp"):
            finalizers = ", ".join(map(str, metadata.get("finalizers") or ["none"]))
            trace = _add(found, Signature("api", f"{resource.plural} <S> (held by {finalizers})"), tokens, path, path)
            trace.is_stuck = True

    def _look_into(self, found: Found, resource: Resource, path: str, spellings: Spellings) -> None:
        document = self._reader.get(path)
        if document is None:
            return
        for place, how, text in texts_of(document, resource.kind == "Secret"):
            hits = spellings.find(text)
            if hits:
                shown = place_masked(place)
                where = place_masked(path.rpartition("/")[2])
                namespace = place_masked(str((document.get("metadata") or {}).get("namespace") or ""))
                holder = f"{namespace}/{where}" if namespace else where
                _add(found, Signature("api", f"{resource.plural} {holder} {shown} ({how})"), hits, f"{path} {shown}", path)


def _add(found: Found, signature: Signature, hits: Mapping[str, set[str]], example: str, path: str) -> Trace:
    trace = found.setdefault(signature, Trace(example=example))
    trace.tokens |= set(hits)
    trace.series += 1
    if path:
        trace.paths.add(path)
    if any(how & {"plain", "base64"} for how in hits.values()):
        trace.is_weak = False
    return trace


def texts_of(document: Mapping[str, Any], is_secret: bool) -> Iterator[tuple[str, str, bytes]]:
    """(place, `key` or `value`, text) of everything in an object but its managedFields, which mirror the rest."""
    pending: list[tuple[str, Any, int]] = [("", document, 0)]
    while pending:
        place, value, depth = pending.pop()
        if depth > DEPTH_MOST:
            continue
        if isinstance(value, dict):
            for key, inner in value.items():
                if place == "metadata" and key == "managedFields":
                    continue
                # a key with a name in it is no field, whatever letters the name has
                is_field = key.isidentifier() and place_masked(key) == key
                deeper = (f"{place}.{key}" if is_field else f"{place}[{key}]") if place else str(key)
                yield deeper, "key", str(key).encode()
                pending.append((deeper, inner, depth + 1))
        elif isinstance(value, list):
            pending += [(f"{place}[]", inner, depth + 1) for inner in value]
        elif isinstance(value, str):
            content = value.encode()
            if is_secret and place.startswith("data"):
                with contextlib.suppress(binascii.Error):
                    content = base64.b64decode(value)
            yield place, "value", content


def _short(key: str) -> str:
    parts = key.strip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) > 3 else parts[-1]


def place_masked(text: str) -> str:
    """A place as signatures call it: without the names of its subject and lane."""
    return masked(LANE_NAMESPACE.sub("<ns>", text))
