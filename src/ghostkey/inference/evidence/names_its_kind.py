"""Whether the keys or the map say what they are for: `tenant-acme`, `namespace-id`, `….svc.cluster.local`.

Taught by: an address book of Services in which only a few of all Services stood.
"""

from __future__ import annotations

import re

from ghostkey.inference.evidence import Case, Seen
from ghostkey.inference.kind_words import words_of

_WORDS = re.compile(r"[a-z0-9]+")


def look(case: Case) -> Seen | None:
    """Where the kind's name stands, if anywhere."""
    words = {word.lower() for word in words_of(case.kind)}
    template = case.template
    around = f"{template.prefix} {template.separator} {template.suffix}".lower()
    sort = "own" if case.is_custom else "built-in"
    if not words.isdisjoint(_WORDS.findall(around)):
        return Seen(("key", sort), f"the keys say that they are for a {case.kind.kind}: {template}")
    if any(not words.isdisjoint(_WORDS.findall(seen.holder.name)) for seen in case.maps[:50]):
        return Seen(("map", sort), f"the map is called after {case.kind.resource}")
    return None
