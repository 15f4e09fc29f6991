"""What the commands about the past share: options, the store, the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from ghostkey.cli.options import parse_holder
from ghostkey.model.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def past_options(function: F) -> F:
    """Where the past comes from: the command is given it as one `past`."""

    @functools.wraps(function)
    def gathered(*args: Any, **values: Any) -> Any:
        from ghostkey.cli.options import parse_fields
        from ghostkey.story.opening import Past

        paths, sort, store = values.pop("paths"), values.pop("sort") or "", values.pop("store") or ""
        fields, subjects = tuple(parse_fields(values.pop("fields", ()))), values.pop("subjects", ())
        past = Past(paths, sort, store, values.pop("engine"), values.pop("carve"), fields, subjects)
        return function(*args, past=past, **values)

    found: Any = gathered
    for option in reversed(
        [
            click.option(
                "--from", "paths", multiple=True, metavar="PATH|URL",
                help="Audit log, etcd snapshot, WAL, folder of dated dumps, Git tree, or `live` for the map as it is; may be repeated.",
            ),
            click.option("--source", "sort", type=click.Choice(["audit", "snapshot", "wal", "dumps"]), help="What the paths are."),
            click.option("--store", metavar="DIR|URL", help="Use, and add to, this store of history."),
            click.option("--carve", is_flag=True, help="Recover freed revisions of an etcd snapshot too."),
            click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", help="What runs the queries."),
        ]
    ):  # fmt: skip
        found = option(found)
    return cast(F, found)


def one_holder(words: tuple[str, ...], namespace: str | None) -> tuple[str, str, str]:
    """(qualified kind, namespace, name) of the one map that is named; also KIND.GROUP/NAME for maps in other kinds."""
    if len(words) == 1 and "/" in words[0]:
        kind, _, name = words[0].partition("/")
        try:
            found = parse_holder(words)
        except UsageError:
            return kind, namespace or "default", name
        return found[0][0].qualified, namespace or "default", found[0][1]
    pairs = parse_holder(words)
    if len(pairs) != 1:
        raise UsageError(f"{len(pairs)} maps are named", "name one: cm/NAME or secret/NAME")
    return pairs[0][0].qualified, namespace or "default", pairs[0][1]
