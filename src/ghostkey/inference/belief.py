"""What is believed of the maps of a family: templates and their kinds, as the evidence weighs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ghostkey.inference.cases import SAMPLE, Cases
from ghostkey.inference.digests import digests_that_tell, seals_that_tell
from ghostkey.inference.doubts import doubt_of
from ghostkey.inference.evidence import LIKELY_BITS, Case, Verdict, weigh
from ghostkey.inference.family import Family, Member
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.machines import bears_address
from ghostkey.inference.matching import Match
from ghostkey.inference.named_exactly import DOUBT, are_named_exactly
from ghostkey.inference.naming import name_part
from ghostkey.inference.pairs import literal_beside, turned
from ghostkey.inference.shares import WORKLOADS, Shares
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.managers import is_of_apps
from ghostkey.model.refs import canonical
from ghostkey.store.coverage import Sight
from ghostkey.store.snapshot import Snapshot

FEW, MANY = 3, 8  # live objects with another that is named after each: of custom resources and machines, and of other kinds
COMPLETE = 5  # objects of a kind, all of which have a key
KINDS_WEIGHED = 3  # of one template, and those of which all have a key; the others have less support
AGREEING = 3  # maps of a family that have live subjects, before one that has none is judged by them
TOGETHER = 1.25  # as many subjects as the best of several templates has, before they are weighed together
LONGER = 0.1  # of the keys with a hash have a longer name before it than what names are cut to
WHOLE_NAMES = 2  # as many keys are names of live objects as a whole, before what stands in some of them tells nothing
SMALL_PAIRS = 4  # in a map so small, one living pair of namespace and name says what it is about

Watch = Callable[[Case, Verdict], None]


@dataclass(frozen=True, slots=True)
class Belief:
    """That a template's keys are for objects of these kinds (numbers), most support first. No verdict: it needs none, as for UIDs.

    `doubt`: why that is no proof all the same. `weighed`: the kind that the verdict is of; the others only have some of the keys.
    `beside`: the template of another kind whose verdict this is.
    """

    kinds: list[int]
    verdict: Verdict | None
    doubt: str = ""
    weighed: int = -1
    beside: str = ""

    @property
    def is_proven(self) -> bool:
        """Whether a lost subject makes a ghost."""
        return not self.doubt and (self.verdict is None or self.verdict.is_proven)

    def is_about(self, kinds: Collection[int]) -> bool:
        """Whether it says anything of a map in which objects of these kinds have keys."""
        return any(kind in kinds for kind in ([self.weighed] if self.verdict is not None else self.kinds))

    @property
    def bits(self) -> float:
        """How much speaks for it."""
        if self.verdict is None:
            return float("inf")
        return LIKELY_BITS if self.doubt else self.verdict.bits


class Beliefs:
    """Judges families over one snapshot. `watch` is called with each case, for the calibration and for `explain`."""

    def __init__(
        self, snapshot: Snapshot, index: SubjectIndex, sight: Sight, watch: Watch = lambda *_: None, *, of_objects: bool = False
    ) -> None:
        self._snapshot, self._index, self._watch, self._of_objects = snapshot, index, watch, of_objects
        self._subjects, self._sight, self._shares = snapshot.subjects, sight, Shares(index, of_objects=of_objects)
        self._cases = Cases(snapshot, index, self._shares)

    def of_family(self, family: Family) -> tuple[list[dict[Template, Belief]], dict[Template, Belief]]:
        """What is believed of each map by what it holds itself, or with the others, and what all of them together tell."""
        members = family.members
        shared: dict[Template, Belief] = {}
        for template, found in family.matched.items():
            # what only a few of many maps know of is told by those few alone
            if len(members) > 1 and (2 * len(found) >= len(members) or len(found) >= AGREEING):
                pairs = [match for member, _ in found[:AGREEING] for match in member.matches if match.template.has_namespace]
                if any(self._is_part(found[0][1], pair) for pair in pairs):
                    continue
                belief = self._belief(template, found)
                if belief is not None:
                    shared[template] = belief
        own = [self._of_map(member, shared) for member in members]
        parts = self._parts({template: b for beliefs in (*own, shared) for template, b in beliefs.items()}, family)
        kept = [{template: belief for template, belief in beliefs.items() if template not in parts} for beliefs in own]
        return kept, {template: belief for template, belief in shared.items() if template not in parts}

    def _of_map(self, member: Member, shared: dict[Template, Belief]) -> dict[Template, Belief]:
        beliefs: dict[Template, Belief] = {}
        weighed: list[Match] = []
        pairs = [match for match in member.matches if match.template.has_namespace]
        for match in member.matches:
            if any(self._is_part(match, pair) for pair in pairs):
                continue
            belief = shared.get(match.template)
            if belief is not None and not belief.is_about(match.kinds):
                belief = None  # what the other maps hold are keys of other objects
            if belief is None or not belief.is_proven:
                alone = self._belief(match.template, [(member, match)])
                belief = max((b for b in (belief, alone) if b is not None), key=lambda b: b.bits, default=None)
            if belief is not None and any(kind in match.kinds for kind in belief.kinds):
                beliefs[match.template] = belief
            weighed.append(match)
        for siblings in self._siblings(weighed):
            held = [beliefs.get(match.template) for match in siblings]
            if all(belief is not None and belief.is_proven for belief in held):
                continue
            together = self._belief(siblings[0].template, [(member, _union(siblings))])
            for match, belief in zip(siblings, held, strict=True) if together is not None else ():
                if together is not None and (belief is None or belief.bits < together.bits):
                    beliefs[match.template] = together
        strict = [m for m in member.matches if m.template in beliefs and m.template.is_exact]
        return {
            match.template: belief
            for match in member.matches
            if (belief := beliefs.get(match.template)) is not None
            and not any(_explains_better(other, beliefs[other.template], match, belief) for other in strict)
        }

    def _is_part(self, match: Match, pair: Match) -> bool:
        """Whether a match is a pair's, seen in one namespace alone; names used again elsewhere may add a few to it."""
        literal = literal_beside(match.template, pair.template)
        is_namespace = literal is not None and canonical(literal) in self._index.canonical_namespaces
        return is_namespace and pair.best >= 0.8 * match.best

    @staticmethod
    def _siblings(matches: list[Match]) -> Iterable[list[Match]]:
        """Templates that share the subjects among them: `cidr-…` and `range-…`, or long names cut and short ones not.

        The one that chance makes least comes first.
        """
        groups: dict[tuple[object, ...], list[Match]] = {}
        for match in matches:
            template = match.template
            if match.best >= 2 and not template.is_open:
                way = (template.order, template.separator, template.transform, template.codec, template.digest)
                groups.setdefault(way, []).append(match)
        for group in groups.values():
            if len(group) > 1 and _union(group).best >= TOGETHER * max(match.best for match in group):
                yield sorted(group, key=lambda match: (not match.template.hash_length, match.template.is_bare, -match.best))

    def _belief(self, template: Template, found: list[tuple[Member, Match]]) -> Belief | None:
        """What these maps together say of a template; None when chance could have made the matches."""
        live: dict[int, set[str]] = {}
        for _, match in found:
            for kind, cores in match.kinds.items():
                live.setdefault(kind, set()).update(cores)
        best = max(map(len, live.values()), default=0)
        made = sum(len(match.cores) for _, match in found)
        is_pair = template.has_namespace and (made <= SMALL_PAIRS or template.codec)
        if not best or (best < 2 and not (template.is_unmistakable or is_pair)):
            return None  # one object is chance, whatever else is said
        # a kind of which every object has a key is what the map may be about, however many of another kind are called so, too
        whole = [kind for kind in live if len(live[kind]) >= max(COMPLETE, 0.9 * len(self._index.rows_of(kind)))]
        some = (kind for kind in live if kind in whole or len(live[kind]) >= max(1, 0.2 * best))
        # of kinds with as many, that of which they are the most
        kinds = sorted(some, key=lambda kind: (-len(live[kind]), len(self._index.rows_of(kind))))
        namespaces = {member.seen.holder.namespace for member, _ in found}
        if self._of_objects:
            groups = [member.seen for member, _ in found]
            return self._of_objects_named_so(template, kinds, live, groups)
        if template.order == "uid" or (template.digest[0] and best >= self._digests_that_tell(template, made)):
            return Belief(kinds, None)
        if template.digest[0] or self._is_chance_cut(template, kinds[0], live[kinds[0]], found):
            return None
        pairs = [(member.seen, self._where_seen(template, kinds[0], match)) for member, match in found]
        chosen = dict.fromkeys((*kinds[:KINDS_WEIGHED], *whole))
        cases = {kind: self._cases.of(template, kind, live[kind], namespaces, pairs) for kind in chosen}
        weighed = {kind: self._weigh(case) for kind, case in cases.items()}
        heaviest = max(weighed, key=lambda kind: weighed[kind].bits)
        verdict = weighed[heaviest]
        if template.cut and best >= 2 and not verdict.is_proven:
            # names cut to a length, with the hash of the whole behind: nobody chooses such keys
            verdict = dataclasses.replace(verdict, bits=verdict.enough)
        if verdict.bits < LIKELY_BITS:
            return None
        doubt = doubt_of(cases[heaviest], {kind: live[kind] for kind in kinds}) if verdict.is_proven else ""
        if verdict.is_proven and not doubt and self._are_whole_names(template, found, best):
            doubt = "most keys are as a whole the name of something that lives: these may be, too"
        return Belief(kinds, verdict, doubt, weighed=heaviest)

    def _are_whole_names(self, template: Template, found: list[tuple[Member, Match]], best: int) -> bool:
        """Whether many more keys are names of live objects as they are than the template has: `{name}-exporter` among those of apps."""
        if template.order != "name" or not (template.prefix or template.suffix) or not template.is_exact:
            return False
        keys = [key for member, _ in found for key in itertools.islice(member.seen.keys, SAMPLE)]
        return sum(bool(self._index.all_named(canonical(key))) for key in keys) >= WHOLE_NAMES * best

    def _weigh(self, case: Case) -> Verdict:
        verdict = weigh(case)
        self._watch(case, verdict)
        return verdict

    def _digests_that_tell(self, template: Template, made: int) -> int:
        if template.is_sealed:
            return seals_that_tell(template.hash_length, made)
        return digests_that_tell(template.hash_length, made, len(self._subjects.names))

    def _where_seen(self, template: Template, kind: int, match: Match) -> dict[str, int]:
        """The keys of a match, without those whose namespace was not looked into: their objects say nothing by their absence."""
        known = self._subjects.kinds[kind]
        if not template.has_namespace or self._sight.sees_all([known]):
            return match.cores
        live = match.kinds.get(kind, set())

        def is_seen(core: str) -> bool:
            pieces = template.split(core, self._index.canonical_namespaces)
            return pieces is None or not pieces[0] or not self._sight.why_unseen(known, pieces[0])

        return {core: i for core, i in match.cores.items() if core in live or is_seen(core)}

    def _is_chance_cut(self, template: Template, kind: int, live: set[str], found: list[tuple[Member, Match]]) -> bool:
        """Whether no program cut these names: they stand before more hashes than there are objects to be cut, `worker-a-…` of Nodes,
        or other keys with such a hash have longer names before it.
        """
        if not template.cut:
            return False
        uncut = dataclasses.replace(template, cut=0)
        some = (
            key for member, _ in found for key in itertools.islice(member.seen.keys, 0, None, 1 + len(member.seen.keys) // SAMPLE)
        )
        stems = [core for key in some if (core := uncut.core_of(key)) is not None]
        longer = sum(len(stem) > template.cut for stem in stems) if template.hash_length else 0
        if longer > LONGER * len(stems):
            return True
        keys = sum(1 + len(match.more.get(core, ())) for _, match in found for core in live & match.cores.keys())
        objects = sum(self._index.render(template, row) in live for row in self._index.rows_of(kind))
        return keys > 2 * objects

    def _of_objects_named_so(
        self, template: Template, kinds: list[int], live: dict[int, set[str]], groups: list[KeysSeen]
    ) -> Belief | None:
        """What names of objects that go on like those of others tell: people call settings of an app after it, and others likewise."""
        known = self._subjects.kinds
        best = max(map(len, live.values()))
        kinds = [kind for kind in kinds if not is_of_apps(known[kind])]
        namespaces = {seen.holder.namespace for seen in groups}
        for kind in kinds if template.is_bare else ():
            keyed = self._shares.keyed(template, kind, live[kind], namespaces)
            if known[kind].is_custom and are_named_exactly(template, groups, len(live[kind]), keyed):
                return Belief([kind], None, f"{DOUBT} ({known[kind].resource})")
        if not any(self._is_enough_of_objects(template, kind, live[kind], namespaces) for kind in kinds):
            return None

        def is_of_people(kind: int) -> bool:
            names = [name_part(template, core, self._index) for core in itertools.islice(live[kind], SAMPLE)]
            return (
                known[kind].kind in WORKLOADS
                if not known[kind].is_custom
                else self._shares.called_like_others(kind, names) >= 0.5
            )

        doubt = ""
        if all(map(is_of_people, kinds)):
            doubt = f"{known[kinds[0]].resource} are called as people call apps, and other things are called so, too"
        elif not any(known[kind].is_custom or len(live[kind]) >= MANY for kind in kinds):
            doubt = f"only {best} {known[kinds[0]].resource} tell: it may be of one that is yet to come, or of another cluster's"
        return Belief(kinds, None, doubt)

    def _is_enough_of_objects(self, template: Template, kind: int, live: set[str], namespaces: set[str]) -> bool:
        keyed = self._shares.keyed(template, kind, live, namespaces)
        around = template.prefix or template.suffix or template.hash_length
        custom = self._subjects.kinds[kind].is_custom
        return (
            bool(around) and keyed >= 0.8 and len(live) >= (FEW if custom or self._are_machines(template, kind, live) else MANY)
        )

    def _are_machines(self, template: Template, kind: int, live: set[str]) -> bool:
        """Whether these are Nodes that a cloud named by their address: an object that has such a name was made for one."""
        names = (name_part(template, core, self._index) for core in itertools.islice(live, SAMPLE))
        return self._subjects.kinds[kind].kind == "Node" and all(map(bears_address, names))

    def _parts(self, believed: dict[Template, Belief], family: Family) -> set[Template]:
        """What is a pair template seen in one namespace alone: `web-{name}` beside `{namespace}-{name}`.

        The literal has to be a namespace, or one of several, since a map may also hold `{namespace}.{name}` for one kind
        and `bucket.{name}` for another.
        """
        parts: set[Template] = set()

        def best(template: Template) -> int:
            return max((match.best for _, match in family.matched[template]), default=0)

        def is_part(template: Template, literal: str, pair: Template, siblings: int) -> bool:
            # names used again elsewhere make the part match more than it should
            if canonical(literal) in self._index.canonical_namespaces:
                return best(pair) >= (0.5 if believed[pair].is_proven else 0.8) * best(template)
            part, whole = believed[template], believed[pair]
            if whole.is_proven and whole.bits >= part.bits and set(part.kinds) <= set(whole.kinds):
                return True  # of a namespace that is gone, or was not seen, whose names are used again elsewhere
            return siblings >= 4 and best(pair) >= 0.8 * best(template)

        pairs = [template for template in believed if template.has_namespace]
        if pairs:
            # the namespace at the front of every key, and the name behind it taken for a hash or for any text
            parts |= {
                template
                for template, belief in believed.items()
                if (template.hash_length or template.is_open)
                and template.order == "name"
                and all(self._subjects.kinds[kind].kind == "Namespace" for kind in belief.kinds)
            }
        for pair in pairs:
            # the same from the other side: one of several names in every namespace, `{name}.acme` beside `{namespace}.{name}`
            if believed[pair].is_proven and (turned_beside := _beside(believed, turned(pair))):
                names = self._names_of(pair, family)
                if len(names) > 1:
                    parts |= {template for template, literal in turned_beside.items() if literal in names}
            beside = _beside(believed, pair)
            parts |= {template for template, literal in beside.items() if is_part(template, literal, pair, len(beside))}
        return parts

    @staticmethod
    def _names_of(pair: Template, family: Family) -> set[str]:
        """The names of the live objects that have a key by a pair template."""
        live = {core for _, match in family.matched[pair] for cores in match.kinds.values() for core in cores}
        return {name for core in live for _, name in pair.splits(core)}


def _beside(templates: Iterable[Template], pair: Template) -> dict[Template, str]:
    """The templates that could be a pair's, seen with one value of its namespace, and that value."""
    return {template: literal for template in templates if (literal := literal_beside(template, pair)) is not None}


def _explains_better(strict: Match, stronger: Belief, match: Match, belief: Belief) -> bool:
    """Whether a template without room for chance explains nearly all keys that one with a hash or open end does, and more surely."""
    if match.template.is_exact or stronger.bits < belief.bits:
        return False
    if strict.template.is_bare:
        return True  # it makes every key
    made = {i for core in match.cores for i in match.indexes(core)}
    return 5 * len(made & set(strict.cores.values())) >= 4 * len(made)


def _union(matches: list[Match]) -> Match:
    """Several templates as if they were one: their cores, and the live ones among them. A live key counts for one of them alone."""
    kinds: dict[int, set[str]] = {}
    cores: dict[str, int] = {}
    taken: set[int] = set()
    for match in sorted(matches, key=lambda match: match.template.is_bare):
        live = set().union(*match.kinds.values())
        cores |= {core: i for core, i in match.cores.items() if i not in taken}
        taken |= {match.cores[core] for core in live}
        for kind, found in match.kinds.items():
            kinds[kind] = kinds.get(kind, set()) | found
    # a bare template makes a key of whatever others make one of
    strict = {i for match in matches if not match.template.is_bare for i in match.cores.values()}
    bare = {core for match in matches if match.template.is_bare for core in match.cores}
    alive = set().union(*kinds.values()) if kinds else set()
    cores = {core: i for core, i in cores.items() if core in alive or core not in bare or i not in strict}
    return Match(matches[0].template, kinds, cores, {})
