"""Objects from a CRD's OpenAPI schema: the least that is valid, and more; the API server's dry run is the judge.

Source: the structural schemas of apiextensions.k8s.io/v1; formats as k8s.io/apiextensions-apiserver validates them.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from ghostkey.churn.subjects import Document, Resource, as_json

FORMATS = {
    "date-time": "2026-01-01T00:00:00Z", "date": "2026-01-01", "duration": "1h", "ipv4": "10.0.0.1", "ipv6": "fd00::1",
    "cidr": "10.0.0.0/24", "uri": "https://example.com", "byte": "YQ==", "email": "a@example.com", "hostname": "example.com",
    "uuid": "11111111-1111-1111-1111-111111111111",
}  # fmt: skip
# what patterns of real CRDs accept, tried in this order
WORDS = (
    "sample", "a", "A", "1", "1h", "10s", "0s", "100m", "1Gi", "example.com", "10.0.0.1", "10.0.0.0/24", "https://example.com", "a/b", "a.b/c",
    "v1", "1.0.0", "50%", "00:00:00:00:00:01", "sha256:" + "0" * 64, "Always", "INFO", "*", "",
)  # fmt: skip
DEPTH_MOST = 8
REPAIRS_MOST = 24
FILLS = (0.0, 0.1, 0.3, 0.6)
ITEM, VALUE = "[]", "{}"  # in a path: an item of a list, a value of an open map
Schema = Mapping[str, Any]


class Judge(Protocol):
    """Who says whether an object is valid."""

    def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = ...) -> tuple[int, Any]:
        """Status and answer."""
        ...


def schema_of(crd: Document) -> Schema:
    """The schema of the storage version; empty when it has none."""
    for version in crd["spec"].get("versions") or ():
        if version.get("storage"):
            return dict((version.get("schema") or {}).get("openAPIV3Schema") or {})
    return {}


def generated(crd: Document, resource: Resource, judge: Judge, *, seed: int = 0, fill: float = 0.0) -> Document | None:
    """An object that the API server accepts, or None when REPAIRS_MOST attempts found none. Nothing is stored."""
    chance = random.Random(seed)
    for attempt in range(REPAIRS_MOST):
        document = candidate(schema_of(crd), resource, chance, fill if attempt == 0 else FILLS[attempt % len(FILLS)])
        if is_valid(document, resource, judge):
            return document
    return None


def candidate(schema: Schema, resource: Resource, chance: random.Random, fill: float) -> Document:
    """An object of the schema: what is required, and each optional field with the chance `fill`."""
    group = f"{resource.group}/{resource.version}" if resource.group else resource.version
    made: Document = {"apiVersion": group, "kind": resource.kind, "metadata": {"name": "sample"}}
    required = set(schema.get("required") or ()) | {"spec"}
    for name, inner in (schema.get("properties") or {}).items():
        if name in required - {"apiVersion", "kind", "metadata", "status"}:
            made[name] = _value(inner, chance, fill, 0)
    return made


def is_valid(document: Document, resource: Resource, judge: Judge, namespace: str = "default") -> bool:
    """Whether the API server would take it, every field known to it."""
    path = f"{resource.path(namespace)}?dryRun=All&fieldValidation=Strict"
    return judge.ask("POST", path, as_json(document))[0] in {200, 201}


def _value(schema: Schema, chance: random.Random, fill: float, depth: int) -> Any:
    if "default" in schema and (not fill or chance.random() < 0.5):
        return copy.deepcopy(schema["default"])
    if choices := schema.get("enum"):
        return chance.choice(choices) if fill else choices[0]
    if schema.get("x-kubernetes-int-or-string"):
        return 1
    match schema.get("type"):
        case "object":
            return _object(schema, chance, fill, depth)
        case "array":
            return _array(schema, chance, fill, depth)
        case "string":
            return _string(schema)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return bool(fill) and chance.random() < 0.5
    for word in ("oneOf", "anyOf", "allOf"):
        if schema.get(word):
            return _value({**{k: v for k, v in schema.items() if k != word}, **schema[word][0]}, chance, fill, depth)
    return {}


def _object(schema: Schema, chance: random.Random, fill: float, depth: int) -> Document:
    properties, required = schema.get("properties") or {}, set(schema.get("required") or ())
    for word in ("oneOf", "anyOf"):
        alternatives = [one for one in schema.get(word) or () if one.get("required")]
        if alternatives:
            required |= set((chance.choice(alternatives) if fill else alternatives[0])["required"])
    made: Document = {}
    for name, inner in properties.items():
        if name in required or (depth < DEPTH_MOST and chance.random() < fill):
            made[name] = _value(inner, chance, fill, depth + 1)
    least, extra = int(schema.get("minProperties") or 0), schema.get("additionalProperties")
    for name in properties:
        if len(made) >= least:
            break
        made.setdefault(name, _value(properties[name], chance, fill, depth + 1))
    if isinstance(extra, dict):
        for number in range(max(least - len(made), int(chance.random() < fill))):
            made[f"k{number}"] = _value(extra, chance, fill, depth + 1)
    return made


def _array(schema: Schema, chance: random.Random, fill: float, depth: int) -> list[Any]:
    count = int(schema.get("minItems") or 0) or int(depth < 2 or chance.random() < fill)
    made: list[Any] = []
    for _ in range(count):
        item = _value(schema.get("items") or {}, chance, fill, depth + 1)
        if item not in made or schema.get("x-kubernetes-list-type") not in {"set", "map"}:
            made.append(item)
    return made


def _string(schema: Schema) -> str:
    least, most = int(schema.get("minLength") or 0), int(schema.get("maxLength") or 253)
    if known := FORMATS.get(str(schema.get("format"))):
        return known
    for word in WORDS:
        padded = word + "a" * (least - len(word)) if least > len(word) else word
        if len(padded) <= most and _fits(schema.get("pattern"), padded):
            return padded
    return "sample"


def _fits(pattern: object, text: str) -> bool:
    if not isinstance(pattern, str):
        return True
    try:
        return re.search(pattern, text) is not None
    except (re.error, RecursionError):
        return False


def _number(schema: Schema) -> int:
    low, high = int(schema.get("minimum") or 0), int(schema.get("maximum") or 1 << 20)
    value = max(low, min(1, high))
    step = int(schema.get("multipleOf") or 1)
    return max(step, -(-value // step) * step) if step > 1 else value


def string_fields(schema: Schema, path: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Paths of all string fields outside lists and open maps."""
    if depth > DEPTH_MOST:
        return
    for name, inner in (schema.get("properties") or {}).items():
        if not path and name in {"apiVersion", "kind", "metadata", "status"}:
            continue
        if inner.get("type") == "string":
            yield (*path, name)
        yield from string_fields(inner, (*path, name), depth + 1)


def field_text(path: Iterable[str]) -> str:
    """A field as people write it: `spec.items[].name`."""
    return ".".join(path).replace(f".{ITEM}", ITEM).replace(f".{VALUE}", VALUE)


def schema_in(schema: Schema, part: str) -> Schema:
    """The schema one step further down a path; empty where it has none."""
    found = schema.get({ITEM: "items", VALUE: "additionalProperties"}.get(part, ""))
    if part not in {ITEM, VALUE}:
        found = (schema.get("properties") or {}).get(part)
    return found if isinstance(found, Mapping) else {}


def accepting_nonsense(
    crd: Document, resource: Resource, base: Document, judge: Judge, paths: Iterable[tuple[str, ...]] | None = None
) -> dict[str, list[str]]:
    """Field → which of the four inputs ("", " ", null, "CN") the API server accepts there; of names, keys and selectors without `paths`.

    A field is left out where the API server takes nothing at all there: then nobody knows what is wrong.
    """
    accepted: dict[str, list[str]] = {}
    schema = schema_of(crd)
    named = (path for path in string_fields(schema) if re.search(r"(?i)(name|namespace|key|selector|ref|id)$", path[-1]))
    for path in named if paths is None else paths:
        taken = []
        for value in ("", " ", None, "CN"):
            document = _with(base, schema, path, value)
            if document is not None and is_valid(document, resource, judge):
                taken.append("null" if value is None else f'"{value}"')
        usual = None if taken else _with(base, schema, path)
        if taken or (usual is not None and is_valid(usual, resource, judge)):
            accepted[field_text(path)] = taken
    return accepted


def _with(base: Document, schema: Schema, path: tuple[str, ...], *value: object) -> Document | None:
    """The document with this value at a path, or with one of the schema's; what is above it is made as the schema demands."""
    document = copy.deepcopy(base)
    place: Any = document
    for number, part in enumerate(path, 1):
        schema = schema_in(schema, part)
        made = value[0] if value and number == len(path) else _value(schema, random.Random(0), 0.0, 0)
        key: Any = 0 if part == ITEM else "sample" if part == VALUE else part
        is_there = isinstance(place, list if part == ITEM else dict)
        if not is_there:
            return None
        held = place[:1] if part == ITEM else [place[key]] if place.get(key) is not None else []
        if number == len(path) or not held:
            place[slice(1) if part == ITEM else key] = [made] if part == ITEM else made
        place = place[key]
    return document
