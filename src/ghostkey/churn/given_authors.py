"""Whose doing a trace in a given cluster is: the operator's, where its requests, which come by our proxies, have put it there.

Others write in the same cluster, and some of them under the same field manager's name: another instance of the very same program has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ghostkey.churn.judge import LEAK_RATE, Kind, Verdict
from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.tokens import tokens_in, words_in
from ghostkey.churn.traces import READ_MOST, Trace

if TYPE_CHECKING:
    from ghostkey.churn.proxy.client import ProxyProcess
    from ghostkey.kube.client import ApiClient

Written = tuple[str, str]  # place and uid of an object
ROBBED = "somebody else has taken away the finalizer by which the operator holds the subject, before it was done"
FOREIGN = "somebody else has put it there: the operator's requests, which come by our proxy, have not"


@dataclass(slots=True)
class Authored:
    """What all replicas have written: (place, uid) → names of subjects that they have put there, and uid → finalizers.

    `made`: objects that they have made; `taken`: subject → finalizers that others than the replica that saw it took away; `took`: subjects from which a replica took some;
    `names`: finalizers that the operator works with.
    """

    own: dict[Written, set[str]] = field(default_factory=dict)
    made: set[Written] = field(default_factory=set)
    finalizers: dict[str, set[str]] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=dict)
    took: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    @property
    def robbed(self) -> set[str]:
        """Subjects from which nobody of the operator's has taken away the finalizer by which it holds them, and which lost it."""
        lost = {token for token, finalizers in self.taken.items() if not self.names.isdisjoint(finalizers)}
        return lost - self.took

    def add(self, other: Authored | ProxyProcess) -> Authored:
        """Adds what another, or a proxy that runs, knows; gives itself. Raises GhostkeyError when the proxy is gone."""
        if isinstance(other, Authored):
            for written, tokens in other.own.items():
                self.own.setdefault(written, set()).update(tokens)
            self.made |= other.made
            for uid, names in other.finalizers.items():
                self.finalizers.setdefault(uid, set()).update(names)
            self._add_taken(other.taken, other.took, other.names)
            return self
        told = other.ask("authors")
        self._add_taken(told["taken"]["others"], told["taken"]["own"], told["taken"]["names"])
        for place, known in told["authors"].items():
            self.own.setdefault((place, known["uid"]), set()).update(known["own"])
            self.made |= {(place, known["uid"])} if known["is_made"] else set()
            if known["finalizers"]:
                self.finalizers.setdefault(known["uid"], set()).update(known["finalizers"])
        return self

    def _add_taken(self, taken: Mapping[str, Iterable[str]], took: Iterable[str], names: Iterable[str]) -> None:
        for token, finalizers in taken.items():
            self.taken.setdefault(token, set()).update(finalizers)
        self.took.update(took)
        self.names.update(names)

    def judged(self, verdict: Verdict, trace: Trace, client: ApiClient) -> Verdict:
        """A finding, unless it is others' doing; where that is so of some subjects, it is of the others alone."""
        if verdict.kind is Kind.STUCK:
            return stuck_by_others(verdict, client.get_object, self.finalizers)
        own = self._own(verdict, trace, client) if verdict.signature.source == "api" else set(verdict.tokens)
        why = FOREIGN if not own or own == own - self.robbed else ROBBED
        own -= self.robbed
        if not own:
            return replace(verdict, kind=Kind.INCONCLUSIVE, because=why)
        if verdict.kind is Kind.LEAK and len(own) < LEAK_RATE * len(verdict.tokens):
            because = f"{len(own)} of {len(verdict.tokens)} dead subjects; of the others {why}"
            return replace(verdict, kind=Kind.PARTIAL, because=because, tokens=frozenset(own), one=min(own))
        return verdict

    def _own(self, verdict: Verdict, trace: Trace, client: ApiClient) -> set[str]:
        """The subjects of which the operator has put it there, as far as anybody can tell."""
        found: set[str] = set()
        for path in sorted(trace.paths):
            place = place_of(path)
            written = {one for one in self.own if one[0] == place}
            if not written:
                continue  # it has never written that object
            document = client.get_object(path) if len(trace.paths) <= READ_MOST else None
            metadata = (document or {}).get("metadata") or {}
            if document is not None:
                written = {one for one in written if one[1] in {"", metadata.get("uid")}}
            in_name = tokens_in(path.rpartition("/")[2].encode())
            if in_name:
                found |= in_name if self._keeps(written, metadata) else set()
            elif written:
                there = words_in(json.dumps(document).encode(), place.split("/")[1])
                # what does not stand there as it is (a hash) cannot be told from anybody's
                found |= verdict.tokens - there.difference(*(self.own[one] for one in written))
        return found & verdict.tokens

    def _keeps(self, written: set[Written], metadata: Mapping[str, Any]) -> bool:
        """Whether an object is there for the operator has made it, or lets it go no more. Others' it may have touched, too."""
        put = self.finalizers.get(str(metadata.get("uid")), set())
        return not self.made.isdisjoint(written) or (
            bool(metadata.get("deletionTimestamp")) and not put.isdisjoint(metadata.get("finalizers") or [])
        )


def place_of(path: str) -> str:
    """An object, in whatever version it is asked for."""
    call = call_of("GET", path)
    return "/".join((call.group, call.resource, call.namespace, call.name))


def stuck_by_others(verdict: Verdict, get: Callable[[str], Mapping[str, Any] | None], put: Mapping[str, set[str]]) -> Verdict:
    """Subjects that are held up are the operator's doing where a finalizer that it has put there holds them. `put`: uid → those.

    Where that is so of some, it is of the others that nothing is said. Raises what `get` raises.
    """
    foreign, name = set[str](), ""
    for path in sorted(verdict.paths):
        metadata = (get(path) or {}).get("metadata") or {}
        names = metadata.get("finalizers") or []
        if names and put.get(str(metadata.get("uid")), set()).isdisjoint(names):
            foreign, name = foreign | {path}, str(names[0])
    if not foreign:
        return verdict
    why = f"the finalizer {name} holds it, and the operator has not put it there"
    own = verdict.paths - foreign
    if not own:
        return replace(verdict, kind=Kind.INCONCLUSIVE, because=f"deleted, and still there: {why}")
    # a subject may be several objects
    tokens = verdict.tokens & tokens_in(" ".join(path.rpartition("/")[2] for path in own).encode())
    because = f"{verdict.because}; so it is of {len(tokens)} of {len(verdict.tokens)} dead subjects, and of the others {why}"
    return replace(verdict, because=because, tokens=tokens, paths=own, example=min(own), one=min(tokens, default=verdict.one))
