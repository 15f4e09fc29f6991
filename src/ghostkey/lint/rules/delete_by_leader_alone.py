"""A map that every replica fills is deleted from by the leader alone.

*What it finds.* All deletes of a map stand behind a question whether this replica leads (`if c.isLeader()`, or `if !c.isLeader()
{ return }`), and an insert does not. A delete in a helper stands where it is called. Of `a && c.isLeader()` the term that asks is taken
where all of it holds; what a condition leaves open (`||`, or a conjunction that does not hold) is not told.

*Why it matters.* The replicas that do not lead see the same objects come, keep a key for each, and never forget one. When one of
them begins to lead, it works on what is long gone.

*When it is wrong.* The map is made anew when a replica begins to lead. This is told with `--level B`.

Bad:

    func (c *Controller) onDelete(name string) {
        if !c.isLeader() {
            return
        }
        delete(c.members, name) // want "only by the replica that leads"
    }

Good:

    func (c *Controller) onDelete(name string) {
        delete(c.members, name)
        if !c.isLeader() {
            return
        }
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.expressions import parts
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import InsertAt
from ghostkey.lint.reach import Site, callers, site_of, sites_of

# a question about this process, and not about a member of what it looks after
_LEADS = re.compile(
    r"(?:^|[\s.(!&])(?:(?:is|am|i)_?(?:the)?leader|leading|isElected|elected|leader)\b(?!\s*[.\[=:])(?!\s*(?:==|!=)\s*\")",
    re.IGNORECASE,
)
_NEGATES = re.compile(r"!|\bfalse\b")
_SAID = re.compile(r"(\w+)\s*:?=(?!=)\s*([^;]*);")  # `ok := c.isLeader(); !ok`
_OF_NIL = re.compile(r"\bnil\b")  # whether there is a leader, or an error, says nothing of who it is


def _find(look: Look) -> Iterator[Finding]:
    any_name = re.compile("")
    for symbol, held in look.held.items():
        if not held.releases or held.inner_releases:
            continue
        sites = [site for one in held.releases for site in sites_of(look.module, one, _is_of_leader, any_name)]
        if not all(map(_is_of_leader, sites)):
            continue
        first = next((one for one in held.inserts if _is_of_any(look, one)), None)
        if first is not None:
            yield Finding.at(
                ("delete-by-leader-alone", "B"), sites[0].spot, sites[0].line, symbol, held.releases[0].release.key,
                f"{symbol} is deleted from only by the replica that leads, and is filled by all",
                Witness.at(first.spot, first.insert.line, f"inserted in {first.spot.function.full_name}, whoever leads"),
            )  # fmt: skip


def _is_of_leader(site: Site) -> bool:
    """Whether this runs only where the process leads."""
    return True in _answers(site)


def _is_of_others(site: Site) -> bool:
    """Whether this runs where the process does not lead: nothing that is asked before leaves that open."""
    return all(answer is False for answer in _answers(site))


def _is_of_any(look: Look, one: InsertAt) -> bool:
    """Whether an insert runs on a replica that does not lead: neither it nor all that call its function ask."""
    if not _is_of_others(site_of(one)):
        return False
    calls = [Site(spot, call.line, call.branches) for spot, call in callers(look.module, one.spot)]
    return not calls or any(map(_is_of_others, calls))


def _answers(site: Site) -> list[bool | None]:
    """To each question before this whether the process leads: the answer with which this runs; None where it may be either."""
    return [_answer(text, holds) for text, holds in site.conditions if _LEADS.search(text)]


def _answer(condition: str, holds: bool) -> bool | None:
    *_, asked = parts(condition, ";") or [""]
    # `a && b` is cut into a, "" and b: something between them is of a `&` that stands alone
    cut = parts(asked, "&") or [""]
    terms = cut[::2]
    if "||" in asked or any(cut[1::2]) or (len(terms) > 1 and not holds):
        return None
    term = next(filter(_LEADS.search, terms), "")
    if not term and (said := _SAID.match(condition)) and terms[0].lstrip("! ") == said[1]:
        term = terms[0] + said[2]
    if not term or "&&" in term or _OF_NIL.search(term):
        return None
    return len(_NEGATES.findall(term)) % 2 == (0 if holds else 1)


RULE = Rule("B", "a delete that the leader alone comes to", _find)
