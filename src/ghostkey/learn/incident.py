"""What is known of one incident, whatever told of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind

KEYS = 20  # that are named
_KINDS = {kind.resource: kind for kind in (CONFIG_MAPS, SECRETS)}


@dataclass(frozen=True, slots=True)
class Pattern:
    """What makes two incidents alike: what keys are made of, the kind of which they are for, and who wrote them. No names.

    `template` as an analysis gives it (`{namespace}.{name}`), `subject` a qualified kind, `manager` a field manager; empty: not known.
    """

    template: str = ""
    subject: str = ""
    manager: str = ""

    def is_like(self, other: Pattern) -> bool:
        """Whether both are known well enough to say so, and are the same."""
        same = bool(self.template and self.subject) and (self.template, self.subject) == (other.template, other.subject)
        return same and (not self.manager or not other.manager or self.manager == other.manager)

    def __str__(self) -> str:
        by = f", written by {self.manager}" if self.manager else ""
        return f"keys {self.template or 'of unknown shape'} for {self.subject or 'subjects that are not known'}{by}"


@dataclass(frozen=True, slots=True)
class Cause:
    """A place in code: lint's rule, the folder of the package, and why."""

    rule: str
    package: str
    why: str
    path: str = ""
    line: int = 0
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """`resource`, `namespace` and `name` say which map (a plural of maps, else empty: no map of the API). `at` is RFC 3339.

    `keys` are examples, never of a Secret; `count` is how many outlive their subject. `timeline` are (when, what), `plan` is what
    churn does to bring it about, `signature` what churn then finds.
    """

    source: str
    at: str
    title: str
    resource: str = ""
    namespace: str = ""
    name: str = ""
    pattern: Pattern = Pattern()
    count: int = 0
    keys: tuple[str, ...] = ()
    timeline: tuple[tuple[str, str], ...] = ()
    causes: tuple[Cause, ...] = ()
    proof: tuple[str, ...] = ()
    forecast: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    signature: str = ""
    plan: str = ""

    @property
    def kind(self) -> Kind | None:
        """ConfigMaps or Secrets; None where it is about another thing."""
        return _KINDS.get(self.resource)

    @property
    def is_secret(self) -> bool:
        """Whether its keys are nobody's business."""
        return self.resource == SECRETS.resource

    @property
    def day(self) -> str:
        """The date alone."""
        return self.at[:10]

    @property
    def id(self) -> str:
        """The day and what it is about, fit for a file's name. Of a Secret, a hash stands for its name."""
        about = f"{self.namespace}/{self.name}" if self.name else self.signature or self.title
        short = hashlib.sha256(f"{self.resource} {about}".encode("utf-8", "surrogatepass")).hexdigest()[:6]
        words = "secret" if self.is_secret else re.sub(r"[^a-z0-9]+", "-", (self.name or "incident").lower()).strip("-")[:40]
        return f"{self.day}-{words or 'map'}-{short}"

    @property
    def map(self) -> str:
        """`configmaps/NAME`, as caps and metrics name it."""
        return f"{self.resource}/{self.name}"
