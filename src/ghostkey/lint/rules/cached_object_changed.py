"""An object of an informer's cache is changed without a copy of it.

*What it finds.* A local that comes from a lister or an indexer, and of which spec, status, labels, annotations or data are written
without DeepCopy.

*Why it matters.* The cache is everybody's: the next reader sees a state that the API server never had, and a key that was put in
this way stays until the process ends.

*When it is wrong.* The lister gives copies.

Bad:

    cm, err := c.lister.ConfigMaps(ns).Get(name)
    cm.Data["a"] = "b" // want "without DeepCopy"

Good:

    cm = cm.DeepCopy()
    cm.Data["a"] = "b"
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness

_CACHE = re.compile(r"(?i)lister(?:\(\))?(?:\.\w+\([^)]*\))*\.(?:Get|List)$|(?:indexer|store|informer\w*\(?\)?)\.GetByKey$")
_OWNED = {"Spec", "Status", "Labels", "Annotations", "Data", "ObjectMeta", "Finalizers"}


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        for name, local in function.locals.items():
            if local.how != "call" or not _CACHE.search(local.text):
                continue
            if any(r.place.root == name and not r.place.fields and "DeepCopy" in r.value for r in function.resets):
                continue
            # what is written by way of another local may be a copy of a part: `selector := es.Spec.Selector`
            lines = [
                r.line
                for r in function.resets
                if r.place.root == name and r.place.fields[:1] and r.place.fields[0] in _OWNED
                if f".{r.place.fields[0]}" in spot.file.source[r.line - 1]
            ]
            lines += [i.line for i in function.inserts if i.place.root == name and i.place.fields and i.how == "="]
            if lines:
                source = local.text[-60:]
                yield Finding(
                    "cached-object-changed", "A", spot.file.path, min(lines), name, function.full_name, source,
                    f"{name} comes from {source} and is written without DeepCopy",
                    (Witness(spot.file.path, min(lines), "the cache's own object is changed"),),
                )  # fmt: skip


RULE = Rule("A", "an informer's object that is changed in place", _find)
