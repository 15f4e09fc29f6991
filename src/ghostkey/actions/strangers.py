"""Receipts and plans are input: what may stand in one that is read back, whoever wrote it.

They are turned into requests with the user's own rights, so nothing in them is taken at its word that would reach further
than a key of a ConfigMap or Secret.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from typing import Any

import msgspec

from ghostkey.actions.plan import FIELDS
from ghostkey.model.errors import SourceDamaged
from ghostkey.model.plans import STATES, STRATEGIES, Plan, Receipt
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef

PLAN_BYTES = 32 << 20
RECEIPT_ID = re.compile(r"\d{8}t\d{6}(?:\d{6})?z(?:-\d{6,9})?-[0-9a-f]{4,8}")
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_UID = re.compile(r"[-0-9a-zA-Z]{1,64}")
_GROUP = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)?")
_WORD = re.compile(r"[A-Za-z0-9][-A-Za-z0-9]{0,62}")
PATH_DEPTH = 64


class _Outer(msgspec.Struct):
    plan: Plan


# straight into the plan: what a stranger adds beside it never becomes objects
_decode_plan = msgspec.json.Decoder(_Outer).decode


def load_plan(content: bytes, where: str) -> Plan:
    """The plan that `trim -o json` printed; equal changes count once. Raises SourceDamaged when it is none, or reaches too far."""
    hint = "make one: ghostkey trim … -o json > FILE"
    if len(content) > PLAN_BYTES:
        raise SourceDamaged(f"{where} is no plan of ghostkey: it holds more than {PLAN_BYTES >> 20} MiB", hint)
    try:
        plan = _decode_plan(content).plan
        _check_holder(plan.holder)
        _check(plan.strategy in STRATEGIES, f"strategy {plan.strategy!r}")
        _check(not (plan.holder.kind == SECRETS and plan.strategy == "json-patch"), "a JSON patch would carry a Secret's values")
        for change in plan.changes:
            _check_spot(plan.holder.kind, change.field, change.key, change.path)
            for kind, namespace, name in change.subjects:
                _check_subject(kind, namespace, name)
        distinct = {(c.field, c.path, c.key): c for c in plan.changes}
        _check(
            all(distinct[c.field, c.path, c.key].value_digest == c.value_digest for c in plan.changes),
            "one key with two values",
        )
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceDamaged(f"{where} is no plan of ghostkey: {_words(error)}", hint) from None
    kind = CONFIG_MAPS if plan.holder.kind == CONFIG_MAPS else SECRETS
    holder = dataclasses.replace(plan.holder, kind=kind)
    return dataclasses.replace(plan, holder=holder, changes=tuple(distinct[spot] for spot in sorted(distinct)), shares=())


def check_receipt(receipt: Receipt, name: str = "", namespace: str = "") -> Receipt:
    """The receipt, when nothing in it reaches further than keys of one ConfigMap or Secret; raises ValueError saying what does.

    `name` is the id under which it was found, `namespace` the one that it lies in, where either is known.
    """
    _check(RECEIPT_ID.fullmatch(receipt.id) is not None, f"its id is {receipt.id!r}")
    _check(not name or receipt.id == name, f"its id is {receipt.id}, and its name {name}")
    _check_holder(receipt.holder)
    _check(
        not namespace or receipt.holder.namespace == namespace,
        f"it lies in namespace {namespace} and writes into namespace {receipt.holder.namespace}",
    )
    _check(receipt.strategy in STRATEGIES, f"strategy {receipt.strategy!r}")
    _check(receipt.state in STATES, f"state {receipt.state!r}")
    spots = [(item.field, item.path, item.key) for item in receipt.removed]
    _check(len(set(spots)) == len(spots), "it holds one key twice")
    kind = receipt.holder.kind
    for item in receipt.removed:
        is_text_of_document = item.path in (("", "before"), ("", "after"))
        _check(item.path[:1] != ("",) or is_text_of_document, f"path {item.path!r}")
        _check_spot(kind, item.field, item.key, () if is_text_of_document else item.path)
        if not item.path and (kind == SECRETS or item.field == "binaryData"):
            _check_base64(item.value, item.key)
    for key, texts in _documents(receipt).items():
        _check(texts == {"before", "after"}, f"of the document {key!r} only one text is there")
    for owner in receipt.owners:
        for field, key in owner.keys:
            _check_spot(kind, field, key, ())
        _check(isinstance(msgspec.json.decode(owner.entry), dict), "an owner that is none")
    kind = CONFIG_MAPS if kind == CONFIG_MAPS else SECRETS
    return dataclasses.replace(receipt, holder=dataclasses.replace(receipt.holder, kind=kind))


def _documents(receipt: Receipt) -> dict[str, set[str]]:
    """Which texts there are of each document that lost entries."""
    found: dict[str, set[str]] = {item.path[0]: set() for item in receipt.removed if item.path and item.path[0]}
    for item in receipt.removed:
        if item.path[:1] == ("",):
            found.setdefault(item.key, set()).add(item.path[1])
    return found


def _check_holder(holder: ObjectRef) -> None:
    _check(
        holder.kind in (CONFIG_MAPS, SECRETS), f"it is about a {holder.kind.kind}, and only ConfigMaps and Secrets are trimmed"
    )
    _check(_NAME.fullmatch(holder.name) is not None, f"name {holder.name!r}")
    _check(_NAMESPACE.fullmatch(holder.namespace) is not None, f"namespace {holder.namespace!r}")
    _check(_UID.fullmatch(holder.uid) is not None, f"uid {holder.uid!r}")


def _check_spot(kind: Kind, field: str, key: str, path: tuple[str, ...]) -> None:
    _check(field in FIELDS and not (kind == SECRETS and field != "data"), f"field {field!r} of a {kind.kind}")
    top = path[0] if path else key
    _check(_KEY.fullmatch(top) is not None and not top.startswith("..") and top != ".", f"key {top!r}")
    _check(not (path and (kind == SECRETS or field != "data")), f"entries of {field} of a {kind.kind}")
    _check(len(path) <= PATH_DEPTH, f"a path of {len(path)} parts")


def _check_subject(kind: Kind, namespace: str, name: str) -> None:
    """What ends up in the path of a request."""
    _check(_GROUP.fullmatch(kind.group) is not None, f"group {kind.group!r}")
    _check(all(_WORD.fullmatch(word) for word in (kind.version, kind.resource, kind.kind)), f"kind {kind.qualified!r}")
    _check(not namespace or _NAMESPACE.fullmatch(namespace) is not None, f"namespace {namespace!r}")
    _check(len(name) <= 253 and "/" not in name, f"subject {name!r}")


def _check_base64(value: str, key: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the value of {key!r} is not base64") from None


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _words(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def decode_note(line: bytes) -> tuple[str, str] | None:
    """(state, resourceVersion) of one line behind a receipt; None when it is damaged."""
    try:
        noted: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    state = noted.get("state") if isinstance(noted, dict) else None
    if state not in STATES:
        return None
    return state, str(noted.get("resource_version") or "")
