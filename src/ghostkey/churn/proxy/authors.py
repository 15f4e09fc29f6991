"""What the operator itself has put into objects: its requests come by here, and nobody else's do.

A field manager's name does not tell writers apart: whoever runs the same program has the same one. What a request of the operator
names, what the answer holds, and what the operator had not been shown there before, it has put there. What it was shown first is
somebody else's. Names of subjects are looked at, and finalizers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ghostkey.churn.proxy.calls import Call
from ghostkey.churn.proxy.finalizers import Request, Shown, applied_in, finalizers_of, metadata_of, parsed
from ghostkey.churn.proxy.patches import puts
from ghostkey.churn.tokens import ENCODED, tokens_in, words_in

Place = tuple[str, str, str, str]  # group, resource, namespace, name
Record = dict[str, str]
WHOLE = frozenset({"", "status"})  # subresources that are answered with the whole object
IN_PART = "PartialObjectMetadata"
CREATED = 201
VERSIONS_MOST = 32  # of one object, whose finalizers are remembered: an operator's cache is not as far behind


@dataclass(slots=True)
class Known:
    """One object as it was last shown to the operator. `own`: what the operator has put there, and nobody has taken away since."""

    uid: str
    version: int = 0
    tokens: frozenset[str] = frozenset()
    finalizers: frozenset[str] = frozenset()
    own: set[str] = field(default_factory=set)
    own_finalizers: set[str] = field(default_factory=set)
    is_written: bool = False  # by the operator
    is_made: bool = False  # by the operator
    versions: dict[str, frozenset[str]] = field(default_factory=dict)  # see `Shown`, as the next one
    applied: dict[str, frozenset[str]] = field(default_factory=dict)

    def shown(self) -> Shown:
        """As it is by now, whatever comes."""
        version = str(self.version) if self.version else ""
        return Shown(self.uid, self.tokens, self.finalizers, dict(self.versions), self.applied, version)


class Authors:
    """Who has put what where. `note` hears of each finalizer that the operator puts or takes, before it has the answer."""

    def __init__(self, note: Callable[[Record], None] = lambda _: None) -> None:
        self.note = note
        self._names: set[str] = set()  # finalizers that the operator has put on some object, or taken away
        self._took: set[str] = set()  # names of objects from which it has taken one away
        self._taken: dict[str, set[str]] = {}  # name of an object → finalizers that somebody else has taken from it
        self._known: dict[Place, Known] = {}
        self._writing: Counter[Place] = Counter()
        self._perhaps: dict[Place, frozenset[str]] = {}  # finalizers that have gone while the operator was writing

    @contextmanager
    def handing_on(self, call: Call) -> Iterator[Shown]:
        """While a call is carried out: what the operator has been shown of the object before.

        Its own write may come back as a watch event before the answer does.
        """
        place = _place(call, call.name)
        known = self._known.get(place) if call.name else None
        is_writing = call.is_write and bool(call.name)
        self._writing[place] += is_writing
        try:
            yield known.shown() if known is not None else Shown()
        finally:
            self._writing[place] -= is_writing
            if not self._writing[place]:
                del self._writing[place]
                self._take(place, self._perhaps.pop(place, frozenset()))

    def answered(self, request: Request, status: int, answer: bytes, before: Shown) -> None:
        """A call of the operator was carried out, or was not."""
        call = request.call
        is_of_subject = call.is_write and not call.subresource and bool(tokens_in(call.name.encode()))
        if is_of_subject and (meant := request.meant(before)):
            # also where somebody else was faster each time, and its own writes came too late
            self._names |= meant
        if not 200 <= status < 300 or call.verb in {"watch", "other"}:
            return
        if not call.is_write:
            self._read(call, answer)
        # a dry run changes nothing, whatever its answer shows
        elif not (call.is_heartbeat or "dryRun=" in request.target.partition("?")[2] or call.verb == "deletecollection"):
            self._wrote(request, parsed(answer), before, words_in(answer, call.resource), is_made=status == CREATED)

    def _wrote(self, request: Request, document: Mapping[str, Any], before: Shown, there: set[str], *, is_made: bool) -> None:
        call, metadata = request.call, metadata_of(document)
        if call.verb == "delete" and not metadata.get("uid"):
            details = document.get("details")  # it is gone: the answer is a Status
            self._forget(_place(call, call.name), str(details.get("uid") or "") if isinstance(details, dict) else "")
            return
        name = str(metadata.get("name") or call.name)
        place = _place(call, name)
        if call.subresource not in WHOLE:
            self._at(place).is_written = True
            return
        uid, left = str(metadata.get("uid") or ""), finalizers_of(document)
        if before.uid not in {"", uid}:
            before = Shown()  # of another object of that name
        self._note_taken(request, place, before, left)
        if self._is_past(place, document):
            return
        if _is_ended(document):
            self._forget(place, uid)
            return
        known = self._at(place, uid)
        self._show(known, document, there)
        if call.verb == "delete":
            return
        known.is_written, known.is_made = True, known.is_made or is_made
        is_in_part = document.get("kind") == IN_PART
        put_words = words_in(puts(request.body) if call.verb == "patch" else request.body, call.resource)
        known.own |= {one for one in put_words - before.tokens if is_in_part or one in there}
        put = {one for one in left - request.made_from(before) if one.encode() in request.body} - known.own_finalizers
        known.own_finalizers |= put
        self._names |= put
        for one in sorted(put):
            self.note({"finalizer": one, "on": uid})

    def _note_taken(self, request: Request, place: Place, before: Shown, left: frozenset[str]) -> None:
        if self._perhaps.get(place, frozenset()).isdisjoint(left):
            self._perhaps.pop(place, None)  # it has taken them away itself
        if request.call.verb != "delete" and (took := request.taken(before, left)):
            self._took |= tokens_in(place[-1].encode())
            self._names |= took if request.meant(before) is None else frozenset()

    def event(self, call: Call, line: bytes, tokens: set[str]) -> None:
        """A watch event is on its way to the operator. `tokens`: of subjects, as they stand in it."""
        tokens = words_in(line, call.resource) if call.resource in ENCODED else tokens
        if not tokens:
            return
        event = parsed(line)
        document = event.get("object")
        if not isinstance(document, dict) or event.get("type") == "BOOKMARK":
            return
        place = _place(call, "", document)
        uid = str(metadata_of(document).get("uid") or "")
        if self._is_past(place, document):
            return
        if (known := self._known.get(place)) is not None and known.uid == uid:
            held = finalizers_of(document) if event.get("type") != "DELETED" else frozenset()
            lost = known.finalizers - held
            if lost and _version(document, known) >= known.version:  # else it is shown what was before
                if self._writing[place]:
                    self._perhaps[place] = lost
                else:
                    self._take(place, lost)
        if event.get("type") == "DELETED":
            self._forget(place, uid)
        else:
            self._see(place, document, tokens)

    def _take(self, place: Place, finalizers: frozenset[str]) -> None:
        for token in tokens_in(place[-1].encode()) if finalizers else ():
            self._taken.setdefault(token, set()).update(finalizers)

    def taken(self) -> dict[str, Any]:
        """Who took finalizers away: `others`, name of an object → those that others took; `own`, names of objects from which it took some;
        `names`, those that it works with, on whatever object. Another replica of the operator is among the others."""
        others = {token: sorted(finalizers) for token, finalizers in self._taken.items()}
        return {"others": others, "own": sorted(self._took), "names": sorted(self._names)}

    def told(self) -> dict[str, dict[str, Any]]:
        """Each object that the operator has written (group/resource/namespace/name): its uid, whether it has made it, and what of it the
        operator has put there."""
        return {
            "/".join(place): {
                "uid": known.uid,
                "is_made": known.is_made,
                "own": sorted(known.own),
                "finalizers": sorted(known.own_finalizers),
            }
            for place, known in self._known.items()
            if known.is_written
        }

    def _read(self, call: Call, answer: bytes) -> None:
        if (
            call.resource not in ENCODED and b"gk" not in answer.lower()
        ):  # of no subject; and much faster to see than by a pattern
            return
        document = parsed(answer)
        items = document.get("items") if call.verb == "list" else [document]
        for one in items if isinstance(items, list) else ():
            if isinstance(one, dict):
                self._see(_place(call, call.name, one), one, words_in(json.dumps(one).encode(), call.resource))

    def _see(self, place: Place, document: Mapping[str, Any], there: set[str]) -> None:
        if (there or place in self._known) and not self._is_past(place, document):
            self._show(self._at(place, str(metadata_of(document).get("uid") or "")), document, there)

    def _is_past(self, place: Place, document: Mapping[str, Any]) -> bool:
        """Whether it is an older object than the one that is known by its name: what the operator is told late."""
        known, uid = self._known.get(place), metadata_of(document).get("uid")
        return known is not None and bool(uid) and known.uid not in {"", uid} and _version(document, known) <= known.version

    def _forget(self, place: Place, uid: str) -> None:
        """An object has gone. By now another one may have come by its name."""
        known = self._known.get(place)
        if known is not None and (not uid or known.uid in {"", uid}):
            del self._known[place]

    def _at(self, place: Place, uid: str = "") -> Known:
        known = self._known.get(place)
        if known is None or (uid and known.uid not in {"", uid}):
            known = self._known[place] = Known(uid)
        known.uid = known.uid or uid
        return known

    def _show(self, known: Known, document: Mapping[str, Any], there: Iterable[str]) -> None:
        number = _version(document, known)
        # the answer to a write that ends an object bears the version that was there before
        known.versions.setdefault(str(metadata_of(document).get("resourceVersion") or ""), finalizers_of(document))
        if len(known.versions) > VERSIONS_MOST:
            del known.versions[next(iter(known.versions))]
        if number < known.version:
            return  # a watch that is behind
        known.version = number
        known.finalizers, known.applied = finalizers_of(document), applied_in(document)
        for gone in sorted(known.own_finalizers - known.finalizers):
            self.note({"finalizer": gone, "off": known.uid})
        known.own_finalizers &= known.finalizers
        if document.get("kind") != IN_PART:
            known.tokens = frozenset(there)
            known.own &= known.tokens


def _place(call: Call, name: str, document: Mapping[str, Any] | None = None) -> Place:
    metadata = metadata_of(document or {})
    namespace = str(metadata.get("namespace") or call.namespace)
    return call.group, call.resource, namespace, str(metadata.get("name") or name)


def _is_ended(document: Mapping[str, Any]) -> bool:
    """Whether the answer to a write shows an object that is gone with it: deleted, and held by nothing any longer."""
    metadata, spec = metadata_of(document), document.get("spec")
    of_namespace = spec.get("finalizers") if isinstance(spec, dict) else None
    is_held = metadata.get("finalizers") or of_namespace or metadata.get("deletionGracePeriodSeconds")
    return bool(metadata.get("deletionTimestamp")) and not is_held


def _version(document: Mapping[str, Any], known: Known) -> int:
    version = str(metadata_of(document).get("resourceVersion") or "")
    return int(version) if version.isdigit() else known.version
