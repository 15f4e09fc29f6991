"""The lint configuration: the rules that see the cause in code, in the packages where it is, tried by the lint engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from ghostkey.learn.incident import Cause, Incident
from ghostkey.learn.parts import FAILED, HELD, NONE, UNTRIED, Part
from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError, UsageError

NAME, FILE = "lint", "lint.yaml"
# what these rules tell of is another thing than a key that outlives its subject
_OTHER = frozenset(
    {
        "cached-object-changed",
        "map-outside-lock",
        "key-field-unvalidated",
        "key-field-untested",
        "series-never-deleted",
        "suppression",
    }
)


def causes_in(source: Path, resource: str) -> list[Cause]:
    """Places in Go source that lint holds to be an insert without a delete. Raises UsageError as lint does."""
    from ghostkey.lint.run import lint
    from ghostkey.lint.settings import package_of

    found = lint(source, level="A").findings
    # children are objects, and no keys of a map
    other = _OTHER | ({"child-without-owner"} if resource else set())
    return [
        Cause(one.rule, package_of(one.path), one.message, one.path, one.line, one.symbol)
        for one in found
        if one.rule not in other
    ]


def part(incident: Incident, source: Path | None) -> Part:
    """The configuration of the incident's causes; with the source it is run there, and has to find each of them."""
    if not incident.causes:
        why = (
            "the cause in code is not known: name the source with --code DIR"
            if source is None
            else "lint sees no cause in the source"
        )
        return Part(NAME, NONE, why)
    entries = list(dict.fromkeys((cause.rule, cause.package) for cause in incident.causes))
    reasons = {(cause.rule, cause.package): f"incident {incident.id}: {cause.why}" for cause in reversed(incident.causes)}
    document = {
        "apiVersion": "ghostkey.dev/v1", "kind": "LintConfig",
        "rules": [{"rule": rule, "package": package, "why": reasons[rule, package]} for rule, package in entries],
    }  # fmt: skip
    files = {FILE: f"# ghostkey lint --config {FILE}\n" + yaml.safe_dump(document, sort_keys=False, width=160)}
    if source is None:
        return Part(NAME, UNTRIED, "the source is not at hand: --code DIR", files)
    try:
        said = tried(files[FILE], incident, source)
    except UsageError as error:
        return Part(NAME, UNTRIED, str(error), files)
    except GhostkeyError as error:
        return Part(NAME, FAILED, str(error))
    if said:
        return Part(NAME, FAILED, said)
    return Part(NAME, HELD, f"lint finds {counted(len(incident.causes), 'place')} with it: {_places(incident)}", files)


def tried(text: str, incident: Incident, source: Path) -> str:
    """Which cause the configuration does not find, in words; empty where it finds all."""
    from ghostkey.lint.run import lint
    from ghostkey.lint.settings import chosen, read_settings

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_text(text)
        settings = read_settings(path)
    linted = lint(source, level="B", rules={setting.rule for setting in settings})
    found = {(one.rule, one.path, one.symbol) for one in chosen(linted.findings, settings)}
    missed = [cause for cause in incident.causes if (cause.rule, cause.path, cause.symbol) not in found]
    return f"lint with it does not find {missed[0].rule} at {missed[0].path}:{missed[0].line}" if missed else ""


def _places(incident: Incident) -> str:
    shown = [f"{cause.rule} at {cause.path}:{cause.line}" for cause in incident.causes[:3]]
    return ", ".join(shown) + (f" and {len(incident.causes) - 3} more" if len(incident.causes) > 3 else "")
