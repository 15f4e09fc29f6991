"""What the history says: each file is one query over the store, named as its result; one text for DuckDB and Spark."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from ghostkey.analyses.history._base import Query
from ghostkey.model.registry import plugins
from ghostkey.store.engines import Engine


def all_queries() -> dict[str, Query]:
    """Name → query of every file of this room, and of other packages."""
    found = plugins(sys.modules[__name__], "QUERY", "ghostkey.queries")
    return {name.replace("-", "_"): plugin for name, plugin in found.items() if isinstance(plugin, Query)}


def page(name: str) -> str:
    """The page of a query: the docstring of its file. Raises KeyError for an unknown name."""
    module = sys.modules[f"{__name__}.{name}"] if name in all_queries() else None
    if module is None:
        raise KeyError(name)
    return inspect.cleandoc(module.__doc__ or "")


def define(engine: Engine) -> None:
    """Makes every query's result known to the engine under its name, each after those it needs."""
    queries = all_queries()
    _define(engine, sorted(queries))


def define_one(engine: Engine, name: str) -> None:
    """Makes one query's result known to the engine, and those it needs."""
    _define(engine, [name])


def _define(engine: Engine, names: Sequence[str]) -> None:
    queries, done = all_queries(), set[str]()
    kept = {needed for query in queries.values() for needed in query.needs}

    def one(name: str) -> None:
        if name in done or name not in queries:
            return
        done.add(name)
        for needed in queries[name].needs:
            one(needed)
        engine.define(name, queries[name].sql, keep=name in kept)

    for name in names:
        one(name)
