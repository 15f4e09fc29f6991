"""Which fault strikes where: rules that were given, counted as calls come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ghostkey.churn.fault import Fault
from ghostkey.churn.faults import all_faults
from ghostkey.churn.proxy.calls import Call


@dataclass(slots=True)
class Rule:
    """A fault at the n-th call of this verb and place that names the token ("": any call)."""

    number: int
    name: str
    fault: Fault
    verb: str
    place: str
    token: str
    left: int
    has_fired: bool = False

    def strikes(self, verb: str, place: str, tokens: frozenset[str] | set[str]) -> bool:
        """Whether this call is the one; counts it when it is of those."""
        if self.has_fired or self.verb != verb or self.place != place or (self.token and self.token not in tokens):
            return False
        self.left -= 1
        self.has_fired = self.left == 0
        return self.has_fired


class Rules:
    """All rules of one trial."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def replace(self, records: list[dict[str, Any]]) -> None:
        """Replaces the rules. Raises KeyError for a fault that there is not."""
        known = all_faults()
        self._rules = [
            Rule(i, r["fault"], known[r["fault"]], r["verb"], r["place"], r.get("token", ""), int(r.get("occurrence", 1)))
            for i, r in enumerate(records)
        ]  # fmt: skip

    @property
    def fired(self) -> list[int]:
        """Numbers of the rules that have struck."""
        return [rule.number for rule in self._rules if rule.has_fired]

    def for_call(self, call: Call) -> Rule | None:
        """The rule that strikes this call; the first of several."""
        return self._first(call.verb, call.place, call.tokens)

    def for_event(self, call: Call, tokens: set[str]) -> Rule | None:
        """The rule that strikes an event of this watch."""
        return self._first("event", call.place, tokens)

    def _first(self, verb: str, place: str, tokens: frozenset[str] | set[str]) -> Rule | None:
        return next((rule for rule in self._rules if rule.strikes(verb, place, tokens)), None)
