"""The words that an object carries beside its name: labels, annotations, and whatever stands in its spec and status.

A key may be made of any of them (`spec.slug`, a label `customer`); it is no ghost while a live object carries it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ghostkey.model.refs import NAMESPACES, Kind

WORDS_OF_AN_OBJECT = 256
DEPTH = 8
LEAST, MOST = 2, 253  # characters: shorter ones are nobody's name, longer ones are no key


# built-in kinds whose objects name Secrets and ConfigMaps outside of a Pod's spec; and the fields of them beside spec and status
_NAMING = {("", "ServiceAccount"): ("imagePullSecrets", "secrets"), ("networking.k8s.io", "Ingress"): (), ("storage.k8s.io", "StorageClass"): ("parameters",)}  # fmt: skip


def may_carry(kind: Kind) -> bool:
    """Whether objects of a kind are what keys are made for, or name maps, rather than Pods and the like, whose labels are legion."""
    is_named_after = kind.is_custom or kind == NAMESPACES or (kind.group == "" and kind.kind in {"Node", "PersistentVolume"})
    return is_named_after or (kind.group, kind.kind) in _NAMING


def fields_of(kind: Kind) -> tuple[str, ...]:
    """The fields in which objects of a kind name others, beside their metadata."""
    return ("spec", "status", *_NAMING.get((kind.group, kind.kind), ()))


def carried_words(*trees: Any) -> Iterator[str]:
    """Every short text without spaces in decoded trees, some hundred of an object at most."""
    left = WORDS_OF_AN_OBJECT
    todo = [(tree, 0) for tree in trees if tree]
    while todo and left > 0:
        tree, depth = todo.pop()
        if isinstance(tree, str):
            if LEAST <= len(tree) <= MOST and not (" " in tree or "\n" in tree):
                left -= 1
                yield tree
        elif depth < DEPTH and isinstance(tree, dict):
            todo += [(value, depth + 1) for value in list(tree.values())[:WORDS_OF_AN_OBJECT]]
        elif depth < DEPTH and isinstance(tree, list):
            todo += [(value, depth + 1) for value in tree[:WORDS_OF_AN_OBJECT]]
