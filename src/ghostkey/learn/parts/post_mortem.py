"""The post-mortem: what happened when, why, how that is known, how it goes on, and what was done. As Markdown and as a page."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ghostkey.learn.incident import Incident
from ghostkey.learn.parts import FAILED, HELD, Part
from ghostkey.model.counts import counted
from ghostkey.report.charts import e
from ghostkey.report.page import whole_page
from ghostkey.report.visible import safe

NAME, MARKDOWN, PAGE = "post-mortem", "post-mortem.md", "post-mortem.html"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "form", "input", "link", "img", "base", "svg", "video", "audio"})


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and lines below it: plain ones, or rows of (left, right)."""

    title: str
    lines: Sequence[str | tuple[str, str]]
    empty: str


def sections(incident: Incident, others: Sequence[Part]) -> list[Section]:
    """What a post-mortem says; `others` are the parts that were made beside it."""
    causes = [f"{cause.why} ({cause.rule} at {cause.path}:{cause.line})" for cause in incident.causes]
    pattern = [str(incident.pattern)] if incident.pattern.template or incident.pattern.manager else []
    found = [f"what churn sees: {incident.signature}"] if incident.signature else []
    keys = [f"{counted(incident.count, 'key')}, for instance {', '.join(incident.keys[:5])}"] if incident.keys else []
    defences = [(part.name, f"{part.state}: {part.said}") for part in others]
    return [
        Section("Timeline", incident.timeline, "No moment of it is known."),
        Section("Cause", [*pattern, *found, *causes], "The cause is not known."),
        Section("Proof", [*keys, *incident.proof], "What proves it is not at hand."),
        Section("Forecast", incident.forecast, "Not known: no history of the map was given (--from, --store)."),
        Section("What was done", incident.done, "Nothing yet that is known here."),
        Section("What keeps it from happening again", defences, "Nothing yet."),
        Section("What is not known", incident.unknown, "Nothing that is known to be hidden."),
    ]


def part(incident: Incident, others: Sequence[Part]) -> Part:
    """Both forms; the page is read again, and has to be without anything active or from outside."""
    told = sections(incident, others)
    files = {MARKDOWN: markdown(incident, told), PAGE: page(incident, told)}
    if said := tried(files[PAGE], told):
        return Part(NAME, FAILED, said)
    return Part(NAME, HELD, "the page was read again: all sections, no script, nothing from outside", files)


def markdown(incident: Incident, told: Sequence[Section]) -> str:
    """As Markdown; what others wrote is text in it, and never markup."""
    lines = [f"# Incident {incident.id}", "", plain(incident.title)]
    for section in told:
        lines += ["", f"## {section.title}", ""]
        for line in section.lines:
            lines.append(f"- {plain(line)}" if isinstance(line, str) else f"- **{plain(line[0])}**: {plain(line[1])}")
        if not section.lines:
            lines.append(section.empty)
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", safe(" ".join(text.split())))


def page(incident: Incident, told: Sequence[Section]) -> str:
    """As one page that needs no network."""
    body = [f"<p>{e(safe(incident.title))}</p>"]
    for number, section in enumerate(told):
        body.append(f"<h2 id=s{number}>{e(section.title)}</h2>")
        rows = [line for line in section.lines if not isinstance(line, str)]
        if rows:
            body.append(f"<div class=scroll tabindex=0 role=region aria-label='{e(section.title)}'><table><tbody>")
            body += [f"<tr><th scope=row>{e(safe(left))}</th><td>{e(safe(right))}</td></tr>" for left, right in rows]
            body.append("</tbody></table></div>")
        elif section.lines:
            body.append("<ul>" + "".join(f"<li>{e(safe(str(line)))}</li>" for line in section.lines) + "</ul>")
        else:
            body.append(f"<p class=dim>{e(section.empty)}</p>")
    return whole_page(f"Incident {incident.id}", "".join(body))


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.active: list[str] = []
        self.headings: list[str] = []
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what a page may not have."""
        self._in_heading = tag == "h2"
        if tag in _ACTIVE or any(name in {"src", "href", "style"} or name.startswith("on") for name, _ in attrs):
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        """Notes headings."""
        if self._in_heading:
            self.headings.append(data)
            self._in_heading = False


def tried(text: str, told: Sequence[Section]) -> str:
    """What is wrong with a page, in words; empty where nothing."""
    reader = _Reader()
    reader.feed(text)
    if reader.active:
        return f"the page has something active in it: {reader.active[0]}"
    missing = [section.title for section in told if section.title not in reader.headings]
    return f"the page lacks {missing[0]}" if missing else ""
