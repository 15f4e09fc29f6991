"""Follows the logs of operators through the API, counts what has a keyword, and tells it with the stack, the last change of the
operator's image and the last changes of its maps.

Logs are asked for now and then, from where they were read last: a bounded piece of each. Nothing of them is kept but counts.
Source: Kubernetes API v1.37, read log of the specified Pod; k8s.io/kubernetes v1.37 pkg/kubelet/kuberuntime/logs
"""

from __future__ import annotations

import datetime
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed, GhostkeyError, place_of
from ghostkey.watch.keywords import KEYWORDS, Hit, hits, open_panic
from ghostkey.watch.operators import Operator, log_path
from ghostkey.watch.recent import Recent

EVERY_SECONDS = 5.0
PIECE_BYTES = 1 << 20
PIECES = 4  # of one container in one round; what is beyond them is skipped, and that is said
WINDOW_SECONDS = 600.0  # in which a keyword has to come as often as it is worth telling
AGAIN_SECONDS = 3600.0  # until the same is told again of the same operator
STACK_SHOWN = 8
HANDOVER_SECONDS = 30.0  # a Lease is over after 15, is asked for every 5, and logs are read every 5


@dataclass
class _Stream:
    """Where one container's log was read to: the time of the last line, and how many lines had it."""

    since: str
    lines_at: int = 0
    restarts: int | None = None  # that were read; None where none was seen yet
    pending: list[str] = field(default_factory=list)  # of a panic whose stack may still come


@dataclass
class Listener:
    """Who is told: of counts (operator, keyword, count), of what is worth an alert, of troubles ("" when they are over)."""

    counted: Callable[[Operator, str, int], None]
    alert: Callable[[str], None]
    trouble: Callable[[str], None]
    is_leader: Callable[[], bool]


class Logs:
    """One thread for all operators."""

    def __init__(self, client: ApiClient, operators: Sequence[Operator], recent: Recent, listener: Listener) -> None:
        self._client, self._operators, self._recent, self._listener = client, operators, recent, listener
        self._streams: dict[tuple[str, str, str], _Stream] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._times: dict[tuple[str, str, str], deque[float]] = {}
        self._told_at: dict[tuple[str, str, str], float] = {}
        self._untold: dict[tuple[str, str, str], tuple[float, Operator, Hit, int]] = {}
        self._from = _now()
        for operator in operators:
            for keyword in KEYWORDS:
                listener.counted(operator, keyword.name, 0)

    def start(self, stopped: threading.Event) -> None:
        """Begins; ends soon after `stopped` is set."""
        threading.Thread(target=self._run, args=(stopped,), name="logs", daemon=True).start()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            self._listener.trouble("; ".join(self.read_on()))
            stopped.wait(EVERY_SECONDS)

    def read_on(self) -> Iterator[str]:
        """Reads on in all logs, once, and tells what is worth it; what could not be read."""
        kept: dict[tuple[str, str, str], _Stream] = {}
        for operator in self._operators:
            where = f"logs of {operator.label} -n {operator.namespace}"
            try:
                pods, are_all = operator.pods(self._client)
                if not pods:
                    yield f"{where}: there is no such Pod"
                if not are_all:
                    yield f"{where}: there are more Pods than are read; the logs of {len(pods)} are"
            except GhostkeyError as error:
                # which Pods there are is not known: what was read of them is not forgotten, or it would be counted again
                kept |= {place: stream for place, stream in self._streams.items() if place[0] == operator.label}
                yield f"{where}: {error}"
                continue
            for pod in pods:
                try:
                    kept |= self._of_pod(operator, pod)
                    yield from self._read_pod(operator, pod, kept, where)
                except GhostkeyError as error:
                    yield f"{where}: {error}"
                except Exception as error:  # noqa: BLE001 (a stranger's Pod is behind it, and the others wait)
                    yield f"{where}: this is a bug in ghostkey: {place_of(error)}"
        self._streams = kept
        self._tell()

    def _of_pod(self, operator: Operator, pod: dict[str, Any]) -> dict[tuple[str, str, str], _Stream]:
        """The streams of a Pod's containers, new ones among them."""
        places = [(operator.label, str(pod["metadata"].get("uid")), str(one["name"])) for one in pod["spec"]["containers"]]
        return {place: self._streams.get(place) or _Stream(self._from) for place in places}

    def _read_pod(
        self, operator: Operator, pod: dict[str, Any], streams: Mapping[tuple[str, str, str], _Stream], where: str
    ) -> Iterator[str]:
        statuses = {str(one.get("name")): one for one in pod.get("status", {}).get("containerStatuses") or ()}
        for container in pod["spec"]["containers"]:
            name = str(container["name"])
            place = operator.label, str(pod["metadata"].get("uid")), name
            restarts = int(statuses.get(name, {}).get("restartCount") or 0)
            stream = streams[place]
            try:
                if restarts != (stream.restarts or 0):
                    yield from self._read(operator, pod, name, stream, where, is_previous=True)
                    if stream.restarts is not None and restarts > stream.restarts + 1:
                        yield f"{where}: {name} of {pod['metadata']['name']} ended several times; only its last log can be read"
                stream.restarts = restarts
                yield from self._read(operator, pod, name, stream, where)
            except GhostkeyError as error:
                yield f"{where}: {name} of {pod['metadata']['name']}: {error}"

    def _read(
        self, operator: Operator, pod: dict[str, Any], container: str, stream: _Stream, where: str, *, is_previous: bool = False
    ) -> Iterator[str]:
        params = {"container": container, "timestamps": "true", "limitBytes": str(PIECE_BYTES)}
        if is_previous:
            params["previous"] = "true"
        for _ in range(PIECES):
            since = stream.since, stream.lines_at
            try:
                body = self._client.get(log_path(pod), {**params, "sinceTime": _whole_second(stream.since)}, "*/*")
            except ApiFailed as error:
                if error.status == 400:
                    return  # the container waits to start, or has no log of before
                raise
            self._take(operator, stream, list(_new_lines(body, stream)))
            if len(body) < PIECE_BYTES:
                return
            if since == (stream.since, stream.lines_at):
                break
        if _comparable(stream.since) < _comparable(now := _now()):  # a node whose clock is ahead is not read twice
            stream.since, stream.lines_at = now, 0
        yield f"{where}: {container} of {pod['metadata']['name']} says more than is read; some of it was skipped"

    def _take(self, operator: Operator, stream: _Stream, lines: list[str]) -> None:
        whole = [*stream.pending, *lines]
        # its stack may be on its way; in the next round it is told as it is
        held = open_panic(whole) if lines else len(whole)
        stream.pending = whole[held:]
        for hit in hits(whole[:held]):
            self._count(operator, hit)

    def _count(self, operator: Operator, hit: Hit) -> None:
        keyword = hit.keyword
        place = operator.namespace, operator.label, keyword.name
        self._counts[place] += 1
        self._listener.counted(operator, keyword.name, self._counts[place])
        now = time.monotonic()
        times = self._times.setdefault(place, deque(maxlen=1000))
        times.append(now)
        while times[0] < now - WINDOW_SECONDS:
            times.popleft()
        is_told = place in self._told_at and now - self._told_at[place] < AGAIN_SECONDS
        if len(times) >= keyword.told_from and not is_told:
            self._told_at[place] = now
            self._untold[place] = now, operator, hit, len(times)

    def _tell(self) -> None:
        """Alerts of what has come; what another watcher was to tell, too, where that ended before it could be sure to have."""
        oldest = time.monotonic() - HANDOVER_SECONDS
        self._untold = {place: one for place, one in self._untold.items() if one[0] > oldest}
        while self._untold and self._listener.is_leader():
            _, operator, hit, count = self._untold.pop(next(iter(self._untold)))
            self._listener.alert(self._words(operator, hit, count))

    def _words(self, operator: Operator, hit: Hit, count: int) -> str:
        parts = [f"{operator.namespace}/{operator.label}: {hit.keyword.name} in its log, {count:,} in ten minutes: {hit.line}"]
        if hit.stack:
            parts.append("stack: " + " ← ".join(hit.stack[:STACK_SHOWN]))
        parts.append(operator.image_words(self._client))
        if maps := self._recent.told(operator.namespace, operator.names):
            parts.append("its maps changed last: " + ", ".join(maps))
        return "; ".join(parts)


def _new_lines(body: bytes, stream: _Stream) -> Iterator[str]:
    """Lines that were not read before, without their times; moves the stream on."""
    text = body.decode("utf-8", "replace")
    lines = text.split("\n")
    if len(body) >= PIECE_BYTES:
        lines.pop()  # cut in its middle; the next piece has it whole
    since, skip = _comparable(stream.since), stream.lines_at
    for line in lines:
        stamp, _, rest = line.partition(" ")
        at = _comparable(stamp)
        if not at[1] or at < since:
            continue
        if at == since and skip > 0:
            skip -= 1
            continue
        if at == _comparable(stream.since):
            stream.lines_at += 1
        else:
            stream.since, stream.lines_at = stamp, 1
        yield rest


def _comparable(stamp: str) -> tuple[float, str]:
    """A time of RFC 3339 with its nanoseconds, as what sorts as times do; (0, "") for what is none."""
    try:
        second = datetime.datetime.fromisoformat(_whole_second(stamp)).timestamp()
    except ValueError:
        return 0.0, ""
    fraction = _FRACTION.match(stamp, 19)
    return second, f"{fraction[1] if fraction else '':0<9}"


_FRACTION = re.compile(r"\.(\d{1,9})")


def _whole_second(stamp: str) -> str:
    zone = stamp[19:].lstrip(".0123456789") or "Z"
    return stamp[:19] + zone


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
