"""The watcher: follows the cluster, looks again when it has changed, tells metrics always and people only what is new."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ghostkey.analyses._gauges import gauges
from ghostkey.kube.client import ApiClient
from ghostkey.model import metrics
from ghostkey.model.errors import GhostkeyError, place_of
from ghostkey.model.refs import CONFIG_MAPS, Kind
from ghostkey.model.silences import Silence
from ghostkey.sources.live_cluster import Scope
from ghostkey.watch.announce import Announcer
from ghostkey.watch.board import Board, Encode
from ghostkey.watch.changes import Changes
from ghostkey.watch.exposition import Exposition
from ghostkey.watch.follow import Follower
from ghostkey.watch.forecasts import EVERY_SECONDS, Forecasts
from ghostkey.watch.gaps import gap_words
from ghostkey.watch.lease import RENEW_SECONDS, Lease
from ghostkey.watch.logs import Listener, Logs
from ghostkey.watch.look import Look, Looker
from ghostkey.watch.maps import Held, Maps, Place
from ghostkey.watch.notify import Notifier, escaped
from ghostkey.watch.operators import Operator
from ghostkey.watch.recent import Recent
from ghostkey.watch.record import Record
from ghostkey.watch.reports import Make, Reports, trouble
from ghostkey.watch.server import Answer, Asked, serve
from ghostkey.watch.stories import Stories
from ghostkey.watch.subjects import Subjects
from ghostkey.watch.web import Web

IDLE_SECONDS = 300.0  # without any change a look is taken all the same
FAILED_SECONDS = 5.0  # after a look that the API server did not answer
REPORTS_AGAIN_SECONDS = 30.0  # the kind may be installed later
CLOSE_SECONDS = 3.0
STUCK_SECONDS = 900.0  # without a look or a wait that ends: then /healthz says so


@dataclass(frozen=True, slots=True)
class Options:
    """What to watch and whom to tell. `lease` is (namespace, name); `store` a folder of history, which is recorded into
    in parts of `record_seconds` unless that is 0; `encode` is for the page at `web`;
    with `make_report` Reports are written; `operators` are those whose logs are followed.
    """

    namespace: str = ""
    holders: tuple[Kind, ...] = (CONFIG_MAPS,)
    subject_kinds: tuple[str, ...] = ()
    known_by: tuple[tuple[str, str], ...] = ()
    declared: tuple[str, ...] = ()
    silences: tuple[Silence, ...] = ()
    listen: tuple[str, int] = ("127.0.0.1", 9464)
    writes_events: bool = False
    notify: urllib.parse.SplitResult | None = None
    lease: tuple[str, str] = ("default", "ghostkey-watch")
    identity: str = "ghostkey"
    store: str | None = None
    record_seconds: float = 0.0
    patience_seconds: float = 10.0
    web: tuple[str, int] | None = None
    web_token: str = field(default="", repr=False)
    encode: Encode | None = None
    make_report: Make | None = None
    operators: tuple[Operator, ...] = ()


class Watcher:
    """Runs until `stop`."""

    def __init__(self, client: ApiClient, options: Options, say: Callable[[str], None]) -> None:
        self._client, self._options, self._say = client, options, say
        self._changes = Changes()
        self._exposition = Exposition()
        scope = Scope(
            namespace=options.namespace, holders=options.holders, subject_kinds=options.subject_kinds, known_by=options.known_by
        )
        server = client.config.server
        self._maps = Maps(server, self._map_changed, is_whole=not options.namespace)
        without: Sequence[Kind] = () if options.namespace else options.holders
        self._subjects = Subjects(client, scope, self._changes.note, lambda: self._changes.is_stopped, without)
        self._looker = Looker(server, self._maps, self._subjects, options.declared, options.silences)
        self._judged: dict[str, tuple[int, int]] = {}  # spot → ghosts and suspects, as told
        self._board = Board(server, options.encode) if options.web and options.encode else None
        every = min(EVERY_SECONDS, options.record_seconds or EVERY_SECONDS)
        self._forecasts = Forecasts(options.store, every)
        self._record: Record | None = None
        if options.store and options.record_seconds:
            self._record = Record(
                client, options.store, options.holders, options.subject_kinds, options.namespace, options.record_seconds
            )
        is_told = options.writes_events or options.notify or options.make_report
        self._lease = Lease(client, *options.lease, options.identity) if is_told else None
        self._reports: Reports | None = None
        self._announcer: Announcer | None = None
        self._recent = Recent() if options.operators else None
        self._looked = False
        self._beat = time.monotonic()
        self._said: dict[str, str] = {}  # by what it is about

    def stop(self) -> None:
        """Ends `run`; may be called by a signal handler."""
        self._changes.stop()

    def run(self) -> None:
        """Watches. Raises UsageError when the address to listen on is taken, AccessDenied when nothing may be read at all."""
        options = self._options
        answers = {"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz}
        address, end_server = serve(options.listen, answers)
        notifier = Notifier(options.notify, self._notified) if options.notify else None
        if self._lease is not None:
            self._announcer = Announcer(
                self._client, self._lease, notifier, writes_events=options.writes_events, patience=options.patience_seconds
            )
            if options.make_report is not None:
                self._reports = Reports(
                    self._client, self._lease, options.make_report, options.namespace, patience=options.patience_seconds
                )
            for name in (metrics.EVENTS_TOTAL, metrics.NOTIFICATIONS_TOTAL, metrics.NOTIFICATIONS_FAILED_TOTAL):
                self._exposition.set(name, 0)
            threading.Thread(target=self._lead, name="lease", daemon=True).start()
        self._sent = [0, 0]
        self._say(f"metrics at http://{address}/metrics")
        end_web = self._serve_page()
        for kind in options.holders:
            stopped = lambda: self._changes.is_stopped  # noqa: E731
            Follower(self._client, kind, self._maps, stopped, options.namespace).start(is_kept=True)
        if self._record is not None:
            self._record.start(lambda text: self._tell_trouble("record", text))
        ended = threading.Event()
        self._follow_logs(notifier, ended)
        try:
            self._loop()
        finally:
            self._changes.stop()
            ended.set()
            if self._record is not None:
                self._record.stop()
            if notifier is not None:
                notifier.close(CLOSE_SECONDS)
            if self._lease is not None:
                self._lease.release()
            end_server()
            end_web()

    def _serve_page(self) -> Callable[[], None]:
        options = self._options
        if self._board is None or options.web is None:
            return lambda: None
        stories = Stories(options.store, options.web_token) if options.store else None
        address, end = serve(options.web, Web(self._board, options.web_token, stories).answers)
        self._say(f"page at http://{address}/")
        return end

    def _follow_logs(self, notifier: Notifier | None, ended: threading.Event) -> None:
        if self._recent is None:
            return
        listener = Listener(
            counted=lambda one, keyword, count: self._exposition.set_log(one.namespace, one.label, keyword, count),
            alert=lambda text: self._alert(notifier, text),
            trouble=lambda text: self._tell_trouble("logs", text),
            is_leader=lambda: self._lease is None or self._lease.is_leader,
        )
        Logs(self._client, self._options.operators, self._recent, listener).start(ended)

    def _alert(self, notifier: Notifier | None, text: str) -> None:
        self._say(text)
        if notifier is not None:
            notifier.send(escaped(f"ghostkey: {text}"))

    def _loop(self) -> None:
        took, wait = 0.0, 0.0
        while not self._changes.is_stopped:
            self._beat = time.monotonic()
            if not self._changes.wait(took, wait) and (self._changes.is_stopped or not self._are_listed):
                wait = 0.2
            if not self._are_listed:
                self._tell_trouble("look", "; ".join(f"{kind.qualified}: {why}" for kind, why in self._maps.broken.items()))
                continue
            try:
                look = self._looker.look()
            except GhostkeyError as error:
                self._tell_trouble("look", f"not looked: {error}")
                wait = FAILED_SECONDS
                continue
            except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and metrics go on)
                self._tell_trouble("look", f"not looked: this is a bug in ghostkey: {place_of(error)}")
                wait = IDLE_SECONDS
                continue
            took = look.cpu_seconds
            _give_back()
            self._publish(look)
            waits = min(self._announce(look), self._report(look))
            del look  # tens of thousands of findings need not lie beside those of the next one
            wait = min(IDLE_SECONDS, waits)
            self._looked = True

    @property
    def _are_listed(self) -> bool:
        return self._maps.kinds >= set(self._options.holders)

    # what is told

    def _map_changed(self, place: Place, held: Held | None) -> None:
        kind, namespace, name = place
        label = f"{kind.qualified}/{name}"
        if self._recent is not None:
            self._recent.note(place, held, is_new=self._looked)
        meta = held.batches[0].meta if held is not None and held.batches else None
        if held is None or meta is None:  # gone, or one that cannot be read: what it was is not what it is
            self._exposition.remove_map(namespace, label)
            if self._board is not None:
                self._board.remove_map(f"{namespace}/{label}")
        else:
            self._exposition.set_map(metrics.MAP_KEYS, namespace, label, meta.key_count)
            found = gauges(held.batches[0])
            self._exposition.set_map(metrics.BYTES, namespace, label, found[0].used_bytes if found else 0)
            if found:
                self._exposition.set_map(metrics.LIMIT_BYTES, namespace, label, found[0].allowed_bytes)
            if self._board is not None:
                used, allowed = (found[0].used_bytes, found[0].allowed_bytes) if found else (0, 0)
                self._board.set_map(f"{namespace}/{label}", meta.key_count, used, allowed)
        self._changes.note()

    def _publish(self, look: Look) -> None:
        present: set[str] = set()
        for kind, namespace, name in self._maps.places:
            label = f"{kind.qualified}/{name}"
            spot = f"{namespace}/{label}"
            if not self._exposition.has_map(metrics.MAP_KEYS, namespace, label):
                continue  # one that cannot be read: no ghost was seen, and none is no news
            present.add(spot)
            found = look.maps.get(spot)
            numbers = (found.ghosts, found.suspects) if found else (0, 0)
            # a map that was deleted and made again since the last look has lost its series meanwhile
            if self._judged.get(spot) != numbers or not self._exposition.has_map(metrics.GHOST_KEYS, namespace, label):
                self._judged[spot] = numbers
                self._exposition.set_map(metrics.GHOST_KEYS, namespace, label, numbers[0])
                self._exposition.set_map(metrics.SUSPECT_KEYS, namespace, label, numbers[1])
        for spot in self._judged.keys() - present:
            del self._judged[spot]
            self._exposition.remove_map(*spot.split("/", 1))
        self._exposition.set(metrics.GAPS, len(look.gaps))
        self._exposition.set(metrics.LOOKED_AT, look.at)
        self._exposition.set(metrics.LOOK_SECONDS, look.seconds)
        if self._board is not None:
            self._board.take(look)
        for namespace, label, seconds in self._forecasts.of(self._maps.largest()):
            if self._board is not None:
                self._board.set_forecast(f"{namespace}/{label}", seconds)
            if seconds is None:
                self._exposition.remove_map(namespace, label, metrics.SECONDS_UNTIL_FULL)
            else:
                self._exposition.set_map(metrics.SECONDS_UNTIL_FULL, namespace, label, seconds)
        self._tell_trouble("look", gap_words(look.gaps))

    def _announce(self, look: Look) -> float:
        """Tells what is new; after how many seconds there will be more to tell."""
        if self._announcer is None:
            return IDLE_SECONDS
        try:
            waits = self._announcer.announce(look)
            self._tell_trouble("events", "")
        except GhostkeyError as error:
            self._tell_trouble("events", f"not told: {error}")
            waits = FAILED_SECONDS
        self._exposition.set(metrics.EVENTS_TOTAL, self._announcer.events)
        return waits

    def _report(self, look: Look) -> float:
        """Writes Reports; after how many seconds there will be more to write."""
        if self._reports is None:
            return IDLE_SECONDS
        try:
            waits = self._reports.write(look)
        except GhostkeyError as error:
            self._tell_trouble("reports", trouble(error))
            return REPORTS_AGAIN_SECONDS
        self._tell_trouble("reports", "")
        return waits

    def _notified(self, has_arrived: bool) -> None:
        self._sent[not has_arrived] += 1
        self._exposition.set(metrics.NOTIFICATIONS_TOTAL, self._sent[0])
        self._exposition.set(metrics.NOTIFICATIONS_FAILED_TOTAL, self._sent[1])
        if not has_arrived:
            self._say("a notification was given up: the webhook did not take it")

    def _tell_trouble(self, about: str, text: str) -> None:
        """Says what is wrong once, not at each look."""
        if text != self._said.get(about, ""):
            self._said[about] = text
            if text:
                self._say(text)

    # threads of its own

    def _lead(self) -> None:
        lease = self._lease
        while lease is not None and not self._changes.is_stopped:
            before = lease.is_leader
            try:
                lease.renew()
            except GhostkeyError as error:
                self._tell_trouble("lease", f"the lease {lease.name} -n {lease.namespace} could not be renewed: {error}")
            if lease.is_leader != before:
                self._say("this watcher tells" if lease.is_leader else "another watcher tells")
                self._changes.note()
            self._exposition.set(metrics.IS_LEADER, int(lease.is_leader))
            threading.Event().wait(RENEW_SECONDS)

    # answers

    def _metrics(self, _: Asked) -> Answer:
        self._exposition.set(metrics.WATCHES_BROKEN, len(self._maps.broken))
        return Answer(200, self._exposition.text())

    def _healthz(self, _: Asked) -> Answer:
        return Answer(200, b"ok\n") if time.monotonic() - self._beat < STUCK_SECONDS else Answer(503, b"stuck\n")

    def _readyz(self, _: Asked) -> Answer:
        return Answer(200, b"ok\n") if self._looked else Answer(503, b"the cluster was not looked at yet\n")


def _give_back() -> None:
    """Has the C library give back what a look needed and nobody has any more; where it cannot, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
