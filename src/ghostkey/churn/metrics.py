"""Metric series that name dead subjects: the operator's own /metrics, found by the ports that it listens on."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from ghostkey.churn.tokens import Named, Spellings
from ghostkey.churn.traces import Found, Signature, Trace, place_masked

ANSWER_MOST = 64 << 20
SECONDS = 5.0
_LISTENING = "0A"  # Source: linux/include/net/tcp_states.h, TCP_LISTEN
_LABEL_LE = re.compile(r'(,?)(?:le|quantile)="[^"]*"(,?)')
_SUFFIX = re.compile(r"_(bucket|sum|count|created)$")
_EVENT_HASH = re.compile(r"<S>\.[0-9a-f]{12,20}\b")


class Metrics:
    """The metrics of one process; `url` is what --metrics says, else they are looked for."""

    def __init__(self, url: str = "") -> None:
        self._given, self._url, self._pid = url, url, 0

    @property
    def is_served(self) -> bool:
        """Whether they have been read."""
        return bool(self._url)

    def read(self, pid: int) -> bytes | None:
        """The text, or None where no metrics are served. Raises OSError when they were served before and cannot be read now."""
        if pid != self._pid:
            self._pid, self._url = pid, self._given
        if self._url:
            return _get(self._url)
        for port in sorted(_ports(pid)):
            for scheme in ("http", "https"):
                with contextlib.suppress(OSError, ValueError):
                    url = f"{scheme}://127.0.0.1:{port}/metrics"
                    text = _get(url)
                    if b"# TYPE " in text:
                        self._url = url
                        return text
        return None


def traces_of(text: bytes, dead: Iterable[Named]) -> Found:
    """Signature → trace of each family of series that names a dead subject. A histogram is one series, however many buckets."""
    spellings, found = Spellings(dead), Found()
    seen: set[tuple[str, str]] = set()
    for line in text.split(b"\n"):
        if line.startswith(b"#") or b"{" not in line:
            continue
        hits = spellings.find(line)
        if not hits:
            continue
        series = line.rpartition(b"}")[0].decode(errors="replace")
        name, _, labels = series.partition("{")
        if _LABEL_LE.search(labels) or _SUFFIX.search(name):
            name, labels = _SUFFIX.sub("", name), _LABEL_LE.sub(r"\1", labels).strip(",")
        place = f"{name}{{{_EVENT_HASH.sub('<S>.<hash>', place_masked(labels))}}}"
        trace = found.setdefault(Signature("metrics", place), Trace(example=place))
        trace.tokens |= set(hits)
        if (name, labels) not in seen:
            seen.add((name, labels))
            trace.series += 1
        trace.is_weak = trace.is_weak and not any("plain" in how for how in hits.values())
    return {signature: trace for signature, trace in found.items() if not (trace.is_weak and len(trace.tokens) < 2)}


def _get(url: str) -> bytes:
    # an operator's own certificate on the loopback address: nothing is sent, and nothing secret is read
    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323
    with urllib.request.urlopen(url, timeout=SECONDS, context=context) as answer:
        text: bytes = answer.read(ANSWER_MOST + 1)
    if len(text) > ANSWER_MOST:
        raise OSError(f"{url} gives more than {ANSWER_MOST >> 20} MiB")
    return text


def _ports(pid: int) -> Iterator[int]:
    sockets = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                # Source: proc(5), /proc/net/tcp: local address, state, inode
                if fields[3] == _LISTENING and fields[9] in sockets:
                    yield int(fields[1].rpartition(":")[2], 16)
