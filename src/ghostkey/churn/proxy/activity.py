"""What the proxy has seen of an operator: enough to say whether it is done, and what it did for whom."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, TextIO

from ghostkey.churn.proxy.calls import Call
from ghostkey.churn.proxy.wants import Wants
from ghostkey.churn.tokens import tokens_in

LOG_MOST = 20_000
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


class Activity:
    """Requests in flight, events delivered, answers owed."""

    def __init__(self, writes_of_secrets: TextIO | None = None) -> None:
        self._writes_of_secrets = writes_of_secrets  # of which the audit log has no bodies; names alone are noted here
        self.in_flight = 0
        self.last = time.monotonic()
        # verb, place, tokens, status, and whether what it needs is not there
        self.log: deque[tuple[str, str, tuple[str, ...], int, bool]] = deque(maxlen=LOG_MOST)
        self.writes = self.reads = self.events = 0
        self.named = 0  # writes that name any token
        self.touched: Counter[str] = Counter()  # writes that name a token
        self.asked: Counter[str] = Counter()  # other calls that do
        self._delivered: dict[str, int] = {}  # resource → highest resourceVersion
        self._deleted: set[tuple[str, str]] = set()  # (resource, name)
        self.wants = Wants()
        self._debts: dict[str, float] = {}  # who has to ask again → since when
        self._versions: dict[str, int] = {}
        self._gone: set[tuple[str, str]] = set()
        self._initial: dict[int, set[str]] = {}  # names among the first events of a watch that begins with what is there

    def begin(self, call: Call) -> None:
        """A request has come."""
        if not call.is_noise:
            self.in_flight += 1
            self.last = time.monotonic()
        if call.is_write:
            self.writes += 1
            self.named += bool(call.tokens and not call.is_noise)
        else:
            self.reads += 1
        if not call.is_noise:
            (self.touched if call.is_write else self.asked).update(call.tokens)
        for owed in [debt for debt in self._debts if debt in call.tokens or debt == call.place]:
            del self._debts[owed]

    def end(self, call: Call, status: int, *, lacks: bool = False, body: bytes = b"") -> None:
        """Its answer was given; 0: none was. `lacks`: it says that what the call needs is not there. `body`: of the call."""
        self.wants.note(call, status, body)
        if not call.is_noise:
            self.in_flight -= 1
            self.last = time.monotonic()
        self.log.append((call.verb, call.place, tuple(sorted(call.tokens)), status, lacks))
        if call.resource == "secrets" and call.is_write and call.name and self._writes_of_secrets is not None:
            record = {
                "at": time.time_ns() // 1000,
                "namespace": call.namespace,
                "name": call.name,
                "tokens": sorted(call.tokens),
                "code": status,
            }
            print(json.dumps(record), file=self._writes_of_secrets, flush=True)

    def owe(self, call: Call, token: str) -> None:
        """After this answer the operator has to ask again, sooner or later."""
        self._debts[token or call.place] = time.monotonic()

    def deliver(self, call: Call, event: bytes) -> None:
        """A watch event has reached the operator."""
        is_bookmark = b'"BOOKMARK"' in event[:40]
        if match := _VERSION.search(event):
            self._delivered[call.resource] = max(self._delivered.get(call.resource, 0), int(match[1]))
        if call.is_initial and any(resource == call.resource for resource, _ in self._gone):
            self._look(call, event, is_bookmark)
        if is_bookmark:
            return
        self.events += 1
        if not call.is_noise:
            self.last = time.monotonic()
        if event.startswith(b'{"type":"DELETED"') and any(resource == call.resource for resource, _ in self._gone):
            try:
                self._deleted.add((call.resource, json.loads(event)["object"]["metadata"]["name"]))
            except (ValueError, KeyError, TypeError):
                return

    def _look(self, call: Call, event: bytes, is_bookmark: bool) -> None:
        seen = self._initial.setdefault(id(call), set())
        if not is_bookmark:
            seen |= {name for resource, name in self._gone if resource == call.resource and name.encode() in event}
        elif b'"k8s.io/initial-events-end"' in event:
            self._deleted |= {gone for gone in self._gone if gone[0] == call.resource and gone[1] not in seen}

    def relist(self, call: Call, version: int, body: bytes) -> None:
        """The operator has a list of the resource as of this version: whatever is not on it is known to be gone."""
        self._delivered[call.resource] = max(self._delivered.get(call.resource, 0), version)
        self._deleted |= {gone for gone in self._gone if gone[0] == call.resource and gone[1].encode() not in body}

    def expect(self, versions: dict[str, int], gone: Iterable[tuple[str, str]]) -> None:
        """From now on `lacks` tells whether these have been delivered."""
        self._versions.update(versions)
        self._gone |= set(gone)
        self.wants.gone |= {token for _, name in self._gone for token in tokens_in(name.encode())}

    def forget(self) -> None:
        """The operator starts anew: what was delivered to the last one counts no more."""
        self._delivered.clear()
        self._deleted.clear()
        self._debts.clear()
        self._versions.clear()
        self._gone.clear()
        self._initial.clear()
        self.last = time.monotonic()

    def state(self, places: set[tuple[str, str]]) -> dict[str, Any]:
        """What `settle` asks for; only what is watched can be lacking. `places`: (resource, namespace) of the open watches."""
        watched = {resource for resource, _ in places}
        late = [r for r, version in self._versions.items() if r in watched and self._delivered.get(r, 0) < version]
        gone = [name for name in self._gone if name[0] in watched and name not in self._deleted]
        now = time.monotonic()
        return {
            "in_flight": self.in_flight, "calm": 0.0 if self.in_flight else now - self.last, "late": late, "gone": len(gone),
            "debt": now - max(self._debts.values()) if self._debts else -1.0, "watched": sorted(watched),
            "namespaces": {r: sorted({namespace for resource, namespace in places if resource == r}) for r in watched},
            "writes": self.writes, "named": self.named, "reads": self.reads, "events": self.events,
        }  # fmt: skip
