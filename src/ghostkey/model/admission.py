"""What admission has noted on a request, as an audit log tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GUARD_POLICY = "keycaps.guard.ghostkey.dev"  # name of the guard's policy, and of its binding


@dataclass(frozen=True, slots=True)
class Noted:
    """A request that was answered, with the annotations of its audit event. `at` is RFC 3339; `resource` a plural."""

    at: str
    user: str
    resource: str
    namespace: str
    name: str
    annotations: Mapping[str, str]
