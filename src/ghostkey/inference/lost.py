"""Which keys of a map have lost their subject, once it is believed what they are made of."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable

from ghostkey.inference.belief import AGREEING, Belief
from ghostkey.inference.evidence import weights
from ghostkey.inference.family import Family
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.living import Living
from ghostkey.inference.machines import of_no_series
from ghostkey.inference.matching import Match
from ghostkey.inference.mentioned import mentioned
from ghostkey.inference.naming import (
    SAME_NAME,
    counted_on,
    goes_on,
    is_name_in_full,
    is_ordinal,
    live_beside,
    lives_elsewhere,
    name_part,
    subject_of,
)
from ghostkey.inference.results import Lost, MapResult
from ghostkey.inference.style import ENOUGH_EXAMPLES, Shapes, Style, is_setting, is_telling, made_of
from ghostkey.inference.template import Template
from ghostkey.inference.without_key import WithoutKey
from ghostkey.model.events import ANYWHERE, KeysSeen, Shape
from ghostkey.model.findings import Attribution, Certainty, Subject
from ghostkey.model.refs import Kind, canonical
from ghostkey.store.coverage import Sight

LENGTH_SAMPLE = 500
COMPLETE = 0.8  # of the objects have a key, and of the keys an object
ALONE = 0.9  # of the beginnings are of one live name each: with fewer, names begin alike
# why a key is spared
UNLIKE = "it does not look like the live keys: a setting, or another sort of name"
OTHER_VALUE = "its value is of another sort than those of the live keys"
CARRIED = "a live object carries it in a label or a field"
ELSEWHERE = "an object of this name, of whatever kind, lives"
STRANGE = "it is called otherwise than every live one: it may be no machine of this cluster"
CUT = "it may be the name of a live object, cut short"
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


class LostKeys:
    """Finds the keys that a believed template makes and no live object does."""

    def __init__(self, index: SubjectIndex, sight: Sight) -> None:
        self._index, self._subjects, self._sight = index, index.subjects, sight
        self._unseen: dict[tuple[Kind, ...], dict[str, str]] = {}

    def add(self, result: MapResult, match: Match, belief: Belief, family: Family, *, borrowed: bool) -> None:
        """Adds to a map's result what one template tells; `borrowed`: only other maps of the family have live subjects by it."""
        seen, template, kinds = result.seen, match.template, belief.kinds
        # what is only known from maps of the same name takes more than one or two of them
        is_suspect = not belief.is_proven or (borrowed and family.agreeing(template) < AGREEING)
        scoped = family.is_scoped(match, kinds[0], seen)
        live = self._live(match, belief, family, seen, scoped=scoped)
        if borrowed and not live.cores:
            live.shapes = _shapes_of_family(template, kinds, family)
        self._save(result, live, belief)
        result.has_empty_live = result.has_empty_live or live.shapes.has_empty
        population = max((len(self._index.rendered(template, kind)) for kind in kinds[:1]), default=1)
        attribution = Attribution(
            str(template),
            tuple(self._subjects.kinds[kind] for kind in kinds),
            Certainty.INFERRED,
            len(live.cores),
            len(live.indexes) / max(1, len(seen.keys)),
            min(1.0, len(live.cores) / max(1, population)),
            f"namespace {seen.holder.namespace}" if scoped else "cluster",
            said(belief, borrowed=borrowed, is_suspect=is_suspect),
        )
        result.attributions.append(attribution)
        result.templates.append(template)
        home = seen.holder.namespace if scoped else ""
        already = {item.index for item in result.lost if item.state != "suspect"}
        resembled: Shape | None = None  # the last shape that was found like the live ones
        is_covered = self._sight.sees_all(self._subjects.kinds[kind] for kind in kinds)
        may_be_cut = self._cut_finder(match, kinds)
        is_of_nodes = any(self._subjects.kinds[kind].kind == "Node" for kind in kinds)
        counted = counted_on(live.cores, live.gone) if is_of_nodes else frozenset()
        strange = of_no_series(live.gone, live.cores) if is_of_nodes else set()
        every = (i for core in match.cores for i in match.indexes(core)) if template.is_open else ()
        alive_beside = live_beside(template, {i: seen.keys[i] for i in every}, self._index)
        namesakes = self._namesakes(template, kinds)
        for core in live.gone:
            indexes = match.indexes(core)
            name = name_part(template, core, self._index)
            spared = self._spared(core, name, indexes, live)
            if not spared and may_be_cut(core, name):
                spared = CUT
            if spared:
                result.spared.update(dict.fromkeys(indexes, spared))
                if spared is not UNLIKE:
                    # what a surer template has lost stays lost
                    result.live.update(i for i in indexes if i not in already)
                continue
            subjects = tuple(subject_of(template, core, self._subjects.kinds[kind], self._index, home) for kind in kinds)
            is_doubtful = is_suspect or is_ordinal(core, self._index) or core in counted
            oddity = (
                live.oddity(core, name) or mentioned(core, name, live, self._subjects) or (STRANGE if core in strange else "")
            )
            for i in indexes:
                shape = seen.shapes[i]
                if shape is not resembled:
                    if shape.name != "empty" and not live.shapes.resembles(shape):
                        result.spared[i] = OTHER_VALUE
                        continue
                    resembled = shape
                odd = oddity or alive_beside.get(i, "")
                is_weak = is_doubtful or bool(odd)
                why = "" if is_covered and not template.is_sealed else self._why_unknown(template, core, subjects, attribution)
                is_declared = seen.meta is not None and top_key(seen, i) in seen.meta.declared
                state = "unknown" if why else "declared" if is_declared else "suspect" if is_weak else "gone"
                note = odd or namesakes.get(template.without_seal(core), "")
                lost = Lost(i, state, attribution, subjects, note, why_unknown=why, firmness=template.firmness, is_weak=is_weak)
                result.lost.append(lost)

    def _why_unknown(self, template: Template, core: str, subjects: tuple[Subject, ...], attribution: Attribution) -> str:
        """Why it proves nothing that these were not found. A hash does not say where its subject was: that may be any namespace."""
        if why := self._sight.why_unknown(subjects, attribution):
            return why
        if not template.digest[0] or not any(subject.kind.namespaced for subject in subjects):
            return ""
        places = self._unseen_places(tuple(dict.fromkeys(subject.kind for subject in subjects)))
        if template.order == "namespace-name":
            stem = template.without_seal(core)
            places = {name: why for name, why in places.items() if _begin_alike(stem, name + template.separator)}
            live = self._index.live_namespaces
            if self._sight.namespaces is None and not any(_begin_alike(stem, name + template.separator) for name in live):
                return "the namespace that it begins with is none that was seen"
        return next(iter(places.values()), "")

    def _unseen_places(self, kinds: tuple[Kind, ...]) -> dict[str, str]:
        """Live namespaces in which objects of some kinds were not looked for, and why."""
        if kinds not in self._unseen:
            found = self._unseen[kinds] = {}
            for place in sorted(self._index.live_namespaces):
                if why := next(filter(None, (self._sight.why_unseen(kind, place) for kind in kinds)), ""):
                    found[place] = why
        return self._unseen[kinds]

    def _save(self, result: MapResult, live: Living, belief: Belief) -> None:
        """Counts keys as living, but those that something has lost which is firmer, or proven while this is not."""
        firmness, indexes = live.template.firmness, live.indexes
        kept = {
            item.index for item in result.lost if item.state != "suspect" and (item.firmness > firmness or not belief.is_proven)
        }
        indexes = indexes - kept if kept else indexes
        result.live = result.live | indexes if result.live else indexes

    def _live(self, match: Match, belief: Belief, family: Family, seen: KeysSeen, *, scoped: bool) -> Living:
        template, kinds = match.template, belief.kinds
        alive: set[str] = set()
        for kind in kinds:
            if scoped and self._subjects.kinds[kind].namespaced:
                alive = alive | match.cores.keys() & self._index.rendered_in(template, kind, seen.holder.namespace)
            else:
                found = match.kinds.get(kind, set())
                alive = alive | found if alive else found  # never in place: the match keeps its sets
        gone = match.cores.keys() - alive
        if template.is_unmistakable:
            # no chance makes a digest: an object of whatever kind that has this one lives, and the key may be for it
            gone = gone.difference(*match.kinds.values())
        examples: Iterable[str] = alive or (
            core for _, other in family.matched[template] for cores in other.kinds.values() for core in cores
        )
        style = Style(name_part(template, core, self._index) for core in examples)
        if match.more:
            indexes = {i for core in alive for i in match.indexes(core)}
        else:
            indexes = set(map(match.cores.__getitem__, alive))
        alike = len(seen.shapes) == seen.shapes.count(seen.shapes[0])
        shapes = Shapes(seen.shapes[i] for i in (list(indexes)[:1] if alike else indexes))
        custom = any(self._subjects.kinds[kind].is_custom for kind in kinds)
        return Living(
            seen, template, kinds, scoped, alive, gone, indexes, style, shapes,
            shares_words=self._words_tell(template, style, gone), is_custom=custom,
            is_mainly_live=custom and len(indexes) >= max(5, 0.5 * len(seen.keys)), is_proven=belief.is_proven,
            is_complete=len(alive) >= ENOUGH_EXAMPLES and len(indexes) >= COMPLETE * len(seen.keys)
            and len(alive) >= COMPLETE * min(self._objects_of(kind, seen, scoped) for kind in kinds),
            beside={made_of(seen.keys[i]) for i in indexes} if template.is_open else set(),
        )  # fmt: skip

    def _objects_of(self, kind: int, seen: KeysSeen, scoped: bool) -> int:
        """How many objects the keys may be for."""
        in_place = scoped and self._subjects.kinds[kind].namespaced
        return len(self._index.rows_in(kind, seen.holder.namespace) if in_place else self._index.rows_of(kind))

    def _spared(self, core: str, name: str, indexes: list[int], live: Living) -> str:
        """Why a key without a live object of these kinds is not lost all the same; empty when nothing speaks for it."""
        seen = live.seen
        if not self._may_have_been_made(core, name, live, indexes):
            return UNLIKE
        for kind in live.kinds:
            if (carried := self._subjects.carried.get(kind)) and self._is_carried(carried, core, name, indexes, live):
                return CARRIED
        whole = any(is_name_in_full(live.template, seen.keys[i], self._index) for i in indexes)
        is_itself = seen.field == "children" and live.template.is_bare  # each of these objects lives under the name it has
        own = self._subjects.number_of(seen.holder.kind) if is_itself else -1
        if whole or lives_elsewhere(live.template, core, seen.holder.namespace, self._index, scoped=live.scoped, but=own):
            return ELSEWHERE
        return ""

    def _is_carried(self, carried: dict[str, str], core: str, name: str, indexes: list[int], live: Living) -> bool:
        """Whether a live object has the key, or what it makes of one, in a field; or in the key's own namespace the name alone."""
        if core in carried or any(live.seen.keys[i] in carried for i in indexes):
            return True
        where = carried.get(name)
        if where is None:
            return False
        return where == ANYWHERE or any(canonical(where) == canonical(namespace) for namespace, _ in live.template.splits(core))

    def _cut_finder(self, match: Match, kinds: list[int]) -> Callable[[str, str], bool]:
        """A function that says whether a core, with this name in it, may be a live name cut short.

        It is as long as keys here get, and a live name goes on.
        """
        template = match.template
        if template.is_sealed:
            doubtful = self._doubtful_stems(match, kinds)
            return lambda core, name: template.without_seal(core) in doubtful
        longest = max(map(len, match.cores), default=0)
        longest_live = max(map(self._index.longest_name, kinds), default=0)
        # a core this long has a name that no live one can go on from, wherever it is split
        longest_core = longest_live
        if template.has_namespace:
            longest_core += len(template.separator) + self._index.longest_namespace
        # a sample tells the length that names are cut to: many have it
        some = itertools.islice(match.cores, 0, None, max(1, len(match.cores) // LENGTH_SAMPLE))
        longest_name = max((len(name) for core in some if (name := name_part(template, core, self._index)) != core), default=0)

        without_key = WithoutKey(match, kinds, self._index)

        def may_be_cut(core: str, name: str) -> bool:
            return without_key.may_be(name) or (
                len(core) < longest_core
                and (len(core) == longest or len(name) >= longest_name > 0)
                and min(map(len, template.names_in(core))) < longest_live
                and goes_on(template, core, self._index, kinds)
            )

        return may_be_cut

    def _doubtful_stems(self, match: Match, kinds: list[int]) -> set[str]:
        """What stands before the hash for a live object that has no key, or that is the only one so named.

        Another hash may be the first one's own. Where one alone has the name, no hash is needed to tell it from others: it may be that of
        an earlier state of it; unless names are cut so that several have one beginning, and these alone are hashed. Objects of
        namespaces of which none has a key do not count.
        """
        if match.template.is_sealed_by_uid:
            return set()  # an object has one UID for as long as it lives
        is_cut_name = match.template.cut and "{uid}" not in match.template.digest[1]
        found: set[str] = set()
        for kind in kinds:
            named: Counter[str] = Counter()
            for namespace in {self._subjects.namespaces[row] for row in self._index.rows_of(kind)}:
                rendered = self._index.rendered_in(match.template, kind, namespace)
                if not rendered.isdisjoint(match.cores):
                    named.update(map(match.template.without_seal, rendered))
                    found.update(map(match.template.without_seal, rendered - match.cores.keys()))
            alone = {stem for stem, count in named.items() if count == 1}
            if not (is_cut_name and len(alone) <= ALONE * len(named)):
                found |= alone
        return found

    def _namesakes(self, template: Template, kinds: list[int]) -> dict[str, str]:
        """What stands before the UIDs of live objects → that one of this name lives; nothing where keys have none."""
        if not template.is_sealed_by_uid:
            return {}
        return {
            template.without_seal(core): SAME_NAME.format(self._subjects.kinds[kind].kind)
            for kind in kinds
            for core in self._index.rendered(template, kind)
        }

    def _words_tell(self, template: Template, style: Style, gone: set[str]) -> bool:
        """Whether the words that all live names share set them apart: most of the other keys share them too."""
        some = itertools.islice(gone, 0, None, max(1, len(gone) // LENGTH_SAMPLE))
        others = [name_part(template, core, self._index) for core in some]
        return bool(others) and sum(map(style.shares_words, others)) >= 0.6 * len(others)

    def _may_have_been_made(self, core: str, name: str, live: Living, indexes: list[int]) -> bool:
        """Whether a key without a live object looks as if it had been made for one."""
        if live.beside and not any(made_of(live.seen.keys[i]) in live.beside for i in indexes):
            return False  # `config.yaml` among `20261103-225800.NAME`
        if self._is_alike(core, name, live, indexes):
            return True
        # an odd name, but a record of just the fields that live ones have: nobody keeps settings so
        shapes = live.seen.shapes
        if not live.is_custom or is_setting(name) or not all(live.shapes.has_record(shapes[i]) for i in indexes):
            return False
        return not live.template.has_namespace or not all(is_setting(namespace) for namespace, _ in live.template.splits(core))

    def _is_alike(self, core: str, name: str, live: Living, indexes: list[int]) -> bool:
        template = live.template
        if template.is_unmistakable:
            return True
        style = live.style
        if live.shares_words and not style.shares_words(name):
            return False
        if template.has_namespace:
            if name is not core:
                # its namespace lives
                return not is_setting(name) and (live.is_mainly_live or style.is_alike(name))
            if not template.is_joined:
                word = core.lower()
                spaces = self._index.squashed_namespaces
                return template.may_be_made(core) and any(word.startswith(space) for space in spaces) and not is_setting(word)
            return any(
                style.fits(part) and not is_setting(part) and not is_setting(namespace) and _LABEL.fullmatch(canonical(namespace))
                for namespace, part in template.splits(core)
            )
        # one plain word is anything's name: it takes kinds of the cluster's own, or proof
        if not template.is_joined:
            if not template.may_be_made(core):
                return False
            core = core.lower()  # capitals are where the words of a name were joined
        if not style.fits(core) or not (is_telling(core) or live.is_custom or live.is_proven or live.is_complete):
            # text around the name is the operator's, as the value's sort is: such a name may be built in another way
            is_like_them = (
                (template.prefix or template.suffix or live.is_complete)
                and live.is_proven
                and is_telling(core)
                and style.is_alike(core)
            )
            return is_like_them and not is_setting(core) and all(live.shapes.resembles(live.seen.shapes[i]) for i in indexes)
        return not is_setting(core) or bool(template.cut)


def _begin_alike(one: str, other: str) -> bool:
    """Whether one text is the beginning of the other."""
    return one.startswith(other) or other.startswith(one)


def doubt_single(result: MapResult, matches: list[Match]) -> None:
    """Where every live subject has several keys (`NAME.crt` and `NAME.key`), one that has not all of them may be a constant."""
    forms = [m for m in matches if m.template.order == "name" and m.best >= 2 and not (m.template.cut or m.template.is_open)]
    keys = result.seen.keys
    beside = [(own, _beside(own, forms)) for own in forms] if len(forms) > 1 else []
    for item in result.lost if beside else ():
        if item.state != "gone" or "{namespace}" in item.attribution.template:
            continue  # with its namespace told, `shop.cart` beside `shop-test.cart` are of two objects
        for own, others in beside:
            core = own.template.core_of(keys[item.index])
            if core is not None and not all(core in other.cores for other in others):
                item.state = "suspect"
                item.note = "every live subject has several keys here: one that has not all of them may be a constant"


def _beside(own: Match, forms: list[Match]) -> list[Match]:
    """The forms in which nearly all live subjects of one form have another key each."""
    live = set().union(*own.kinds.values())
    return [other for other in forms if other is not own and 5 * len(live & set().union(*other.kinds.values())) >= 4 * len(live)]


def top_key(seen: KeysSeen, index: int) -> str:
    """The key of the map that a key, or the document it stands in, is."""
    return seen.path[0] if seen.path else seen.keys[index]


def said(belief: Belief, *, borrowed: bool, is_suspect: bool) -> tuple[str, ...]:
    """The chain of evidence: what was weighed, the heaviest first, and what is missing where it is not enough."""
    lines = ["maps of the same name elsewhere have live subjects"] if borrowed else []
    verdict = belief.verdict
    if belief.beside:
        lines.append(f"keys of another kind are made in the same way here: {belief.beside}; what is weighed is of them")
    if verdict is not None:
        lines += verdict.sentences
        lines.append(
            f"{verdict.bits:.1f} bits in all, {weights()[0]:+.1f} of them before anything was seen; {verdict.enough:g} are enough"
        )
    lines += [belief.doubt] if belief.doubt else []
    if is_suspect:
        lines.append("likely, and not proven; if these keys are what they look like, declare it with --subject")
    return tuple(lines)


def _shapes_of_family(template: Template, kinds: list[int], family: Family) -> Shapes:
    return Shapes(
        member.seen.shapes[i]
        for member, match in family.matched[template]
        for kind in kinds
        for core in match.kinds.get(kind, ())
        for i in match.indexes(core)
    )
