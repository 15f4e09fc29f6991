"""A string of a custom resource becomes a key, and its type does not say what it must be.

*What it finds.* A string field of a `…Spec` that code inserts under (`cm.Data[t.Spec.Region]`, or within a longer key), whose
declaration has no kubebuilder marker of MinLength, Pattern, Enum or Format. Only fields that become keys are told: over all strings
of a CRD this would be noise.

*Why it matters.* The API server then takes `""`, `" "` and null, each becomes a key of its own, and none of them has a subject.

*When it is wrong.* A webhook or a CEL rule of the type validates it, or the CRD is written by hand. This is told with `--level B`.

Bad:

    type TenantSpec struct {
        Region string `json:"region,omitempty"` // want "takes an empty"
    }
    …
    cm.Data[tenant.Spec.Region] = tenant.Name

Good:

    // +kubebuilder:validation:MinLength=1
    // +kubebuilder:validation:Pattern=`^[a-z0-9-]+$`
    Region string `json:"region"`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.edits import Edit
from ghostkey.lint.facts import FileFacts
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import DATA
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.module import Spot

_SPEC = re.compile(r"\.Spec((?:\.[A-Z]\w*)+)\b(?!\()")
_JSON = re.compile(r'json:"([^",]*)')
_VALIDATED = re.compile(
    r"\+kubebuilder:validation:(?:items:)?(?:MinLength|Pattern|Enum|Format|XValidation)|\+k8s:(?:format|minLength|enum)"
)
_LINES = 40  # above a field, that may be its comment


def _find(look: Look) -> Iterator[Finding]:
    for (name, json_name), (used, line, key, facts, declared) in sorted(unvalidated_keys(look).items(), key=lambda item: item[0]):
        yield Finding(
            "key-field-unvalidated", "B", facts.path, declared, name, used.function.full_name, key,
            f"{name} becomes a key, and the API server takes an empty {json_name}",
            (Witness.at(used, line, f"the key {key}"),),
            _mended(facts, declared),
        )  # fmt: skip


def _mended(facts: FileFacts, line: int) -> tuple[Edit, ...]:
    """The least that a key must be: not empty. What else it must be, nobody but its owner knows."""
    text = facts.source[line - 1].strip()
    return (Edit(facts.path, line, text, f"// +kubebuilder:validation:MinLength=1\n{text}"),)


def unvalidated_keys(look: Look) -> dict[tuple[str, str], tuple[Spot, int, str, FileFacts, int]]:
    """(Type.Field, its name in JSON) → where it becomes a key (function, line, key), and where it is declared (file, line)."""
    fields: dict[str, list[tuple[str, FileFacts, int]]] = {}
    for package in look.module.packages.values():
        for facts in package.files:
            for owner, struct in facts.structs.items() if not is_aside(facts) else ():
                for name, (kind, line) in struct.fields.items():
                    if kind in {"string", "*string"}:
                        fields.setdefault(name, []).append((owner, facts, line))
    found: dict[tuple[str, str], tuple[Spot, int, str, FileFacts, int]] = {}
    for spot, line, key in _keys(look):
        for path in _SPEC.findall(key):
            *above, name = path.split(".")[1:]
            for owner, facts, declared in fields.get(name, ()):
                # t.Spec.Region is of a …Spec; of t.Spec.Source.Name nothing but the last type's name is known
                is_meant = owner.endswith("Spec") if not above else above[-1] in owner
                json_name = _json_name(facts, declared)
                if is_meant and json_name and not _is_validated(facts, declared):
                    found.setdefault((f"{owner}.{name}", json_name), (spot, line, key, facts, declared))
    return found


def _keys(look: Look) -> Iterator[tuple[Spot, int, str]]:
    """Every key expression that goes into data or into a map that is held, with locals written out once."""
    held = {id(one.insert) for each in look.held.values() for one in each.inserts}
    for spot in look.spots():
        for insert in spot.function.inserts:
            if insert.place.keys and (not DATA.isdisjoint(insert.place.fields[-1:]) or id(insert) in held):
                key = insert.place.keys[-1]
                local = spot.function.locals.get(key)
                yield spot, insert.line, (local.whole or local.text) if local else key


def _json_name(facts: FileFacts, line: int) -> str:
    found = _JSON.search(facts.source[line - 1]) if 0 < line <= len(facts.source) else None
    return found[1] if found else ""


def _is_validated(facts: FileFacts, line: int) -> bool:
    """Whether a marker in the comment above a field says what its strings are."""
    for above in range(line - 1, max(line - 1 - _LINES, 0), -1):
        text = facts.source[above - 1].strip()
        if not text.startswith("//"):
            return False
        if _VALIDATED.search(text):
            return True
    return False


RULE = Rule("B", "a field that becomes a key, and may be empty", _find)
