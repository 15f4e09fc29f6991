"""Where nothing is known between the files of a log, or of one of several servers'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ghostkey.model.history import Covered
from ghostkey.sources.history.audit.merge import Span

ORIGIN = "audit"


def holes(spans: Sequence[Span], least: int) -> Iterator[Covered]:
    """Gaps of at least so many microseconds: between files, and where fewer servers' logs are there than at other times."""
    if len(spans) < 2:
        return
    own = [span for span in spans if not span.is_copy] or list(spans)
    end, file = own[0].last, -1
    for span in sorted(own):
        # within a file it is told by how seldom it is silent
        if span.first - end > least and (span.file < 0 or span.file != file):
            yield Covered(ORIGIN, "*", "*", end, span.first, None, None, True, "a hole between two files of the audit log")
        end, file = max((end, file), (span.last, span.file))
    chains = _chains(own, least)
    if len(chains) < 2:
        return
    begin, end = min(chain[0].first for chain in chains), max(chain[-1].last for chain in chains)
    for chain in chains:
        why = f"one of the logs of {len(chains)} API servers is not there"
        at = begin
        for span in [*chain, Span(end, end, False)]:
            if span.first - at > least:
                yield Covered(ORIGIN, "*", "*", at, span.first, None, None, True, why)
            at = max(at, span.last)


def _chains(spans: Sequence[Span], least: int) -> list[list[Span]]:
    """The spans of each server: those that overlap for long are of different ones."""
    chains: list[list[Span]] = []
    for span in sorted(spans):
        after = [chain for chain in chains if chain[-1].last <= span.first + least]
        if after:
            # the one that ended last goes on
            max(after, key=lambda chain: chain[-1].last).append(span)
        else:
            chains.append([span])
    return chains
