"""Keys that have their kind within: what is proven of `Deployment_{namespace}_{name}` holds of `StatefulSet_…` beside it.

An inventory of many kinds has few keys of most of them, too few to tell anything alone; the one that has many tells how all are made.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from ghostkey.inference.belief import Belief
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.kind_words import FORMS, forms_of
from ghostkey.inference.matching import Match, Matcher
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import Kind


class KindsInKeys:
    """Finds the templates of other kinds that stand beside a proven one in a map."""

    def __init__(self, index: SubjectIndex, matcher: Matcher) -> None:
        self._index, self._matcher = index, matcher
        self._kinds = index.subjects.kinds
        self._known: dict[tuple[Template, Kind], dict[Template, list[int]]] = {}

    def beside(self, seen: KeysSeen, beliefs: Mapping[Template, Belief]) -> Iterator[tuple[Match, Belief]]:
        """Matches of templates that differ from a proven one in the kind alone, and what is to be believed of them."""
        known = {template for template, belief in beliefs.items() if belief.is_proven}
        for template, belief in beliefs.items():
            if not (belief.is_proven and belief.verdict is not None and template.has_namespace and template.is_exact):
                continue
            told = belief.weighed
            for other, kinds in self._turned(template, self._kinds[told]).items():
                if other in known:
                    continue
                match = self._matcher.match(seen, other, kinds)
                if match.kinds:
                    known.add(other)
                    yield match, dataclasses.replace(belief, kinds=kinds, weighed=kinds[0], beside=str(template))

    def _turned(self, template: Template, told: Kind) -> dict[Template, list[int]]:
        """Template → the kinds (numbers) that its text names, for each other kind that is namespaced."""
        if (template, told) in self._known:
            return self._known[template, told]
        found = self._known[template, told] = {}
        around = (template.prefix, template.separator, template.suffix)
        for form in range(FORMS):
            word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(forms_of(told)[form])}(?![A-Za-z0-9])")
            if not forms_of(told)[form] or not any(map(word.search, around)):
                continue
            for number, kind in enumerate(self._kinds):
                if kind.namespaced and kind.kind != told.kind:
                    # not as a template of `re`: a dump may call a kind as it likes
                    prefix, separator, suffix = (forms_of(kind)[form].join(word.split(text)) for text in around)
                    other = dataclasses.replace(template, prefix=prefix, separator=separator, suffix=suffix)
                    found.setdefault(other, []).append(number)
        return found
