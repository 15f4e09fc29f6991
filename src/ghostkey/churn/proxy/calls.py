"""What a request to the API server is about."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from ghostkey.churn.tokens import tokens_in

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# of no subject's life: a leader's heartbeat, and what is told of what was done
NOISE = frozenset({"leases", "events"})
# the same with their groups: somebody else's kind may be called so
_HEARTBEATS = frozenset({("coordination.k8s.io", "leases"), ("", "events"), ("events.k8s.io", "events")})
_PATH = re.compile(
    r"^/(?:api/(?P<core>[^/]+)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<resource>[^/?]+)(?:/(?P<name>[^/?]+))?(?:/(?P<subresource>[^?]+))?$"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request in the words of RBAC; `verb` is `other` for paths that are no resource's."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    is_initial: bool  # a watch that begins with what is there: its first events are a list
    tokens: frozenset[str] = frozenset()

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.verb in WRITES

    @property
    def is_noise(self) -> bool:
        """Whether it is no sign of work."""
        return self.is_heartbeat or self.verb == "other"

    @property
    def is_lease(self) -> bool:
        """Whether it is about Leases of leaders, rather than a kind of somebody's that is called so."""
        return (self.group, self.resource) == ("coordination.k8s.io", "leases")

    @property
    def is_heartbeat(self) -> bool:
        """Whether it is about what is of no subject's life."""
        return (self.group, self.resource) in _HEARTBEATS

    @property
    def place(self) -> str:
        """Resource and subresource, as RBAC writes them."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def call_of(method: str, target: str, body: bytes = b"") -> Call:
    """The call that a request line and body make."""
    url = urllib.parse.urlsplit(target)
    match = _PATH.match(url.path)
    if match is None:
        return Call("other", "", url.path, "", "", "", is_initial=False)
    query = urllib.parse.parse_qs(url.query)
    name = match["name"] or ""
    # an exec, or what a proxy leads to, is no watch, whatever it is asked for
    watches = query.get("watch", ["0"])[0] in {"1", "true"} and not match["subresource"]
    if method == "GET":
        verb = "watch" if watches else "get" if name else "list"
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = _VERBS.get(method, "other")
    tokens = frozenset(tokens_in(target.encode() + b" " + body)) if verb not in {"list", "watch"} else frozenset()
    return Call(
        verb, match["group"] or "", match["resource"], match["namespace"] or "", name, match["subresource"] or "",
        is_initial="sendInitialEvents" in query, tokens=tokens,
    )  # fmt: skip


def narrowed(target: str, resources: frozenset[str], namespace: str) -> str:
    """The target with a cluster-wide list or watch of one of the resources led to one namespace; other targets as they are."""
    path, mark, query = target.partition("?")
    match = _PATH.match(path)
    if match is None or match["resource"] not in resources or match["namespace"] or match["name"]:
        return target
    front, _, _ = path.rpartition("/")
    return f"{front}/namespaces/{namespace}/{match['resource']}{mark}{query}"
