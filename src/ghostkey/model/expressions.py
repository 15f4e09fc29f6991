"""What stands for an object in a key, where it is not its name: `{spec.slug}`, `{metadata.labels.customer}`, `{spec.region}-{name}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

FIELD = re.compile(r"\{([A-Za-z][A-Za-z0-9_./-]*)\}")
PLAIN = {"name", "namespace", "uid"}
LONGEST = 1024  # characters of a field's value: no key is longer, and a text is no name


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared template in two parts: a plain one of {namespace} and {name}, and what is to be put for {name}.

    `expression` is empty where that is the object's own name.
    """

    template: str
    expression: str = ""


def declared(text: str) -> Declared:
    """The parts of a template as a person wrote it; what has no fields but {namespace}, {name} and {uid} stays as it is."""
    fields = list(FIELD.finditer(text))
    words = [found[1] for found in fields]
    # a field is in something: {slug} alone is a slip of the pen
    if (not any("." in word for word in words) and len(words) < 3) or not all(word in PLAIN or "." in word for word in words):
        return Declared(text)
    first, last = fields[0], fields[-1]
    if len(fields) > 1 and words.count("namespace") == 1:
        # the namespace at an end stays a namespace: it tells where a subject would be
        if words[0] == "namespace" and first.end() < fields[1].start():
            return Declared(text[: fields[1].start()] + "{name}" + text[last.end() :], text[fields[1].start() : last.end()])
        if words[-1] == "namespace" and fields[-2].end() < last.start():
            return Declared(text[: first.start()] + "{name}" + text[fields[-2].end() :], text[first.start() : fields[-2].end()])
    return Declared(text[: first.start()] + "{name}" + text[last.end() :], text[first.start() : last.end()])


def rendered(expression: str, item: dict[str, Any]) -> str:
    """The expression with the object's fields put in; empty when the object lacks one of them."""
    metadata = item.get("metadata")
    plain = metadata if isinstance(metadata, dict) else {}
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        word = found[1]
        text = _text(plain.get(word)) if word in PLAIN else _text(_at(item, word))
        missing |= not text
        return text

    whole = FIELD.sub(value, expression)
    return "" if missing or len(whole) > LONGEST else whole


def _at(node: Any, path: str) -> Any:
    """What is at a dotted path; a key may have dots itself, as labels do, and a number names an item of a list."""
    if not path:
        return node
    if isinstance(node, list):
        head, _, rest = path.partition(".")
        return _at(node[int(head)], rest) if head.isascii() and head.isdigit() and int(head) < len(node) else None
    if not isinstance(node, dict):
        return None
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in node:
            return _at(node[key], ".".join(parts[length:]))
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
