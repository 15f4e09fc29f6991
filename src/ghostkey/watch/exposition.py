"""The metrics, in the text format of Prometheus: one series for each map, and never one for a key.

Source: Prometheus, "Exposition formats", text format 0.0.4
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from ghostkey.model import metrics

SERIES_MOST = 50_000  # maps that have series; of those beyond it only their number is told


@dataclass(slots=True)
class Family:
    """One metric: what it is called, what it says, and its lines by map ("" for the watcher's own)."""

    name: str
    help: str
    type: str = "gauge"
    lines: dict[str, str] = field(default_factory=dict)

    def text(self) -> Iterable[str]:
        """The lines of the metric, with those that say what it is."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.type}"
        yield from self.lines.values()


FAMILIES = (
    Family(metrics.MAP_KEYS, "Keys of the map."),
    Family(metrics.GHOST_KEYS, "Keys of the map, and entries of documents in it, whose subject is gone."),
    Family(metrics.SUSPECT_KEYS, "Keys of the map that may be ghosts, without proof."),
    Family(metrics.BYTES, "Bytes of the map, counted as the limit counts that it meets first."),
    Family(metrics.LIMIT_BYTES, "The limit that the map meets first, in bytes."),
    Family(metrics.SECONDS_UNTIL_FULL, "Seconds until the map is full at the rate of its history, where there is one."),
    Family(metrics.GAPS, "What the last look could not see; beside a gap a ghost is unknown."),
    Family(metrics.WATCHES_BROKEN, "Kinds of maps of which nothing is seen at the moment."),
    Family(metrics.LOOKED_AT, "When the watcher looked for ghosts last, successfully."),
    Family(metrics.LOOK_SECONDS, "Seconds that the last look took."),
    Family(metrics.IS_LEADER, "1 on the watcher that writes Events and notifies."),
    Family(metrics.MAPS_LEFT_OUT, "Maps that have no series, since there are too many."),
    Family(metrics.EVENTS_TOTAL, "Kubernetes Events written.", "counter"),
    Family(metrics.NOTIFICATIONS_TOTAL, "Notifications sent.", "counter"),
    Family(metrics.NOTIFICATIONS_FAILED_TOTAL, "Notifications given up.", "counter"),
    Family(metrics.LOG_LINES_TOTAL, "Lines with a keyword in the logs of an operator, since the watcher began.", "counter"),
)


class Exposition:
    """What /metrics answers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._families = {family.name: Family(family.name, family.help, family.type) for family in FAMILIES}
        self._lock = threading.Lock()
        self._left_out: set[str] = set()

    def set_map(self, name: str, namespace: str, map_name: str, value: float) -> None:
        """Sets the series of one map."""
        spot = f"{namespace}/{map_name}"
        with self._lock:
            lines = self._families[name].lines
            if spot not in lines and len(lines) >= SERIES_MOST:
                self._left_out.add(spot)
                return
            if spot not in lines:
                self._left_out.discard(spot)  # there is room by now; a metric that has none says so again
            labels = f'{metrics.NAMESPACE}="{namespace}",{metrics.MAP}="{map_name}"'
            lines[spot] = f"{name}{{{labels}}} {number(value)}"

    def has_map(self, name: str, namespace: str, map_name: str) -> bool:
        """Whether a map has this series, or has none for want of room."""
        spot = f"{namespace}/{map_name}"
        with self._lock:
            return spot in self._families[name].lines or spot in self._left_out

    def remove_map(self, namespace: str, map_name: str, *names: str) -> None:
        """Takes away the series of one map: all, or those of these metrics."""
        spot = f"{namespace}/{map_name}"
        with self._lock:
            for family in self._families.values():
                if not names or family.name in names:
                    family.lines.pop(spot, None)
            if not names:
                self._left_out.discard(spot)

    def set_log(self, namespace: str, operator: str, keyword: str, value: float) -> None:
        """Sets how many lines of an operator's log had a keyword."""
        name = metrics.LOG_LINES_TOTAL
        labels = f'{metrics.NAMESPACE}="{namespace}",{metrics.OPERATOR}="{operator}",{metrics.KEYWORD}="{keyword}"'
        with self._lock:
            self._families[name].lines[labels] = f"{name}{{{labels}}} {number(value)}"

    def set(self, name: str, value: float) -> None:
        """Sets a metric of the watcher itself."""
        with self._lock:
            self._families[name].lines[""] = f"{name} {number(value)}"

    def text(self) -> bytes:
        """The whole exposition."""
        self.set(metrics.MAPS_LEFT_OUT, len(self._left_out))
        with self._lock:
            lines = [line for family in self._families.values() if family.lines for line in family.text()]
        return ("\n".join(lines) + "\n").encode()


def number(value: float) -> str:
    """A number as Prometheus reads it, whole ones without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))
