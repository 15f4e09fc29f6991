"""Objects of one name whatever the subject, such as a registry, that an operator would write and that are never there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ghostkey.churn.proxy.calls import Call
from ghostkey.churn.proxy.wire import name_of
from ghostkey.churn.tokens import tokens_in

NOT_FOUND = 404
Spot = tuple[str, str, str]  # place, namespace and name


@dataclass(slots=True)
class Wants:
    """Writes about subjects that live which find nothing. `gone`: names of subjects that have been deleted.

    What a cleanup alone does not find may have been asked for by a wrong name; what a subject needs while it lives has to be there.
    """

    gone: set[str] = field(default_factory=set)
    _missed: Counter[tuple[str, Spot]] = field(default_factory=Counter)  # by verb
    _let_in: set[Spot] = field(default_factory=set)

    def note(self, call: Call, status: int, body: bytes) -> None:
        """A call was answered. `body`: its own."""
        if not (call.is_write and call.tokens) or call.is_noise:
            return
        if 200 <= status < 300:
            self._let_in.add((call.place, call.namespace, call.name or name_of(body)))
        elif (
            status == NOT_FOUND
            and call.verb in {"update", "patch"}
            and not tokens_in(call.name.encode())
            and not call.tokens <= self.gone
        ):
            self._missed[call.verb, (call.place, call.namespace, call.name)] += 1

    def told(self) -> list[tuple[str, str, str, str, int]]:
        """Verb, place, namespace, name and how often, of objects that no write has ever met."""
        return sorted((verb, *spot, times) for (verb, spot), times in self._missed.items() if spot not in self._let_in)
