"""An engine that knows the past of one map: over a store that was named, the user's own, or one that lives as long as the asking."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import UsageError
from ghostkey.model.refs import CONFIG_MAPS, SECRETS
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.managed_fields import ManagedFields
from ghostkey.sources.history.remote import fetch, is_remote
from ghostkey.store.engines import DuckEngine, Engine, open_engine
from ghostkey.store.history import History
from ghostkey.store.scratch import scratch_directory
from ghostkey.story.importing import import_paths
from ghostkey.story.prepare import keys_there, prepare

LIVE = "live"
Progress = Callable[[str], None]
Holder = tuple[str, str, str]  # qualified kind, namespace, name


@dataclass(frozen=True, slots=True)
class Past:
    """Where the past of a map comes from: paths and URLs (`live`: the cluster's own memory), of one sort if that is said, a store,
    and which engine asks it; map-valued fields as (kind, path), and declared links."""

    paths: tuple[str, ...] = ()
    sort: str = ""
    store: str = ""
    engine: str = "duckdb"
    carve: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    subjects: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.store)


@contextlib.contextmanager
def opened(
    holder: Holder, past: Past, connect: Callable[[str], ApiClient] | None = None, progress: Progress = lambda _: None
) -> Iterator[Engine]:
    """An engine that knows all of one map. `connect` gives a client for a namespace, for what is `live`.

    Without paths and without a named store it is the user's own store. A store in an object store is copied for DuckDB; at any
    URL Spark reads it where it lies. Raises GhostkeyError when there is no history at all.
    """
    with contextlib.ExitStack() as stack:
        if "://" in past.store and (past.engine == "spark" or not is_remote(past.store)):
            if past.engine != "spark" or past.paths:
                hint = "import into a folder, and copy its parts there" if past.paths else "add --engine spark"
                raise UsageError(f"{past.store} is a URL, and only Spark reads from there", hint)
            progress(f"reading {past.store}")
            found = open_engine(past.engine, History(), past.store)
            prepare(found, past.subjects, holder)
            yield found
            return
        if past.store and is_remote(past.store):
            if past.paths:
                raise UsageError(
                    f"{past.store} is a URL, and nothing is written there", "import into a folder, and copy its parts there"
                )
            history = History(fetch(past.store, stack.enter_context(scratch_directory("store")), progress))
        elif past.store or not past.paths:
            history = History(Path(past.store) if past.store else None)
        else:
            history = History(stack.enter_context(scratch_directory("history")))
        files = [path for path in past.paths if path != LIVE]
        if files:
            import_paths(history, files, past.sort, past.fields, carve=past.carve, progress=progress)
        if LIVE in past.paths:
            if connect is None:
                raise UsageError("no cluster was named to ask", "give a client")
            import_live(history, holder, connect(holder[1]), progress)
        if not history.imports():
            raise UsageError(
                f"the store {history.directory} holds no history",
                "give --from AUDIT|SNAPSHOT|WAL|DIR, or ghostkey history import first",
            )
        progress("asking the history")
        found = open_engine(past.engine, history)
        prepare(found, past.subjects, holder)
        yield found


def import_live(history: History, holder: Holder, client: ApiClient, progress: Progress = lambda _: None) -> None:
    """Adds what the cluster remembers of a map, in place of what it remembered before."""
    kind, namespace, name = holder
    progress(f"reading {kind}/{name}")
    chosen = CONFIG_MAPS if kind == CONFIG_MAPS.qualified else SECRETS
    told = f"{client.config.server} {kind} {namespace}/{name}"
    for older in history.imports():
        if older.source == told:
            history.drop(older.id)
    known = keys_there(DuckEngine(history), holder)
    source = ManagedFields(client, chosen, namespace, name, KeyedHash(history.secret), known)
    history.add(f"live-{secrets.token_hex(8)}", source.origin, told, source.events())
