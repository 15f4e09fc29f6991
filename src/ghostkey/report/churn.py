"""What a churn run found: as a table and JSON; SARIF and JUnit are files beside this one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.compare import Compared
from ghostkey.churn.judge import Verdict
from ghostkey.model.counts import counted
from ghostkey.model.history import rfc3339
from ghostkey.report.lint import about_record, about_text
from ghostkey.report.stacks import calls
from ghostkey.report.visible import safe

if TYPE_CHECKING:
    from ghostkey.churn.inserts import Inserts
    from ghostkey.churn.past import Life

SCHEMA_VERSION = 1
FORMATS = ("table", "json", "sarif", "junit")
EXPECTED = ("LEAK", "PARTIAL", "STUCK")
CURVE_SHOWN = 6
STACKS_SHOWN = 3


def fingerprint(verdict: Verdict) -> str:
    """Twelve hex digits of a signature: the same from run to run."""
    return hashlib.sha256(str(verdict.signature).encode()).hexdigest()[:12]


def render(outcome: Outcome, form: str) -> str:
    """All of it in one of FORMATS."""
    if form == "table":
        return "\n".join(_table(outcome))
    if form == "junit":
        from ghostkey.report.churn_junit import junit

        return "\n".join(junit(outcome))
    if form == "sarif":
        from ghostkey.report.churn_sarif import sarif

        return json.dumps(sarif(outcome), indent=2)
    return json.dumps(document(outcome), indent=2)


def _table(outcome: Outcome) -> Iterator[str]:
    for verdict in outcome.verdicts:
        rounds = "/".join(map(str, verdict.counts))
        yield f"{verdict.kind:<12} {safe(str(verdict.signature))}"
        yield f"{'':<12} {rounds} dead subjects; {safe(verdict.because)}"
        if verdict.only:
            yield f"{'':<12} only subjects with {safe(verdict.only)}"
        if verdict.fault:
            yield f"{'':<12} only with {safe(verdict.fault)}"
        if verdict.is_finding and len(verdict.curve) > 1:
            yield f"{'':<12} after the last deletion: {curve_words(verdict)}"
        if verdict.is_finding and verdict.example:
            yield f"{'':<12} for instance {safe(verdict.example[:300])}"
        yield from (f"{'':<12} {safe(line)}" for line in why_lines(verdict, outcome))
    for why in outcome.inconclusive:
        yield f"inconclusive: {safe(why)}"
    yield summary(outcome)


def why_lines(verdict: Verdict, outcome: Outcome) -> Iterator[str]:
    """What explains a verdict: the least steps that show it, its story, the stacks that insert, and the code."""
    if (plan := outcome.plans.get(verdict.signature)) is not None:
        words = [*map(str, plan.steps), *map(str, plan.faults)]
        yield f"least steps: {', '.join(words[:12])}{' …' if len(words) > 12 else ''}"
    if (life := outcome.lives.get(verdict.signature)) is not None:
        yield from life_lines(life)
    if (inserts := outcome.inserts.get(verdict.signature)) is not None:
        yield from insert_lines(inserts)
    if (told := outcome.code.get(verdict.signature)) is not None:
        _, *lines = about_text(told)  # the first one names what is sought, with fillers for names
        yield "written by"
        yield from lines


def life_lines(life: Life) -> Iterator[str]:
    """Why keys are still there, and the life of one of them, as `ghostkey explain` tells it."""
    # the command's options come from this file, and a story loads the history's engine
    from ghostkey.report.text import proof_lines
    from ghostkey.story import CLASSES

    if life.told:
        objects = "object" if life.holder[0] else "subject"
        yield from (f"{name}: {counted(number, objects)}: {CLASSES[name]}" for name, number in life.classes.items())
        if life.unknown:
            yield f"why it is there is not known: {life.unknown}"
        yield from (f"  {line}" for line in life.told)
        return
    if life.ghost is None:
        yield f"why it is there is not known: {life.unknown}"
        return
    for name, number in life.classes.items():
        yield f"{name}: {counted(number, 'key')}: {CLASSES[name]}"
    yield from (f"  {line}" for line in proof_lines(life.ghost))


def insert_lines(inserts: Inserts) -> Iterator[str]:
    """Who inserts into a map that leaks, the most frequent stack first."""
    if not inserts.stacks:
        yield f"who inserts is not known: {inserts.unknown}"
        return
    yield f"inserted by, and {inserts.deletes or 'nothing'} deleted meanwhile"
    if inserts.never:
        yield f"  {inserts.never}"
    for stack, times in inserts.stacks.most_common(STACKS_SHOWN):
        yield f"  {times:,} × {calls(stack)}"


def _inserts_record(inserts: Inserts) -> dict[str, Any]:
    stacks = [
        {"times": times, "calls": [{"function": call.function, "file": call.file, "line": call.line} for call in stack]}
        for stack, times in inserts.stacks.most_common()
    ]
    return {"stacks": stacks, "deletes": inserts.deletes, "never": inserts.never, "unknown": inserts.unknown}


def life_record(life: Life) -> dict[str, Any]:
    kind, namespace, name = life.holder
    row = life.ghost or {}
    return {
        "holder": {"resource": kind, "namespace": namespace, "name": name}, "classes": life.classes, "unknown": life.unknown,
        "key": row.get("key", ""), "class": row.get("class") or next(iter(life.classes), "unknown"), "confidence": row.get("confidence", "none"),
        "subject": {"resource": row.get("subject_kind", ""), "namespace": row.get("subject_namespace", ""),
                    "name": row.get("subject_name", "")},
        "written_at": _time(row.get("written_at")), "writer": row.get("writer") or "", "manager": row.get("manager") or "",
        "audit_id": row.get("audit_id") or "", "subject_deleted_at": _time(row.get("subject_deleted_at")),
        "attempt_at": _time(row.get("attempt_at")), "wrong_key": row.get("wrong_key") or "", "lines": list(life_lines(life)),
    }  # fmt: skip


def _time(at: int | None) -> str | None:
    return rfc3339(at) if at is not None else None


def curve_words(verdict: Verdict) -> str:
    """The decay curve in words: `20 at 0 s, 20 at 5 s`."""
    points = list(verdict.curve)
    step = max(1, len(points) // CURVE_SHOWN)
    shown = points[::step] if points[-1] in points[::step] else [*points[::step], points[-1]]
    return ", ".join(f"{count} at {at:.1f} s" for at, count in shown)


def render_compared(compared: Compared, form: str) -> str:
    """Both builds, as table or JSON: what changed first, then what the one now leaves behind."""
    if form == "json":
        changes = [
            {"signature": str(one.signature), "was": one.was, "now": one.now, "change": one.change} for one in compared.changes
        ]
        return json.dumps({**document(compared.now), "before": document(compared.before), "changes": changes}, indent=2)
    lines = [
        f"{one.change:<8} {safe(str(one.signature))}: {one.was or 'nothing'} before, {one.now or 'nothing'} now"
        for one in compared.changes
    ]
    both = [f"before: {summary(compared.before)}", f"now: {summary(compared.now)}"]
    doubts = [
        f"inconclusive {when}: {safe(why)}"
        for when, outcome in (("before", compared.before), ("now", compared.now))
        for why in outcome.inconclusive
    ]
    return "\n".join([*(lines or ["nothing is left behind by either"]), *doubts, *both])


def summary(outcome: Outcome) -> str:
    """One line: the result, and how much it rests on."""
    tried, fired = outcome.points
    faults = f", {fired} of {tried} fault points struck" if tried else ""
    minutes = max(outcome.seconds, 0.001) / 60
    pace = f" ({outcome.trials / minutes:.0f} a minute)" if outcome.trials > 3 else ""
    return (
        f"{outcome.result}: {counted(len(outcome.findings), 'finding')}; {counted(outcome.subjects, 'subject')} in {counted(outcome.trials, 'trial')}{pace}{faults}, "
        f"{outcome.seconds:.1f} s"
    )


def document(outcome: Outcome) -> dict[str, Any]:
    """The whole for programs."""
    return {
        "schema_version": SCHEMA_VERSION, "kind": "GhostkeyChurn", "result": outcome.result,
        "summary": {"findings": len(outcome.findings), "trials": outcome.trials, "subjects": outcome.subjects,
                    "fault_points": outcome.points[0], "fault_points_struck": outcome.points[1], "seconds": round(outcome.seconds, 2)},
        "verdicts": [_record(verdict, outcome) for verdict in outcome.verdicts],
        "inconclusive": outcome.inconclusive, "notes": outcome.notes, "before": None, "changes": None,
    }  # fmt: skip


def _record(verdict: Verdict, outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plans.get(verdict.signature)
    return {
        "verdict": str(verdict.kind), "source": verdict.signature.source, "signature": verdict.signature.place,
        "fingerprint": fingerprint(verdict), "subjects_after_each_round": list(verdict.counts), "rates": list(verdict.rates),
        "curve": [{"seconds": at, "subjects": count} for at, count in verdict.curve], "because": verdict.because,
        "only": verdict.only, "fault": verdict.fault, "found_by": verdict.found_by, "example": verdict.example,
        "series": verdict.series, "plan": plan.as_yaml() if plan is not None else None,
        "life": life_record(life) if (life := outcome.lives.get(verdict.signature)) is not None else None,
        "inserts": _inserts_record(seen) if (seen := outcome.inserts.get(verdict.signature)) is not None else None,
        "code": about_record(told) if (told := outcome.code.get(verdict.signature)) is not None else None,
    }  # fmt: skip
