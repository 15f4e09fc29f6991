"""What analyses say."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from ghostkey.model.refs import KeyRef, Kind


class Severity(enum.IntEnum):
    """How loud a finding is; `--fail-on` and `--severity` compare these."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()


class Certainty(enum.StrEnum):
    """How a key's subject is known: said by a person, carried by the value, or inferred from the other keys."""

    DECLARED = "declared"
    OBSERVED = "observed"
    INFERRED = "inferred"


CUT_SHORT = "…"  # behind as much of a name or UID as the key has


@dataclass(frozen=True, slots=True)
class Subject:
    """What a key was written for. `namespace` is empty when the template does not tell or the kind has none.

    Of a name, or of a UID, it may have the beginning alone, with CUT_SHORT behind.
    Without name and UID it is known from a Secret's value alone, and who it is stays in there.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return (
            f"{self.kind.kind} "
            + (f"with {self.kind.known_by} " if self.kind.known_by else "")
            + (f"{self.namespace}/" if self.namespace else "")
            + (self.name or self.uid or "that its value names")
            + (f" with UID {self.uid}" if self.name and self.uid.endswith(CUT_SHORT) else "")
        )


@dataclass(frozen=True, slots=True)
class Attribution:
    """Keys of this map are written for subjects of these kinds, by this template.

    `support` counts different live subjects that a key was found for, `coverage` is the share of the map's keys that
    the template explains with a live subject, `subject_coverage` the share of live subjects that have a key.
    """

    template: str
    kinds: tuple[Kind, ...]
    certainty: Certainty
    support: int
    coverage: float
    subject_coverage: float
    scope: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, with its proof.

    `state` is "unknown" when the evidence would be enough but a gap hides where the subject could still be, "suspect" when
    what speaks for it is not proof, and "declared" when a manifest still holds the key: only "found" is acted upon.
    `evidence` is a chain of short sentences; `writer` is the manager and time of managedFields, when known. `origin` names the
    cluster or folder, when a dump is of several.
    """

    analysis: str
    key: KeyRef
    severity: Severity
    message: str
    evidence: tuple[str, ...]
    subjects: tuple[Subject, ...] = ()
    attribution: Attribution | None = None
    state: str = "found"
    value_bytes: int = -1
    writer: str = ""
    since: str = ""
    origin: str = ""

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that stay the same from scan to scan while the finding does, live or from a dump of the cluster."""
        ref, kind = self.key, self.key.holder.kind
        parts = (self.analysis, self.origin, kind.qualified, ref.holder.namespace, ref.holder.name, ref.field)
        return hashlib.sha256("\0".join((*parts, *ref.path, ref.key)).encode("utf-8", "surrogatepass")).hexdigest()[:12]
