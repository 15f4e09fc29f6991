"""Links the keys of every map to live objects, and says which keys have lost theirs.

The way: sampled keys are taken apart and looked up among the live objects (`explain`), which votes for templates; each
template with votes is then checked forward over all keys of the map. Maps of one family (same name but for digits) are
judged together. A template is believed only when chance, and a person's settings, would not have made as many matches.
A key is a ghost when a believed template makes it, no live object of any kind does, and it looks like its neighbours.
Cost: linear in keys and in objects; a million of each in about 2 s.
"""

from __future__ import annotations

import dataclasses
import itertools
import os.path
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ghostkey.inference.belief import Beliefs, Watch, is_custom
from ghostkey.inference.evidence import LIKELY_BITS, PROVEN_BITS, Verdict
from ghostkey.inference.explain import explain_cut, explain_digest, explain_key
from ghostkey.inference.index import SubjectIndex, canonical
from ghostkey.inference.style import Shapes, Style, is_setting, is_telling
from ghostkey.inference.template import UNDASHED_UUID, UUID, Template
from ghostkey.model.events import Identity, KeysSeen, Shape
from ghostkey.model.findings import Attribution, Certainty, Subject
from ghostkey.model.refs import SECRETS, Kind
from ghostkey.store.coverage import Sight
from ghostkey.store.snapshot import Snapshot

SAMPLE_MOST = 256  # keys of one map that are taken apart
SAMPLE_LEAST = 8
SAMPLE_OF_OBJECTS = 64  # names of objects one hand made are alike
SAMPLE_TOTAL = 60_000  # over all maps; then maps are sampled thinner
TEMPLATES_OF_A_MAP = 12
LENGTH_SAMPLE = 500
AGREEING = 3  # maps of a family that have live subjects, before one that has none is judged by them
CHUNK = 64  # maps that are looked at together for any name at all
_DIGITS = re.compile(r"\d+")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ORDINAL = re.compile(r"(.+)-\d{1,4}")
_HASHED_CHILD = re.compile(r"([a-z0-9][-a-z0-9]{7,}?)-?[0-9a-f]{8,64}(?:-[a-z0-9-]+)?")
_HEX = re.compile(r"[0-9a-f]{8,128}")


@dataclass(frozen=True, slots=True)
class Link:
    """A declared link: keys of these holders are made of subjects of this kind by this template."""

    kind: Kind
    template: Template
    holder: tuple[str, str, str] | None = None  # holder's kind, namespace, name; None: any that has a live match
    origin: str = ""


@dataclass(slots=True)
class Lost:
    """A key whose subject is gone.

    `state`: gone, unknown (a gap hides the answer), suspect (likely, not proven), declared (a manifest still holds the key) or
    recreated (same name, other UID).
    """

    index: int
    state: str
    attribution: Attribution
    subjects: tuple[Subject, ...]
    note: str = ""
    why_unknown: str = ""


@dataclass(slots=True)
class MapResult:
    """What was inferred for one map: believed attributions, and the keys that lost their subject."""

    seen: KeysSeen
    attributions: list[Attribution] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    live: set[int] = field(default_factory=set)
    has_empty_live: bool = False
    templates: list[Template] = field(default_factory=list)
    candidates: list[Template] = field(default_factory=list)  # believed or not


_Votes = dict[Template, dict[str, set[int]]]  # template → names of live objects → their kinds


@dataclass(slots=True)
class _Match:
    """One template checked over one map: which keys it makes, and of which live objects."""

    template: Template
    kinds: dict[int, set[str]]  # kind → cores with a live object
    cores: dict[str, int]  # core → index of the (first) key that has it
    more: dict[str, list[int]]  # core → indexes of its further keys; only hashes make several keys of one core

    def indexes(self, core: str) -> list[int]:
        return [self.cores[core], *self.more.get(core, ())]

    @property
    def best(self) -> int:
        return max((len(cores) for cores in self.kinds.values()), default=0)


def infer(
    snapshot: Snapshot,
    links: Sequence[Link] = (),
    index: SubjectIndex | None = None,
    maps: Sequence[KeysSeen] | None = None,
    watch: Watch = lambda *_: None,
) -> list[MapResult]:
    """What can be said of these maps, or every map in the snapshot, in their order; maps about which nothing is said are left out.

    `watch` is told every case that was weighed, and its verdict.
    """
    chosen = snapshot.maps if maps is None else maps
    return _Inference(snapshot, index or SubjectIndex(snapshot.subjects), links, watch=watch).run(chosen)


def infer_dependents(snapshot: Snapshot, groups: Sequence[KeysSeen], index: SubjectIndex) -> list[MapResult]:
    """The same for groups of objects: their names are the keys, and objects of their own kind are no subjects.

    Objects are named after others much more often than keys are, so here nearly every live subject must have a
    dependent before the others count as orphaned.
    """
    return _Inference(snapshot, index, (), of_objects=True).run(groups)


class _Inference:
    def __init__(
        self,
        snapshot: Snapshot,
        index: SubjectIndex,
        links: Sequence[Link],
        *,
        of_objects: bool = False,
        watch: Watch = lambda *_: None,
    ) -> None:
        self.of_objects = of_objects
        self.snapshot, self.index, self.links = snapshot, index, links
        self.subjects = snapshot.subjects
        self.sight = Sight(snapshot)
        self._plain: tuple[KeysSeen | None, dict[str, int]] = (None, {})
        self.kind_numbers = {kind: number for number, kind in enumerate(self.subjects.kinds)}
        self.beliefs = Beliefs(snapshot, index, watch)

    def run(self, maps: Sequence[KeysSeen]) -> list[MapResult]:
        results: dict[int, MapResult] = {}
        families: dict[tuple[object, ...], list[tuple[int, KeysSeen, list[_Match]]]] = {}
        most = SAMPLE_OF_OBJECTS if self.of_objects else SAMPLE_MOST
        per_map = max(SAMPLE_LEAST, min(most, SAMPLE_TOTAL // max(1, len(maps))))
        for start in range(0, len(maps), CHUNK):
            chunk = maps[start : start + CHUNK]
            # most maps are settings in which no name stands: one look tells that of many together
            samples = [_sample(seen.keys, per_map) for seen in chunk]
            may_match = len(chunk) == 1 or self.index.may_stand_in([key for sample in samples for key in sample])
            for number, (seen, sample) in enumerate(zip(chunk, samples, strict=True), start):
                if not seen.keys or is_exempt(seen):
                    continue
                if links := self._links_for(seen):
                    if result := self._declared(seen, links):
                        results[number] = result
                    continue
                matches = self._matches(seen, sample) if may_match else []
                families.setdefault(_family(seen), []).append((number, seen, matches))
        for members in families.values():
            for number, result in self._judge(members):
                results[number] = result
        return [results[number] for number in sorted(results)]

    # declared

    def _links_for(self, seen: KeysSeen) -> list[Link]:
        if not self.links:
            return []
        holder = seen.holder
        spot = (holder.kind.kind, holder.namespace, holder.name)
        chosen = [link for link in self.links if link.holder == spot]
        if chosen:
            return chosen
        everywhere = [link for link in self.links if link.holder is None]
        return [link for link in everywhere if self._match(seen, link.template, [self.kind_numbers.get(link.kind, -1)]).best]

    def _declared(self, seen: KeysSeen, links: Sequence[Link]) -> MapResult | None:
        result = MapResult(seen)
        cores: list[tuple[Link, _Match]] = []
        for link in links:
            kind = self.kind_numbers.get(link.kind)
            match = self._match(seen, link.template, [] if kind is None else [kind])
            if not match.cores:
                continue
            cores.append((link, match))
            result.live |= {i for live in match.kinds.values() for core in live for i in match.indexes(core)}
        # a nested document or another field of the map that has no such key is simply not what the link is about
        if seen.path and not result.live:
            return None
        result.has_empty_live = any(seen.shapes[i].name == "empty" for i in result.live)
        for link, match in cores:
            live = set().union(*match.kinds.values()) if match.kinds else set()
            population = sum(1 for known in self.subjects.kind_of if known == self.kind_numbers.get(link.kind, -1))
            attribution = Attribution(
                str(link.template), (link.kind,), Certainty.DECLARED, len(live),
                len(live) / max(1, len(match.cores)), min(1.0, len(live) / max(1, population)), "declared", (link.origin,),
            )  # fmt: skip
            result.attributions.append(attribution)
            for core in match.cores.keys() - live:
                if not link.template.may_be_made(core):
                    continue  # a constant beside the entries
                indexes = match.indexes(core)
                subject = self._subject(link.template, core, link.kind)
                for i in indexes:
                    if i in result.live:
                        continue
                    why = self._uncovered([subject], seen, attribution)
                    result.lost.append(Lost(i, "unknown" if why else "gone", attribution, (subject,), why_unknown=why))
        return result

    # matching

    def _matches(self, seen: KeysSeen, sample: list[str]) -> list[_Match]:
        """Templates with votes from sampled keys, each checked over the whole map."""
        keys = seen.keys
        if not self.index.may_stand_in(sample):
            return []
        votes: _Votes = {}
        silent: list[str] = []
        subjects = self.subjects
        for key in sample:
            found = False
            for template, row in explain_key(key, self.index):
                votes.setdefault(template, {}).setdefault(subjects.names[row], set()).add(subjects.kind_of[row])
                found = True
            if not found:
                silent.append(key)
        if 4 * len(silent) >= len(sample):
            self._vote_rarer(keys, silent, votes)
        _drop_loose(votes)
        # more different subjects first; among equals the simpler template
        ranked = sorted(votes, key=lambda template: (-len(votes[template]), len(str(template)), str(template)))
        whole = len(sample) == len(keys)
        matches = []
        for template in ranked[:TEMPLATES_OF_A_MAP]:
            single = whole and len(votes[template]) < 2 and len(keys) > 3 and not template.is_unmistakable
            # one subject only is chance; families of small maps still need to hear of it when the template is plain
            if single and (template.prefix or template.suffix or template.order == "name"):
                continue
            kinds = set().union(*votes[template].values()) if whole else None
            match = self._match(seen, template, kinds)
            if match.best:
                matches.append(match)
        return matches

    def _vote_rarer(self, keys: list[str], silent: list[str], votes: _Votes) -> None:
        longest = max(map(len, keys))
        for key in silent[:64]:
            for template, row in explain_cut(key, self.index, longest):
                votes.setdefault(template, {}).setdefault(self.subjects.names[row], set()).add(self.subjects.kind_of[row])
        prefix = os.path.commonprefix(silent)  # noqa: RUF071 (text, not a path)
        prefix = prefix[: max(prefix.rfind(mark) for mark in "-._") + 1]
        stripped = [key[len(prefix) :] for key in silent]
        lengths = {len(text) for text in stripped}
        if len(stripped) >= 2 and len(lengths) == 1 and all(_HEX.fullmatch(text) for text in stripped):
            whole = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
            for found in explain_digest([text for text in whole if len(text) in lengths], self.index):
                template = Template("digest", prefix, hash_length=found.hash_length, digest=found.digest)
                votes[template] = {"": set(self.index.kind_sizes), " ": set()}

    def _match(self, seen: KeysSeen, template: Template, kinds: Iterable[int] | None = None) -> _Match:
        cores: dict[str, int] = {}
        more: dict[str, list[int]] = {}
        if not (template.prefix or template.suffix or template.cut or template.hash_length or template.is_loose):
            cores = self._plain_cores(seen)
        else:
            core_of = template.core_of
            for i, key in enumerate(seen.keys):
                if (core := core_of(key)) is not None and cores.setdefault(core, i) != i:
                    more.setdefault(core, []).append(i)
        if template.order == "uid":
            uid = UNDASHED_UUID if template.transform == "plain" else UUID
            cores = {core: i for core, i in cores.items() if uid.fullmatch(core)}
        found: dict[int, set[str]] = {}
        for kind in self.index.kind_sizes if kinds is None else kinds:
            if kind < 0 or (template.has_namespace and not self.subjects.kinds[kind].namespaced):
                continue
            if self.of_objects and self.subjects.kinds[kind] == seen.holder.kind:
                continue
            if live := cores.keys() & self.index.rendered(template, kind):
                found[kind] = live
        return _Match(template, found, cores, more)

    def _plain_cores(self, seen: KeysSeen) -> dict[str, int]:
        """Key → index, made once for the map at hand."""
        if self._plain[0] is not seen:
            self._plain = (seen, dict(zip(seen.keys, range(len(seen.keys)), strict=True)))
        return self._plain[1]

    # judging

    def _judge(self, members: list[tuple[int, KeysSeen, list[_Match]]]) -> Iterable[tuple[int, MapResult]]:
        """Results of the maps of one family, whose evidence is added up."""
        pooled: dict[Template, list[_Match]] = {}
        for _, _, matches in members:
            for match in matches:
                pooled.setdefault(match.template, []).append(match)
        believed: dict[Template, list[int]] = {}
        verdicts: dict[Template, Verdict | None] = {}
        for template, candidates in pooled.items():
            kinds, verdict = self._believed_kinds(template, candidates, members)
            if kinds:
                believed[template], verdicts[template] = kinds, verdict
        believed = self._without_parts(believed, pooled)
        kinds_in_values = self._kinds_in_values(members) if len(members) > 1 else []
        for number, seen, matches in members:
            if not believed and not seen.identities:
                continue
            result = MapResult(seen, candidates=[match.template for match in matches])
            own = {match.template: match for match in matches}
            for template, kinds in believed.items():
                found = own.get(template)
                borrowed = found is None or not any(kind in found.kinds for kind in kinds)
                match = self._match(seen, template, kinds) if found is None or borrowed else found
                if borrowed and len(match.cores) < 0.9 * len(seen.keys):
                    continue
                self._apply(result, match, kinds, pooled[template], members, verdicts[template], borrowed=borrowed)
            _doubt_single(result)
            self._by_values(result, kinds_in_values)
            if result.attributions:
                yield number, self._settled(result)

    def _without_parts(
        self, believed: dict[Template, list[int]], pooled: dict[Template, list[_Match]]
    ) -> dict[Template, list[int]]:
        """Without what is a pair template seen in one namespace alone: `web-{name}` beside `{namespace}-{name}`.

        The literal has to be a namespace, or one of several, since a map may also hold `{namespace}.{name}` for one kind
        and `bucket.{name}` for another.
        """
        pairs = [template for template in believed if template.has_namespace]
        for pair in pairs:
            support = max(match.best for match in pooled[pair])
            beside = {t: literal for t in believed if (literal := _literal_beside(t, pair)) is not None}
            parts = {
                template
                for template, literal in beside.items()
                if (canonical(literal) in self.index.canonical_namespaces or len(beside) >= 4)
                # names used again elsewhere make the part match more than it should, by a few
                and 0.8 * max(match.best for match in pooled[template]) <= support
            }
            # the namespace at the front of every key, and the name behind it taken for a hash
            parts |= {
                template
                for template, kinds in believed.items()
                if template.hash_length and all(self.subjects.kinds[kind].kind == "Namespace" for kind in kinds)
            }
            believed = {template: kinds for template, kinds in believed.items() if template not in parts}
        return believed

    def _believed_kinds(
        self, template: Template, matches: list[_Match], members: list[tuple[int, KeysSeen, list[_Match]]]
    ) -> tuple[list[int], Verdict | None]:
        """Kinds that the template's keys are for, most support first, and the verdict; no kinds when chance could have made the matches.

        No verdict for what needs none: UIDs and hashes.
        """
        live: dict[int, set[str]] = {}
        for match in matches:
            for kind, cores in match.kinds.items():
                live.setdefault(kind, set()).update(cores)
        if len(members) > 1 and 2 * len(matches) < len(members):
            # most maps of the family know nothing of it: judge by the maps that do, one by one
            best_match = max(matches, key=lambda match: match.best)
            live = {kind: set(cores) for kind, cores in best_match.kinds.items()}
            matches = [best_match]
        if not live:
            return [], None
        best = max(len(cores) for cores in live.values())
        kinds = sorted((kind for kind in live if len(live[kind]) >= max(1, 0.2 * best)), key=lambda kind: -len(live[kind]))
        if self.of_objects:
            is_enough = any(self._is_enough_of_objects(template, kind, live[kind], members) for kind in kinds)
            return (kinds, None) if is_enough else ([], None)
        if template.order == "uid" or (template.order == "digest" and best >= 2):
            return kinds, None
        if template.order == "digest":
            return [], None
        chosen = {id(match) for match in matches}
        pairs = [(seen, match.cores) for _, seen, found in members for match in found if id(match) in chosen]
        verdict = max(
            (
                self.beliefs.verdict(
                    template, kind, live[kind], self._share_keyed(template, kind, live[kind], members), pairs, self._name_part
                )
                for kind in kinds[:3]
            ),
            key=lambda verdict: verdict.bits,
        )
        if template.cut and best >= 2 and verdict.bits < PROVEN_BITS:
            # names cut to a length, with the hash of the whole behind: nobody chooses such keys
            verdict = dataclasses.replace(verdict, bits=PROVEN_BITS)
        if best < 2 and verdict.is_proven and not (template.has_namespace and sum(len(cores) for _, cores in pairs) <= 4):
            verdict = dataclasses.replace(verdict, bits=LIKELY_BITS)  # one object is chance, whatever else is said
        return (kinds, verdict) if verdict.is_likely else ([], verdict)

    def _is_enough_of_objects(
        self, template: Template, kind: int, live: set[str], members: list[tuple[int, KeysSeen, list[_Match]]]
    ) -> bool:
        keyed = self._share_keyed(template, kind, live, members)
        around = template.prefix or template.suffix or template.hash_length
        return bool(around) and keyed >= 0.8 and len(live) >= (3 if is_custom(self.subjects.kinds[kind]) else 8)

    def _share_keyed(
        self, template: Template, kind: int, live: set[str], members: list[tuple[int, KeysSeen, list[_Match]]]
    ) -> float:
        """Which share of the live objects of a kind have a key: of all of them, or of those in the maps' namespaces."""
        everywhere = len(live) / max(1, len(self.index.rendered(template, kind)))
        if not self.subjects.kinds[kind].namespaced:
            return everywhere
        namespaces = {seen.holder.namespace for _, seen, _ in members}
        near: set[str] = set()
        for namespace in namespaces:
            near |= self.index.rendered_in(template, kind, namespace)
        here = len(live & near) / len(near) if near else 0.0
        return max(everywhere, here if near and len(live & near) >= 0.8 * len(live) else 0.0)

    def _apply(
        self,
        result: MapResult,
        match: _Match,
        kinds: list[int],
        family: list[_Match],
        members: list[tuple[int, KeysSeen, list[_Match]]],
        verdict: Verdict | None,
        *,
        borrowed: bool,
    ) -> None:
        seen, template = result.seen, match.template
        is_suspect = verdict is not None and not verdict.is_proven
        # what is only known from maps of the same name takes more than one or two of them
        is_suspect |= borrowed and sum(bool(other.best) for other in family) < AGREEING
        scoped = self._is_scoped(template, kinds, match, seen, members)
        alive: set[str] = set()
        for kind in kinds:
            if scoped and self.subjects.kinds[kind].namespaced:
                alive = alive | match.cores.keys() & self.index.rendered_in(template, kind, seen.holder.namespace)
            else:
                found = match.kinds.get(kind, set())
                alive = alive | found if alive else found  # never in place: the match keeps its sets
        examples = alive or {core for other in family for cores in other.kinds.values() for core in cores}
        style = Style(self._name_part(template, core) for core in examples)
        if match.more:
            live_indexes = {i for core in alive for i in match.indexes(core)}
        else:
            live_indexes = set(map(match.cores.__getitem__, alive))
        alike = len(seen.shapes) == seen.shapes.count(seen.shapes[0])
        shapes = Shapes(seen.shapes[i] for i in (list(live_indexes)[:1] if alike else live_indexes))
        if borrowed and not alive:
            shapes = self._shapes_of_family(template, kinds, members)
        result.live = result.live | live_indexes if result.live else live_indexes
        result.has_empty_live = result.has_empty_live or shapes.has_empty
        population = max((len(self.index.rendered(template, kind)) for kind in kinds[:1]), default=1)
        attribution = Attribution(
            str(template),
            tuple(self.subjects.kinds[kind] for kind in kinds),
            Certainty.INFERRED,
            len(alive),
            len(live_indexes) / max(1, len(seen.keys)),
            min(1.0, len(alive) / max(1, population)),
            f"namespace {seen.holder.namespace}" if scoped else "cluster",
            _said(verdict, borrowed=borrowed, is_suspect=is_suspect),
        )
        result.attributions.append(attribution)
        result.templates.append(template)
        custom = any(is_custom(self.subjects.kinds[kind]) for kind in kinds)
        mainly_live = custom and len(live_indexes) >= max(5, 0.5 * len(seen.keys))
        longest = max(map(len, match.cores), default=0)
        longest_live = max(map(self.index.longest_name, kinds), default=0)
        # a core this long has a name that no live one can go on from, wherever it is split
        longest_core = longest_live
        if template.has_namespace:
            longest_core += len(template.separator) + self.index.longest_namespace
        # a sample tells the length that names are cut to: many have it
        some = itertools.islice(match.cores, 0, None, max(1, len(match.cores) // LENGTH_SAMPLE))
        longest_name = max((len(name) for core in some if (name := self._name_part(template, core)) != core), default=0)
        shares_words = self._words_tell(template, style, match.cores, alive)
        resembled: Shape | None = None  # the last shape that was found like the live ones
        is_covered = self._is_covered(kinds)
        for core in match.cores.keys() - alive:
            indexes = match.indexes(core)
            name = self._name_part(template, core)
            if not self._could_be(template, core, name, style, shares_words, custom=custom, is_mainly_live=mainly_live) and not (
                # an odd name, but a record of just the fields that live ones have: nobody keeps settings so
                custom and all(shapes.has_record(seen.shapes[i]) for i in indexes) and not is_setting(name)
            ):
                continue
            if self._lives_elsewhere(template, core, seen, scoped=scoped) or (
                # as long as keys here get, and a live name goes on: it may be that one, cut
                len(core) < longest_core
                and min(map(len, template.names_in(core))) < longest_live
                and (len(core) == longest or len(name) >= longest_name > 0)
                and self._goes_on(template, core, kinds)
            ):
                result.live.update(indexes)
                continue
            subjects = tuple(self._subject(template, core, self.subjects.kinds[kind], seen if scoped else None) for kind in kinds)
            is_ordinal = self._is_ordinal(core)
            for i in indexes:
                shape = seen.shapes[i]
                if shape is not resembled:
                    if shape.name != "empty" and not shapes.resembles(shape):
                        continue
                    resembled = shape
                why = "" if is_covered else self._uncovered(subjects, seen, attribution)
                is_declared = seen.meta is not None and _top(seen, i) in seen.meta.declared
                state = "unknown" if why else "declared" if is_declared else "suspect" if is_suspect or is_ordinal else "gone"
                result.lost.append(Lost(i, state, attribution, subjects, why_unknown=why))

    def _shapes_of_family(
        self, template: Template, kinds: list[int], members: list[tuple[int, KeysSeen, list[_Match]]]
    ) -> Shapes:
        return Shapes(
            seen.shapes[i]
            for _, seen, matches in members
            for match in matches
            if match.template == template
            for kind in kinds
            for core in match.kinds.get(kind, ())
            for i in match.indexes(core)
        )

    def _words_tell(self, template: Template, style: Style, cores: dict[str, int], alive: set[str]) -> bool:
        """Whether the words that all live names share set them apart: most of the other keys share them too."""
        gone = cores.keys() - alive
        others = [self._name_part(template, core) for core in itertools.islice(gone, 0, None, max(1, len(gone) // LENGTH_SAMPLE))]
        return bool(others) and sum(map(style.shares_words, others)) >= 0.6 * len(others)

    def _could_be(
        self,
        template: Template,
        core: str,
        name: str,
        style: Style,
        shares_words: bool,
        *,
        custom: bool,
        is_mainly_live: bool,
    ) -> bool:
        """Whether a key without a live object looks as if it had been made for one."""
        if template.is_unmistakable:
            return True
        if shares_words and not style.shares_words(name):
            return False
        if template.has_namespace:
            if name is not core:
                # its namespace lives
                return not is_setting(name) and (is_mainly_live or style.is_alike(name))
            return any(
                style.fits(part) and not is_setting(part) and not is_setting(namespace) and _LABEL.fullmatch(canonical(namespace))
                for namespace, part in template.splits(core)
            )
        if not style.fits(core) or not (is_telling(core) or custom):
            return False
        return not is_setting(core) or bool(template.cut)

    def _name_part(self, template: Template, core: str) -> str:
        """The part of a live key that is the object's name."""
        if not template.has_namespace:
            return core
        for namespace, name in template.splits(core):
            if self.index.is_namespace(namespace):
                return name
        return core

    def _lives_elsewhere(self, template: Template, core: str, seen: KeysSeen, *, scoped: bool) -> bool:
        """Whether any object of any kind could still be what the key is about."""
        if template.is_unmistakable:
            return False
        names, namespaces = self.subjects.names, self.subjects.namespaces
        if template.cut and self._goes_on(template, core):
            return True
        if (hashed := _HASHED_CHILD.fullmatch(canonical(core))) and self.index.begun(hashed[1]):
            return True  # a name cut short, with the hash of what was cut: Knative's ChildName, Helm, kustomize
        if template.has_namespace:
            for namespace, name in template.splits(core):
                rows = self.index.all_named(canonical(name))
                if rows and canonical(namespace) in {canonical(namespaces[row]) for row in rows}:
                    return True
            return False
        here = seen.holder.namespace
        for row in self.index.all_named(canonical(core)):
            if not scoped or namespaces[row] in ("", here):
                return bool(names[row])
        return False

    def _goes_on(self, template: Template, core: str, kinds: Collection[int] | None = None) -> bool:
        """Whether a live name begins with what the key has of a name, and is longer."""
        if template.is_unmistakable:
            return False
        if template.has_namespace:
            return any(
                self.index.begun(canonical(name), canonical(namespace), kinds)
                for namespace, name in template.splits(core)
                if name
            )
        return self.index.begun(canonical(core), None, kinds)

    def _is_ordinal(self, core: str) -> bool:
        """Whether a key may be for a Pod that a live StatefulSet would have if it were scaled up again."""
        found = _ORDINAL.fullmatch(core)
        return found is not None and any(
            self.subjects.kind(row).kind == "StatefulSet" for row in self.index.named(canonical(found[1].rpartition(".")[2]))
        )

    def _is_scoped(
        self,
        template: Template,
        kinds: list[int],
        match: _Match,
        seen: KeysSeen,
        members: list[tuple[int, KeysSeen, list[_Match]]],
    ) -> bool:
        """Whether the map is about objects of its own namespace alone, so that one of the same name elsewhere is another.

        Only believed when each namespace has such a map, or when nearly all objects here and few elsewhere have a key
        while names are used again from namespace to namespace.
        """
        here = seen.holder.namespace
        if template.has_namespace or template.is_unmistakable or not here:
            return False
        kind = kinds[0]
        if not self.subjects.kinds[kind].namespaced:
            return False
        near = self.index.rendered_in(template, kind, here)
        all_of_kind = self.index.rendered(template, kind)
        far = all_of_kind - near
        keyed_near = len(near & match.cores.keys())
        keyed_far = len(far & match.cores.keys())
        if not far or (not keyed_near and len(members) < 2):
            return False
        namespaces_with_map = {other.holder.namespace for _, other, matches in members if other.holder.name == seen.holder.name}
        if len(namespaces_with_map) > 1:
            # the family's maps each hold their own namespace's objects
            own = total = 0
            for _, other, matches in members:
                for candidate in matches:
                    if candidate.template == template:
                        live = candidate.kinds.get(kind, set())
                        own += len(live & self.index.rendered_in(template, kind, other.holder.namespace))
                        total += len(live)
            return total >= 3 and own >= 0.8 * total and keyed_far <= 0.5 * len(far)
        reused = sum(1 for core in near if len(self.index.all_named(canonical(core))) > 1)
        return (
            keyed_near >= 3
            and keyed_near >= 0.8 * len(near)
            and len(far) >= 3
            and keyed_far <= 0.34 * len(far)
            and reused >= 0.5 * len(near)
        )

    # values

    def _kinds_in_values(self, members: list[tuple[int, KeysSeen, list[_Match]]]) -> list[Kind]:
        """Kinds of the live objects whose UIDs stand in values of a family's maps; none unless there are two such values."""
        rows = [
            row
            for _, seen, _ in members
            for identity in seen.identities.values()
            if identity.uid and (row := self.index.by_uid.get(identity.uid)) is not None
        ]
        return list(dict.fromkeys(map(self.subjects.kind, rows))) if len(rows) > 1 else []

    def _by_values(self, result: MapResult, kinds_of_family: list[Kind]) -> None:
        """What the identifiers inside the values say: they find lost subjects of their own, and correct the keys' word."""
        seen = result.seen
        if not seen.identities:
            return
        live_rows: dict[int, int] = {}
        for i, identity in seen.identities.items():
            if identity.uid and (row := self.index.by_uid.get(identity.uid)) is not None:
                live_rows[i] = row
        with_uid = {i: identity for i, identity in seen.identities.items() if identity.uid}
        lost = {item.index: item for item in result.lost}
        if live_rows:
            # the value names a live object by UID: whatever the key looks like, it is not a ghost
            result.lost = [item for item in result.lost if item.index not in live_rows]
            result.live |= live_rows.keys()
        kinds = list(dict.fromkeys(map(self.subjects.kind, live_rows.values())))
        if kinds_of_family or (live_rows and (len(live_rows) >= 2 or 2 * len(live_rows) >= len(with_uid))):
            self._lost_by_uid(result, with_uid, live_rows, lost, kinds or kinds_of_family)
            return
        if not result.attributions and seen.holder.kind != SECRETS:
            pairs = {i: identity for i, identity in seen.identities.items() if identity.name and not identity.uid}
            if len(pairs) >= 3:
                self._lost_by_name(result, pairs)
        elif with_uid:
            for item in result.lost:
                item.note = item.note or self._recreated_note(seen, item)

    def _lost_by_uid(
        self,
        result: MapResult,
        with_uid: dict[int, Identity],
        live_rows: dict[int, int],
        lost: dict[int, Lost],
        kinds: list[Kind],
    ) -> None:
        seen = result.seen
        is_secret = seen.holder.kind == SECRETS
        attribution = Attribution(
            "uid in the value", tuple(kinds), Certainty.OBSERVED, len(set(live_rows.values())),
            len(live_rows) / max(1, len(seen.keys)), 0.0, "cluster",
        )  # fmt: skip
        added = False
        for i in with_uid:
            identity = seen.identities[i]
            if i in live_rows or i in lost:
                if i in lost:
                    lost[i].note = self._recreated_note(seen, lost[i])
                continue
            if identity.kind and identity.kind not in {kind.kind for kind in kinds}:
                continue
            if is_secret and seen.shapes[i].name == "uuid":
                continue  # a bare UUID in a Secret is more often a token than anybody's UID
            subject = Subject(kinds[0], identity.namespace, identity.name, identity.uid)
            twin = self._twin(identity.namespace, identity.name, kinds) if identity.name else None
            if twin is None:
                twin = self._key_twin(seen.keys[i], result, kinds)
            why = self._uncovered((subject,), seen, attribution)
            if is_secret:
                subject = Subject(kinds[0], "", "")
            state = "unknown" if why else "recreated" if twin is not None else "gone"
            note = f"a {kinds[0].kind} of the same name lives with another UID" if twin is not None else ""
            result.lost.append(Lost(i, state, attribution, (subject,), note, why))
            result.live.discard(i)
            added = True
        if added or not result.attributions:
            result.attributions.append(attribution)

    def _lost_by_name(self, result: MapResult, pairs: dict[int, Identity]) -> None:
        """Values that are, or hold, the names of objects, under keys that say nothing."""
        seen, subjects = result.seen, self.subjects
        live: dict[int, int] = {}
        support: dict[Kind, set[int]] = {}
        for i in pairs:
            identity = seen.identities[i]
            for row in self.index.all_named(canonical(identity.name)):
                kind = subjects.kind(row)
                if subjects.names[row] != identity.name or (identity.kind and kind.kind != identity.kind):
                    continue
                if identity.namespace and subjects.namespaces[row] != identity.namespace:
                    continue
                live[i] = row
                support.setdefault(kind, set()).add(row)
        if not support:
            return
        best = max(len(rows) for rows in support.values())
        kinds = sorted((kind for kind in support if len(support[kind]) >= 0.5 * best), key=lambda k: -len(support[k]))
        population = min(self.index.kind_sizes[self.kind_numbers[kind]] for kind in kinds)
        paired = all(seen.identities[i].namespace for i in pairs)
        least, keyed = (3, 0.5) if paired else (5, 0.8)
        if best < least or (best < keyed * population and not (paired and best >= 10)):
            return
        template = "{namespace}/{name} in the value" if paired else "{name} in the value"
        attribution = Attribution(
            template,
            tuple(kinds),
            Certainty.OBSERVED,
            best,
            len(live) / max(1, len(seen.keys)),
            best / population,
            "cluster",
        )
        style = Style(seen.identities[i].name for i in live)
        shapes = Shapes(seen.shapes[i] for i in live)
        result.live |= live.keys()
        result.attributions.append(attribution)
        for i in pairs:
            identity = seen.identities[i]
            if i in live or not shapes.resembles(seen.shapes[i]) or not style.fits(identity.name) or is_setting(identity.name):
                continue
            found = tuple(Subject(kind, identity.namespace, identity.name) for kind in kinds)
            why = self._uncovered(found, seen, attribution)
            result.lost.append(Lost(i, "unknown" if why else "gone", attribution, found, why_unknown=why))

    def _twin(self, namespace: str, name: str, kinds: Sequence[Kind]) -> int | None:
        """The row of a live object of one of the kinds with this name (and namespace, when known)."""
        for row in self.index.all_named(canonical(name)):
            if self.subjects.kind(row) in kinds and (not namespace or self.subjects.namespaces[row] == namespace):
                return row
        return None

    def _key_twin(self, key: str, result: MapResult, kinds: Sequence[Kind]) -> int | None:
        """A row, when the key itself is made of a live object of these kinds: the value's UID is its predecessor's."""
        for template in (*result.templates, *result.candidates):
            core = template.core_of(key)
            for kind in kinds:
                if core is not None and core in self.index.rendered(template, self.kind_numbers[kind]):
                    return self.index.rows_of(self.kind_numbers[kind])[0]
        return None

    def _recreated_note(self, seen: KeysSeen, item: Lost) -> str:
        identity = seen.identities.get(item.index)
        if identity is None or not identity.name:
            return ""
        kinds = [subject.kind for subject in item.subjects]
        if self._twin(identity.namespace, identity.name, kinds) is None:
            return ""
        return f"a {kinds[0].kind} of the same name lives with another UID"

    # saying it

    def _subject(self, template: Template, core: str, kind: Kind, scoped: KeysSeen | None = None) -> Subject:
        if template.order == "uid":
            return Subject(kind, "", "", core.lower())
        if template.order == "digest":
            return Subject(kind, "", f"<{template.digest[0]} {core}>")
        if template.cut:
            return Subject(kind, "", f"{core}…")
        pieces = template.split(core, self.index.canonical_namespaces)
        if pieces is not None:
            return Subject(kind, *pieces)
        namespace = scoped.holder.namespace if scoped and kind.namespaced else ""
        return Subject(kind, namespace, core)

    def _uncovered(self, subjects: Iterable[Subject], seen: KeysSeen, attribution: Attribution) -> str:
        """Why the subject's absence proves nothing; empty when it does."""
        return self.sight.why_unknown(subjects, attribution)

    def _is_covered(self, kinds: Iterable[int]) -> bool:
        """Whether objects of these kinds would have been seen wherever they are, and those of all others too."""
        return self.sight.sees_all(self.subjects.kinds[kind] for kind in kinds)

    def _settled(self, result: MapResult) -> MapResult:
        """One verdict for each key: live beats lost, and the first template that explains it beats the later ones."""
        verdicts: dict[int, Lost] = {}
        for item in result.lost:
            if item.index in result.live and item.state != "recreated":
                continue
            held = verdicts.get(item.index)
            if held is None or (held.state == "gone" and item.state == "recreated"):
                verdicts[item.index] = item
        result.lost = [verdicts[i] for i in sorted(verdicts)]
        return result


_EXEMPT_NAMES = {"kube-root-ca.crt", "openshift-service-ca.crt", "extension-apiserver-authentication", "cluster-info"}
_EXEMPT_ANNOTATIONS = {"control-plane.alpha.kubernetes.io/leader"}
_EXEMPT_TYPES = ("kubernetes.io/", "bootstrap.kubernetes.io/", "helm.sh/")


def _doubt_single(result: MapResult) -> None:
    """Where every live subject has several keys (`NAME.crt` and `NAME.key`), one that has not all of them may be a constant."""
    templates = [t for t in result.templates if t.order == "name" and not t.cut and not t.hash_length]
    if len(templates) < 2:
        return
    keys = result.seen.keys
    cores = [{core: i for i, key in enumerate(keys) if (core := template.core_of(key)) is not None} for template in templates]
    live = [{core for core, i in found.items() if i in result.live} for found in cores]
    if len(set.intersection(*live)) < 0.8 * len(set.union(*live)):
        return
    for item in result.lost:
        own = {core for template in templates if (core := template.core_of(keys[item.index])) is not None}
        if item.state == "gone" and not any(all(core in found for found in cores) for core in own):
            item.state = "suspect"


def _said(verdict: Verdict | None, *, borrowed: bool, is_suspect: bool) -> tuple[str, ...]:
    """The chain of evidence: what was weighed, the heaviest first, and what is missing where it is not enough."""
    said = ["maps of the same name elsewhere have live subjects"] if borrowed else []
    if verdict is not None:
        heaviest = sorted(verdict.pieces, key=lambda piece: -abs(piece.bits))
        said += [
            f"{'for' if piece.bits >= 0 else 'against'} it, {abs(piece.bits):.1f} bits: {piece.sentence}" for piece in heaviest
        ]
        said.append(f"{verdict.bits:.1f} bits in all, {PROVEN_BITS:g} are proof")
    if is_suspect:
        said.append("likely, and not proven; if these keys are what they look like, declare it with --subject")
    return tuple(said)


def _top(seen: KeysSeen, index: int) -> str:
    """The key of the map that a key, or the document it stands in, is."""
    return seen.path[0] if seen.path else seen.keys[index]


def _literal_beside(template: Template, pair: Template) -> str | None:
    """What stands in a name template where a pair template has the namespace: `web` of `web-{name}`; None if nothing."""
    if template.order != "name" or template.hash_length or template.cut:
        return None
    if pair.order == "namespace-name":
        text, begin, end = template.prefix, pair.prefix, pair.separator
        same = template.suffix == pair.suffix
    else:
        text, begin, end = template.suffix, pair.separator, pair.suffix
        same = template.prefix == pair.prefix
    whole = same and text.startswith(begin) and text.endswith(end) and len(text) > len(begin) + len(end)
    return text[len(begin) : len(text) - len(end)] if whole else None


def is_exempt(seen: KeysSeen) -> bool:
    """Whether Kubernetes or Helm fix what keys this map has, so that none of them is for a subject."""
    meta = seen.meta
    if seen.holder.name in _EXEMPT_NAMES:
        return True
    if meta is None:
        return False
    if meta.type.startswith(_EXEMPT_TYPES) or not _EXEMPT_ANNOTATIONS.isdisjoint(meta.annotations):
        return True
    labels = meta.labels
    return labels.get("owner") == "helm" or labels.get("OWNER") == "TILLER" or "grafana_dashboard" in labels


def _drop_loose(votes: _Votes) -> None:
    """Forgets templates for a UID among varying text where the text does not vary."""
    strict = max(
        (len(names) for template, names in votes.items() if template.order == "uid" and not template.is_loose), default=0
    )
    for template in [template for template, names in votes.items() if template.is_loose and 2 * strict > len(names)]:
        del votes[template]


def _family(seen: KeysSeen) -> tuple[object, ...]:
    holder = seen.holder
    return (holder.kind, seen.field, seen.path, _DIGITS.sub("#", holder.name))


def _sample(keys: list[str], most: int) -> list[str]:
    """Keys at even distances, the first and last among them."""
    if len(keys) <= most:
        return keys
    step = (len(keys) - 1) / (most - 1)
    return [keys[round(place * step)] for place in range(most)]
