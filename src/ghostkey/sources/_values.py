"""Looks at a value once, when it is read, and keeps only what sort of value it is and the identifiers it carries."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from ghostkey.foreign import TooMuchError, UnreadableError, decode_json
from ghostkey.model.events import WORD, Identity, Shape
from ghostkey.model.refs import UID_PATTERN

EMPTY = Shape("empty")
_YAML_MAPPING = re.compile(r"^( *)[\w\"'][^\n:{}]*:(?: |$)", re.MULTILINE)
EMPTY_TEXTS = {"null", '""', "{}", "[]"}  # what encoders make of nothing
PHRASE = Shape("phrase")
NUMBER = Shape("number")
BOOLEAN = Shape("boolean")
UUID = Shape("uuid")
TEXT = Shape("text")
PEM = Shape("pem")
PATH = Shape("path")
DECIDED = Shape("decided")  # what people decide, and write down: an address of mail, a time that something takes, a sentence
BINARY = Shape("binary")
OPAQUE = Shape("opaque")  # a document that is over the budget: its keys are not known
LIST = Shape("list")
DOUBLE_JSON = Shape("json", doubled="json in a JSON string")
DOUBLE_BASE64 = Shape("word", doubled="base64 in base64")
TOMBSTONES = {"", "null", "{}", "[]", '""'}

# A document larger than this is a data file, not a registry; parsing it would cost more than the whole scan.
DOCUMENT_BYTES = 4 << 20
# No ConfigMap or Secret of a cluster is larger than 1.5 MiB: what a file has beyond this is not looked into.
VALUE_BYTES = 8 << 20
IDENTIFIED_BYTES = 16 << 10  # of text; a longer one is a file about many things
SHAPE_FIELDS = 12
SENTENCE = 200  # characters of what people write down
FIELD_CHARACTERS = 64  # of a field's name that tell its shape
NESTED_DEPTH = 3
# Below this many entries a JSON object is a record, not a map; maps of records come in dozens.
NESTED_ENTRIES = 3
NESTED_ENTRIES_AMONG_MANY = 8

_UUID = re.compile(UID_PATTERN)
# of a text whose length is a multiple of four; one class, for a group that repeats takes 30 bytes of stack a character
_BASE64 = re.compile(r"[A-Za-z0-9+/]{12,}+={0,2}\Z")
# with a port or two behind, as ingress controllers have it: `shop/cart:80:PROXY`
_NAMESPACED = re.compile(
    r"([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?)(:[-\w]{0,63}){0,3}", re.ASCII
)
# with the kind before it, as whole or short a word as people and programs write: `vm/shop/cart`, `deployment.apps/shop/cart`
_KINDED = re.compile(rf"([a-z][a-z.0-9]{{0,62}})/(?:{_NAMESPACED.pattern})", re.ASCII)
_SHORT_KINDS = {
    "cj": "cronjob", "deploy": "deployment", "ds": "daemonset", "ing": "ingress", "po": "pod", "pvc": "persistentvolumeclaim",
    "rs": "replicaset", "sa": "serviceaccount", "sts": "statefulset", "svc": "service", "vm": "virtualmachine",
    "vmi": "virtualmachineinstance",
}  # fmt: skip
_UID_FIELD = re.compile(rf"[uU][iI][dD][\"']?\s*[:=]\s*[\"']?({UID_PATTERN})(?![-0-9a-f])")
_KIND_FIELD = re.compile(r"\bkind[\"']?\s*[:=]\s*[\"']?([A-Z][A-Za-z0-9]{0,62})\b")
_TOP_FIELD = re.compile(r"^(name|namespace)[ \t]*[:=][ \t]*[\"']?([a-z0-9][-.a-z0-9]{0,252})[\"']?[ \t]*\r?$", re.MULTILINE)
_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{1,251}[a-z0-9])")
# mail, share, money, time, schedule, sentence
_DECIDED = re.compile(
    r"[^@\s/:]+@[^@\s/:]+\.[a-z]{2,}|\d+(?:\.\d+)?%|[$€£]?\d+\.\d\d|[$€£]\d+|\d{1,3}[dhswy]|(?:[-*/,\dA-Z]+ ){4}[-*/,\dA-Z]+|"
    r"[A-Za-z][a-z]*(?: [a-z]+,?){3,40}\.?"
)
_SUMS = frozenset("0123456789$€£")  # what a share, money, a time and a schedule begin with; others have a space, or an @
_ANOTHER_SUM = re.compile(r"\n[0-9$]")
_BOOLEANS = frozenset({"true", "false"})
_INNER_OBJECTS = ("metadata", "ref", "reference", "objectRef", "subject", "owner", "tenant", "resource", "spec")
# fields that say whom a record is about: `tenant`, `tenantName`, `schedulerNodeName`; and those that hold a reference, `shop/cart`
_OF_KIND = re.compile(r"([a-z]{3,40}?)[-_]?name")
_LAST_WORD = re.compile(r"(?:[a-z0-9][-_]|[a-z0-9](?=[A-Z]))([A-Za-z][a-z]{2,20})(?:[-_]?[nN]ame)?\Z")
_SUBJECT_WORDS = frozenset(
    [
        "cluster",
        "customer",
        "database",
        "instance",
        "node",
        "pod",
        "project",
        "queue",
        "site",
        "team",
        "tenant",
        "volume",
        "workspace",
    ]
)
_REFERS = re.compile(r"(?:ref|reference|name|key|id|subject|target|backend|service|upstream|object|resource|parent|owner)$")
_PRINTABLE = re.compile(rb"[\x20-\x7e\r\n\t]+\Z")

_shapes: dict[str, Shape] = {}


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID as Kubernetes writes them."""
    return len(text) == 36 and _UUID.fullmatch(text) is not None


def look(value: str, *, identify: bool = True) -> tuple[Shape, Identity | None, Any]:
    """Shape of a value, the identifiers in it, and the document it holds if it is one (None otherwise).

    Without `identify` documents are not searched for identifiers.
    """
    if not value or value in EMPTY_TEXTS:
        return EMPTY, None, None
    if len(value) > VALUE_BYTES:
        return OPAQUE, None, None
    first = value[0]
    if first in "{[":
        return _look_at_json(value, identify=identify)
    if first == '"':
        return _look_at_quoted(value)
    length = len(value)
    if length == 36 and value[8] == "-" and _UUID.fullmatch(value):
        return UUID, Identity(uid=value), None
    if "\n" in value:
        if value.startswith("-----BEGIN "):
            return PEM, None, None
        return TEXT, _identity_in_text(value) if identify and length <= IDENTIFIED_BYTES else None, None
    if value.isdigit():
        return NUMBER, None, None
    if value in ("true", "false"):
        return BOOLEAN, None, None
    if length >= 16 and length % 4 == 0 and _BASE64.match(value) and is_double_base64(value):
        return DOUBLE_BASE64, None, None
    if "/" in value and (found := _NAMESPACED.fullmatch(value)):
        return PATH, Identity(namespace=found[1], name=found[2]), None
    if "/" in value and (found := _KINDED.fullmatch(value)):
        return PATH, Identity(namespace=found[2], name=found[3], kind=_SHORT_KINDS.get(found[1], found[1])), None
    is_phrase = " " in value
    if (is_phrase or first in _SUMS or "@" in value) and length <= SENTENCE and _DECIDED.fullmatch(value):
        return DECIDED, None, None
    return (PHRASE if is_phrase else WORD), None, None


def looks_like_yaml(text: str) -> bool:
    """Whether a text looks like a mapping with enough siblings to be a map."""
    indents = [len(indent) for indent in _YAML_MAPPING.findall(text[:65536])]
    return len(indents) >= NESTED_ENTRIES and max(map(indents.count, set(indents))) >= NESTED_ENTRIES


def all_words(values: Collection[str]) -> list[int] | None:
    """The sizes of values that are all plain words, or None when one is not; nothing here runs in Python for each value."""
    joined = "\n".join(values)
    # a value with a newline of its own would be counted as two
    if not joined.isascii() or joined.count("\n") != len(values) - 1:
        return None
    if " " in joined or "/" in joined or "{" in joined or "[" in joined or '"' in joined or "@" in joined:
        return None
    sizes = list(map(len, values))
    if 0 in sizes or 36 in sizes or not _BOOLEANS.isdisjoint(values):
        return None
    # a number, or what people decide
    if joined[0] in _SUMS or _ANOTHER_SUM.search(joined):
        return None
    return sizes


def plain_name(value: str) -> str:
    """The value itself when it could be the name of an object, else nothing."""
    return value if 3 <= len(value) <= 253 and _NAME.fullmatch(value) else ""


def look_at_bytes(raw: bytes, *, identify: bool = True) -> tuple[Shape, Identity | None, Any]:
    """As `look`, for a value that came base64-encoded on the wire: Secrets and binaryData."""
    if len(raw) > VALUE_BYTES:
        return OPAQUE, None, None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return BINARY, None, None
    return look(text, identify=identify)


def unwrap(encoded: str) -> bytes | None:
    """The bytes of one base64 value as the API server writes it, or None when it is not base64."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def is_double_base64(text: str) -> bool:
    """Whether base64 text is itself the encoding of readable text.

    Readable means printable ASCII throughout. Twelve characters of chance would be readable once in 150,000; shorter
    ones are not judged.
    """
    raw = unwrap(text)
    return raw is not None and len(raw) >= 12 and _PRINTABLE.match(raw) is not None and b" " not in raw[:1]


def _look_at_quoted(value: str) -> tuple[Shape, Identity | None, Any]:
    if len(value) <= DOCUMENT_BYTES and value.endswith('"'):
        try:
            inner = decode_json(value)
            document = decode_json(inner) if isinstance(inner, str) and inner[:1] in {"{", "["} else None
        except UnreadableError:
            return PHRASE, None, None
        if document is not None:
            identity = _identity(document) if isinstance(document, dict) else None
            return DOUBLE_JSON, identity, None
    return PHRASE, None, None


def _look_at_json(value: str, *, identify: bool) -> tuple[Shape, Identity | None, Any]:
    if len(value) > DOCUMENT_BYTES:
        return OPAQUE, None, None
    try:
        document = decode_json(value)
    except TooMuchError:
        # a list holds no keys, whatever is in it
        return TEXT if value[0] == "[" else OPAQUE, None, None
    except UnreadableError:
        return TEXT, None, None
    if not isinstance(document, dict):
        return (EMPTY if document == [] else LIST), _identity_in_list(document) if identify else None, None
    if not document:
        return EMPTY, None, document
    return shape_of_fields(document), _identity(document) if identify else None, document


def shape_of_fields(document: dict[Any, Any]) -> Shape:
    """The shape that stands for a document with these fields."""
    name = "json:" + ",".join([field[:FIELD_CHARACTERS] for field in sorted(map(str, document))[:SHAPE_FIELDS]])
    shape = _shapes.get(name)
    if shape is None:
        if len(_shapes) > 10_000:  # a map of maps has no fields worth remembering
            return Shape("json:")
        shape = _shapes[name] = Shape(name)
    return shape


def _identity_in_text(text: str) -> Identity | None:
    """The UID in a text of fields, as YAML and properties are, or the name at its top; nothing where it has several."""
    uids = set(_UID_FIELD.findall(text))
    kinds = set(_KIND_FIELD.findall(text))
    kind = kinds.pop() if len(kinds) == 1 else ""
    if len(uids) == 1:
        return Identity(uid=uids.pop(), kind=kind)
    fields = _TOP_FIELD.findall(text)
    top = dict(fields)
    if uids or "name" not in top or len(fields) != len(top):
        return None
    return Identity(namespace=top.get("namespace", ""), name=top["name"], kind=kind)


def _identity_in_list(document: list[Any]) -> Identity | None:
    """The object that the one entry of a list names."""
    found = _NAMESPACED.fullmatch(document[0]) if len(document) == 1 and isinstance(document[0], str) else None
    return Identity(namespace=found[1], name=found[2]) if found else None


def _identity(document: dict[str, Any]) -> Identity | None:
    uid = namespace = name = kind = ""
    pairs: set[tuple[str, str]] = set()
    names: set[tuple[str, str]] = set()
    said: set[tuple[str, str]] = set()  # by the last word of a field, where no field says it by itself
    places = [document, *(document[field] for field in _INNER_OBJECTS if isinstance(document.get(field), dict))]
    for place in places[:4]:
        for field, content in place.items():
            if not isinstance(content, str):
                continue
            word = str(field).lower()
            if word.endswith("uid"):
                uid = uid or (content if is_uuid(content) else "")
            elif word in {"namespace", "ns"}:
                namespace = namespace or content
            elif word in {"name", "resourcename", "objectname"}:
                name = name or content
            elif word == "kind":
                kind = kind or content
            elif word in {"ref", "key", "id", "subject"} and not name and (found := _NAMESPACED.fullmatch(content)):
                namespace, name = found[1], found[2]
            elif "/" in content:
                found = _NAMESPACED.fullmatch(content) if word in _SUBJECT_WORDS or _REFERS.search(word) else None
                pairs |= {(found[1], found[2])} if found else set()
            elif not plain_name(content):
                continue
            elif whose := _kind_at_the_end(str(field)):
                said.add((whose, content))
            elif whose := _kind_in(word):
                names.add((whose, content))
    names = names or said
    if not (uid or name) and len(pairs) == 1:
        namespace, name = pairs.pop()
    elif not (uid or name) and len(names) == 1:
        kind, name = names.pop()  # of that kind, or it is somebody else's name: a `hostname` is no Node's
    return Identity(uid, namespace, name, kind) if uid or name else None


def _kind_in(word: str) -> str:
    """The kind whose object a field with this name names: `tenant`, of `tenant` and of `tenant_name`; empty where it says none."""
    found = _OF_KIND.fullmatch(word)
    return word if word in _SUBJECT_WORDS else found[1] if found else ""


@functools.lru_cache(maxsize=4096)
def _kind_at_the_end(field: str) -> str:
    """The kind that the last word of a field is: `node`, of `schedulerNodeName` and of `assigned_node`; empty where it is none."""
    found = _LAST_WORD.search(field) if len(field) <= FIELD_CHARACTERS else None
    return found[1].lower() if found and found[1].lower() in _SUBJECT_WORDS else ""


def may_hold_maps(document: dict[str, Any]) -> bool:
    """Whether `nested_maps` can find anything in a document; most values are small records, and it cannot."""
    return len(document) >= NESTED_ENTRIES or any(isinstance(value, dict) for value in document.values())


def nested_maps(document: Any, least: int, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object within a document, at most three deep, that has enough entries to be a map."""
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        return
    if len(document) >= least:
        yield path, document
    if len(path) + 1 < NESTED_DEPTH:
        for key, value in document.items():
            if isinstance(value, dict) and (len(value) >= least or len(document) < NESTED_ENTRIES_AMONG_MANY):
                yield from nested_maps(value, least, (*path, key))


def encoded(entry: Any) -> bytes:
    """An entry of a document as bytes: JSON where it can be written as JSON, which YAML's keys and numbers need not be."""
    try:
        return msgspec.json.encode(entry, order="sorted", enc_hook=str)
    except (TypeError, ValueError, OverflowError):
        return repr(entry).encode("utf-8", "surrogatepass")


def look_at_entry(entry: Any) -> tuple[Shape, Identity | None, int]:
    """Shape, identifiers and size in bytes of one entry of a nested document."""
    if isinstance(entry, str):
        shape, identity, _ = look(entry)
        return shape, identity, len(entry)
    if isinstance(entry, dict):
        size = len(encoded(entry))
        return (shape_of_fields(entry), _identity(entry), size) if entry else (EMPTY, None, size)
    if entry is None:
        return EMPTY, None, 4
    if isinstance(entry, bool):
        return BOOLEAN, None, 5
    if isinstance(entry, int | float):
        return NUMBER, None, len(str(entry))
    return (LIST if entry else EMPTY), None, len(encoded(entry))
