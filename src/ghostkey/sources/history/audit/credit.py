"""Whom a change is credited to: who made a request, what it named, and what managedFields say of the rest."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from ghostkey.kube.fields import field_owners
from ghostkey.kube.sizes import FIELD_ENTRY_BYTES
from ghostkey.model.events import FieldOwner
from ghostkey.model.history import DELETE, SEEN, KeyEvent, Writer
from ghostkey.model.managers import LAST_APPLIED
from ghostkey.sources.history.audit.event import Event, Object, object_of
from ghostkey.sources.history.common import revision_of
from ghostkey.sources.history.facts import FIELDS


class Named(NamedTuple):
    """What a request asked for: all keys, or these by field; `is_apply` removes also what it leaves out."""

    everything: bool
    keys: Mapping[str, Mapping[str, object]]
    is_apply: bool = False

    def names(self, field: str, key: str) -> bool:
        """Whether it named a key."""
        return self.everything or key in self.keys.get(field, ())


NOTHING = Named(False, {})
EVERYTHING = Named(True, {})


def writer_of_event(event: Event, query: str) -> Writer:
    """Who made a request."""
    manager = ""
    if "fieldManager=" in query:
        manager = urllib.parse.parse_qs(query).get("fieldManager", [""])[0]
    user = event.impersonated_user or event.user
    return Writer(
        user.username,
        manager or event.user_agent.partition("/")[0],
        event.user_agent,
        event.source_ips[0] if event.source_ips else "",
        event.audit_id,
        event.verb,
    )


def base_of(body: bytes) -> int | None:
    """The revision that a write was made from; None when it names none."""
    found = object_of(msgspec.Raw(body))
    return revision_of(found.metadata.resource_version) if found else None


def unsigned(event: KeyEvent, manager: str = "") -> KeyEvent:
    """What is only seen: it was there, or gone, before that time, and by whom is not known, save for what managedFields say."""
    op = DELETE if event.op == DELETE else SEEN
    return event._replace(op=op, user="", manager=manager, agent="", source_ip="", audit_id="", verb="")


def size_words(managed: bytes, annotations: Mapping[str, str], content: Mapping[str, Mapping[str, bytes]]) -> str:
    """What `story.limits` wants to know of a map beside the bytes that are counted, as `name=number` words."""
    owners = [owner for field in FIELDS for owner in field_owners(managed, field) if owner.keys]
    pairs = [(key, value) for values in content.values() for key, value in values.items()]
    names = sum(len(key) for key, _ in pairs)
    numbers = {
        "managers": len({owner.manager for owner in owners}), "applies": sum(owner.operation == "Apply" for owner in owners),
        "applied": len(annotations.get(LAST_APPLIED, "").encode("utf-8", "surrogatepass")),
        "bytes": names + sum(len(value) for _, value in pairs), "names": names + FIELD_ENTRY_BYTES * len(pairs),
    }  # fmt: skip
    return " ".join(f"{name}={number}" for name, number in numbers.items())


def spot_of(event: KeyEvent) -> tuple[str, str, str]:
    """Field, path and key."""
    return event.field, event.path, event.key


def owners_of(found: Object) -> dict[str, tuple[FieldOwner, ...]]:
    """Field → managers of its keys, as managedFields of an object that is shown tell."""
    managed = bytes(found.metadata.managed_fields)
    return {field: field_owners(managed, field) for field in FIELDS} if managed else {}
