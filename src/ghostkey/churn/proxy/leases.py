"""Leases by a name of the lane's own: lanes elect their leaders side by side, each operator as if it were alone.

In a cluster that is not ours they are in the run's namespace, too: the operator that runs there has its own, and nothing of it is left.

An operator asks for the name that it was built with; what the server has is called by another, and so is what comes back. A client
that goes on with the object it got asks for that one, which is left as it is.
"""

from __future__ import annotations

import re

from ghostkey.churn.proxy.wire import moved, name_of, renamed

# Source: coordination.k8s.io/v1 Lease, as client-go's leaderelection/resourcelock uses it
_LEASES = re.compile(r"^(/apis/coordination\.k8s\.io/[^/]+/namespaces/)([^/]+)(/leases)(?:/([^/?]+))?$")


# what is asked in the run's own name: nothing that a server might read as another path
_OWN = re.compile(r"/apis/coordination\.k8s\.io/v[a-z0-9]+/namespaces/([a-z0-9][-a-z0-9]*)/leases(?:/[a-z0-9][-.a-z0-9]*)?")


def is_own(target: str, namespace: str) -> bool:
    """Whether the target, as `own_lease` gave it, is of Leases in this namespace, and of nothing else."""
    match = _OWN.fullmatch(target.partition("?")[0])
    return match is not None and bool(namespace) and match[1] == namespace


def own_lease(method: str, target: str, body: bytes, suffix: str, namespace: str = "") -> tuple[str, bytes, str]:
    """Target and body with the lane's name for the Lease, in `namespace` where there is one, and its path; "" for what is none."""
    path, mark, query = target.partition("?")
    match = _LEASES.match(path)
    if match is None:
        return target, body, ""

    def own(name: str) -> str:
        return name if name.endswith(suffix) else name + suffix

    if body and suffix:
        body = renamed(body, own)
    if body and namespace:
        body = moved(body, namespace)
    all_of = f"{match[1]}{namespace or match[2]}{match[3]}"
    name = own(match[4]) if match[4] else name_of(body) if method == "POST" else ""
    lease = f"{all_of}/{name}" if name else ""
    return f"{lease if match[4] else all_of}{mark}{query}", body, lease
