"""How a template of a name and one of a namespace and a name are related: `web-{name}` beside `{namespace}-{name}`."""

from __future__ import annotations

import dataclasses

from ghostkey.inference.template import Template


def turned(pair: Template) -> Template:
    """The pair template with the namespace where the name is."""
    return dataclasses.replace(pair, order="name-namespace" if pair.order == "namespace-name" else "namespace-name")


def literal_beside(template: Template, pair: Template) -> str | None:
    """What stands in a name template where a pair template has the namespace: `web` of `web-{name}`; None if nothing."""
    around = (
        template.hash_length,
        template.hash_mark,
        template.digest,
        template.cut,
        template.codec,
        template.tail,
        template.head,
    )
    if template.order != "name" or around != (
        pair.hash_length,
        pair.hash_mark,
        pair.digest,
        pair.cut,
        pair.codec,
        pair.tail,
        pair.head,
    ):
        return None
    if pair.order == "namespace-name":
        text, begin, end = template.prefix, pair.prefix, pair.separator
        same = template.suffix == pair.suffix
    else:
        text, begin, end = template.suffix, pair.separator, pair.suffix
        same = template.prefix == pair.prefix
    whole = same and text.startswith(begin) and text.endswith(end) and len(text) > len(begin) + len(end)
    return text[len(begin) : len(text) - len(end)] if whole else None
