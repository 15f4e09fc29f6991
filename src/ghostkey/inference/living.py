"""What the live keys of one template in one map look like, and what is odd about others."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from ghostkey.inference.naming import after_whom
from ghostkey.inference.style import SETTINGS, Shapes, Style
from ghostkey.inference.template import Template
from ghostkey.inference.vocabulary import is_vocabulary
from ghostkey.model.events import KeysSeen

_MARKS = re.compile(r"[-._]")


@dataclass
class Living:
    """The live keys of a template, and its others."""

    seen: KeysSeen
    template: Template
    kinds: list[int]
    scoped: bool  # to objects of the map's own namespace
    cores: set[str]
    gone: set[str]  # the cores of its other keys
    indexes: set[int]
    style: Style
    shapes: Shapes
    shares_words: bool
    is_custom: bool
    is_mainly_live: bool
    is_proven: bool
    is_complete: bool  # nearly every object has a key, and nearly every key an object
    beside: set[frozenset[str]]  # what any text beside the names is made of; nothing where the template has none

    def oddity(self, core: str, name: str) -> str:
        """Why a key may be for what never was a subject, though it is made as theirs are; empty where nothing is odd."""
        if self.template.order != "name":
            return ""  # what has its namespace beside it is somebody's
        for whom, word in after_whom(core, self.cores):
            # `acme-archive` is of acme; `acme-eu` is acme's sister
            if word in SETTINGS and not is_vocabulary(word) and word not in self._words:
                return f"it is called after {whom}, which lives"
        if self.style.is_counted_without(name):
            return "all live ones end with a number"
        common = self.style.common_end_without(name) if self.is_custom else ""
        return f"it has not the word that all live ones end with: {common}" if common else ""

    @functools.cached_property
    def _words(self) -> set[str]:
        return {word for core in self.cores for word in _MARKS.split(core)}
