"""What the UIDs inside values say: they find lost subjects of their own, and correct the keys' word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.naming import SAME_NAME
from ghostkey.inference.results import Lost, MapResult
from ghostkey.model.events import Identity, KeysSeen
from ghostkey.model.findings import Attribution, Certainty, Subject
from ghostkey.model.refs import SECRETS, Kind, canonical
from ghostkey.store.coverage import Sight


class Values:
    """Judges keys by the UIDs and names that their values carry."""

    def __init__(self, index: SubjectIndex, sight: Sight) -> None:
        self._index, self._subjects, self._sight = index, index.subjects, sight
        self._kind_numbers = {kind: number for number, kind in enumerate(index.subjects.kinds)}

    def kinds_in(self, maps: Iterable[KeysSeen]) -> list[Kind]:
        """Kinds of the live objects whose UIDs stand in values of a family's maps; none unless there are two such values."""
        rows = [
            row
            for seen in maps
            for identity in seen.identities.values()
            if identity.uid and (row := self._index.by_uid.get(identity.uid)) is not None
        ]
        return list(dict.fromkeys(map(self._subjects.kind, rows))) if len(rows) > 1 else []

    def judge(self, result: MapResult, kinds_of_family: list[Kind]) -> None:
        """Adds to what the keys say of one map."""
        seen = result.seen
        if not seen.identities:
            return
        live_rows: dict[int, int] = {}
        for i, identity in seen.identities.items():
            if identity.uid and (row := self._index.by_uid.get(identity.uid)) is not None:
                live_rows[i] = row
        with_uid = {i: identity for i, identity in seen.identities.items() if identity.uid}
        lost = {item.index: item for item in result.lost}
        if live_rows:
            # the value names a live object by UID: whatever the key looks like, it is not a ghost
            result.lost = [item for item in result.lost if item.index not in live_rows]
            result.live |= live_rows.keys()
        kinds = list(dict.fromkeys(map(self._subjects.kind, live_rows.values())))
        if kinds_of_family or (live_rows and (len(live_rows) >= 2 or 2 * len(live_rows) >= len(with_uid))):
            self._lost_by_uid(result, with_uid, live_rows, lost, kinds or kinds_of_family)
            return
        if with_uid:
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
            why = self._sight.why_unknown((subject,), attribution)
            if is_secret:
                subject = Subject(kinds[0], "", "")
            state = "unknown" if why else "recreated" if twin is not None else "gone"
            note = SAME_NAME.format(kinds[0].kind) if twin is not None else ""
            result.lost.append(Lost(i, state, attribution, (subject,), note, why))
            result.live.discard(i)
            added = True
        if added or not result.attributions:
            result.attributions.append(attribution)

    def _twin(self, namespace: str, name: str, kinds: Sequence[Kind]) -> int | None:
        """The row of a live object of one of the kinds with this name (and namespace, when known)."""
        for row in self._index.all_named(canonical(name)):
            if self._subjects.kind(row) in kinds and (not namespace or self._subjects.namespaces[row] == namespace):
                return row
        return None

    def _key_twin(self, key: str, result: MapResult, kinds: Sequence[Kind]) -> int | None:
        """A row, when the key itself is made of a live object of these kinds: the value's UID is its predecessor's."""
        for template in (*result.templates, *result.candidates):
            core = template.core_of(key)
            for kind in kinds:
                if core is not None and core in self._index.rendered(template, self._kind_numbers[kind]):
                    return self._index.rows_of(self._kind_numbers[kind])[0]
        return None

    def _recreated_note(self, seen: KeysSeen, item: Lost) -> str:
        identity = seen.identities.get(item.index)
        if identity is None or not identity.name:
            return ""
        kinds = [subject.kind for subject in item.subjects]
        if self._twin(identity.namespace, identity.name, kinds) is None:
            return ""
        return SAME_NAME.format(kinds[0].kind)
