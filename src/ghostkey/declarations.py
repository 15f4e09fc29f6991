"""What people declare keys to be for: `--subject` and the annotation of a map, as links."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ghostkey.analyses._declared import ObjectLink, is_made_by
from ghostkey.inference.infer import is_exempt
from ghostkey.inference.results import Link
from ghostkey.inference.template import parse_template
from ghostkey.kube.discovery import resolve
from ghostkey.model.errors import GhostkeyError, NotFound, UsageError
from ghostkey.model.events import Gap
from ghostkey.model.expressions import declared
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.store.snapshot import Snapshot

ANNOTATION = "ghostkey.dev/subject"


def parse_subject(text: str, kinds: tuple[Kind, ...], holder: ObjectRef | None = None, origin: str = "") -> Link:
    """The link that `tenants.demo={namespace}.{name}` declares; raises UsageError or GhostkeyError when it cannot."""
    _, word, template = _subject_words(text)
    parts = declared(template)
    spot = (holder.kind.kind, holder.namespace, holder.name) if holder else None
    # several clusters of a dump may have a kind in several versions
    distinct = {(kind.group, kind.kind): kind for kind in reversed(kinds)}
    kind = dataclasses.replace(resolve(word, tuple(distinct.values())), known_by=parts.expression)
    return Link(kind, parse_template(parts.template), spot, origin or f"--subject {text}")


def _subject_words(text: str) -> tuple[str, str, str]:
    """(kind of the objects that are named so, or nothing for keys; kind of the subjects; template)."""
    words, found, template = text.partition("=")
    objects, colon, word = words.rpartition(":")
    if not found or not word.strip() or (colon and not objects.strip()):
        hint = "for example --subject 'tenants={namespace}.{name}', or for whole objects 'secrets:tenants={name}-token'"
        raise UsageError(f"subject {text!r} is not KIND=TEMPLATE", hint)
    return objects.strip(), word.strip(), template.strip()


def known_by(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(kind, expression) of declared subjects that keys know by their fields, for the scope of a source."""
    parts = [(word, declared(template).expression) for _, word, template in map(_subject_words, texts)]
    return tuple(dict.fromkeys((word, expression) for word, expression in parts if expression))


def declared_links(texts: Sequence[str], snapshot: Snapshot, holders: Sequence[ObjectRef] = ()) -> list[Link | ObjectLink]:
    """Links of `--subject`: for the maps named on the command line, or any map with a live match when none is named.

    Where nothing of the kind is left, that is any map whose keys all look so. Where a dump knows no such kind, that is a gap.
    """
    links: list[Link | ObjectLink] = []
    for text in texts:
        objects, _, _ = _subject_words(text)
        try:
            if objects:
                link = parse_subject(text.partition(":")[2], snapshot.kinds, origin=f"--subject {text}")
                links.append(ObjectLink(resolve(objects, tuple(dict.fromkeys((*snapshot.kinds, CONFIG_MAPS, SECRETS)))), link))
                continue
            found = [parse_subject(text, snapshot.kinds, holder) for holder in holders or [None]]  # type: ignore[list-item]
        except NotFound:
            if snapshot.cluster:
                raise
            why = "the dump holds no object, no list and no definition of such a kind"
            snapshot.gaps.append(Gap(f"--subject {text}", why))
            continue
        if holders or snapshot.subjects.has(found[0].kind):
            links += found
        else:
            links += _without_live(found[0], snapshot, text)
    return links


def _without_live(link: Link, snapshot: Snapshot, text: str) -> list[Link | ObjectLink]:
    """The link for each map that it must be about though nothing of the kind is left; a gap when no map is."""
    found: list[Link | ObjectLink] = [
        dataclasses.replace(link, holder=(seen.holder.kind.kind, seen.holder.namespace, seen.holder.name))
        for seen in snapshot.maps
        if not seen.path and not is_exempt(seen) and is_made_by(link.template, seen, snapshot.subjects.all_namespaces)
    ]
    if not found:
        hint = f"ghostkey scan cm/NAME -n NAMESPACE --subject {text!r} looks into that one"
        snapshot.gaps.append(
            Gap(
                f"--subject {text}",
                f"no {link.kind.resource} are left, and no map shows by its keys that it is for them",
                hint=hint,
            )
        )
    return list(dict.fromkeys(found))


def annotated_links(snapshot: Snapshot) -> list[Link]:
    """Links that the maps themselves declare; one that cannot be understood becomes a gap, and inference goes on."""
    links: list[Link] = []
    done: set[tuple[str, str, str]] = set()
    for seen in snapshot.maps:
        text = seen.meta.annotations.get(ANNOTATION, "") if seen.meta else ""
        holder = seen.holder
        spot = (holder.kind.kind, holder.namespace, holder.name)
        if not text or spot in done:
            continue
        done.add(spot)
        for part in filter(None, (piece.strip() for piece in text.split(";"))):
            try:
                links.append(parse_subject(part, snapshot.kinds, holder, f"annotation {ANNOTATION}"))
            except GhostkeyError as error:
                snapshot.gaps.append(Gap(f"annotation {ANNOTATION} of {holder} was not understood", str(error), hint=error.hint))
    return links
