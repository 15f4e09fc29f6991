"""What a snapshot could have seen: why the absence of an object proves nothing, or how it is known.

Nothing is taken for gone that may only be out of sight. It is known to be gone where its kind was listed in its namespace, and
where the namespace itself is gone: nothing can live there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from ghostkey.model.events import Coverage
from ghostkey.model.findings import Attribution, Certainty, Subject
from ghostkey.model.refs import NAMESPACES, Kind, canonical
from ghostkey.store.snapshot import Snapshot

NAMED = 4  # namespaces that are named in a sentence


class Sight:
    """Answers for one snapshot; made once, when all of its events are in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._spaces: dict[Kind, set[str]] = {}
        # A kind that could not be listed at all may hold any missing subject: what is only inferred is then unknown.
        narrowed = {kind.qualified for kind in snapshot.coverage}
        self._blind = [gap for gap in snapshot.gaps if gap.kind and gap.kind not in narrowed]
        # the same of kinds whose definition is in a dump without any object of them; an operator keeps keys for its own kinds, so
        # these hide what would be said of built-in ones
        self._uncollected = [
            found for kind, found in snapshot.coverage.items() if found.namespaces == frozenset() and kind.is_custom
        ]

    def why_unknown(self, subjects: Iterable[Subject], attribution: Attribution) -> str:
        """Why it proves nothing that these subjects were not found; empty when it does."""
        left = [subject for subject in subjects if not self.is_in_gone_namespace(subject)]
        if not left:
            return ""
        if attribution.certainty is Certainty.INFERRED:
            if self._blind:
                gap, more = self._blind[0], len(self._blind) - 1
                return f"{gap.what}{f' (and {more} more)' if more else ''}: the subject may be one of them"
            if self._uncollected and not any(kind.is_custom for kind in attribution.kinds):
                return f"{_said(self._uncollected[0])}: the subject may be one of them"
        for subject in left:
            if why := self.why_unseen(subject.kind, subject.namespace):
                return why
        return ""

    def why_unseen(self, kind: Kind, namespace: str) -> str:
        """Why an object of this kind may be there and not in the snapshot; empty when it would have been seen.

        An empty namespace is any namespace.
        """
        coverage = self._snapshot.coverage.get(kind)
        if coverage is None:
            return f"{kind.qualified} were not listed"
        if coverage.is_whole or (kind.namespaced and namespace and coverage.covers(namespace)):
            return ""
        if not kind.namespaced:
            return _said(coverage) if coverage.namespaces is not None else ""
        if namespace:
            return f"{kind.qualified} in namespace {namespace} were not seen ({self._where(coverage)})"
        if coverage.namespaces is None and len(self._spaces_of(kind)) < 2:
            return ""  # all of them live in one namespace, which was seen
        return f"{kind.qualified} were not seen everywhere ({self._where(coverage)})"

    def sees_all(self, kinds: Iterable[Kind]) -> bool:
        """Whether objects of these kinds would have been seen wherever they are, and those of all others too."""
        if self._blind or self._uncollected:
            return False
        return all((found := self._snapshot.coverage.get(kind)) is not None and found.is_whole for kind in kinds)

    def is_in_gone_namespace(self, subject: Subject) -> bool:
        """Whether the subject's namespace is not in the whole list of those that live."""
        if not subject.namespace or not subject.kind.namespaced or self.namespaces is None:
            return False
        return canonical(subject.namespace) not in self.namespaces

    @functools.cached_property
    def namespaces(self) -> frozenset[str] | None:
        """All live namespaces, as sanitising would write them; None when their list is not whole."""
        coverage = self._snapshot.coverage.get(NAMESPACES)
        if coverage is None or not coverage.is_whole:
            return None
        subjects = self._snapshot.subjects
        return frozenset(canonical(name) for row, name in enumerate(subjects.names) if subjects.kind(row) == NAMESPACES)

    def searched(self, subject: Subject, scope: str) -> str:
        """How it is known that a subject is gone, for people; `scope` is the attribution's."""
        if self.is_in_gone_namespace(subject):
            return f"namespace {subject.namespace} is not in the list of namespaces: {subject} is gone with it"
        coverage = self._snapshot.coverage.get(subject.kind)
        where = f"in {scope}" if scope.startswith("namespace ") else "in all namespaces"
        if coverage is not None and coverage.namespaces and subject.namespace in coverage.namespaces:
            where = f"in namespace {subject.namespace}"
        if not self._snapshot.cluster:
            return f"the dump's {subject.kind.qualified} {where} were looked through: {subject} is not among them"
        return f"LIST {subject.kind.qualified} {where} did not find {subject}"

    def _spaces_of(self, kind: Kind) -> set[str]:
        if kind not in self._spaces:
            subjects = self._snapshot.subjects
            self._spaces[kind] = {space for row, space in enumerate(subjects.namespaces) if subjects.kind(row) == kind}
        return self._spaces[kind]

    @staticmethod
    def _where(coverage: Coverage) -> str:
        if coverage.namespaces is None:
            return f"nothing at all was seen of {_named(coverage.unseen)}"
        if not coverage.namespaces:
            return coverage.why or "nowhere"
        return f"only in {_named(coverage.namespaces)}" + (f"; {coverage.why}" if coverage.why else "")


def _said(coverage: Coverage) -> str:
    return f"{coverage.kind.qualified}: {coverage.why or 'not seen'}"


def _named(namespaces: Iterable[str]) -> str:
    names = sorted(namespaces)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
