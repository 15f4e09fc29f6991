"""Findings that are like an incident that was learnt from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from ghostkey.model.findings import Finding
from ghostkey.store.state import state_directory

FOLDER = "incidents"
LINES = 5


def recognised(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those of a known pattern in another map with the incident among their evidence; and a note for each map."""
    if not findings or not (state_directory() / FOLDER).is_dir():
        return list(findings)
    from ghostkey.cli.terminal import safe
    from ghostkey.learn.kept import all_kept, like, pattern_of
    from ghostkey.model.refs import SECRETS

    known, damaged = all_kept()
    for line in damaged:
        click.echo(safe(f"not seen: {line}"), err=True)
    told, notes = [], dict[str, None]()
    for finding in findings:
        holder = finding.key.holder
        named = "" if holder.kind == SECRETS else f"{holder.kind.resource}/{holder.name}"
        found = like(pattern_of(finding), known, (holder.namespace, named))
        if found is None:
            told.append(finding)
            continue
        told.append(dataclasses.replace(finding, evidence=(*finding.evidence, f"like {found}: {found.pattern}")))
        notes[f"{holder} is like {found}: {found.pattern}"] = None
    for line in list(notes)[:LINES]:
        click.echo(safe(f"note: {line}"), err=True)
    return told
