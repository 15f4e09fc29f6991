"""What an operator was not let do, by the guard of a given cluster or by the API server: the cleanup may have been among it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ghostkey.churn.proxy.calls import WRITES
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.churn.proxy.client import ProxyProcess

TOLD_MOST = 8
UNAUTHORIZED = 401
Call = tuple[str, str, str]  # verb, place, namespace
# questions about who somebody is and what he may do, of the groups authentication.k8s.io and authorization.k8s.io
REVIEWS = frozenset({
    "tokenreviews", "selfsubjectreviews", "subjectaccessreviews", "localsubjectaccessreviews", "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
})  # fmt: skip


@dataclass(slots=True)
class Refusals:
    """How often which call was refused. `denied` by the API server, with the status; `leases`: namespaces in which it was let hold none."""

    guarded: Counter[Call] = field(default_factory=Counter)
    denied: Counter[tuple[Call, int]] = field(default_factory=Counter)
    leases: set[str] = field(default_factory=set)
    renewal_failed: str = ""  # why there were no other credentials

    def add(self, other: ProxyProcess | Refusals) -> Refusals:
        """Counts what another one, or a proxy, knows; gives itself. A proxy that is gone was asked before it went."""
        if isinstance(other, Refusals):
            self.guarded.update(other.guarded)
            self.denied.update(other.denied)
            self.leases |= other.leases
        else:
            with contextlib.suppress(GhostkeyError):
                self._add(other.ask("refused"))
        self.renewal_failed = other.renewal_failed or self.renewal_failed
        return self

    def _add(self, told: Mapping[str, Any]) -> None:
        self.guarded.update({(verb, place, namespace): times for verb, place, namespace, times in told["refused"]})
        self.denied.update({((verb, place, namespace), status): n for verb, place, namespace, status, n in told["denied"]})
        self.leases |= set(told["leases"])

    def since(self, before: Refusals) -> Refusals:
        """Those that came after others, which are among them."""
        return Refusals(
            self.guarded - before.guarded, self.denied - before.denied, self.leases - before.leases, self.renewal_failed
        )

    def chosen(self, of: Callable[[Call], bool]) -> Refusals:
        """Those of some calls."""
        guarded = Counter({call: times for call, times in self.guarded.items() if of(call)})
        denied = Counter({(call, status): times for (call, status), times in self.denied.items() if of(call)})
        return Refusals(guarded, denied, self.leases, self.renewal_failed)

    def words(self, *, with_leases: bool = False) -> list[str]:
        """Each call with how often and by whom, the most frequent first."""
        found = [f"to hold a lease in {namespace}" for namespace in sorted(self.leases)] if with_leases else []
        lines = [(times, f"{_call(call)}, {_times(times)}: {_guards(call)}") for call, times in self.guarded.items()]
        for (call, status), times in self.denied.items():
            more = f" ({self.renewal_failed})" if status == UNAUTHORIZED and self.renewal_failed else ""
            lines.append((times, f"{_call(call)}, {_times(times)}: the API server answered {status}{more}"))
        return found + [line for _, line in sorted(lines, key=lambda pair: (-pair[0], pair[1]))]

    def told(self) -> str:
        """All of it as the reason of what is inconclusive; "" for nothing."""
        words = self.words()
        more = f"; and {len(words) - TOLD_MOST} more" if len(words) > TOLD_MOST else ""
        return f"the operator was refused: {'; '.join(words[:TOLD_MOST])}{more}" if words else ""


def is_work(call: Call) -> bool:
    """Whether a call may be part of what an operator does for a subject: paths such as /metrics, and reviews, are not."""
    verb, place, _ = call
    return verb != "other" and place.partition("/")[0] not in REVIEWS


def may_clean_up(call: Call, subjects: Collection[str], trace: tuple[str, str]) -> bool:
    """Whether a cleanup may need a call: writes, and reads of the kinds of the subjects or of the resource and namespace of a trace."""
    verb, place, namespace = call
    resource = place.partition("/")[0]
    return is_work(call) and (verb in WRITES or resource in subjects or (resource == trace[0] and namespace in {"", trace[1]}))


def _guards(call: Call) -> str:
    return "--writes-in NS lets it write there" if call[2] else "nothing outside of a namespace is let through"


def _call(call: Call) -> str:
    verb, place, namespace = call
    return f"{verb} {place}" + (f" in {namespace}" if namespace else " of the cluster")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
