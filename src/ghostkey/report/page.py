"""The story of a map as one self-contained page: lifelines, growth with its limits, the chain of evidence.

No script, no network: SVG and tables, which keyboards and screen readers can walk through, light and dark, narrow and on paper.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.model.counts import counted, outlive
from ghostkey.report.charts import e, growth, lifelines
from ghostkey.report.text import (
    confidence_words,
    coverage_lines,
    hidden_lines,
    key_name,
    proof_lines,
    rate_unit,
    rounded,
    shape_words,
)
from ghostkey.story import CLASSES, Story, due, when

UNKNOWN_SHOWN, GHOSTS_SHOWN = 200, 500
_STYLE = """
:root{color-scheme:light dark;--fg:#1f2328;--bg:#fff;--dim:#59636e;--line:#d1d9e0;--key:#bc4c00;--subject:#0969da;--limit:#cf222e}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--dim:#9198a1;--line:#3d444d;--key:#f0883e;--subject:#58a6ff;--limit:#ff7b72}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:1000px;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}code,td.mono{font-family:ui-monospace,Consolas,monospace;font-size:.9em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.scroll{overflow-x:auto}.scroll table{min-width:640px;overflow-wrap:normal}.scroll>svg{width:100%;min-width:900px;height:auto}
svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .tick,svg .size,svg .class{fill:var(--dim)}.dim{color:var(--dim)}
svg .grid{stroke:var(--line)}svg .key{fill:var(--key)}svg .subject{fill:var(--subject)}svg .limit{stroke:var(--limit);stroke-dasharray:5 4}
svg .area{fill:none;stroke:var(--key);stroke-width:2}svg .forecast{fill:none;stroke:var(--key);stroke-width:2;stroke-dasharray:3 4}
svg .band{fill:var(--key);opacity:.15}.chart path{vector-effect:non-scaling-stroke}.chart .few{display:none}
.chart .size,.chart .of{paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.9rem}
.swatch{width:24px;height:8px}pre{white-space:pre-wrap;padding:.6rem;border:1px solid var(--line);border-radius:4px}
details{margin:.5rem 0}summary{cursor:pointer}
summary:focus-visible,a:focus-visible,.scroll:focus-visible{outline:3px solid var(--subject);outline-offset:2px}
.cards{table-layout:fixed}.cards thead th:first-child{width:24%}
@media (max-width:640px){.chart .few{display:inline}.chart .many{display:none}}
@media (max-width:900px){.cards thead{position:absolute;clip-path:inset(50%)}.cards,.cards tbody,.cards th,.cards td{display:block;border:0;padding:0}
.cards tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));padding:.4rem 0;border-bottom:1px solid var(--line)}
.cards th{grid-column:1/-1}.cards td::before{content:attr(data-of) ": ";color:var(--dim)}}
@media (max-width:480px){body{margin:1rem auto;padding:0 .7rem}h1{font-size:1.25rem}th,td{padding:.25rem .4rem}ol,ul{padding-left:1.2rem}.legend{padding:0}}
@media print{:root{--fg:#000;--bg:#fff;--dim:#444;--line:#bbb;--key:#a33e00;--subject:#0550ae;--limit:#a40e26}
body{max-width:none;margin:0;font-size:10pt}.scroll{overflow:visible}.scroll table,.scroll>svg{min-width:0}
h2{break-after:avoid}tr,li,svg{break-inside:avoid}details::details-content{display:block;content-visibility:visible}}
"""
# the hash of the one style that may be, and nothing else: no script, picture, frame or form, whatever a name holds
_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)


def page(story: Story, *, made_at: int | None = None, sources: Sequence[str] = (), options: str = "") -> str:
    """The whole page; `made_at` is when, in microseconds, `sources` and `options` what leads a command to the same history."""
    title = f"{story.kind}/{story.name} in {story.namespace}"
    present = sum(bool(row["is_present"]) for row in story.keys)
    parts = [
        f"<p>{counted(present, 'key')}, <strong>{len(story.ghosts):,}</strong> of them {outlive(len(story.ghosts))}.</p>",
        *(f"<p>{e(line.strip())}</p>" for line in hidden_lines(story)),
        *_made_from(story, made_at, sources),
        *_classes(story),
        *lifelines(story),
        *_growth(story),
        *_ghosts(story),
        *_unknown(story),
        *_writers(story),
        *_next(story, options),
        "<h2 id=coverage>What is not known</h2><ul>",
        *(f"<li>{e(line)}</li>" for line in coverage_lines(story)),
        "</ul>",
    ]
    return whole_page(title, "".join(parts))


def whole_page(title: str, body: str) -> str:
    """A page of its own around a body of HTML, which may have no script, style or form, and links to nothing outside."""
    head = (
        f"<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}"><meta name=referrer content=no-referrer>'
        f"<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{e(title)} · ghostkey</title><style>{_STYLE}</style></head><body><main>"
    )
    return f"{head}<h1>{e(title)}</h1>{body}</main></body></html>\n"


def _made_from(story: Story, made_at: int | None, sources: Sequence[str]) -> Iterator[str]:
    """What was read, from when to when, and when the page was made."""
    origins = [f"{row['origin']}, {when(row['since'])} to {when(row['until'])}" for row in story.coverage if not row["is_gap"]]
    counted = Counter(origins)
    said = "; ".join(f"{name} ({count} times)" if count > 1 else name for name, count in list(counted.items())[:20])
    made = f" Made {when(made_at)}." if made_at is not None else ""
    read = f" Read from {', '.join(sources)}." if sources else ""
    yield f"<p class=dim id=made>Made from {e(said or 'nothing')}.{e(read)}{e(made)} All times are UTC.</p>"


def _classes(story: Story) -> Iterator[str]:
    names = list(dict.fromkeys(row["class"] for row in story.ghosts))
    if not names:
        return
    yield "<h2 id=why>Why they are still there</h2>"
    for name in names:
        members = [row for row in story.ghosts if row["class"] == name]
        yield f"<details open><summary><strong>{e(name)}</strong>: {counted(len(members), 'key')}: {e(CLASSES[name])}</summary>"
        yield f"<p class=dim>Confidence: {e(confidence_words(members))}</p><ol>"
        yield "".join(f"<li>{e(line)}</li>" for line in proof_lines(members[0]))
        yield "</ol></details>"


def _growth(story: Story) -> Iterator[str]:
    points, law = story.growth, story.forecast
    if len(points) < 2 or law is None:
        return
    yield "<h2 id=growth>Growth</h2>"
    unit, share = rate_unit(points)
    said = f"{law.keys:,} keys, {law.bytes:,} bytes of keys and values"
    said += f"; {rounded(law.keys_per_day / share)} keys a {unit} since {when(law.since)}." if law.keys_per_day else "."
    words = shape_words(law)
    said += f" {words[:1].upper()}{words[1:]}." if words else ""
    if law.full_at is not None:
        said += (
            f" At this rate the limit that binds first ({law.binding}) is met {due(law.full_at, law.full_low, law.full_high)}."
        )
    if law.follows_subjects:
        said += " It grows as its subjects do: no leak."
    yield f"<p>{e(said)}</p>"
    yield from growth(story, law, said)


def _unknown(story: Story) -> Iterator[str]:
    """The keys of which no source showed the subject."""
    rows = story.unlinked
    if not rows:
        return
    yield f"<h2 id=unknown>Keys whose subject is not known</h2><p>{len(rows):,} of its keys: settings, or nothing that was seen tells what they are for.</p><ul>"
    yield "".join(f"<li><code>{e(key_name(row))}</code></li>" for row in rows[:UNKNOWN_SHOWN])
    yield "</ul>"
    if len(rows) > UNKNOWN_SHOWN:
        yield f"<p class=dim>… and {len(rows) - UNKNOWN_SHOWN:,} more; the JSON has them all.</p>"


def _next(story: Story, options: str) -> Iterator[str]:
    """The commands that go on from here."""
    word = {"configmaps": "cm", "secrets": "secret"}.get(story.kind, story.kind)
    place = f"{shlex.quote(f'{word}/{story.name}')} -n {shlex.quote(story.namespace)}"
    lines = []
    if story.ghosts:
        lines.append(f"ghostkey explain {place} {shlex.quote(story.ghosts[0]['key'])}{options}  # the life of one key")
        if word in ("cm", "secret"):
            lines.append(f"ghostkey trim {place} --ghosts  # the plan; --apply removes them, ghostkey undo puts them back")
            lines.append(f"ghostkey verify {place} --for 10m  # watches that they stay gone, after a trim")
    else:
        lines.append(f"ghostkey blame {place}{options}  # who wrote each key last")
    yield "<h2 id=next>What to run next</h2><pre aria-label='Commands'><code>" + e("\n".join(lines)) + "</code></pre>"


def _ghosts(story: Story) -> Iterator[str]:
    if not story.ghosts:
        return
    rows = []
    for row in story.ghosts[:GHOSTS_SHOWN]:
        subject = f"{row['subject_namespace'] + '/' if row['subject_namespace'] else ''}{row['subject_name']}"
        cells = (
            row["class"], _written(row), row["manager"] or row["writer"] or "?", subject,
            when(row["subject_deleted_at"]), row["subject_deleter"] or "?",
        )  # fmt: skip
        rows.append((f"<code>{e(key_name(row))}</code>", *map(e, cells)))
    yield "<h2 id=ghosts>Ghost keys</h2>"
    yield from _table("ghosts", ("Key", "Why", "Written", "By", "Subject", "Gone", "Asked by"), rows)
    if len(story.ghosts) > GHOSTS_SHOWN:
        yield f"<p class=dim>… and {len(story.ghosts) - GHOSTS_SHOWN:,} more; the JSON has them all.</p>"


def _written(row: dict[str, Any]) -> str:
    """When the one who is told as a key's writer wrote it; of what was only seen, that it was before that."""
    if row["written_at"] is not None:
        return when(row["written_at"])
    return f"before {when(row['first_seen_at'] if row['first_set_at'] is None else row['last_set_at'])}"


def _writers(story: Story) -> Iterator[str]:
    if not story.writers:
        return
    rows = []
    for row in story.writers[:50]:
        cells = (row["manager"] or "?", row["op"], f"{row['events']:,}", when(row["first_at"]), when(row["last_at"]))
        rows.append((e(row["user"] or "?"), *map(e, cells)))
    yield "<h2 id=writers>Who writes it</h2>"
    yield from _table("writers", ("User", "Manager", "What", "Keys", "First", "Last"), rows)


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of HTML, each row of which is a card where the page is narrow; roles say that it is a table there, too."""
    yield f"<table class=cards role=table aria-labelledby={heading}><thead role=rowgroup><tr role=row>"
    yield "".join(f"<th scope=col role=columnheader>{column}</th>" for column in columns) + "</tr></thead><tbody role=rowgroup>"
    for first, *cells in rows:
        yield f"<tr role=row><th scope=row role=rowheader>{first}</th>"
        yield "".join(f"<td role=cell data-of='{of}'>{cell}</td>" for of, cell in zip(columns[1:], cells, strict=True)) + "</tr>"
    yield "</tbody></table>"
