"""The story of a map as one self-contained page: lifelines, growth with its limits, the chain of evidence.

No script, no network: SVG and tables, which keyboards and screen readers can walk through, light and dark.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from typing import Any

from ghostkey.kube.sizes import OBJECT_LIMIT, VALUES_LIMIT
from ghostkey.report.text import coverage_lines, key_name, proof_lines, rate_unit, rounded
from ghostkey.story import CLASSES, Story, when

LIFELINES = 40
WIDTH, ROW, LEFT = 960, 18, 260
_STYLE = """
:root{color-scheme:light dark;--fg:#1f2328;--bg:#fff;--dim:#59636e;--line:#d1d9e0;--key:#bc4c00;--subject:#0969da;--limit:#cf222e}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--dim:#9198a1;--line:#3d444d;--key:#f0883e;--subject:#58a6ff;--limit:#ff7b72}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}code,td.mono{font-family:ui-monospace,Consolas,monospace;font-size:.9em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
svg{width:100%;height:auto}svg text{fill:var(--fg);font:12px system-ui,sans-serif}.dim{color:var(--dim)}.scroll{overflow-x:auto}
svg .grid{stroke:var(--line)}svg .key{fill:var(--key)}svg .subject{fill:var(--subject)}svg .limit{stroke:var(--limit);stroke-dasharray:5 4}
svg .area{fill:none;stroke:var(--key);stroke-width:2}svg .forecast{fill:none;stroke:var(--key);stroke-width:2;stroke-dasharray:3 4}
details{margin:.5rem 0}summary{cursor:pointer}summary:focus-visible,a:focus-visible,.scroll:focus-visible{outline:3px solid var(--subject);outline-offset:2px}
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


def page(story: Story) -> str:
    """The whole page."""
    title = f"{story.kind}/{story.name} in {story.namespace}"
    present = sum(bool(row["is_present"]) for row in story.keys)
    parts = [
        f"<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}"><meta name=referrer content=no-referrer>'
        f"<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{_e(title)} · ghostkey</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{_e(title)}</h1><p>{present:,} keys, <strong>{len(story.ghosts):,}</strong> of them outlive their subject.</p>",
        *_classes(story),
        *_lifelines(story),
        *_growth(story),
        *_ghosts(story),
        *_writers(story),
        "<h2 id=coverage>What is not known</h2><ul>",
        *(f"<li>{_e(line)}</li>" for line in coverage_lines(story)),
        "</ul></main></body></html>\n",
    ]
    return "".join(parts)


def _e(text: object) -> str:
    return html.escape(str(text))


def _classes(story: Story) -> Iterator[str]:
    names = list(dict.fromkeys(row["class"] for row in story.ghosts))
    if not names:
        return
    yield "<h2 id=why>Why they are still there</h2>"
    for name in names:
        members = [row for row in story.ghosts if row["class"] == name]
        yield f"<details open><summary><strong>{_e(name)}</strong>: {len(members):,} keys: {_e(CLASSES[name])}</summary><ol>"
        yield "".join(f"<li>{_e(line)}</li>" for line in proof_lines(members[0]))
        yield "</ol></details>"


def _lifelines(story: Story) -> Iterator[str]:
    """Bars of keys above bars of their subjects, ghosts first."""
    order = [row["key"] for row in story.ghosts]
    known = {row["key"]: row for row in story.keys if not row["path"] or row["key"] in order}
    chosen = list(dict.fromkeys([*order, *(key for key in known if any(spot[2] == key for spot in story.links))]))[:LIFELINES]
    times = [
        row[column]
        for key in chosen
        for row, columns in (
            (known.get(key, {}), ("first_seen_at", "last_set_at")),
            (_link(story, key), ("created_at", "deleted_at")),
        )
        for column in columns
        if row.get(column) is not None
    ]
    ends = [row["until"] for row in story.coverage if row["until"] is not None and not row["is_gap"]]
    if not chosen or not times:
        return
    begin, end = min(times), max([*times, *ends])
    span = max(1, end - begin)
    height = ROW * len(chosen) + 40

    def x(at: int | None, default: int) -> float:
        return float(LEFT + (WIDTH - LEFT - 10) * ((at if at is not None else default) - begin) / span)

    yield "<h2 id=lives>Keys and their subjects</h2>"
    yield f"<p class=dim>{len(chosen)} of {len(known):,} keys, ghosts first; the upper bar is the key, the lower its subject.</p>"
    yield "<div class=scroll tabindex=0 role=region aria-label='Lifetimes of keys and subjects'>"
    yield f"<svg viewBox='0 0 {WIDTH} {height}' role=img aria-labelledby=lives><title>Lifetimes of keys against those of their subjects</title>"
    for part in range(5):
        at = begin + span * part // 4
        place = x(at, begin)
        yield f"<line class=grid x1='{place:.1f}' x2='{place:.1f}' y1=0 y2='{height - 20}'/>"
        anchor = "end" if part == 4 else "start" if part == 0 else "middle"
        yield f"<text x='{place:.1f}' y='{height - 5}' text-anchor={anchor}>{_e(when(at)[5:])}</text>"
    for number, key in enumerate(chosen):
        row, link, top = known.get(key, {}), _link(story, key), number * ROW + 3
        stop = end if row.get("is_present") else row.get("last_delete_at")
        a, b = x(row.get("first_seen_at"), begin), x(stop, end)
        c, d = x(link.get("created_at"), begin), x(None if link.get("is_alive") else link.get("deleted_at"), end)
        said = f"{key}: key from {when(row.get('first_seen_at'))}, subject gone {when(link.get('deleted_at'))}"
        yield f"<g><title>{_e(said)}</title><text x=0 y='{top + 10}'>{_e(key if len(key) < 36 else key[:35] + '…')}</text>"
        yield f"<rect class=key x='{a:.1f}' y='{top}' width='{max(2.0, b - a):.1f}' height=6 rx=2 />"
        yield f"<rect class=subject x='{c:.1f}' y='{top + 7}' width='{max(2.0, d - c):.1f}' height=5 rx=2 /></g>"
    yield "</svg></div>"


def _link(story: Story, key: str) -> dict[str, Any]:
    return next((row for spot, row in story.links.items() if spot[2] == key), {})


def _growth(story: Story) -> Iterator[str]:
    points, law = story.growth, story.forecast
    if len(points) < 2 or law is None:
        return
    begin, last = points[0]["at_us"], points[-1]["at_us"]
    end = last
    if law.full_at is not None:
        end = min(law.full_at, last + 3 * (last - begin))
    limits = [("values 1 MiB", VALUES_LIMIT + story.names_bytes), ("stored object 1.5 MiB", OBJECT_LIMIT)]
    peak = max(int(point["bytes"]) for point in points)
    reached = peak + max(0.0, law.bytes_per_day) * (end - last) / 86_400_000_000
    top = max(peak * 1.2, min(reached * 1.1, OBJECT_LIMIT * 1.1), 1.0)
    height = 240

    def spot(at: int, size: float) -> str:
        x = 70 + (WIDTH - 80) * (at - begin) / max(1, end - begin)
        return f"{x:.1f},{height - 30 - (height - 50) * size / top:.1f}"

    yield "<h2 id=growth>Growth</h2>"
    unit, share = rate_unit(points)
    said = f"{law.keys:,} keys, {law.bytes:,} bytes of keys and values; {rounded(law.keys_per_day / share)} keys a {unit}."
    if law.full_at is not None:
        said += f" At this rate the limit that binds first ({law.binding}) is met {when(law.full_at)}."
    if law.follows_subjects:
        said += " It grows as its subjects do: no leak."
    yield f"<p>{_e(said)}</p><svg viewBox='0 0 {WIDTH} {height}' role=img aria-labelledby=growth><title>{_e(said)}</title>"
    for label, size in limits:
        if size <= top:
            y = float(spot(begin, size).split(",")[1])
            yield f"<line class=limit x1=70 x2='{WIDTH - 10}' y1='{y:.1f}' y2='{y:.1f}'/><text x=74 y='{y - 4:.1f}'>{_e(label)}</text>"
    above = [label for label, size in limits if size > top]
    if above:
        yield f"<text x='{WIDTH - 10}' y=14 text-anchor=end>above this scale: {_e(', '.join(above))}</text>"
    path = " ".join(spot(point["at_us"], float(point["bytes"])) for point in points)
    yield f"<polyline class=area points='{path}'/>"
    if end > last and law.bytes_per_day > 0:
        yield f"<polyline class=forecast points='{spot(last, float(points[-1]['bytes']))} {spot(end, min(reached, top))}'/>"
    for part in (0.0, 0.5, 1.0):
        y = float(spot(begin, top * part).split(",")[1])
        yield f"<text x=64 y='{y + 4:.1f}' text-anchor=end>{_size(top * part)}</text>"
    yield f"<text x=70 y='{height - 8}'>{_e(when(begin))}</text><text x='{WIDTH - 10}' y='{height - 8}' text-anchor=end>{_e(when(end))}</text></svg>"


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000 or unit == "MB":
            return f"{number:,.0f} {unit}"
        number /= 1000
    return ""


def _ghosts(story: Story) -> Iterator[str]:
    if not story.ghosts:
        return
    yield "<h2 id=ghosts>Ghost keys</h2><div class=scroll tabindex=0 role=region aria-label='Ghost keys'><table><thead><tr>"
    yield "".join(f"<th scope=col>{text}</th>" for text in ("Key", "Why", "Written", "By", "Subject", "Gone", "Asked by"))
    yield "</tr></thead><tbody>"
    for row in story.ghosts[:500]:
        subject = f"{row['subject_namespace'] + '/' if row['subject_namespace'] else ''}{row['subject_name']}"
        cells = (
            row["class"], when(row["first_set_at"] or row["first_seen_at"]), row["manager"] or row["writer"] or "?", subject,
            when(row["subject_deleted_at"]), row["subject_deleter"] or "?",
        )  # fmt: skip
        yield (
            f"<tr><th scope=row><code>{_e(key_name(row))}</code></th>"
            + "".join(f"<td>{_e(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    yield "</tbody></table></div>"
    if len(story.ghosts) > 500:
        yield f"<p class=dim>… and {len(story.ghosts) - 500:,} more; the JSON has them all.</p>"


def _writers(story: Story) -> Iterator[str]:
    if not story.writers:
        return
    yield "<h2 id=writers>Who writes it</h2><table><thead><tr>"
    yield "".join(f"<th scope=col>{text}</th>" for text in ("User", "Manager", "What", "Keys", "First", "Last"))
    yield "</tr></thead><tbody>"
    for row in story.writers[:50]:
        cells = (row["manager"] or "?", row["op"], f"{row['events']:,}", when(row["first_at"]), when(row["last_at"]))
        yield f"<tr><th scope=row>{_e(row['user'] or '?')}</th>" + "".join(f"<td>{_e(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>"
