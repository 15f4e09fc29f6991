"""Label selectors, as the API server understands them, for dumps that no API server reads."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ghostkey.model.errors import UsageError

SELECTOR_HINT = "write -l app=web,tier!=db, -l 'env in (test,prod)', or -l '!legacy'"
_TERM = re.compile(r",(?![^(]*\))")  # a comma that is in no parentheses
_KEY = r"[A-Za-z0-9](?:[-._/A-Za-z0-9]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?)?"
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_THERE = re.compile(rf"(!?)\s*({_KEY})")


@dataclass(frozen=True, slots=True)
class Term:
    """One requirement: the label has one of the values, or with `is_not` none of them; without values, that it is there."""

    key: str
    values: frozenset[str] | None
    is_not: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. A label that is not there has none of the values."""
        is_there = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return is_there != self.is_not


@functools.lru_cache(maxsize=8)
def parsed(selector: str) -> tuple[Term, ...]:
    """The terms of `a=b,c!=d,e,!f,g in (h,i),j notin (k)`. Raises UsageError for what is none.

    Source: Kubernetes v1.37 apimachinery pkg/labels/selector.go, Parse (without the comparisons of numbers).
    """
    return tuple(_term(selector, text.strip()) for text in _TERM.split(selector) if selector.strip())


def _term(selector: str, text: str) -> Term:
    if found := _EQUAL.fullmatch(text):
        return Term(found[1], frozenset({found[3]}), found[2] == "!=")
    if found := _SET.fullmatch(text):
        values = [value.strip() for value in found[3].split(",")]
        if all(re.fullmatch(_VALUE, value) for value in values):
            return Term(found[1], frozenset(values), found[2] == "notin")
    if found := _THERE.fullmatch(text):
        return Term(found[2], None, found[1] == "!")
    raise UsageError(f"-l {selector!r} is no label selector: {text!r} is not understood", SELECTOR_HINT)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet all terms. Raises UsageError where the selector is none."""
    return all(term.holds(labels) for term in parsed(selector))
