"""Stores of client-go that a program fills itself, and nobody empties: an index of its own, and not the cache of an informer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.held import Held, counts
from ghostkey.lint.judgements.fates import LONG
from ghostkey.lint.judgements.lifetime import Lifetimes
from ghostkey.lint.module import Module, Package, Symbol

# Source: k8s.io/client-go v0.31 tools/cache/store.go, index.go, thread_safe_store.go
_PATH = "k8s.io/client-go/tools/cache"
_STORE = re.compile(r"(\w+)\.(?:Store|Indexer|ThreadSafeStore)")


def stores_never_emptied(module: Module, lifetimes: Lifetimes) -> Iterator[tuple[Symbol, Held]]:
    """Stores that are made here, live for long, get objects by Add, and are neither deleted from, nor replaced, nor handed on."""
    for symbol, inserts in module.inserts.items():
        package = module.packages.get(symbol.folder)
        kind = module.type_of(symbol).strip()
        found = _STORE.match(kind)
        if package is None or found is None or not symbol.owner or not _is_made_here(package, symbol.name, found[1]):
            continue
        if lifetimes.of(package, symbol.owner) != LONG:
            continue  # an index for one backup is given up with it
        kept = tuple(one for one in inserts if one.insert.how == "Add" and counts(module, symbol, one))
        if kept and not module.releases.get(symbol) and not _is_given_on(module, package, symbol):
            yield symbol, Held(kept, kind, LONG, (), ())


def _is_made_here(package: Package, name: str, qualifier: str) -> bool:
    """Whether a file of the package makes what it calls so by a function of client-go, under which name it imports that."""
    made = re.compile(rf"\b{re.escape(name)}\s*(?::|:?=)\s*{re.escape(qualifier)}\.New(?:Store|Indexer|ThreadSafeStore)\(")
    return any(file.imports.get(qualifier) == _PATH and any(made.search(line) for line in file.source) for file in package.files)


def _is_given_on(module: Module, package: Package, symbol: Symbol) -> bool:
    """Whether a store is given to others, which may empty it, or is replaced as a whole."""
    given = re.compile(rf"(?:^|[\w)\]]\.){re.escape(symbol.name)}$")
    for spot in module.spots():
        if spot.package is not package and not symbol.name[:1].isupper():
            continue
        for call in spot.function.calls:
            if any(given.search(text) for text in call.texts):
                return True
            if call.name == "Replace" and call.receiver is not None and call.receiver.fields[-1:] == (symbol.name,):
                return True
        if any(given.search(one.text.removeprefix("return ").strip()) for one in spot.function.returns):
            return True
    return False
