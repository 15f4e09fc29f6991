"""A string of a custom resource becomes a key, and the tests of the code that makes it so try good values alone.

*What it finds.* A field as `key-field-unvalidated` finds it, and tests beside the code that set it to literals only, and never to `""`
(or leave it out, which is the same) and to `" "`; for a pointer, nil as well. Where a test sets it to anything but a literal, nobody
knows from the text what is tried, and nothing is told.

*Why it matters.* These are the values that become keys without a subject, and the first thing that a user's YAML holds.

*When it is wrong.* Another package tests it. This is told with `--level B`.

Bad:

    cm.Data[tenant.Spec.Region] = tenant.Name // want "its tests try"
    …
    func TestWrite(t *testing.T) { write(&Tenant{Spec: TenantSpec{Region: "eu"}}) }

Good:

    for _, region := range []string{"", " ", "eu"} {
        write(&Tenant{Spec: TenantSpec{Region: region}})
    }
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ghostkey.lint.facts import FileFacts
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.rules.key_field_unvalidated import unvalidated_keys

EMPTY, BLANK, REAL, UNKNOWN = "empty", "blank", "real", "unknown"
_LITERAL = r"\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`"
_SPACE = re.compile(r"\s|\\[tnr]")  # as it stands in a literal
_POINTED = re.compile(rf"(?:\w+\.)?(?:To|Ptr|Of|String|StringPtr)(?:\[\w+\])?\(({_LITERAL})\)")


def _find(look: Look) -> Iterator[Finding]:
    for (name, json_name), (used, line, key, facts, declared) in sorted(unvalidated_keys(look).items(), key=lambda item: item[0]):
        tests = {path: text for path, text in look.tests.items() if posixpath.dirname(path) == used.package.folder}
        owner, _, field = name.partition(".")
        tried = {path: _tried(text.decode(errors="replace"), owner, field, json_name) for path, text in tests.items()}
        sorts = {sort for each in tried.values() for sort, _ in each}
        missing = [words for sort, words in _wanted(facts, declared) if sort not in sorts]
        if REAL not in sorts or UNKNOWN in sorts or not missing:
            continue
        path, at = next((path, at) for path, each in sorted(tried.items()) for sort, at in each if sort == REAL)
        yield Finding(
            "key-field-untested", "B", used.file.path, line, name, used.function.full_name, key,
            f"{name} becomes a key; its tests try good values, and never {' or '.join(missing)}",
            (Witness(path, at, f"a test that sets {field}"), Witness(facts.path, declared, "nothing says what it must be")),
        )  # fmt: skip


def _wanted(facts: FileFacts, declared: int) -> list[tuple[str, str]]:
    """What should be tried: sort of value, and how it is called."""
    is_pointer = "*string" in facts.source[declared - 1] if 0 < declared <= len(facts.source) else False
    return [(EMPTY, "nil" if is_pointer else '""'), (BLANK, '" "')]


def _tried(text: str, owner: str, field: str, json_name: str) -> list[tuple[str, int]]:
    """(sort of value, line) of each place in a test that gives the field a value."""
    first = re.escape(field[0])
    word = f"[{first.upper()}{first.lower()}]{re.escape(field[1:])}"
    found: list[tuple[str, int]] = []
    places = rf"(?:\b{word}:|\.{re.escape(field)}\s*=|[\"\s]{re.escape(json_name)}\"?:)[ \t]*({_LITERAL}|[^,}}\n]*)"
    for place in re.finditer(places, text):
        found.append((_sort(place[1].strip()), text.count("\n", 0, place.start()) + 1))
    for literal in re.finditer(rf"\b{re.escape(owner)}\{{([^{{}}]*)\}}", text):
        if f"{field}:" not in literal[1]:
            found.append((EMPTY, text.count("\n", 0, literal.start()) + 1))  # left out
    return found


def _sort(value: str) -> str:
    """What a value is: empty, blank, another literal, or something that is not told here."""
    pointed = _POINTED.fullmatch(value)
    value = pointed[1] if pointed else value
    if value in {"nil", "null", "new(string)", ""}:
        return EMPTY
    if not re.fullmatch(_LITERAL, value):
        return UNKNOWN
    inside = value[1:-1]
    return EMPTY if not inside else REAL if _SPACE.sub("", inside) else BLANK


RULE = Rule("B", "a field that becomes a key, and is tested with good values alone", _find)
