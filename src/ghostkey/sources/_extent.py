"""Where a dump would have shown an object: known for each kind in each namespace, from what came together.

A list that shows several namespaces was made of all of them; one that shows a single namespace, of that one alone. An empty list
of a kind says that none is left. A file of single objects covers its kinds in its namespaces, and is taken for a dump of all when it
is the only one or holds Namespaces itself. A list that was cut covers nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence

from ghostkey.model.events import Coverage
from ghostkey.model.refs import NAMESPACES, Kind
from ghostkey.sources._sheets import GATHERED, TROUBLESHOOT, VELERO, Sheet, namespace_hint

IMMORTAL = {"default", "kube-system"}  # namespaces that the API server does not let go
LEAST_NAMED = 3  # so many namespaces nobody names one by one


class Extent:
    """Adds up what the sheets of one cluster cover."""

    def __init__(self, sheets: Sequence[Sheet], definitions: Collection[Kind], refused: Collection[str], is_choice: bool) -> None:
        """`definitions` are kinds whose CRD is there, `refused` the CRDs of which a tool got no objects; `is_choice`: the tool
        that made the dump picks single objects."""
        self._sheets, self._definitions, self._refused, self._is_choice = sheets, definitions, refused, is_choice
        self._everywhere: set[Kind] = set()
        self._explicit: set[Kind] = set()  # of which there is a list of all namespaces, and of nothing else
        self._pairs: dict[Kind, set[str]] = {}
        self._why: dict[Kind, str] = {}
        self._listed: set[Kind] = set()
        self.kinds: dict[Kind, None] = {}
        self._shown = {space for sheet in sheets for space in sheet.namespaces if space}
        self._live: set[str] = set()

    def coverage(self, live: Iterable[str], empty: Iterable[tuple[Sheet, Kind]]) -> Iterator[Coverage]:
        """Coverage of each kind; `live` are the names of Namespaces, `empty` the typed lists that hold nothing."""
        self._live = set(live)
        for sheet, kind in empty:
            self._empty(sheet, kind)
        piles: dict[str, list[Sheet]] = {}
        for sheet in self._sheets:
            self.kinds |= dict.fromkeys(sheet.kinds)
            if sheet.is_list or sheet.has_uids:
                self._listed |= sheet.kinds.keys()
            if self._is_choice:
                self._hide(sheet.kinds, "the archive holds a choice of objects")
            elif why := sheet.why_cut if sheet.is_list else "":
                self._hide(sheet.kinds, why)
            elif sheet.spot.tool == VELERO:
                piles.setdefault(sheet.spot.root, []).append(sheet)
            else:
                self._together([sheet], is_request=sheet.is_list)
        for pile in piles.values():
            self._together(pile, is_request=False, spaces=self._live)
        for kind in self._definitions:
            self._defined(kind)
        for kind in self.kinds:
            yield self._of(kind)

    def _together(self, sheets: Sequence[Sheet], *, is_request: bool, spaces: Iterable[str] = ()) -> None:
        kinds = {kind for sheet in sheets for kind in sheet.kinds}
        shown = {space for sheet in sheets for space in sheet.namespaces if space} | set(spaces)
        spot = sheets[0].spot
        for kind in kinds:
            if not kind.namespaced:
                self._everywhere.add(kind)
            elif len(shown) > 1 and not spot.namespace and (is_request or self._is_of_all(sheets, shown)):
                self._everywhere.add(kind)
                if is_request and len(kinds) == 1:
                    self._explicit.add(kind)
            elif spot.is_custom and spot.tool == TROUBLESHOOT:
                # it asks for all objects, and writes a file for each namespace that has some
                self._pairs.setdefault(kind, set()).update(shown, self._live)
            elif is_request or spot.tool == VELERO:
                self._pairs.setdefault(kind, set()).update(shown)
            else:
                self._pairs.setdefault(kind, set()).update(*(sheet.kinds.get(kind, ()) for sheet in sheets))

    def _is_of_all(self, sheets: Sequence[Sheet], shown: set[str]) -> bool:
        """Whether single objects of several namespaces are those of all."""
        if sheets[0].spot.tool == VELERO:
            return bool(shown & IMMORTAL)
        return len(self._sheets) == 1 or NAMESPACES in sheets[0].kinds

    def _empty(self, sheet: Sheet, kind: Kind) -> None:
        self.kinds[kind] = None
        self._listed.add(kind)
        if sheet.cut:
            self._hide([kind], sheet.cut)
        elif kind.namespaced and (namespace := sheet.spot.namespace or namespace_hint(sheet.where)):
            self._pairs.setdefault(kind, set()).add(namespace)
        else:
            self._everywhere.add(kind)
            self._explicit.add(kind)

    def _hide(self, kinds: Iterable[Kind], why: str) -> None:
        for kind in kinds:
            self._pairs.setdefault(kind, set())
            self._why.setdefault(kind, why)

    def _defined(self, kind: Kind) -> None:
        """A kind whose CRD is there: unless a tool asked for all, none of its objects may have been collected."""
        if kind in self.kinds:
            return
        self.kinds[kind] = None
        name = kind.qualified
        asked = self._asks_for_all and not {name, "crdList"} & set(self._refused)
        if asked and not kind.namespaced:
            self._everywhere.add(kind)
        elif asked:
            self._pairs[kind] = set(self._live)
        else:
            self._hide([kind], "the definition of the kind is in the dump, no object of it is")

    @functools.cached_property
    def _asks_for_all(self) -> bool:
        return any(sheet.is_list and sheet.spot.tool == TROUBLESHOOT for sheet in self._sheets)

    def _of(self, kind: Kind) -> Coverage:
        is_listed = kind in self._listed
        if kind == NAMESPACES:
            why = self._why.get(kind, "") or self._why_namespaces_unknown()
            return Coverage(kind, frozenset() if why else None, why=why, is_listed=is_listed)
        if kind in self._everywhere:
            unseen = self._live - self._shown if kind.namespaced and kind not in self._explicit else set()
            return Coverage(kind, None, frozenset(unseen), is_listed=is_listed)
        spaces = self._pairs.get(kind, set())
        if self._live and self._live <= spaces and not self._why_namespaces_unknown():
            return Coverage(kind, is_listed=is_listed)
        return Coverage(kind, frozenset(spaces), why=self._why.get(kind, ""), is_listed=is_listed)

    def _why_namespaces_unknown(self) -> str:
        """Why the list of namespaces may not be whole; empty when it is."""
        if missing := sorted(self._shown - self._live):
            return f"namespace {missing[0]} has objects, and is not among the namespaces of the dump"
        holding = [sheet for sheet in self._sheets if NAMESPACES in sheet.kinds and not sheet.why_cut]
        if self._live & IMMORTAL and any(sheet.spot.tool != GATHERED or sheet.is_list for sheet in holding):
            return ""
        lists = [sheet for sheet in holding if sheet.is_list and sheet.spot.tool != TROUBLESHOOT]
        # what Git has of them is what somebody declared
        loose = [sheet for sheet in holding if not sheet.spot.tool and (sheet.has_uids or sheet.is_list)]
        if any(sheet.of[1] == "Namespace" for sheet in lists) or ((lists or loose) and len(self._live) >= LEAST_NAMED):
            return ""
        if loose and len(self._live) > 1 and not any(sheet.is_list for sheet in loose):
            return ""
        return "the dump holds single namespaces, not the list of all"
