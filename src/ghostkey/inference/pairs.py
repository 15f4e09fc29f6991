"""How a template of a name and one of a namespace and a name are related: `web-{name}` beside `{namespace}-{name}`."""

from __future__ import annotations

import dataclasses

from ghostkey.inference.template import Template


def turned(pair: Template) -> Template:
    """The pair template with the namespace where the name is."""
    return dataclasses.replace(pair, order="name-namespace" if pair.order == "namespace-name" else "namespace-name")


def literal_beside(template: Template, pair: Template) -> str | None:
    """What stands in a name template where a pair template has the namespace: `web` of `web-{name}`; None if nothing."""
    if template.order != "name" or _around(template) != _around(pair):
        return None
    if pair.order == "namespace-name":
        text, begin, end = template.prefix, pair.prefix, pair.separator
        same = template.suffix == pair.suffix
    else:
        text, begin, end = template.suffix, pair.separator, pair.suffix
        same = template.prefix == pair.prefix
    whole = same and text.startswith(begin) and text.endswith(end) and len(text) > len(begin) + len(end)
    return text[len(begin) : len(text) - len(end)] if whole else None


def _around(template: Template) -> tuple[object, ...]:
    """All that is done to what is rendered, apart from the text before and behind it."""
    hashed = (template.hash_length, template.hash_mark, template.digest)
    return (*hashed, template.cut, template.codec, template.tail, template.head)
