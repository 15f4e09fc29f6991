"""Links the keys of every map to live objects, and says which keys have lost theirs.

The way: sampled keys are taken apart and looked up among the live objects (`explain`), which votes for templates; each
template with votes is then checked forward over all keys of the map (`matching`). What is believed of a map is the weight of
evidence for it (`belief`), its own or that of all maps of one name but for digits (`family`).
A key is a ghost when a believed template makes it, no live object of any kind does, and it looks like its neighbours (`lost`).
Cost: linear in keys and in objects; a million of each in about 2 s.
"""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey.inference.belief import Beliefs, Watch
from ghostkey.inference.declared import Declared
from ghostkey.inference.family import Family, Member, family_of
from ghostkey.inference.held import mark_held
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.kinds_in_keys import KindsInKeys
from ghostkey.inference.lost import LostKeys, doubt_single
from ghostkey.inference.matching import Matcher
from ghostkey.inference.named import NamedInValues
from ghostkey.inference.results import Link, MapResult
from ghostkey.inference.values import Values
from ghostkey.model.events import KeysSeen
from ghostkey.store.coverage import Sight
from ghostkey.store.snapshot import Snapshot

SAMPLE_MOST = 256  # keys of one map that are taken apart
SAMPLE_LEAST = 8
SAMPLE_OF_OBJECTS = 64  # names of objects one hand made are alike
SAMPLE_TOTAL = 60_000  # over all maps; then maps are sampled thinner
CHUNK = 64  # maps that are looked at together for any name at all
BORROWED = 0.9  # of a map's keys that a template of other maps must make, before it is judged by them


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
        sight = Sight(snapshot)
        self._index, self._of_objects = index, of_objects
        self._sample_most = SAMPLE_OF_OBJECTS if of_objects else SAMPLE_MOST
        self._matcher = Matcher(index, of_objects=of_objects)
        self._declared = Declared(links, self._matcher, sight)
        self._beliefs = Beliefs(snapshot, index, sight, watch, of_objects=of_objects)
        self._lost = LostKeys(index, sight)
        self._values = Values(index, sight)
        self._kinds_in_keys = KindsInKeys(index, self._matcher)
        # names in values are no keys: the calibration, which watches, knows the truth of keys
        self._named = NamedInValues(index, self._matcher, Beliefs(snapshot, index, sight), self._lost)

    def run(self, maps: Sequence[KeysSeen]) -> list[MapResult]:
        results: dict[int, MapResult] = {}
        families: dict[tuple[object, ...], list[Member]] = {}
        per_map = max(SAMPLE_LEAST, min(self._sample_most, SAMPLE_TOTAL // max(1, len(maps))))
        for start in range(0, len(maps), CHUNK):
            chunk = maps[start : start + CHUNK]
            # most maps are settings in which no name stands: one look tells that of many together
            samples = [_sample(seen.keys, per_map) for seen in chunk]
            may_match = len(chunk) == 1 or self._index.may_stand_in([key for sample in samples for key in sample])
            for number, (seen, sample) in enumerate(zip(chunk, samples, strict=True), start):
                if not seen.keys or is_exempt(seen):
                    continue
                if links := self._declared.links_for(seen):
                    if result := self._declared.judge(seen, links):
                        result.settle()
                        results[number] = result
                    continue
                matches = self._matcher.matches(seen, sample) if may_match else []
                families.setdefault(family_of(seen), []).append(Member(number, seen, matches))
        for members in families.values():
            self._judge(Family(members, self._index), results)
        return [results[number] for number in sorted(results)]

    def _judge(self, family: Family, results: dict[int, MapResult]) -> None:
        """Adds the results of the maps of one family."""
        members = family.members
        if not family.matched and not any(member.seen.identities for member in members):
            return
        own, shared = self._beliefs.of_family(family)
        kinds_in_values = self._values.kinds_in(member.seen for member in members) if len(members) > 1 else []
        judged: dict[int, MapResult] = {}
        for member, beliefs in zip(members, own, strict=True):
            seen = member.seen
            if not beliefs and not shared and not seen.identities:
                continue
            judged[member.number] = result = MapResult(seen, candidates=[match.template for match in member.matches])
            matched = {match.template: match for match in member.matches}
            for match, belief in [] if self._of_objects else list(self._kinds_in_keys.beside(seen, beliefs)):
                matched[match.template], beliefs[match.template] = match, belief
            # the firmest first, and the surest of these: what they have lost is not brought back by a piece of a key
            for template, belief in sorted(beliefs.items(), key=lambda item: (-item[0].firmness, -item[1].bits)):
                self._lost.add(result, matched[template], belief, family, borrowed=False)
            for template, belief in shared.items():
                if template not in beliefs:
                    match = self._matcher.match(seen, template, belief.kinds)
                    if len(match.cores) >= BORROWED * len(seen.keys):
                        self._lost.add(result, match, belief, family, borrowed=True)
            doubt_single(result, member.matches)
            self._values.judge(result, kinds_in_values)
        if not self._of_objects:
            self._named.judge(list(judged.values()))
        for number, result in judged.items():
            if result.attributions:
                result.settle()
                mark_held(result, self._index)
                results[number] = result


_EXEMPT_NAMES = {"kube-root-ca.crt", "openshift-service-ca.crt", "extension-apiserver-authentication", "cluster-info"}
_EXEMPT_ANNOTATIONS = {"control-plane.alpha.kubernetes.io/leader"}
_EXEMPT_TYPES = ("kubernetes.io/", "bootstrap.kubernetes.io/", "helm.sh/")


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


def _sample(keys: list[str], most: int) -> list[str]:
    """Keys at even distances, the first and last among them."""
    if len(keys) <= most:
        return keys
    step = (len(keys) - 1) / (most - 1)
    return [keys[round(place * step)] for place in range(most)]
