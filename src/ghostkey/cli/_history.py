"""What the commands about the past share: options, the store, the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ghostkey.cli.options import ProgressLine, parse_fields, parse_holder
from ghostkey.cli.where import Where
from ghostkey.model.errors import GhostkeyError, UsageError

if TYPE_CHECKING:
    from ghostkey.store.engines import Engine
    from ghostkey.store.history import History

LIVE = "live"
F = TypeVar("F", bound=Callable[..., Any])


def past_options(function: F) -> F:
    """Where the past comes from."""
    for option in reversed(
        [
            click.option(
                "--from", "paths", multiple=True, metavar="PATH",
                help="Audit log, etcd snapshot, WAL folder, folder of dated dumps, or `live` for the map as it is; may be repeated.",
            ),
            click.option("--source", "sort", type=click.Choice(["audit", "snapshot", "wal", "dumps"]), help="What the paths are."),
            click.option("--store", metavar="DIR", help="Use, and add to, this store of history."),
            click.option("--carve", is_flag=True, help="Recover freed revisions of an etcd snapshot too."),
            click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", help="What runs the queries."),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


@contextlib.contextmanager
def opened(
    holder: tuple[str, str, str],
    paths: tuple[str, ...],
    sort: str | None,
    store: str | None,
    engine: str,
    *,
    where: Where,
    carve: bool,
    fields: tuple[str, ...] = (),
    subjects: tuple[str, ...] = (),
) -> Iterator[Engine]:
    """An engine that knows all of one map, over the store with these paths imported: the store that was named, else one that lives as long as this.

    Without paths and without a named store, the user's own store. A store at a URL is a fleet's: Spark reads it where it lies.
    """
    from ghostkey import story
    from ghostkey.store.engines import open_engine
    from ghostkey.store.history import History
    from ghostkey.store.scratch import scratch_directory

    progress = ProgressLine()
    with contextlib.ExitStack() as stack:
        if store and "://" in store:
            if engine != "spark" or paths:
                hint = "import into a folder, and copy its parts there" if paths else "add --engine spark"
                raise UsageError(f"{store} is a URL, and only Spark reads from there", hint)
            progress(f"reading {store}")
            found = open_engine(engine, History(), store)
            story.prepare(found, subjects, holder)
            progress.done()
            yield found
            return
        if store or not paths:
            history = History(Path(store) if store else None)
        else:
            history = History(stack.enter_context(scratch_directory("history")))
        files = [path for path in paths if path != LIVE]
        if files:
            story.import_paths(history, files, sort or "", parse_fields(fields), carve=carve, progress=progress)
        if LIVE in paths:
            _import_live(history, holder, where, progress)
        if not history.imports():
            raise GhostkeyError(
                f"the store {history.directory} holds no history",
                "give --from AUDIT|SNAPSHOT|WAL|DIR, or ghostkey history import first",
            )
        progress("asking the history")
        found = open_engine(engine, history)
        story.prepare(found, subjects, holder)
        progress.done()
        yield found


def _import_live(history: History, holder: tuple[str, str, str], where: Where, progress: ProgressLine) -> None:
    """Adds what the cluster remembers of a map, in place of what it remembered before."""
    import secrets

    from ghostkey import story
    from ghostkey.model.refs import CONFIG_MAPS, SECRETS
    from ghostkey.sources.history.managed_fields import ManagedFields
    from ghostkey.sources.history.states import KeyedHash
    from ghostkey.store.engines import DuckEngine

    kind, namespace, name = holder
    client = where.client(namespace)
    progress(f"reading {kind}/{name}")
    chosen = CONFIG_MAPS if kind == CONFIG_MAPS.qualified else SECRETS
    told = f"{client.config.server} {kind} {namespace}/{name}"
    for older in history.imports():
        if older.source == told:
            history.drop(older.id)
    known = story.keys_there(DuckEngine(history), holder)
    source = ManagedFields(client, chosen, namespace, name, KeyedHash(history.secret), known)
    history.add(f"live-{secrets.token_hex(8)}", source.origin, told, source.events())


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
