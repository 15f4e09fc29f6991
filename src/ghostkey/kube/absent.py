"""Maps that are not there: the error, and what may have been meant."""

from __future__ import annotations

import itertools

from ghostkey.kube.answers import decode_list
from ghostkey.kube.client import METADATA_LIST, ApiClient
from ghostkey.kube.objects import decode_metadata
from ghostkey.model.errors import GhostkeyError, NotFound
from ghostkey.model.nearest import meant_map
from ghostkey.model.refs import Kind

PAGES = 10  # of names that are looked through for one like it: a hint is not worth more


def no_such_map(client: ApiClient, kind: Kind, namespace: str, name: str) -> NotFound:
    """The error; its hint says where a map of that name is, or which names are like it, as far as they may be listed."""
    return NotFound(
        f"{kind.kind} {name} not found in namespace {namespace!r}",
        meant(client, kind, namespace, name) or f"kubectl get {kind.resource} -A | grep {name}",
    )


def meant(client: ApiClient, kind: Kind, namespace: str, name: str) -> str:
    """What may have been meant by the name of a map that is not there; empty when nothing is like it, or may be listed."""
    try:
        # the server picks them: one answer, however many there are
        elsewhere = [space for space, _ in _names(client, kind.path(), {"fieldSelector": f"metadata.name={name}"})]
    except GhostkeyError:
        elsewhere = []
    try:
        here = [found for _, found in _names(client, kind.path(namespace), {})]
    except GhostkeyError:
        here = []
    return meant_map(name, here, elsewhere)


def _names(client: ApiClient, path: str, params: dict[str, str]) -> list[tuple[str, str]]:
    pages = itertools.islice(client.list_pages(path, params, accept=METADATA_LIST), PAGES)
    metadata = [item.metadata for body in pages for item in decode_list(path, body, decode_metadata)]
    return [(one.namespace or "", one.name) for one in metadata]
