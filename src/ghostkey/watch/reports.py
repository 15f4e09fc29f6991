"""Reports of openreports.io, one for each map that something was found of, owned by it: written when that has changed, and not else.

Source: openreports/reports-api v1alpha1, Report; Kubernetes garbage collection, owners and dependents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from ghostkey.foreign import decode_json
from ghostkey.kube.answers import decode_list
from ghostkey.kube.client import METADATA_LIST, ApiClient
from ghostkey.kube.objects import decode_raw_list
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError
from ghostkey.model.findings import Finding
from ghostkey.model.refs import ObjectRef
from ghostkey.watch.events import is_ending
from ghostkey.watch.gaps import KnownGaps
from ghostkey.watch.lease import Lease
from ghostkey.watch.look import Look, MapFindings

PATH = "/apis/openreports.io/v1alpha1"
MARK = "ghostkey.dev/findings"  # what a Report says, as a digest: one of these is written by a watcher, and may be deleted by one
OURS = "app.kubernetes.io/managed-by=ghostkey"
WRITES_AT_ONCE = 100  # in one round; the others are in the next
MORE_SECONDS, NEVER = 1.0, 3600.0

Make = Callable[[ObjectRef, Sequence[Finding]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Written:
    """A Report as the API server had it last. `of` is the UID of its map."""

    name: str
    uid: str
    version: str
    mark: str
    of: str


class Reports:
    """Writes Reports, while this watcher has the Lease. `make` gives the Report of a map, without owner and mark; its name is the map's alone."""

    def __init__(self, client: ApiClient, lease: Lease, make: Make, namespace: str, *, patience: float) -> None:
        self._client, self._lease, self._make = client, lease, make
        self._namespace, self._patience = namespace, patience
        self._written: dict[tuple[str, str], _Written] | None = None  # by namespace and name
        self._marks: dict[str, tuple[str, float]] = {}  # spot → what is found of it, and since when it is that
        self._gaps = KnownGaps(patience)
        self._tried: dict[str, int] = {}  # spot → the round in which it was refused
        self._round = 0
        self._refused: ApiFailed | AccessDenied | None = None

    def write(self, look: Look) -> float:
        """Has the Reports say what this look has found; after how many seconds there would be more to write.

        Only what has stayed the same for as long as the patience is. Raises AccessDenied or ApiFailed where nothing can be written.
        """
        before = self._marks
        self._marks = {spot: _since(_mark(own), before.get(spot), look.began) for spot, own in look.maps.items()}
        are_hidden = self._gaps.hide(look)
        if not self._lease.is_leader:
            self._written = None
            return self._patience
        if self._written is None:
            self._written = self._list()
        waits, left = NEVER, WRITES_AT_ONCE
        self._refused = None
        self._round += 1
        self._tried = {spot: tried for spot, tried in self._tried.items() if spot in look.maps}
        wanted: set[tuple[str, str]] = set()
        # those that were refused come after those that were not tried: they must not keep them waiting for ever
        for spot, own in sorted(look.maps.items(), key=lambda one: self._tried.get(one[0], 0)):
            mark, since = self._marks[spot]
            place = own.holder.namespace, self._name(own.holder)
            wanted.add(place)
            there = self._written.get(place)
            if there is not None and (there.mark, there.of) == (mark, own.holder.uid):
                continue
            if look.began - since < self._patience:
                waits = min(waits, self._patience)
            elif left <= 0 or not self._lease.is_leader:
                waits = MORE_SECONDS
            else:
                left -= 1
                if not self._put(place, owned(self._make(own.holder, own.findings), own.holder, mark), there):
                    self._tried[spot] = self._round
                    waits = MORE_SECONDS
        waits = min(waits, self._patience if are_hidden else self._remove(wanted, left))
        if self._refused is not None:
            raise self._refused
        return waits

    def _remove(self, wanted: set[tuple[str, str]], left: int) -> float:
        """Deletes what has nothing to say any more."""
        assert self._written is not None
        for place in [place for place in self._written if place not in wanted]:
            if left <= 0 or not self._lease.is_leader:
                return MORE_SECONDS
            left -= 1
            there = self._written[place]
            try:
                self._client.delete(f"{_path(place[0])}/{there.name}", there.uid, there.version)
            except ApiFailed as error:
                if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                    raise
                if (live := self._read(place)) is not None and live.mark:
                    self._written[place] = live  # somebody else has written it: the next round looks again
                    continue
            del self._written[place]
        return NEVER

    def _put(self, place: tuple[str, str], body: dict[str, Any], there: _Written | None) -> bool:
        """Writes one; False where another was faster, or it was refused: one namespace that ends must not stop the others."""
        assert self._written is not None
        try:
            if there is None:
                said = self._client.write("POST", _path(place[0]), msgspec.json.encode(body))
            else:
                body["metadata"] |= {"uid": there.uid, "resourceVersion": there.version}
                said = self._client.write("PUT", f"{_path(place[0])}/{there.name}", msgspec.json.encode(body))
        except ApiFailed as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                self._refused = error
                return False
            # somebody else has written or deleted it: it is read, and written by the next round
            self._written.pop(place, None)
            if (live := self._read(place)) is not None:
                if live.mark:
                    self._written[place] = live
                else:
                    self._refused = error  # it is of who applied the output of a scan, and stays theirs
            return False
        except AccessDenied as error:
            if is_ending(error):
                return True  # nobody will read it
            self._refused = error
            return False
        self._written[place] = _written(said["metadata"])
        return True

    def _name(self, holder: ObjectRef) -> str:
        return str(self._make(holder, ())["metadata"]["name"])

    def _read(self, place: tuple[str, str]) -> _Written | None:
        found = self._client.get_object(f"{_path(place[0])}/{place[1]}")
        return None if found is None else _written(found["metadata"])

    def _list(self) -> dict[tuple[str, str], _Written]:
        found: dict[tuple[str, str], _Written] = {}
        path = _path(self._namespace) if self._namespace else f"{PATH}/reports"
        for body in self._client.list_pages(path, {"labelSelector": OURS}, METADATA_LIST):
            for raw in decode_list(path, body, decode_raw_list):
                metadata = decode_json(raw)["metadata"]
                there = _written(metadata)
                if there.mark:  # others are of who applied the output of a scan
                    found[metadata["namespace"], there.name] = there
        return found


def _written(metadata: dict[str, Any]) -> _Written:
    mark = str((metadata.get("annotations") or {}).get(MARK) or "")
    owner = (metadata.get("ownerReferences") or [{}])[0]
    return _Written(metadata["name"], metadata["uid"], metadata["resourceVersion"], mark, str(owner.get("uid") or ""))


def owned(report: dict[str, Any], holder: ObjectRef, mark: str) -> dict[str, Any]:
    """The Report with its map as owner, so that it goes with it, and with a mark of what it says."""
    metadata = report["metadata"]
    annotations = {**metadata.get("annotations", {}), MARK: mark}
    kind = holder.kind
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    owner = {"apiVersion": version, "kind": kind.kind, "name": holder.name, "uid": holder.uid}
    return {**report, "metadata": {**metadata, "annotations": annotations, "ownerReferences": [owner]}}


def _mark(own: MapFindings) -> str:
    said = "\0".join(f"{one.fingerprint}{one.state}{one.severity:d}{one.message}" for one in own.findings)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _since(mark: str, before: tuple[str, float] | None, now: float) -> tuple[str, float]:
    return before if before is not None and before[0] == mark else (mark, now)


def _path(namespace: str) -> str:
    return f"{PATH}/namespaces/{namespace}/reports"


def trouble(error: GhostkeyError) -> str:
    """What is wrong, in words."""
    if isinstance(error, ApiFailed) and error.status == HTTPStatus.NOT_FOUND:
        return "Reports are not written: this API server has no reports.openreports.io"
    return f"Reports are not written: {error}"
