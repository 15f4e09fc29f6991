"""What a patch puts into an object: what it only takes away is nobody's doing that it was there."""

from __future__ import annotations

import json
from typing import Any

# of a strategic merge patch. Source: k8s.io/apimachinery/pkg/util/strategicpatch
_TAKES = ("$deleteFromPrimitiveList/", "$setElementOrder/", "$retainKeys")


def puts(body: bytes) -> bytes:
    """A patch without what only takes something away, or looks at it; one that is no JSON as it is."""
    try:
        patch = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if isinstance(patch, list):  # Source: RFC 6902
        put = [one for one in patch if isinstance(one, dict) and one.get("op") not in {"remove", "test"}]
        return json.dumps([{name: value for name, value in one.items() if name != "from"} for one in put]).encode()
    return json.dumps(_put(patch)).encode()


def _put(value: Any) -> Any:
    if isinstance(value, list):
        return [_put(one) for one in value if not (isinstance(one, dict) and one.get("$patch") == "delete")]
    if not isinstance(value, dict):
        return value
    # Source: RFC 7396: null removes a member
    return {name: _put(inner) for name, inner in value.items() if inner is not None and not name.startswith(_TAKES)}
