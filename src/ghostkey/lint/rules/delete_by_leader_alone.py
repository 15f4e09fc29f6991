"""A map that every replica fills is deleted from by the leader alone.

*What it finds.* All deletes of a map stand behind a question whether this replica leads (`if c.isLeader()`, or `if !c.isLeader()
{ return }`), and an insert does not. A delete in a helper stands where it is called.

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

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import InsertAt
from ghostkey.lint.reach import Site, callers, sites_of

# a question about this process, and not about a member of what it looks after
_LEADS = re.compile(
    r"(?:^|[\s.(!&])(?:(?:is|am|i)_?(?:the)?leader|leading|isElected|elected|leader)\b(?!\s*[.\[=:])(?!\s*(?:==|!=)\s*\")",
    re.IGNORECASE,
)


_ANY = re.compile("")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not held.releases or held.inner_releases:
            continue
        sites = [site for one in held.releases for site in sites_of(look.module, one, _is_of_leader, _ANY)]
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
    """Whether this runs where the process leads."""
    return any(
        _LEADS.search(text) is not None and ("!" in text or "false" in text) is not holds and "||" not in text
        for text, holds in site.conditions
    )


def _is_of_any(look: Look, one: InsertAt) -> bool:
    """Whether an insert runs on a replica that does not lead: neither it nor all that call its function ask."""
    if _is_of_leader(Site(one.spot, one.insert.line, one.insert.branches)):
        return False
    calls = [Site(spot, call.line, call.branches) for spot, call in callers(look.module, one.spot)]
    return not calls or not all(map(_is_of_leader, calls))


RULE = Rule("B", "a delete that the leader alone comes to", _find)
