"""A lint configuration: which rule holds in which package, and why. `ghostkey learn` writes one for each incident.

apiVersion: ghostkey.dev/v1
kind: LintConfig
rules:
  - rule: data-key-never-deleted
    package: controllers          # the folder, from the root that is linted; . is the root itself
    why: "incident 2026-11-25: the key of a Tenant stayed"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ghostkey.foreign import UnreadableError, load_yaml
from ghostkey.lint.findings import Finding
from ghostkey.model.errors import UsageError

BYTES = 1 << 20
KIND = "LintConfig"


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule that holds in a package, both as lint names them."""

    rule: str
    package: str
    why: str

    def is_about(self, finding: Finding) -> bool:
        """Whether a finding is of this rule, in this package."""
        return finding.rule == self.rule and package_of(finding.path) == self.package


def package_of(path: str) -> str:
    """The folder of a file; `.` for the root."""
    return path.rpartition("/")[0].removeprefix("./") or "."


def read_settings(path: Path) -> list[Setting]:
    """The settings of a file. Raises UsageError for a file that is none, and for a rule that is not there."""
    from ghostkey.lint.rules import all_rules

    try:
        with path.open("rb") as handle:
            content = handle.read(BYTES + 1)
        document = load_yaml(content[:BYTES])
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except UnreadableError as error:
        raise UsageError(f"{path} is no YAML: {error}") from None
    entries = document.get("rules") if isinstance(document, dict) and document.get("kind") == KIND else None
    if not isinstance(entries, list) or not entries or len(content) > BYTES:
        raise UsageError(f"{path} is no {KIND} with rules", "ghostkey learn writes one")
    found = []
    for number, entry in enumerate(entries):
        words = [entry.get(name) if isinstance(entry, dict) else None for name in ("rule", "package", "why")]
        if not all(isinstance(word, str) and word for word in words):
            raise UsageError(f"{path}: rules[{number}] has no rule, package and why")
        setting = Setting(*map(str, words))
        if setting.rule not in all_rules():
            raise UsageError(f"{path}: no rule is named {setting.rule!r}", f"known: {', '.join(all_rules())}")
        found.append(setting)
    return found


def chosen(findings: Sequence[Finding], settings: Sequence[Setting]) -> list[Finding]:
    """The findings that the settings are about, each with the reason why it matters here."""
    told = []
    for finding in findings:
        setting = next((one for one in settings if one.is_about(finding)), None)
        if setting is not None:
            told.append(dataclasses.replace(finding, message=f"{finding.message} ({setting.why})"))
    return told
