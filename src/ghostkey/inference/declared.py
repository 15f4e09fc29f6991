"""Keys of maps whose subjects a person has declared, with `--subject` or an annotation."""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey.inference.documented import documented
from ghostkey.inference.matching import Match, Matcher
from ghostkey.inference.naming import subject_of
from ghostkey.inference.results import Link, Lost, MapResult
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Attribution, Certainty
from ghostkey.store.coverage import Sight


class Declared:
    """Judges maps by declared links."""

    def __init__(self, links: Sequence[Link], matcher: Matcher, sight: Sight) -> None:
        self._links, self._matcher, self._sight = links, matcher, sight
        self._kind_numbers = {kind: number for number, kind in enumerate(matcher.subjects.kinds)}

    def links_for(self, seen: KeysSeen) -> list[Link]:
        """The links that are about a map: those that name it, or else those of any map that has a live match."""
        if not self._links:
            return self._documented(seen)
        holder = seen.holder
        spot = (holder.kind.kind, holder.namespace, holder.name)
        chosen = [link for link in self._links if link.holder == spot]
        if chosen:
            return chosen
        everywhere = [link for link in self._links if link.holder is None]
        return [link for link in everywhere if self._has_live(seen, link)] or self._documented(seen)

    def _documented(self, seen: KeysSeen) -> list[Link]:
        """What a program documents of a map, where something of it lives."""
        return [link for link in documented(seen, self._matcher.subjects.kinds) if self._has_live(seen, link)]

    def _has_live(self, seen: KeysSeen, link: Link) -> bool:
        return self._matcher.match(seen, link.template, [self._kind_numbers.get(link.kind, -1)]).best > 0

    def judge(self, seen: KeysSeen, links: Sequence[Link]) -> MapResult | None:
        """What the links say of a map; None when it has nothing that they are about."""
        result = MapResult(seen)
        matches: list[tuple[Link, Match]] = []
        for link in links:
            kind = self._kind_numbers.get(link.kind)
            match = self._matcher.match(seen, link.template, [] if kind is None else [kind])
            if not match.cores:
                continue
            matches.append((link, match))
            result.live |= {i for live in match.kinds.values() for core in live for i in match.indexes(core)}
        # a nested document or another field of the map that has no such key is simply not what the link is about
        if seen.path and not result.live:
            return None
        result.has_empty_live = any(seen.shapes[i].name == "empty" for i in result.live)
        for link, match in matches:
            self._lost(result, link, match)
        return result

    def _lost(self, result: MapResult, link: Link, match: Match) -> None:
        live = set().union(*match.kinds.values()) if match.kinds else set()
        population = len(self._matcher.index.rows_of(self._kind_numbers.get(link.kind, -1)))
        attribution = Attribution(
            str(link.template), (link.kind,), Certainty.DECLARED, len(live),
            len(live) / max(1, len(match.cores)), min(1.0, len(live) / max(1, population)), "declared", (link.origin,),
        )  # fmt: skip
        result.attributions.append(attribution)
        for core in match.cores.keys() - live:
            if not link.template.may_be_made(core):
                continue  # a constant beside the entries
            subject = subject_of(link.template, core, link.kind, self._matcher.index)
            for i in match.indexes(core):
                if i not in result.live:
                    why = self._sight.why_unknown([subject], attribution)
                    result.lost.append(Lost(i, "unknown" if why else "gone", attribution, (subject,), why_unknown=why))
