"""A table for comments and job summaries: names are code, so that nobody is mentioned, linked or made bold by them.

Source: GitHub Flavored Markdown, tables and code spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.model.counts import counted
from ghostkey.report.findings import Format, Report, about, grouped, looked_at, named, short_kind, summary
from ghostkey.report.visible import safe

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_SHOWN = 1000  # rows; a comment holds 65,536 characters


def _pieces(report: Report) -> Iterator[str]:
    counts = summary(report)
    yield f"### ghostkey: {counted(counts['findings'], 'finding')} in {looked_at(counts)}"
    groups = grouped(report.findings)
    if groups:
        yield ""
        yield "| finding | severity | map | keys | what | id |"
        yield "| --- | --- | --- | ---: | --- | --- |"
    for members in groups[:_SHOWN]:
        first = members[0]
        place = f"{first.key.holder.namespace}/{short_kind(first.key.holder)}".lstrip("/")
        keys = str(len(members)) if first.key.key else ""
        cells = [code(named(first)), str(first.severity), code(place), keys, code(about(members)), code(first.fingerprint)]
        yield f"| {' | '.join(cells)} |"
    if len(groups) > _SHOWN:
        yield f"\n… and {len(groups) - _SHOWN:,} more rows; `-o json` has them all."
    if report.heard.silenced:
        yield f"\n{counted(len(report.heard.silenced), 'finding is', 'findings are')} silenced."
    if report.snapshot.gaps:
        yield "\nNot everything could be seen:\n"
        for gap in report.snapshot.gaps[:20]:
            yield f"- {code(f'{gap.what}: {gap.why}')}"


def code(text: str) -> str:
    """The text as code, in a cell or outside of one, whatever is in it."""
    shown = safe(text)
    if not re.search(r"[`|\\]", shown):
        return f"`{shown}`" if shown else ""
    # in a code span of a table nothing stands for a backslash before a bar; numbers of characters stand for themselves alone
    return f"<code>{_PUNCTUATION.sub(lambda found: f'&#{ord(found[0])};', shown)}</code>"


FORMAT = Format(_pieces)
