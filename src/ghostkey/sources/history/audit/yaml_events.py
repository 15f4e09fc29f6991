"""Audit events in YAML, as people paste them: several documents, a list, or the items of one, each read on its own.

An event that was cut is YAML all the same, with fewer fields: what lacks one of those that the API server writes first and last is
damage, and so is one that another one was glued to, which has a field twice.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

from ghostkey.foreign import UnreadableError, load_yaml
from ghostkey.sources.history.audit.envelopes import is_worth
from ghostkey.sources.history.audit.google import PAYLOADS

_FIELD = re.compile(rb"(?m)^[ \t]*(?:- +)?[\"']?auditID[\"']?[ \t]*:[ \t]|^(?:--- *)?\{[^\n]*\bauditID: ")
_JSON = re.compile(rb'["\\]auditID["\\]+:["\\]')  # as API servers write it, also within a text; YAML has a space there
_ID = re.compile(rb"(?m)^([ \t-]*)[\"']?auditID[\"']?[ \t]*:")
_NEXT = re.compile(rb"---(?:\s|$)|\.\.\.\s*$")
_ITEM = re.compile(rb"( *)- ")
_ITEMS = re.compile(rb"(?:items|events): *\r?$")
# records around events: of Google, and of tools that print what they were answered in YAML
_BEGIN = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:---|- ['\"\w@]|['\"]?[A-Za-z_@][\w.@-]*['\"]?:(?:[ \r]|$))", re.MULTILINE)
_PAYLOAD = re.compile(rb"(?m)^[ -]*['\"]?(?:protoPayload|protopayload_auditlog)['\"]?:[ \t]*\r?$")
_IN_TEXT = re.compile(rb"(?m)^(?: +| *- +)['\"]?[\w@.-]+['\"]?: *(?:['\"]\{|[|>][-+\d]*[ \r]*\n +\{)")
_WHOLE = ("auditID", "stage", "verb")
_TIMES = ("requestReceivedTimestamp", "stageTimestamp")
_VERBS = {"create", "update", "patch", "delete", "deletecollection", "get", "list", "watch", "connect", "proxy", "head", "post", "put", "options"}  # fmt: skip


def is_yaml(head: bytes) -> bool:
    """Whether audit events in YAML begin so."""
    text = head.lstrip()
    if text[:1] in (b"[", b'"') or text[:2] == b'{"':
        return False  # whatever a message or a value in it says
    if _BEGIN.match(head.removeprefix(codecs.BOM_UTF8)) and is_worth(head) and (_PAYLOAD.search(head) or _IN_TEXT.search(head)):
        return True
    return _JSON.search(head) is None and _FIELD.search(head) is not None


def split_yaml(stream: BinaryIO, note_damage: Callable[[], None], most: int) -> Iterator[bytes]:
    """Each event of the documents and lists in a stream as a record of JSON; one that is longer than `most` is damage."""
    for text in _parts(stream, note_damage, most):
        if not is_worth(text):
            continue
        try:
            document = load_yaml(text)
            fields = [len(match[1]) for match in _ID.finditer(text)]
            if fields.count(min(fields, default=0)) > (len(document) if isinstance(document, list) else 1):
                raise UnreadableError("a field stands twice")  # of which YAML keeps the last
            for event in document if isinstance(document, list) else [document]:
                if _is_whole(event, is_cut=not text.endswith(b"\n")):
                    yield msgspec.json.encode(event)
                else:
                    note_damage()
        except (UnreadableError, TypeError, ValueError):  # also of what no JSON has, as a list for a key
            note_damage()


def _is_whole(event: Any, *, is_cut: bool) -> bool:
    if not isinstance(event, dict) or "auditID" not in event:
        # a record around one, or the beginning of one
        if isinstance(event, dict) and any(name in event for name in PAYLOADS):
            # something of an entry follows its payload, and its time is there
            return "timestamp" in event and next(reversed(event)) not in PAYLOADS
        return isinstance(event, dict) and (event.get("kind") != "Event" or "k8s.io" not in str(event.get("apiVersion")))
    if is_cut and event.get("verb") not in _VERBS:
        return False
    return all(isinstance(event.get(name), str) for name in _WHOLE) and any(isinstance(event.get(name), str) for name in _TIMES)


def _parts(stream: BinaryIO, note_damage: Callable[[], None], most: int) -> Iterator[bytes]:
    """The text of each document, and of each item of one that is a list or has `items`."""
    held = bytearray()
    is_first = True  # of a document
    indent: bytes | None = None  # of the items that are split, once there are some
    is_items = is_skipped = False
    for number, raw in enumerate(stream):
        line = raw.removeprefix(codecs.BOM_UTF8) if not number else raw
        if _NEXT.match(line):
            yield bytes(held)
            held.clear()
            is_first, indent, is_items, is_skipped = True, None, False, False
            rest = line[3:].lstrip()
            if not rest or line.startswith(b"..."):
                continue
            line = rest
        item = _ITEM.match(line)
        if is_items and indent is None and item is not None:
            indent, held[:] = item[1], b""
        is_items = is_items or _ITEMS.match(line) is not None
        if is_first and line.strip() and not line.startswith(b"#"):
            is_first = False
            indent = item[1] if item is not None else None
        if indent is not None and item is not None and item[1] == indent:
            yield bytes(held)
            held.clear()
            is_skipped = False
        elif indent is not None and is_items and line.strip() and not line.startswith(indent + b" "):
            yield bytes(held)  # what follows the items
            held.clear()
            is_skipped = True
        if is_skipped:
            continue
        held += line
        if len(held) > most:
            note_damage()
            held.clear()
            is_skipped = True
    yield bytes(held)
