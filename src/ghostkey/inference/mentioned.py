"""Names that objects of other kinds have in a label, an annotation or a field: a mesh lists its members, also those it still waits for."""

from __future__ import annotations

from ghostkey.inference.living import Living
from ghostkey.model.events import ANYWHERE
from ghostkey.model.refs import canonical
from ghostkey.store.snapshot import Subjects


def mentioned(core: str, name: str, live: Living, subjects: Subjects) -> str:
    """That a live object of another kind names what a key is made of; empty where none does.

    It may be what is yet to come or lives in another cluster, and it may be as old as the key: so it is no proof either way.
    """
    template = live.template
    if template.is_unmistakable or template.cut or not template.is_joined:
        return ""
    namespaces = {canonical(namespace) for namespace, _ in template.splits(core)} if template.has_namespace else set()
    for number, carried in subjects.carried.items():
        where = carried.get(name)
        is_there = where is not None and (not namespaces or where == ANYWHERE or canonical(where) in namespaces)
        if number not in live.kinds and subjects.kinds[number].is_custom and (is_there or (name != core and core in carried)):
            return f"a live {subjects.kinds[number].kind} names it in a label or a field"
    return ""
