"""Leases by a name of the lane's own: lanes elect their leaders side by side, each operator as if it were alone.

An operator asks for the name that it was built with; what the server has is called by another, and so is what comes back. A client
that goes on with the object it got asks for that one, which is left as it is.
"""

from __future__ import annotations

import re

from ghostkey.churn.proxy.wire import name_of, renamed

# Source: coordination.k8s.io/v1 Lease, as client-go's leaderelection/resourcelock uses it
_LEASES = re.compile(r"^(/apis/coordination\.k8s\.io/[^/]+/namespaces/[^/]+/leases)(?:/([^/?]+))?$")


def own_lease(method: str, target: str, body: bytes, suffix: str) -> tuple[str, bytes, str]:
    """Target and body with the lane's name for the Lease, and the Lease's path; "" for what is none."""
    path, mark, query = target.partition("?")
    match = _LEASES.match(path)
    if match is None:
        return target, body, ""

    def own(name: str) -> str:
        return name if name.endswith(suffix) else name + suffix

    if body and suffix:
        body = renamed(body, own)
    name = own(match[2]) if match[2] else name_of(body) if method == "POST" else ""
    lease = f"{match[1]}/{name}" if name else ""
    return (f"{lease}{mark}{query}" if match[2] else target), body, lease
