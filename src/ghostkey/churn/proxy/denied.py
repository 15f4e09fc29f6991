"""What the API server has not let an operator do, and what it could not do for want of something."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from ghostkey.churn.proxy.calls import Call

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
Spot = tuple[str, str, str]  # verb, place, namespace


@dataclass(slots=True)
class Denied:
    """Calls that were refused. `not_admitted`: and not let in later; and of whom. `leases`: namespaces in which it was let hold none."""

    denied: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)
    not_admitted: Counter[tuple[Spot, frozenset[str]]] = field(default_factory=Counter)
    leases: set[str] = field(default_factory=set)

    def note(self, call: Call, status: int, body: bytes) -> None:
        """Counts an answer, where it is a refusal; what is let in at last was not refused."""
        spot = (call.verb, call.place, call.namespace)
        if status < 300:
            self.not_admitted.pop((spot, call.tokens), None)
        # an object in a namespace that goes is refused to everybody, and is no lack of rights
        # Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle, NamespaceTerminatingCause
        if status not in {UNAUTHORIZED, FORBIDDEN} or b'"NamespaceTerminating"' in body:
            return
        if call.is_lease:
            self.leases.add(call.namespace)
        if call.is_heartbeat:
            return
        # Source: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go, forbiddenMessage: User %q cannot …
        if status == FORBIDDEN and b'User \\"' not in body:
            self.not_admitted[spot, call.tokens] += 1  # a quota, or a policy: it may be let in the next time
        else:
            self.denied[*spot, status] += 1

    def told(self) -> list[list[object]]:
        """What was refused for good: verb, place, namespace, status, how often."""
        found = self.denied.copy()
        for (spot, _), times in self.not_admitted.items():
            found[*spot, FORBIDDEN] += times
        return sorted([*call, times] for call, times in found.items())


def is_in_want(call: Call, status: int, body: bytes) -> bool:
    """Whether an answer says that the namespace, or the very kind, is not there, rather than the object: its name may be the mistake."""
    if status != NOT_FOUND or call.verb == "other":
        return False
    if call.verb == "create" and not call.subresource:
        return True  # nothing else can be missing
    try:
        details = json.loads(body).get("details") or {}
        kind, name = details.get("kind"), details.get("name")
    except (ValueError, AttributeError):
        return True  # "404 page not found": there is no such group
    # Source: k8s.io/apimachinery/pkg/api/errors NewGenericServerResponse: of a kind that is not there no object is named
    return kind == "namespaces" and call.resource != kind if kind or name else True
