"""A plan: what is done to subjects and to the operator, in order, and which faults meet it. Written as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ghostkey.foreign import UnreadableError, load_yaml
from ghostkey.model.errors import UsageError

OF_SUBJECTS = ("create", "patch", "delete")
OF_OPERATOR = ("stop", "start", "restart", "kill", "cut-watches", "expire-watches", "freeze", "thaw",
               "add-replica", "change-leader")  # fmt: skip
STEPS_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done: `subject` is a number of the plan for those of OF_SUBJECTS, and -1 for those of OF_OPERATOR."""

    do: str
    subject: int = -1

    def __str__(self) -> str:
        return self.do if self.subject < 0 else f"{self.do} {self.subject}"


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """Where a fault strikes: at the n-th (from 1) call of this verb and resource that names the subject (-1: any or none)."""

    fault: str
    verb: str
    resource: str
    occurrence: int = 1
    subject: int = -1

    def __str__(self) -> str:
        whom = f" of subject {self.subject}" if self.subject >= 0 else ""
        return f"{self.fault} at {self.verb} {self.resource} #{self.occurrence}{whom}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and faults. What lives at the end is deleted by the closing sweep, in order of numbers: it is part of every plan."""

    steps: tuple[Step, ...]
    faults: tuple[FaultPoint, ...] = ()
    name: str = ""

    @property
    def subjects(self) -> list[int]:
        """Numbers of all subjects that the plan creates, in order."""
        return sorted({step.subject for step in self.steps if step.do == "create"})

    def without_subjects(self, kept: set[int]) -> Plan:
        """The plan for these subjects alone; what is done to the operator stays."""
        steps = tuple(step for step in self.steps if step.subject < 0 or step.subject in kept)
        return replace(self, steps=steps, faults=tuple(f for f in self.faults if f.subject < 0 or f.subject in kept))

    def without_part(self, part: Step | FaultPoint) -> Plan:
        """The plan without the first such step or fault."""
        steps, faults = list(self.steps), list(self.faults)
        if isinstance(part, Step):
            steps.remove(part)
        else:
            faults.remove(part)
        return replace(self, steps=tuple(steps), faults=tuple(faults))

    def as_yaml(self) -> str:
        """The plan as a file that `--plan` reads."""
        document: dict[str, Any] = {"apiVersion": "ghostkey.dev/v1", "kind": "ChurnPlan", "steps": [str(s) for s in self.steps]}
        if self.faults:
            document["faults"] = [
                {"fault": f.fault, "verb": f.verb, "resource": f.resource, "occurrence": f.occurrence, "subject": f.subject}
                for f in self.faults
            ]
        return yaml.safe_dump(document, sort_keys=False)


@dataclass(slots=True)
class Weaver:
    """Builds plans with numbers that go on."""

    steps: list[Step] = field(default_factory=list)
    next_subject: int = 0

    def create(self, count: int) -> list[int]:
        """Adds that so many new subjects are created, and gives their numbers."""
        numbers = list(range(self.next_subject, self.next_subject + count))
        self.next_subject += count
        self.steps += [Step("create", number) for number in numbers]
        return numbers

    def delete(self, numbers: Sequence[int]) -> None:
        """Adds that these are deleted."""
        self.steps += [Step("delete", number) for number in numbers]

    def plan(self, name: str = "") -> Plan:
        """What was woven."""
        return Plan(tuple(self.steps), name=name)


def round_of(count: int, name: str = "") -> Plan:
    """So many subjects come, change once, and go again."""
    weaver = Weaver()
    numbers = weaver.create(count)
    weaver.steps += [Step("patch", number) for number in numbers]
    weaver.delete(numbers)
    return weaver.plan(name)


def plan_in(path: Path) -> Plan:
    """The plan in a file. Raises UsageError, also for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no plan: it is no text", "name the plan.yaml that --reproduction has written") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"cannot read the plan {path}: {why}", "name the plan.yaml that --reproduction has written") from None
    return read_plan(text, str(path))


def read_plan(text: str, where: str) -> Plan:
    """The plan in a YAML file. Raises UsageError with the line that is off."""
    try:
        document = load_yaml(text)
    except UnreadableError as error:
        raise UsageError(f"{where} is no YAML: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("steps"), list):
        raise UsageError(f"{where} is no plan", "it needs `steps:`, a list such as [create 0, delete 0]")
    if len(document["steps"]) > STEPS_MOST:
        raise UsageError(f"{where} has more than {STEPS_MOST:,} steps")
    steps = tuple(_step(str(line), where) for line in document["steps"])
    faults = document.get("faults") or []
    if not isinstance(faults, list):
        raise UsageError(f"{where}: faults is no list")
    return Plan(steps, tuple(_fault(record, where) for record in faults), where)


def _step(line: str, where: str) -> Step:
    do, _, number = line.partition(" ")
    if do in OF_SUBJECTS and number.isdigit():
        return Step(do, int(number))
    if do in OF_OPERATOR and not number:
        return Step(do)
    known = ", ".join([*(f"{word} N" for word in OF_SUBJECTS), *OF_OPERATOR])
    raise UsageError(f"{where}: {line!r} is no step", f"known: {known}")


def _fault(record: Any, where: str) -> FaultPoint:
    try:
        return FaultPoint(
            str(record["fault"]), str(record["verb"]), str(record["resource"]),
            int(record.get("occurrence", 1)), int(record.get("subject", -1)),
        )  # fmt: skip
    except (TypeError, KeyError, ValueError, AttributeError):
        raise UsageError(f"{where}: {record!r} is no fault", "it needs fault, verb and resource") from None
