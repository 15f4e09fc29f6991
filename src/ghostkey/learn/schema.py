"""The API's contract: strings and maps of a CRD that become keys, and may be anything; and the patch that says what they may be.

The four inputs ("", " ", null, "CN") are sent to a real API server: to the cluster by server-side dry run, which stores nothing; the
patched CRD by dry run as well. What the patched kind then takes is tried on a control plane of its own alone: a dry run serves no kind.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ghostkey.churn.generator import (
    DEPTH_MOST,
    ITEM,
    VALUE,
    Judge,
    Schema,
    accepting_nonsense,
    field_text,
    generated,
    schema_in,
    schema_of,
)
from ghostkey.churn.subjects import Document, Resource, as_json
from ghostkey.kube.client import JSON, ApiClient
from ghostkey.model.errors import ApiFailed, GhostkeyError, UsageError

REFERENCE = re.compile(r"(?i)(name|namespace|key|selector|ref|id)$")
PATTERN = r"^\S(.*\S)?$"  # no blank at either end: what people mistype, and nothing that anybody means
LONGEST = 253  # of a key of a ConfigMap; Source: k8s.io/apimachinery v0.37 validation.IsConfigMapKey
ENTRIES = 1_000  # of a map
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True)
class Open:
    """A field that says too little: its path below the version's schema, `string` or `map`, what it lacks, and how it is known to
    become a key: lint's place in code, or that its name looks like a reference. `version` is empty for the one that is stored."""

    path: tuple[str, ...]
    sort: str
    lacks: tuple[str, ...]
    why: str
    version: str = ""

    @property
    def name(self) -> str:
        """As people write it, with its version where that is not the one that is stored."""
        return f"{self.version}: {field_text(self.path)}" if self.version else field_text(self.path)

    def __str__(self) -> str:
        return f"{self.name} ({self.sort}) lacks {', '.join(self.lacks)}: {self.why}"


def versions_of(crd: Document) -> list[tuple[str, Document]]:
    """The served versions, each as a CRD that has it alone; the stored one first, under no name. What one takes another need not."""
    versions = sorted(crd["spec"].get("versions") or (), key=lambda one: not one.get("storage"))
    return [
        ("" if one.get("storage") else str(one["name"]), {**crd, "spec": {**crd["spec"], "versions": [{**one, "storage": True}]}})
        for one in versions
        if one.get("served")
    ]


def open_in(crd: Document, keys: Mapping[str, str] | None) -> list[Open]:
    """The open fields of all served versions of a CRD."""
    return [
        dataclasses.replace(one, version=version)
        for version, alone in versions_of(crd)
        for one in open_fields(schema_of(alone), keys)
    ]


def open_fields(schema: Schema, keys: Mapping[str, str] | None) -> list[Open]:
    """The fields of a schema that lack a constraint. `keys`: name in JSON → where code makes a key of it; None: no code is at hand."""
    found = []
    for path, inner, is_required in _fields(schema):
        name = next(part for part in reversed(path) if part not in {ITEM, VALUE})
        if keys is not None:
            why = keys.get(name, "")
        else:
            why = (
                "its name looks like a reference; whether it becomes a key no code was given to tell"
                if REFERENCE.search(name.removesuffix("s") if path[-1] == ITEM else name)
                else ""
            )
        is_map = isinstance(inner.get("additionalProperties"), Mapping)
        lacks = tuple(_lacking(inner, is_required=is_required, is_map=is_map))
        if why and lacks:
            found.append(Open(path, "map" if is_map else "string", lacks, why))
    return found


def _fields(schema: Schema, path: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[tuple[str, ...], Schema, bool]]:
    """(path, schema, whether it is required) of strings and open maps, also in lists and in values of maps."""
    if depth > DEPTH_MOST:
        return
    required = set(schema.get("required") or ())
    for name in schema.get("properties") or {}:
        if path or name not in {"apiVersion", "kind", "metadata", "status"}:
            yield from _below(schema_in(schema, name), (*path, name), depth + 1, is_required=name in required)


def _below(
    inner: Schema, path: tuple[str, ...], depth: int, *, is_required: bool
) -> Iterator[tuple[tuple[str, ...], Schema, bool]]:
    if depth > DEPTH_MOST:
        return
    values = schema_in(inner, VALUE)
    is_text = inner.get("type") == "string" or inner.get("x-kubernetes-int-or-string")  # a number is a key as good as any
    if is_text or isinstance(inner.get("additionalProperties"), Mapping):
        yield path, inner, is_required
    if items := schema_in(inner, ITEM):
        yield from _below(items, (*path, ITEM), depth + 1, is_required=True)
    if values and values.get("type") != "string":  # what becomes a key of a map of strings are its own keys
        yield from _below(values, (*path, VALUE), depth + 1, is_required=True)
    yield from _fields(inner, path, depth)


def _lacking(inner: Schema, *, is_required: bool, is_map: bool) -> Iterator[str]:
    if is_map:
        if "maxProperties" not in inner:
            yield "maxProperties"
        return
    if inner.get("enum") or inner.get("format"):
        return
    if not is_required and "default" not in inner:
        yield "required"
    yield from (word for word in ("minLength", "maxLength", "pattern") if word not in inner)


def keys_in(source: Path) -> dict[str, str]:
    """Name in JSON → where code makes a key of the field, as lint reads it. Raises UsageError as lint does."""
    from ghostkey.lint.run import lint

    linted = lint(source, level="B", rules=("key-field-unvalidated",))
    found = {}
    for one in linted.findings:
        name = one.message.rpartition(" ")[2]
        place = one.witnesses[0] if one.witnesses else one
        found[name] = f"{place.path}:{place.line} makes a key of it"
    return found


def patch_of(crd: Document, fields: Iterable[Open], *, required: bool) -> list[dict[str, Any]]:
    """The JSON patch that adds what is lacking. `required` only where it is asked for: it refuses objects that are stored already."""
    values = {"minLength": 1, "maxLength": LONGEST, "pattern": PATTERN, "maxProperties": ENTRIES}
    alone = dict(versions_of(crd))
    patch: list[dict[str, Any]] = []
    demanded: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in fields:
        place = _place(crd, one.version, one.path)
        patch += [{"op": "add", "path": f"{place}/{word}", "value": values[word]} for word in one.lacks if word in values]
        if required and "required" in one.lacks:
            demanded.setdefault((one.version, one.path[:-1]), []).append(one.path[-1])
    for (version, above), names in demanded.items():
        held = functools.reduce(schema_in, above, schema_of(alone[version])).get("required") or []
        patch.append({"op": "add", "path": f"{_place(crd, version, above)}/required", "value": [*held, *names]})
    return patch


def _place(crd: Document, version: str, path: tuple[str, ...]) -> str:
    """The JSON pointer of a field's schema."""
    index = next(
        number
        for number, one in enumerate(crd["spec"]["versions"])
        if (one["name"] == version if version else one.get("storage"))
    )
    steps = {ITEM: "/items", VALUE: "/additionalProperties"}
    parts = [steps.get(part) or f"/properties/{part.replace('~', '~0').replace('/', '~1')}" for part in path]
    return f"/spec/versions/{index}/schema/openAPIV3Schema" + "".join(parts)


def patched(crd: Document, patch: Iterable[Mapping[str, Any]]) -> Document:
    """The CRD with a patch of `patch_of`, which only adds."""
    made = copy.deepcopy(crd)
    for operation in patch:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in str(operation["path"]).split("/")[1:]]
        place: Any = made
        for part in above:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = operation["value"]
    return made


def accepted(crd: Document, resource: Resource, judge: Judge, fields: Sequence[Open]) -> dict[str, list[str]]:
    """Field → which of the four inputs an API server takes there by dry run; a field where it takes nothing at all is left out.

    Raises UsageError where no object can be made of the CRD.
    """
    found: dict[str, list[str]] = {}
    for version, alone in versions_of(crd):
        asked = {one.path: one.name for one in fields if one.sort == "string" and one.version == version}
        if not asked:
            continue
        served = dataclasses.replace(resource, version=version or resource.version)
        base = generated(alone, served, judge)
        if base is None:
            raise UsageError(
                f"no valid {served.kind} of {served.version} could be made of its schema",
                "rules of the CRD or a webhook want more than the schema says",
            )
        base["metadata"]["name"] = "ghostkey-schema"
        taken = accepting_nonsense(alone, served, base, judge, asked)
        found |= {name: taken[field_text(path)] for path, name in asked.items() if field_text(path) in taken}
    return found


class DryRun:
    """A cluster as judge: every write is a server-side dry run, whatever is asked."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = JSON) -> tuple[int, Any]:
        """Status and answer. Raises AccessDenied, ApiFailed where the server does not serve the kind, and AnswerLost."""
        try:
            return HTTPStatus.CREATED, self._client.write(method, path.partition("?")[0], body or b"", content_type, dry_run=True)
        except ApiFailed as error:
            if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            return error.status, {"message": str(error)}


@dataclass(frozen=True, slots=True)
class Tried:
    """Which inputs each field takes before the patch and after it (None: not tried), and what could not be tried, in words."""

    before: dict[str, list[str]] | None = None
    after: dict[str, list[str]] | None = None
    why: str = ""


def tried_by_dry_run(client: ApiClient, crd: Document, after: Document, resource: Resource, fields: Sequence[Open]) -> Tried:
    """The inputs to a cluster that serves the kind, and the patched CRD as well; nothing is stored."""
    try:
        name = crd["metadata"]["name"]
        live = client.get_object(f"{CRDS}/{name}")
        served = {one["name"] for one in live["spec"]["versions"] if one["served"]} if live else set()
        lacking = sorted({one.version or resource.version for one in fields} - served)
        if live is None or lacking:
            what = f"version {lacking[0]} of {name}" if live else f"CustomResourceDefinition {name}"
            return Tried(why=f"the cluster has no {what}: apply it there first, or try it with --testbed")
        before = accepted(crd, resource, DryRun(client), fields)
        changed = {**live, "spec": {**live["spec"], "versions": after["spec"]["versions"]}}
        client.write("PUT", f"{CRDS}/{name}", as_json(changed), dry_run=True)
    except GhostkeyError as error:
        return Tried(why=str(error))
    return Tried(before)


def tried_on_testbed(crd: Document, after: Document, resource: Resource, fields: Sequence[Open]) -> Tried:
    """The inputs to a control plane that is thrown away, which serves the CRD as it is, then patched."""
    from ghostkey.churn.bed import prepare
    from ghostkey.testing import ControlPlane

    with ControlPlane() as plane:
        bed = prepare(plane, [crd], [])
        before = accepted(crd, resource, bed.api, fields)
        live = bed.api.must("GET", f"{CRDS}/{crd['metadata']['name']}")
        live["spec"]["versions"] = after["spec"]["versions"]
        bed.api.must("PUT", f"{CRDS}/{crd['metadata']['name']}", live)
        strict = [one for one in fields if one.sort == "string" and "minLength" in one.lacks and '""' in before.get(one.name, [])]
        last: list[dict[str, list[str]]] = []

        def is_in_force() -> bool:
            last[:] = [accepted(after, resource, bed.api, fields)]
            return not any('""' in last[0].get(one.name, []) for one in strict)

        plane.wait_until(is_in_force, "the patched kind is served")
        return Tried(before, last[0])
