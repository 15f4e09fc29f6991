"""How a key is made of its subject: a UID or a namespace with a name is hardly chance; a bare name may be.

Taught by: dashboards called `NAME.json`, flags called `enable-NAME`.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen
from ghostkey.inference.style import FILE_ENDINGS
from ghostkey.inference.template import SQUASHING


def look(case: Case) -> Seen:
    """The sort of template."""
    template = case.template
    if template.codec or template.transform in SQUASHING:
        return Seen("encoded", f"keys are written as only programs write names: {template}")
    if template.tail or template.head:
        return Seen("open", f"any text stands beside the names: {template}")
    if template.has_namespace:
        level = "pair sanitised" if template.transform else "pair by dash" if template.separator == "-" else "pair"
        return Seen(level, f"keys have namespace and name: {template}")
    if template.cut or template.hash_length:
        return Seen("cut or hashed", "keys have a name and a hash, as programs make them")
    if template.suffix.rpartition(".")[2] in FILE_ENDINGS:
        return Seen("file", f"keys are called like files: {template}")
    if template.prefix or template.suffix:
        return Seen("around", f"keys have the same text around each name: {template}")
    return Seen("transformed" if template.transform else "name", f"keys are names: {template}")
