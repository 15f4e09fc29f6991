"""Records history beside the watching, as `ghostkey record` does, in parts: what is recorded is in the store while it goes on.

A watcher that is killed loses the part that it was at; what was not seen until it is back is no part's time, and so not covered.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ghostkey.kube.client import ApiClient
from ghostkey.kube.discovery import discover, resolve
from ghostkey.model.errors import GhostkeyError, place_of
from ghostkey.model.refs import Kind
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder, recorded_kinds
from ghostkey.store.history import History
from ghostkey.store.merging import merge

AGAIN_SECONDS = 60.0  # after a kind could not be watched, or the store not be written
ROWS = 4096  # events that wait to be written: a few megabytes
END_SECONDS = 20.0  # for the last part to be written


class Record:
    """One thread beside those of the recorder. `trouble` is told what is wrong, and "" when it is not any more."""

    def __init__(
        self, client: ApiClient, store: str, holders: Sequence[Kind], words: Sequence[str], namespace: str, part_seconds: float
    ) -> None:
        """`words` name kinds of subjects; none: those that `record` chooses. Raises GhostkeyError when there can be no store."""
        self._client, self._holders, self._words = client, holders, words
        self._namespace, self._part_seconds = namespace, part_seconds
        # what Arrow's own allocator has had it keeps
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        self._history = History(Path(store), ROWS)
        self._digest = KeyedHash(self._history.secret)
        self._recorder: Recorder | None = None
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, trouble: Callable[[str], None]) -> None:
        """Begins."""
        self._thread = threading.Thread(target=self._run, args=(trouble,), name="record", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends, once what was seen is in the store."""
        self._ends.set()
        if self._recorder is not None:
            self._recorder.stop()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _run(self, trouble: Callable[[str], None]) -> None:
        while not self._ends.is_set():
            try:
                served = discover(self._client).kinds
                wanted = [resolve(word, served) for word in self._words] or recorded_kinds(served)
                kinds = list(dict.fromkeys([*self._holders, *wanted]))
                self._recorder = Recorder(self._client, kinds, self._digest, (), self._namespace, lambda: trouble(""))
                if self._ends.is_set():
                    self._recorder.stop()  # nobody else knew of it yet
                for part in self._recorder.parts(self._part_seconds):
                    self._history.add(f"record-{secrets.token_hex(8)}", Recorder.origin, self._client.config.server, part)
                    merge(self._history, Recorder.origin, self._client.config.server)
            except (GhostkeyError, OSError) as error:
                trouble(f"not recorded: {error}")
            except Exception as error:  # noqa: BLE001 (a thread that dies in silence would look like a quiet cluster)
                trouble(f"not recorded: this is a bug in ghostkey: {place_of(error)}")
            if self._recorder is not None:
                self._recorder.stop()
            self._ends.wait(AGAIN_SECONDS)
