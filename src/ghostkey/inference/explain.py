"""Why could this key be called so? Every way in which live objects' names or UIDs stand in a key, as templates."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.inference.index import UUID, SubjectIndex, canonical
from ghostkey.inference.template import DIGESTED, DIGESTS, Template, looks_hashed, transform_between

MOST_WORDS = 14  # of a key that are tried as pieces of a name; 105 look-ups
SEPARATORS = "-._:/"
LEAST_BARE_STEM = 14  # without a hash behind it, a cut name has to be longer than any word
LEAST_STEM = 6  # a cut name shorter than this begins too many others
DIGEST_SUBJECTS = 50_000  # digesting more than this for a guess would take seconds

Explanation = tuple[Template, int]
"""A template and the row of the live object it would be for."""


def explain_key(key: str, index: SubjectIndex) -> Iterator[Explanation]:
    """Ways to make this key of live objects, none of them judged."""
    if len(key) >= 36:
        for found in UUID.finditer(key):
            row = index.by_uid.get(found[0].lower())
            if row is not None:
                transform = "" if found[0] == index.subjects.uids[row] else "upper"
                yield Template("uid", key[: found.start()], suffix=key[found.end() :], transform=transform), row
    word = canonical(key)
    starts = [0, *(place + 1 for place, character in enumerate(word) if character == "-")]
    ends = [*(start - 1 for start in starts[1:]), len(word)]
    if len(starts) > MOST_WORDS:
        starts, ends = starts[:MOST_WORDS], ends[-MOST_WORDS:]
    for start in starts:
        for end in ends:
            if end <= start:
                continue
            held = index.by_name.get(word[start:end])
            if held is None:
                continue
            for row in index.named(word[start:end]):
                yield from _around(key, start, end, row, index)


def _around(key: str, start: int, end: int, row: int, index: SubjectIndex) -> Iterator[Explanation]:
    """What the rest of the key could be, given that a piece of it is an object's name."""
    subjects = index.subjects
    name, namespace = subjects.names[row], subjects.namespaces[row]
    written = key[start:end]
    transform = "" if written == name else transform_between(name, written)
    if transform is None:
        return
    before, after = key[:start], key[end:]
    if namespace:
        whole = _transformed(namespace, transform)
        head = before.rstrip(SEPARATORS)
        separator = before[len(head) :]
        if separator and head.endswith(whole) and (len(head) == len(whole) or head[-len(whole) - 1] in SEPARATORS):
            yield from _with_tail(Template("namespace-name", head[: -len(whole)], separator, after, transform), row)
            return
        tail = after.lstrip(SEPARATORS)
        separator = after[: len(after) - len(tail)]
        if separator and tail.startswith(whole) and (len(tail) == len(whole) or tail[len(whole)] in SEPARATORS):
            yield from _with_tail(Template("name-namespace", before, separator, tail[len(whole) :], transform), row)
            return
    yield from _with_tail(Template("name", before, suffix=after, transform=transform), row)


def _transformed(text: str, transform: str) -> str:
    from ghostkey.inference.template import TRANSFORMS

    return TRANSFORMS[transform](text) if transform else text


def _with_tail(template: Template, row: int) -> Iterator[Explanation]:
    """The template as it stands, and with what follows the name taken for a hash when it looks like one."""
    yield template, row
    suffix = template.suffix
    if suffix and suffix[0] in SEPARATORS:
        tail = suffix[1:]
        if looks_hashed(tail):
            yield (
                Template(
                    template.order, template.prefix, template.separator, "", template.transform,
                    hash_mark=suffix[0], hash_length=len(tail),
                ),
                row,
            )  # fmt: skip


def explain_cut(key: str, index: SubjectIndex, longest: int) -> Iterator[Explanation]:
    """Ways to make this key by cutting a live name, with or without a hash behind; for keys nothing else explains."""
    from bisect import bisect_left

    stems = [(key, "", 0)] if len(key) == longest >= LEAST_BARE_STEM else []
    for mark in "-._":
        stem, found, tail = key.rpartition(mark)
        if found and looks_hashed(tail):
            stems.append((stem, mark, len(tail)))
    names = index.sorted_names
    for stem, mark, hash_length in stems:
        if len(stem) < LEAST_STEM:
            continue
        begin = canonical(stem)
        place = bisect_left(names, begin)
        for name in names[place : place + 4]:
            # a name is cut because it is longer than what it is cut to, hash and all
            if not name.startswith(begin) or len(name) <= len(key):
                continue
            for row in index.named(name):
                if index.subjects.names[row].startswith(stem):
                    yield Template("name", cut=len(stem), hash_mark=mark, hash_length=hash_length), row


def explain_digest(keys: list[str], index: SubjectIndex) -> Iterator[Template]:
    """Templates whose hashes of live objects stand among these keys, which are all hex of one length."""
    if len(index.subjects) > DIGEST_SUBJECTS:
        return
    length = len(keys[0])
    wanted = set(keys)
    subjects = index.subjects
    for algorithm in DIGESTS:
        for digested in DIGESTED:
            template = Template("digest", hash_length=length, digest=(algorithm, digested))
            if "namespace" in digested and not index.namespaces:
                continue
            hits = 0
            for namespace, name, uid in zip(subjects.namespaces, subjects.names, subjects.uids, strict=True):
                if "namespace" in digested and not namespace:
                    continue
                hits += template.render_core(namespace, name, uid) in wanted
                if hits >= 2:
                    yield template
                    break
