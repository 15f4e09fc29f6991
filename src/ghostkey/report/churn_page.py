"""A churn run as one page: for each signature what rounds add and how it decays after the last deletion, the steps and the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.judge import Verdict
from ghostkey.report.charts import HEIGHT, MARGIN, WIDTH, e, size_ticks
from ghostkey.report.churn import insert_lines, life_lines, summary
from ghostkey.report.lint import about_text
from ghostkey.report.page import whole_page

MIDDLE = WIDTH * 2 // 5  # rounds on the left of it, time on the right
FLOOR = HEIGHT - 40
TICKS = 6


def page(outcome: Outcome, operator: str) -> str:
    """The whole page; `operator` is what it is called."""
    parts = [f"<p>{e(summary(outcome))}</p>"]
    if outcome.inconclusive:
        parts += ["<h2>What could not be seen</h2><ul>", *(f"<li>{e(why)}</li>" for why in outcome.inconclusive), "</ul>"]
    ordered = sorted(outcome.verdicts, key=lambda verdict: not verdict.is_finding)
    for number, verdict in enumerate(ordered):
        parts += _verdict(outcome, verdict, number)
    if outcome.notes:
        parts += ["<h2>Notes</h2><ul>", *(f"<li>{e(note)}</li>" for note in outcome.notes), "</ul>"]
    return whole_page(f"What {operator} leaves behind", "".join(parts))


def _verdict(outcome: Outcome, verdict: Verdict, number: int) -> Iterator[str]:
    yield f"<h2 id=v{number}>{e(verdict.kind)}: {e(verdict.signature)}</h2><p>{e(verdict.because)}"
    yield f"; only subjects with {e(verdict.only)}" if verdict.only else ""
    yield f"; only with {e(verdict.fault)}" if verdict.fault else ""
    yield ".</p>"
    if verdict.counts or verdict.curve:
        yield from _curves(verdict, number)
    if verdict.example:
        yield f"<p class=dim>For instance <code>{e(verdict.example[:300])}</code></p>"
    if (plan := outcome.plans.get(verdict.signature)) is not None:
        yield f"<details><summary>Least steps</summary><pre tabindex=0>{e(plan.as_yaml())}</pre></details>"
    if (life := outcome.lives.get(verdict.signature)) is not None:
        text = "\n".join(life_lines(life))
        yield f"<details open><summary>Why it is there</summary><pre tabindex=0>{e(text)}</pre></details>"
    if (inserts := outcome.inserts.get(verdict.signature)) is not None:
        text = "\n".join(insert_lines(inserts))
        yield f"<details open><summary>Who inserts</summary><pre tabindex=0>{e(text)}</pre></details>"
    if (told := outcome.code.get(verdict.signature)) is not None:
        lines = "\n".join(["written by", *list(about_text(told))[1:]])
        yield f"<details open><summary>The code</summary><pre tabindex=0>{e(lines)}</pre></details>"


def _curves(verdict: Verdict, number: int) -> Iterator[str]:
    """Bars for the rounds, and the steps of the decay on the same scale: dead subjects that are still named."""
    counts, curve = list(verdict.counts), list(verdict.curve)
    top = max([1, *counts, *(count for _, count in curve)])

    def y(count: float) -> float:
        return FLOOR - (FLOOR - 24) * count / top

    words = f"dead subjects still named after each round: {', '.join(map(str, counts))}"
    if curve:
        words += f"; {curve[0][1]} when the last deletion was done, {curve[-1][1]} after {curve[-1][0]:.1f} s"
    yield "<div class=scroll tabindex=0 role=region aria-label='Rounds and decay'>"
    yield f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-labelledby=t{number}><title id=t{number}>{e(words)}</title>"
    for size in sorted({round(value) for value, _ in size_ticks(float(top))} | {0, top}):
        if size <= top:
            yield f"<line class=grid x1='{MARGIN}' x2='{WIDTH - 10}' y1='{y(size):.1f}' y2='{y(size):.1f}'/>"
            yield f"<text class=size x='{MARGIN - 6}' y='{y(size) + 4:.1f}' text-anchor=end>{size}</text>"
    yield f"<text x='{MARGIN}' y=14>after each round</text><text x='{MIDDLE + 40}' y=14>after the last deletion</text>"
    step = (MIDDLE - MARGIN) / max(1, len(counts))
    for place, count in enumerate(counts):
        left = MARGIN + place * step + step * 0.15
        yield f"<rect class=key x='{left:.1f}' y='{y(count):.1f}' width='{step * 0.7:.1f}' height='{FLOOR - y(count):.1f}'/>"
        yield f"<text class=tick x='{left + step * 0.35:.1f}' y='{FLOOR + 16}' text-anchor=middle>{place + 1}</text>"
    if curve:
        yield from _decay(curve, y)
    yield "</svg></div>"


def _decay(curve: list[tuple[float, int]], y: Callable[[float], float]) -> Iterator[str]:
    last = max(curve[-1][0], 0.1)
    left, right = MIDDLE + 40, WIDTH - 10

    def x(at: float) -> float:
        return left + (right - left) * at / last

    path = [f"M{x(0):.1f} {y(curve[0][1]):.1f}"]
    for at, count in curve[1:]:
        path.append(f"H{x(at):.1f}V{y(count):.1f}")
    yield f"<path class=area d='{''.join(path)}'/>"
    for part in range(TICKS):
        at = last * part / (TICKS - 1)
        anchor = "start" if part == 0 else "end" if part == TICKS - 1 else "middle"
        yield f"<text class=tick x='{x(at):.1f}' y='{FLOOR + 16}' text-anchor={anchor}>{at:.1f} s</text>"
