"""Names that objects of other kinds have in a label, an annotation or a field: a mesh lists its members, also those it still waits for."""

from __future__ import annotations

from ghostkey.inference.living import Living
from ghostkey.inference.template import Template
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
    for number, carried in subjects.carried.items():
        if number in live.kinds or not subjects.kinds[number].is_custom:
            continue
        where = carried.get(name)
        if (where is not None and _is_in(where, template, core)) or (name != core and core in carried):
            return f"a live {subjects.kinds[number].kind} names it in a label or a field"
    return ""


def _is_in(where: str, template: Template, core: str) -> bool:
    """Whether an object of a namespace may mean what the key is for: of the key's own, where it says one."""
    if where == ANYWHERE or not template.has_namespace:
        return True
    namespaces = {canonical(namespace) for namespace, _ in template.splits(core)}
    return not namespaces or canonical(where) in namespaces
