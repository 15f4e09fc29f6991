"""Whether the absence of a subject proves anything."""

from __future__ import annotations

from collections.abc import Iterable

from ghostkey.model.findings import Attribution, Certainty, Subject
from ghostkey.store.snapshot import Snapshot


class Absence:
    """Says of missing subjects why they may live all the same: what was not seen proves nothing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        # A kind that could not be listed may hold any missing subject: what is only inferred is then unknown.
        self._blind = [gap for gap in snapshot.gaps if gap.kind and not self._is_only_narrowed(gap.kind)]

    def _is_only_narrowed(self, kind: str) -> bool:
        return any(known.qualified == kind for known in self._snapshot.coverage)

    def why_unknown(self, subjects: Iterable[Subject], attribution: Attribution) -> str:
        """Why the subjects' absence proves nothing; empty when it does."""
        if attribution.certainty is Certainty.INFERRED and self._blind:
            gap = self._blind[0]
            more = f" (and {len(self._blind) - 1} more)" if len(self._blind) > 1 else ""
            return f"{gap.what}{more}: the subject may be one of them"
        for subject in subjects:
            coverage = self._snapshot.coverage.get(subject.kind)
            if coverage is None:
                return f"{subject.kind.qualified} were not listed"
            if coverage.namespaces is None or not subject.kind.namespaced:
                continue
            where = ", ".join(sorted(coverage.namespaces)) or "no namespace"
            if not subject.namespace:
                return f"{subject.kind.qualified} were seen in {where} only"
            if not coverage.covers(subject.namespace):
                return f"{subject.kind.qualified} in namespace {subject.namespace} were not seen (only in {where})"
        return ""

    def is_proof(self, kinds: Iterable[int]) -> bool:
        """Whether objects of these kinds would have been seen wherever they are, and those of all others too."""
        known = [self._snapshot.coverage.get(self._snapshot.subjects.kinds[kind]) for kind in kinds]
        return not self._blind and all(coverage is not None and coverage.namespaces is None for coverage in known)
