"""What the cluster itself remembers of one map: which manager wrote each key last, and when.

What it reads
    The live object: its keys, and in its managedFields who owns each of them.
Coverage
    The moment of reading. Before it, one time for each manager is known, of its last write and of no earlier one.
When it is wrong
    When managedFields were dropped or reset: then a key is only known to be there.
Source
    Kubernetes API concepts: server-side apply, managedFields
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import msgspec

from ghostkey.kube.absent import no_such_map
from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners, writer_of
from ghostkey.model.history import DELETE, NOBODY, Covered, HistoryEvent, KeyEvent, microseconds
from ghostkey.model.refs import SECRETS, Kind
from ghostkey.sources.history.common import revision_of
from ghostkey.sources.history.facts import FIELDS, KeyedHash, content_of_object
from ghostkey.sources.history.states import MapStates

ORIGIN = "live"
Spot = tuple[str, str, str]  # field, path and key


class ManagedFields:
    """Source of the keys of one live map, each seen at its manager's last write, and of those that are not there any more."""

    origin = ORIGIN

    def __init__(
        self, client: ApiClient, kind: Kind, namespace: str, name: str, digest: KeyedHash, known: Mapping[Spot, int] | None = None
    ) -> None:
        self._client, self._kind, self._namespace, self._name = client, kind, namespace, name
        self._states = MapStates(ORIGIN, digest)
        self._known = dict(known or {})  # of the keys that are there as far as others tell, the bytes of their values

    def events(self) -> Iterator[HistoryEvent]:
        """KeyEvents, then Covered. Raises NotFound when there is no such map."""
        now = time.time_ns() // 1000
        live = self._client.get_object(self._kind.path(self._namespace, self._name))
        if live is None:
            error = no_such_map(self._client, self._kind, self._namespace, self._name)
            error.hint += "; its past may be known: leave out --from live"
            raise error
        metadata = live["metadata"]
        managed = msgspec.json.encode(metadata.get("managedFields") or [])
        owners = {field: field_owners(managed, field) for field in FIELDS}
        content = content_of_object(live, is_secret=self._kind == SECRETS)
        holder = (self._kind.qualified, self._namespace, self._name)
        for event in self._states.changes(holder, content, now, revision_of(metadata.get("resourceVersion"))):
            # entries of a document are written with the key that holds it
            writer = writer_of(owners[event.field], event.path.partition("/")[0] or event.key)
            if writer is not None:
                event = event._replace(at=microseconds(writer.time) or now, manager=writer.manager)  # noqa: PLW2901
            self._known.pop((event.field, event.path, event.key), None)
            yield event
        revision = revision_of(metadata.get("resourceVersion"))
        for (field, path, key), size in sorted(self._known.items()):
            # somebody removed it since, and nobody saw who and when
            yield KeyEvent(
                now, revision, *holder, field, path, key, DELETE, -1, 0, "", -1, -size - len(key), *NOBODY, "", ORIGIN, False
            )  # fmt: skip
        yield Covered(ORIGIN, holder[0], self._namespace, now, now, None, None, False, "")
        began = microseconds(str(metadata.get("creationTimestamp") or ""))
        why = "managedFields tell the last write of each manager, and no earlier one"
        yield Covered(ORIGIN, holder[0], self._namespace, began, now, None, None, True, why)
