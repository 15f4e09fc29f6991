"""What a given cluster stores, as its API lists it: there is no etcd to ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ghostkey.churn.refused import UNAUTHORIZED
from ghostkey.churn.subjects import Document, Resource, as_json
from ghostkey.churn.traces import EXEMPT, Signature
from ghostkey.kube.client import ApiClient
from ghostkey.kube.discovery import discover
from ghostkey.model.errors import AccessDenied, ApiFailed, UsageError

ASKED = "/api/v1/namespaces/kube-system"  # there in every cluster; a refusal is an answer, too
MEMORY = "the operator's memory"
NOT_LISTED = {"metrics": "metrics", "memory": MEMORY}  # source of a signature → what is read for it


@dataclass(slots=True)
class Listing:
    """Every object that the API lists, as etcd would have it."""

    client: ApiClient
    resources: Mapping[tuple[str, str], Resource]
    gaps: dict[str, str] = field(default_factory=dict)  # of the whole run
    unread: set[str] = field(default_factory=set)  # what this look could not read

    def gap(self, what: str, why: str) -> None:
        """What could not be read, in this look and so in the run."""
        self.gaps[what] = why
        self.unread.add(what)

    def is_unread(self, signature: Signature) -> bool:
        """Whether this look could not read what a signature is in."""
        where = signature.place.partition(" ")[0] if signature.source == "api" else NOT_LISTED.get(signature.source, "")
        return where in self.unread

    def _check_answers(self) -> None:
        """Raises ApiFailed where the cluster answers nothing any longer, rather than of one kind. Raises AccessDenied 401."""
        try:
            self.client.get_object(ASKED)
        except ApiFailed as error:
            if is_no_answer(error):
                raise
        except AccessDenied as error:
            if error.status == UNAUTHORIZED:
                raise

    def stored(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and JSON of each object, kind by kind. A kind that may not be listed is a gap.

        Raises AccessDenied 401, and ApiFailed where the whole cluster answers no longer.
        """
        for resource in self.resources.values():
            if resource.plural in EXEMPT:
                continue
            path = Resource(resource.group, resource.version, resource.plural, resource.kind, is_namespaced=False).path("")
            try:
                for page in self.client.list_pages(path):
                    for item in json.loads(page).get("items") or ():
                        yield key_of(resource, item["metadata"]), as_json(item)
            except ApiFailed as error:
                if is_no_answer(error):
                    self._check_answers()  # the server of one group, or its conversion, may be all that fails
                if error.status not in {404, 405}:  # a kind that has just gone, or that is no list
                    self.gap(resource.plural, str(error))
            except AccessDenied as error:
                if error.status == UNAUTHORIZED:
                    raise  # of all kinds alike
                self.gap(resource.plural, str(error))

    def get(self, path: str) -> dict[str, Any] | None:
        """An object as JSON."""
        return self.client.get_object(path)


def is_no_answer(error: AccessDenied | ApiFailed) -> bool:
    """Whether the cluster has not answered, or could not: what was asked says nothing then."""
    return error.status == 0 or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def key_of(resource: Resource, metadata: Mapping[str, Any]) -> bytes:
    """An object's key, as etcd would have it."""
    parts = [resource.group, resource.plural, metadata.get("namespace") or "", metadata["name"]]
    return ("/registry/" + "/".join(part for part in parts if part)).encode()


def resources_of(client: ApiClient) -> dict[tuple[str, str], Resource]:
    """Every kind that can be listed, by group and plural."""
    kinds = discover(client).kinds
    return {(k.group, k.resource): Resource(k.group, k.version, k.resource, k.kind, k.namespaced) for k in kinds}


def resource_of(resources: Mapping[tuple[str, str], Resource], document: Document) -> Resource:
    """Where objects of a document's kind are. Raises UsageError for a kind that there is not, or that no namespace has."""
    group = str(document["apiVersion"]).rpartition("/")[0]
    found: Iterable[Resource] = (r for r in resources.values() if (r.group, r.kind) == (group, document["kind"]))
    for resource in found:
        if not resource.is_namespaced:
            raise UsageError(
                f"a {resource.kind} is in no namespace", "in a given cluster nothing outside of a namespace of our own is made"
            )
        return resource
    raise UsageError(
        f"the cluster has no kind {document['kind']} of {document['apiVersion']}", "kubectl api-resources lists them"
    )
