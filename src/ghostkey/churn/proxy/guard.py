"""What an operator may do to a cluster that is not ours: read it, and write in the namespaces that were named. Nothing else."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from ghostkey.churn.fault import Answer, refusal
from ghostkey.churn.proxy.calls import NOISE, Call

# questions to the API server that are asked as creates and change nothing
_QUESTIONS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
# through which a read becomes a command. Source: k8s.io/kubernetes/pkg/registry/core/pod/rest, node and service proxy
_DOORS = re.compile(r"/(?:exec|attach|portforward|proxy)(?:[/?]|$)")
_CROOKED = re.compile(r"%|//|/\.\.?(?:/|$)")  # a path that a server might read as another


@dataclass(slots=True)
class Guard:
    """`namespaces`: where writes are let through. `refused`: what was not, but for Events and Leases: verb, place, namespace."""

    namespaces: frozenset[str]
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def answer(self, call: Call, method: str, target: str) -> Answer | None:
        """The answer to a call that is not let through; None for one that is."""
        path = target.partition("?")[0]
        if method in {"GET", "HEAD"} and not _DOORS.search(path):
            return None
        if not _CROOKED.search(path):
            if call.group in _QUESTIONS:
                return None
            if call.is_write and call.namespace in self.namespaces and not _DOORS.search(path):
                return None
        if call.resource not in NOISE:
            self.refused[call.verb, call.place, call.namespace] += 1
        where = f'in namespace "{call.namespace}"' if call.namespace else "outside of any namespace"
        return refusal(403, "Forbidden", f"ghostkey churn lets nothing be written {where}: {call.verb} {call.place}")
