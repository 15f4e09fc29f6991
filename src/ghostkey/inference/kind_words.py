"""The words by which keys call a kind: Deployment, deployment, deployments, DEPLOYMENT, deploy."""

from __future__ import annotations

import functools

from ghostkey.model.refs import Kind

FORMS = 4
_SHORT = {"Service": ("svc",), "Namespace": ("ns",), "Deployment": ("deploy",), "PersistentVolumeClaim": ("pvc",)}


@functools.cache
def forms_of(kind: Kind) -> tuple[str, ...]:
    """The kind's word in FORMS forms, each at a place of its own; two may be alike."""
    return kind.kind, kind.kind.lower(), kind.resource, kind.kind.upper()


@functools.cache
def words_of(kind: Kind) -> tuple[str, ...]:
    """Every word for the kind, short names too, the longest first."""
    words = {*forms_of(kind), *kind.short_names, *_SHORT.get(kind.kind, ())} - {""}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))
