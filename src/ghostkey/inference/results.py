"""What inference gives back, and the links that a person declares."""

from __future__ import annotations

from dataclasses import dataclass, field

from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Attribution, Subject
from ghostkey.model.refs import Kind


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
    recreated (same name, other UID). `firmness` is that of the template which lost it: what is less firm does not bring it back.
    `is_weak`: it would be a suspect, also where a gap hides the answer.
    """

    index: int
    state: str
    attribution: Attribution
    subjects: tuple[Subject, ...]
    note: str = ""
    why_unknown: str = ""
    firmness: int = 0
    is_weak: bool = False


@dataclass(slots=True)
class MapResult:
    """What was inferred for one map: believed attributions, and the keys that lost their subject.

    `spared` says why a key that a believed template makes is not lost, though no object it is made of was found.
    """

    seen: KeysSeen
    attributions: list[Attribution] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    live: set[int] = field(default_factory=set)
    has_empty_live: bool = False
    templates: list[Template] = field(default_factory=list)
    candidates: list[Template] = field(default_factory=list)  # believed or not
    spared: dict[int, str] = field(default_factory=dict)

    def settle(self) -> None:
        """One verdict for each key: live beats lost, and the first template that explains it beats the later ones."""
        verdicts: dict[int, Lost] = {}
        for item in self.lost:
            if item.index in self.live and item.state != "recreated":
                continue
            held = verdicts.get(item.index)
            if held is None or (held.state == "gone" and item.state == "recreated"):
                verdicts[item.index] = item
        self.lost = [verdicts[i] for i in sorted(verdicts)]
