"""What a request says of an object's finalizers: which ones whoever sends it works with, and which ones it has taken away.

A request that writes the whole list says so by what it leaves out, too. What it was made from is told by the resourceVersion that it names:
a finalizer that somebody else has put there since is not meant by it, though the operator may have been told of it meanwhile.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ghostkey.churn.proxy.calls import Call
from ghostkey.kube.fields import field_owners

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
STRATEGIC, OPERATIONS = "application/strategic-merge-patch+json", "application/json-patch+json"
NONE: frozenset[str] = frozenset()
_FIELD = "/metadata/finalizers"
# Source: k8s.io/apimachinery/pkg/util/strategicpatch
_TAKES = "$deleteFromPrimitiveList/finalizers"


@dataclass(frozen=True, slots=True)
class Shown:
    """What of an object the operator has been shown, before a request of its own.

    `versions`: resourceVersion → finalizers, the last ones that it was shown; `applied`: field manager → finalizers that it has applied.
    """

    uid: str = ""
    tokens: frozenset[str] = NONE
    finalizers: frozenset[str] = NONE
    versions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    applied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    version: str = ""  # the last one

    def at(self, version: str) -> frozenset[str]:
        """The finalizers of one version; where it was never shown, or none is named, as they were shown last."""
        return self.versions.get(version, self.finalizers)


@dataclass(frozen=True, slots=True)
class Request:
    """A write of the operator, as it was handed on. `of_type`: its Content-Type."""

    call: Call
    target: str
    body: bytes
    of_type: str

    @property
    def is_apply(self) -> bool:
        """Whether it says what is to be there, and leaves alone what others want to be there."""
        return self.call.verb == "patch" and self.of_type == APPLY

    def meant(self, before: Shown) -> frozenset[str] | None:
        """The finalizers that it would put or take away, whatever comes of it; None where it cannot be read."""
        if self.call.verb == "patch" and self.of_type == OPERATIONS:
            return self._meant_by_operations(before)
        asked = parsed(self.body)
        if not asked:
            return None
        metadata, wanted = metadata_of(asked), finalizers_of(asked)
        if self.is_apply:
            return (wanted - before.finalizers) | (self._applied(before) - wanted)
        if self.call.verb == "patch" and self.of_type == STRATEGIC:
            return (wanted - before.finalizers) | _names(metadata.get(_TAKES))
        if self.call.verb == "update" or "finalizers" in metadata:
            return _changed(wanted, str(metadata.get("resourceVersion") or ""), before)
        return NONE

    def taken(self, before: Shown, left: frozenset[str]) -> frozenset[str]:
        """Those that it has taken away. `left`: what its answer shows."""
        if self.is_apply:
            return self._applied(before) - left
        if self.call.verb != "update" and b"finalizers" not in self.body:
            return NONE
        took = self.made_from(before) - left
        return _names(metadata_of(parsed(self.body)).get(_TAKES)) & took if self.of_type == STRATEGIC else took

    def made_from(self, before: Shown) -> frozenset[str]:
        """The finalizers that were there when it was carried out: of the version that it names, or it would have been refused."""
        return before.at(str(metadata_of(parsed(self.body)).get("resourceVersion") or ""))

    def _applied(self, before: Shown) -> frozenset[str]:
        """What an apply of the same manager has put there, which goes where this one says nothing of it."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.target).query)
        return before.applied.get(query.get("fieldManager", [""])[0], NONE)

    def _meant_by_operations(self, before: Shown) -> frozenset[str] | None:
        try:
            operations = json.loads(self.body)
        except ValueError:
            return None
        if not isinstance(operations, list):
            return None
        found: set[str] = set()
        version = ""
        for one in (one for one in operations if isinstance(one, dict)):
            path, value = str(one.get("path")), one.get("value")
            if path == "/metadata/resourceVersion" and isinstance(value, str):
                version = value
            if path == _FIELD and one.get("op") != "test":
                found |= _changed(_names(value), version, before)
            elif path.startswith(f"{_FIELD}/") and isinstance(value, str):
                found.add(value)  # what it adds, or looks at before it removes it
        return frozenset(found)


def _changed(wanted: frozenset[str], version: str, before: Shown) -> frozenset[str]:
    """What a whole list changes. Where it does not say of which version it was made: what it changes whichever that was."""
    if (known := before.versions.get(version)) is not None:
        return known ^ wanted
    changes = [shown ^ wanted for shown in before.versions.values() if shown != wanted]
    if not before.versions:
        return wanted
    return frozenset.intersection(*changes) if changes else NONE


def applied_in(document: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Field manager → finalizers that it has applied, by an object's managedFields."""
    metadata = metadata_of(document)
    if not metadata.get("finalizers"):
        return {}
    owners = field_owners(json.dumps(metadata.get("managedFields") or []).encode(), "metadata.finalizers")
    return {one.manager: frozenset(one.keys) for one in owners if one.operation == "Apply" and one.keys}


def metadata_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """An object's metadata; empty where it has none."""
    found = document.get("metadata")
    return found if isinstance(found, dict) else {}


def finalizers_of(document: Mapping[str, Any]) -> frozenset[str]:
    """An object's finalizers."""
    return _names(metadata_of(document).get("finalizers"))


def _names(found: object) -> frozenset[str]:
    return frozenset(map(str, found)) if isinstance(found, Iterable) and not isinstance(found, str | bytes) else NONE


def parsed(content: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
