"""Whether an answer that is an error says that nothing was stored.

A request is refused before it reaches the store (authentication, admission, validation, a conflict), by the store itself with
certain words, or it fails on its way back: then nobody knows.
Source: k8s.io/apiserver v0.37 pkg/storage/etcd3/errors.go, pkg/registry/generic/registry/store.go (DeleteCollection),
pkg/admission/plugin/webhook/errors; etcd 3.7 api/v3/v3rpc/rpctypes/error.go
"""

from __future__ import annotations

import re

from ghostkey.sources.history.audit.event import Event

TIMEOUT = 504
# errors of the server that come before anything is stored: of a webhook, and of a store that takes nothing so large or no more
_NOTHING_STORED = re.compile(
    r"failed calling webhook|admission webhook .* denied the request|trying to send message larger than max|"
    r"etcdserver: (?:request is too large|mvcc: database space exceeded|duplicate key given in txn request|"
    r"permission denied|not capable|too many requests)"
)
# reasons of a refusal whose code is not there
_REFUSED = {"Forbidden", "Conflict", "Invalid", "NotFound", "AlreadyExists", "Unauthorized", "BadRequest"}
# the client went, or the server waited no longer: what it was doing may have been done
_GIVEN_UP = {408, 499}
# of a collection the objects go one after the other, and these come before the first
_BEFORE_THE_FIRST = {401, 404, 405, 406, 415, 429}


def is_certain(event: Event) -> bool:
    """Whether the request of an event that ended in an error (400 or more) changed nothing."""
    status = event.response_status
    if status is None or not (status.code or status.reason in _REFUSED):
        return False
    if event.verb == "deletecollection":
        return status.code in _BEFORE_THE_FIRST or (status.code == 403 and "cannot deletecollection" in status.message)
    if status.code < 500:
        return status.code not in _GIVEN_UP
    return status.code != TIMEOUT and _NOTHING_STORED.search(status.message) is not None
