"""Words for how long a value lives, and what several of them are together."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Made
from ghostkey.lint.module import Spot

LONG, SHORT, UNKNOWN, UNCALLED = "long", "short", "unknown", "uncalled"
RUN = "run"  # as long as the function that runs a program: with nothing short beside it, that is long


def sum_of(fates: set[str]) -> str:
    """The longest of several values' fates. What nobody calls is there for a program elsewhere: that counts where nothing else is known."""
    known = fates - {UNCALLED}
    if fates and not known:
        return UNCALLED
    if LONG in known:
        return LONG
    if RUN in known:
        return UNKNOWN if SHORT in known else RUN  # what others make for one call may be made for one run of a tool here
    return UNKNOWN if UNKNOWN in known or not known else SHORT


def longest(fates: set[str]) -> str:
    """The fate of one value that several have: it is there as long as the last of them."""
    return next((fate for fate in (LONG, RUN, UNKNOWN, UNCALLED) if fate in fates), SHORT)


def is_into_parameter(spot: Spot, made: Made) -> bool:
    """Whether a value is put into a map that the function was given."""
    given = {name for name, _ in spot.function.params}
    calls = [call for call in spot.function.calls if call.name == made.to.root and call.line == made.line]
    return any(call.receiver is not None and call.receiver.root in given and not call.receiver.fields for call in calls)


def is_assertion(spot: Spot, made: Made) -> bool:
    """Whether a value is made for the compiler alone: `var _ Interface = &T{}`."""
    source = spot.file.source
    line = source[made.line - 1] if spot.function.name == "(package)" and 0 < made.line <= len(source) else ""
    return re.match(r"\s*(?:var\s+)?_\s", line) is not None
