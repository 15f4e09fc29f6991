"""Workflow commands that GitHub shows as annotations, one for each map and kind of finding (it shows ten of a step).

Source: GitHub Actions, Workflow commands; actions/toolkit packages/core/src/command.ts
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.model.counts import counted
from ghostkey.model.findings import Finding, Severity
from ghostkey.report.findings import Format, Report, about, grouped, named, where
from ghostkey.report.places import Places

_COMMANDS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def _pieces(report: Report) -> Iterator[str]:
    places = Places(report.snapshot)
    for members in grouped(report.findings):
        first = members[0]
        place = places.of(first)
        command = _COMMANDS[first.severity] if first.state == "found" else "notice"
        properties = {"file": place.path, "line": str(place.line)} if place.is_file else {}
        properties["title"] = f"ghostkey {named(first)}"
        shown = ",".join(f"{name}={_property(text)}" for name, text in properties.items())
        yield f"::{command} {shown}::{_data(_message(members))}"


def _message(members: list[Finding]) -> str:
    first = members[0]
    if len(members) == 1:
        return f"{where(first)}: {first.message} ({first.fingerprint})"
    return f"{where(first)} and {counted(len(members) - 1, 'more key')}: {about(members)} ({first.fingerprint})"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMAT = Format(_pieces)
