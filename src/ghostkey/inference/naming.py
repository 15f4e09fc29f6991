"""Whose name stands in a key, and whether anybody who lives could still be meant."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping

from ghostkey.inference.index import SubjectIndex, squashed
from ghostkey.inference.template import Template
from ghostkey.model.findings import CUT_SHORT, Subject
from ghostkey.model.refs import Kind, canonical

SAME_NAME = "a {} of the same name lives with another UID"
LEAST_COUNTED = 3  # names that show how things are counted
_ORDINAL = re.compile(r"(.+)-\d{1,4}")
_COUNTED = re.compile(r"(.*?)(\d{1,4})")
_CUT_AT = (re.compile(r"([^-._]+)[-._](.+)"), re.compile(r"(.+)[-._]([^-._]+)"))  # at the first mark, and at the last
_HASH = re.compile(r"[0-9a-fA-F]{8}")
_HASHED_CHILD = re.compile(r"([a-z0-9][-a-z0-9]{7,}?)-?[0-9a-f]{8,64}(?:-[a-z0-9-]+)?")


def subject_of(template: Template, core: str, kind: Kind, index: SubjectIndex, namespace: str = "") -> Subject:
    """The object that a key was made for, as far as the key tells; in `namespace` where the key names none."""
    if template.order == "uid":
        return Subject(kind, "", "", core.lower())
    if template.order == "digest":
        return Subject(kind, "", f"<{template.digest[0]} {core}>")
    if template.is_sealed_by_uid:
        bare = dataclasses.replace(template, digest=("", ""), hash_length=0)
        uid = core[-template.hash_length :]
        return dataclasses.replace(subject_of(bare, template.without_seal(core), kind, index, namespace), uid=f"{uid}{CUT_SHORT}")
    if template.is_sealed:
        core = template.without_seal(core)
        if not template.cut or len(core) < template.cut:
            bare = dataclasses.replace(template, digest=("", ""), hash_length=0, cut=0)
            return subject_of(bare, core, kind, index, namespace)
    if template.cut:
        return Subject(kind, "", f"{core}{CUT_SHORT}")
    pieces = template.split(core, index.canonical_namespaces)
    if pieces is not None:
        return Subject(kind, *pieces)
    return Subject(kind, namespace if kind.namespaced else "", core)


def name_part(template: Template, core: str, index: SubjectIndex) -> str:
    """The part of a live key that is the object's name."""
    if not template.has_namespace:
        return core
    for namespace, name in template.splits(core):
        if index.is_namespace(namespace):
            return name
    return core


def lives_elsewhere(
    template: Template, core: str, holder_namespace: str, index: SubjectIndex, *, scoped: bool, but: int = -1
) -> bool:
    """Whether any object of any kind could still be what the key is about; of the map's namespace alone when `scoped`.

    Objects of one kind (its number) may be left out: those that are named after others, and so are the key itself.
    """
    if template.is_unmistakable:
        return False
    subjects = index.subjects
    if template.cut and goes_on(template, core, index):
        return True
    if not template.is_joined:
        return squashed(core) in index.by_squashed or squashed(core) in index.by_name
    if (
        _HASH.search(core)
        and (hashed := _HASHED_CHILD.fullmatch(canonical(core)))
        and index.begun(hashed[1], longer_than=len(core))
    ):
        return True  # a name cut short, with the hash of what was cut: Knative's ChildName, Helm, kustomize
    if template.has_namespace:
        for namespace, name in template.splits(core):
            rows = index.all_named(canonical(name))
            if rows and canonical(namespace) in {canonical(subjects.namespaces[row]) for row in rows}:
                return True
        return False
    return any(
        subjects.kind_of[row] != but and (not scoped or subjects.namespaces[row] in ("", holder_namespace))
        for row in index.all_named(canonical(core))
    )


def is_name_in_full(template: Template, key: str, index: SubjectIndex) -> bool:
    """Whether a key of which a template takes a part for a hash, or for anything, is as a whole the name of something that lives."""
    if template.is_exact or template.is_sealed or template.codec:
        return False
    whole = key[len(template.prefix) : len(key) - len(template.suffix)]
    return any(index.all_named(canonical(name)) for name in (whole, *template.names_in(whole)))


def live_beside(template: Template, keys: Mapping[int, str], index: SubjectIndex) -> dict[int, str]:
    """Of the keys (place → key) in which any text stands beside the name, those whose text is a live object's name: place → a sentence.

    None where all are: then they tell of what stays, such as an app, something that comes and goes, such as a node.
    """
    found: dict[int, str] = {}
    for place, key in keys.items():
        text = template.text_beside(key)
        if text and (rows := index.all_named(canonical(text))):
            found[place] = f"it may be about what stands beside the name: {index.subjects.kind(rows[0]).kind} {text} lives"
    return found if len(found) < len(keys) else {}


def goes_on(template: Template, core: str, index: SubjectIndex, kinds: Collection[int] | None = None) -> bool:
    """Whether a live name begins with what the key has of a name, and is longer."""
    if template.is_unmistakable:
        return False
    if template.has_namespace:
        return any(index.begun(canonical(name), canonical(namespace), kinds) for namespace, name in template.splits(core) if name)
    return index.begun(canonical(core), None, kinds)


def is_ordinal(core: str, index: SubjectIndex) -> bool:
    """Whether a key may be for a Pod that a live StatefulSet would have if it were scaled up again, or for the claim of its volume."""
    found = _ORDINAL.fullmatch(core)
    name = found[1].rpartition(".")[2] if found else ""
    # what a claim for its volume is called begins with the template's name: `data-pg-2`
    ends = [name, *(name[place + 1 :] for place, character in enumerate(name) if character == "-")]
    return found is not None and any(
        index.subjects.kind(row).kind == "StatefulSet" for end in ends for row in index.named(canonical(end))
    )


def after_whom(name: str, live: Collection[str]) -> Iterator[tuple[str, str]]:
    """(live name, word) that make up a name, `acme` and `archive` of `acme-archive`: it may be another thing of the same."""
    for cut in _CUT_AT:
        if found := cut.fullmatch(name):
            first, last = found.groups()
            yield from ((whom, word) for whom, word in ((first, last), (last, first)) if whom in live and word.isalpha())


def counted_on(live: Collection[str], gone: Collection[str]) -> frozenset[str]:
    """Names that count on where the live ones, which begin with 0 or 1 and leave none out, stop: `node-4`, after three of them.

    They may be of what was taken away, or of what is yet to come: a table of a rack has a line for each place.
    """

    def numbers(names: Collection[str]) -> dict[str, dict[int, str]]:
        found: dict[str, dict[int, str]] = {}
        for name in names:
            if counted := _COUNTED.fullmatch(name):
                found.setdefault(counted[1], {})[int(counted[2])] = name
        return found

    beyond: set[str] = set()
    there = numbers(live)
    for stem, missing in numbers(gone).items():
        have = there.get(stem, {})
        if len(have) < LEAST_COUNTED or min(have) not in (0, 1) or max(have) - min(have) + 1 != len(have):
            continue
        if missing.keys() == set(range(max(have) + 1, max(have) + 1 + len(missing))):
            beyond.update(missing.values())
    return frozenset(beyond)
