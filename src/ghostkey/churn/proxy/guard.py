"""What an operator may do to a cluster that is not ours: read it, and write in the namespaces that were named. Nothing else."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ghostkey.churn.fault import Answer, refusal
from ghostkey.churn.proxy.calls import Call
from ghostkey.store.state import append_private

# questions to the API server that are asked as creates and change nothing
_QUESTIONS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
# through which a read becomes a command. Source: k8s.io/kubernetes/pkg/registry/core/pod/rest, node and service proxy
_DOORS = frozenset({"exec", "attach", "portforward", "proxy"})
_CROOKED = re.compile(r"%|//|/\.\.?(?:/|$)")  # a path that a server might read as another


@dataclass(slots=True)
class Guard:
    """`namespaces`: where writes are let through. `refused`: what was not, but for Events and Leases: verb, place, namespace.

    `noted_in`: the receipt of the run, which learns of each field manager before its first write is let through.
    """

    namespaces: frozenset[str]
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    leases: set[str] = field(default_factory=set)  # namespaces in which it was not let hold one
    managers: set[str] = field(default_factory=set)  # as which it wrote what was let through
    noted_in: Path | None = None

    def answer(self, call: Call, method: str, target: str, agent: str = "") -> Answer | None:
        """The answer to a call that is not let through; None for one that is."""
        url = urllib.parse.urlsplit(target)
        if method in {"GET", "HEAD"} and not _is_door(call, url.path):
            return None
        if not _CROOKED.search(url.path):
            if call.group in _QUESTIONS:
                return None
            if call.is_write and call.namespace in self.namespaces and not _is_door(call, url.path):
                # Source: k8s.io/apiserver/pkg/endpoints/handlers/create.go, managerOrUserAgent
                self._note(urllib.parse.parse_qs(url.query).get("fieldManager", [agent.partition("/")[0]])[0])
                return None
        if call.is_lease:
            self.leases.add(call.namespace)
        if not call.is_heartbeat:
            self.refused[call.verb, call.place, call.namespace] += 1
        where = f'in namespace "{call.namespace}"' if call.namespace else "outside of any namespace"
        return refusal(403, "Forbidden", f"ghostkey churn lets nothing be written {where}: {call.verb} {call.place}")

    def _note(self, manager: str) -> None:
        if manager not in self.managers and self.noted_in is not None:
            # where somebody has removed the receipt, it is not made anew: the run knows of the managers all the same
            with contextlib.suppress(FileNotFoundError):
                append_private(self.noted_in, json.dumps({"manager": manager}).encode() + b"\n")
        self.managers.add(manager)


def _is_door(call: Call, path: str) -> bool:
    """Whether the path leads through one; of a path that a server might read as another, whether any of its parts may be one."""
    if call.verb == "other" or _CROOKED.search(path):
        return not _DOORS.isdisjoint(urllib.parse.unquote(path).split("/"))
    return call.subresource.partition("/")[0] in _DOORS
