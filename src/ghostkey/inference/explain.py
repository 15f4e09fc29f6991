"""Why could this key be called so? Every way in which live objects' names or UIDs stand in a key, as templates."""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from bisect import bisect_left
from collections.abc import Iterator

from ghostkey.inference.codecs import decoded
from ghostkey.inference.digests import DECIMAL, DIGEST_LENGTHS, DIGESTED, DIGESTS, digests_that_tell
from ghostkey.inference.index import SubjectIndex, squashed
from ghostkey.inference.kind_words import words_of
from ghostkey.inference.template import (
    SAFE_HASH,
    SAFE_LEAST,
    SAFE_MOST,
    TRANSFORMS,
    UNDASHED_UUID,
    UUID,
    Template,
    is_decimal,
    is_hex,
    looks_hashed,
    transforms_between,
)
from ghostkey.model.refs import Kind, canonical

MOST_WORDS = 14  # of a key that are tried as pieces of a name; 105 look-ups
SEPARATORS = "-._:/"
LEAST_BARE_STEM = 14  # without a hash behind it, a cut name has to be longer than any word
CUT_NAMES = 32  # names that begin alike and are looked at for one cut key
LEAST_WITHIN = 3  # a name of one or two letters stands in any key
SEALS_MISSED = 300  # objects that are hashed in all ways in vain, for hashes of one length; about 1.5 ms each
LEAST_STEM = 6  # a cut name shorter than this begins too many others
DIGEST_SUBJECTS = 50_000  # digesting more than this for a guess would take seconds
DIGEST_OF_A_KIND = 4_000
UID_FIRST = 8  # what stands before the first dash of a UID
SLOW_DIGEST_SUBJECTS = 5_000  # FNV runs in Python

_HEX = re.compile(r"[0-9a-f]{8,128}")

Explanation = tuple[Template, int]
"""A template and the row of the live object it would be for."""


def explain_key(key: str, index: SubjectIndex, but: int = -1) -> Iterator[Explanation]:
    """Ways to make this key of live objects of all kinds but one (its number), none of them judged."""
    if len(key) >= 36:
        for found in UUID.finditer(key):
            row = index.by_uid.get(found[0].lower())
            if row is not None:
                transform = "" if found[0] == index.subjects.uids[row] else "upper"
                yield Template("uid", key[: found.start()], suffix=key[found.end() :], transform=transform), row
                if len(key) > len(found[0]):
                    yield Template("uid", transform=transform, is_loose=True), row
    if len(key) >= 32:
        for found in UNDASHED_UUID.finditer(key):
            row = index.by_undashed_uid.get(found[0])
            if row is not None:
                yield Template("uid", key[: found.start()], suffix=key[found.end() :], transform="plain"), row
    for codec, text in decoded(key):
        for template, row in explain_key(text, index, but):
            if not template.codec:
                yield dataclasses.replace(template, codec=codec), row
    kind_of = index.subjects.kind_of
    word = canonical(key)
    starts = [0, *(place + 1 for place, character in enumerate(word) if character == "-")]
    ends = [*(start - 1 for start in starts[1:]), len(word)]
    if len(starts) > MOST_WORDS:
        starts, ends = starts[:MOST_WORDS], ends[-MOST_WORDS:]
    for start in starts:
        for end in ends:
            if end <= start:
                continue
            if word[start:end] not in index.by_name:
                continue
            beside, elsewhere = index.told_apart(word[start:end], word[:start], word[end:])
            for rows, is_beside in ((beside, True), (elsewhere, False)):
                for row in rows:
                    if kind_of[row] != but:
                        yield from _around(key, start, end, row, index, is_beside=is_beside)


def _around(key: str, start: int, end: int, row: int, index: SubjectIndex, *, is_beside: bool) -> Iterator[Explanation]:
    """What the rest of the key could be, given that a piece of it is an object's name; `is_beside`: its namespace may be there."""
    subjects = index.subjects
    name, namespace = subjects.names[row], subjects.namespaces[row]
    transforms = transforms_between(name, key[start:end])
    if not transforms:
        return
    before, after = key[:start], key[end:]
    if is_beside and namespace and (before or after):
        # the simplest way to write the name may not be how the namespace beside it is written: all of `t1` is one word
        for transform in transforms:
            for pair in _pairs(namespace, before, after, transform, subjects.kind(row)):
                yield from _with_tail(pair, row, index)
                return
    if len(name) < LEAST_WITHIN and (before or after):
        return
    yield from _with_tail(Template("name", before, suffix=after, transform=transforms[0]), row, index)


def _pairs(namespace: str, before: str, after: str, transform: str, kind: Kind) -> Iterator[Template]:
    """The template with the namespace before or after the name, if it stands there; its kind may stand between them."""
    # sanitising the name alone leaves the namespace and the separator as they are
    for is_plain in (False, True) if transform else (False,):
        change = TRANSFORMS["" if is_plain else transform]
        whole = change(namespace)
        if whole in before:
            for separator in _separators(before, kind):
                head = before[: len(before) - len(separator)]
                # what sanitises the namespace does not leave a dot between it and the name
                if (
                    head.endswith(whole)
                    and (len(head) == len(whole) or head[-len(whole) - 1] in SEPARATORS)
                    and change(separator) == separator
                ):
                    yield Template(
                        "namespace-name", head[: -len(whole)], separator, after, transform, is_namespace_plain=is_plain
                    )
        if whole in after:
            for mirrored in _separators(after[::-1], kind, -1):
                separator, tail = mirrored[::-1], after[len(mirrored) :]
                if (
                    tail.startswith(whole)
                    and (len(tail) == len(whole) or tail[len(whole)] in SEPARATORS)
                    and change(separator) == separator
                ):
                    yield Template(
                        "name-namespace", before, separator, tail[len(whole) :], transform, is_namespace_plain=is_plain
                    )


def _separators(text: str, kind: Kind, step: int = 1) -> Iterator[str]:
    """What may stand between a namespace and a name, at the end of a text: marks, or the kind's word among marks.

    With a `step` of -1 the text is written backwards.
    """
    head = text.rstrip(SEPARATORS)
    if not head or len(head) == len(text):
        return
    yield text[len(head) :]
    for word in map(operator.itemgetter(slice(None, None, step)), words_of(kind)):
        stem = head.removesuffix(word).rstrip(SEPARATORS)
        if stem and len(stem) + len(word) < len(head):
            yield text[len(stem) :]
            return


def _with_tail(template: Template, row: int, index: SubjectIndex) -> Iterator[Explanation]:
    """The template as it stands, with what follows the name taken for a hash when it looks like one, and for any text."""
    yield template, row
    prefix, suffix = template.prefix, template.suffix
    if suffix and suffix[0] in SEPARATORS:
        tail = suffix[1:]
        if SAFE_HASH.fullmatch(tail):
            hashed = dataclasses.replace(template, suffix="", hash_mark=suffix[0], hash_length=SAFE_MOST, hash_least=SAFE_LEAST)
            yield hashed, row
        elif looks_hashed(tail):
            hashed = dataclasses.replace(template, suffix="", hash_mark=suffix[0], hash_length=len(tail))
            yield from _with_seal(hashed, tail, row, index)
        mark = suffix[: len(suffix) - len(suffix.lstrip(SEPARATORS))]
        # a dash alone stands within names as well
        if mark != "-" and len(mark) < len(suffix) and not prefix:
            yield dataclasses.replace(template, suffix="", tail=mark), row
    if prefix and not suffix and prefix[-1] in SEPARATORS:
        mark = prefix[len(prefix.rstrip(SEPARATORS)) :]
        if mark != "-" and len(mark) < len(prefix):
            yield dataclasses.replace(template, prefix="", head=mark), row


def explain_squashed(key: str, index: SubjectIndex) -> Iterator[Explanation]:
    """Ways to make this key by leaving out what stands between the words of a live object's name; for keys nothing else explains."""
    word = squashed(key)
    if word != key.lower():
        return
    subjects = index.subjects
    for name in index.by_squashed.get(word, ()):
        for row in index.named(name):
            for transform in transforms_between(subjects.names[row], key)[:1]:
                yield Template("name", transform=transform), row
    for namespace, name in index.squashed_pairs(word):
        for row in index.named(name):
            if subjects.namespaces[row] == namespace:
                for transform in transforms_between(f"{namespace}-{subjects.names[row]}", key)[:1]:
                    yield Template("namespace-name", separator="-", transform=transform), row


def explain_cut(key: str, index: SubjectIndex, longest: int) -> Iterator[Explanation]:
    """Ways to make this key by cutting a live name, with or without a hash behind; for keys nothing else explains."""
    stems = [(key, "", "")] if len(key) == longest >= LEAST_BARE_STEM else []
    for mark in "-._":
        stem, found, tail = key.rpartition(mark)
        if found and looks_hashed(tail):
            stems.append((stem, mark, tail))
    names = index.sorted_names
    for stem, mark, tail in stems:
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
                    cut = Template("name", cut=len(stem), hash_mark=mark, hash_length=len(tail))
                    yield from _with_seal(cut, tail, row, index)
        for template, row in _cut_pairs(stem, index):
            yield from _with_seal(dataclasses.replace(template, hash_mark=mark, hash_length=len(tail)), tail, row, index)


def _cut_pairs(stem: str, index: SubjectIndex) -> Iterator[Explanation]:
    """Namespace and name joined, then cut to one length."""
    names, subjects = index.sorted_names, index.subjects
    for place, separator in enumerate(stem):
        if separator not in SEPARATORS or stem[:place] not in index.live_namespaces:
            continue
        rest = stem[place + 1 :]
        first = bisect_left(names, canonical(rest)) if len(rest) >= 2 else len(names)
        for name in names[first : first + CUT_NAMES]:
            if not name.startswith(canonical(rest)):
                break
            for row in index.named(name):
                whole = f"{subjects.namespaces[row]}{separator}{subjects.names[row]}"
                if whole.startswith(stem) and len(whole) > len(stem):
                    yield Template("namespace-name", separator=separator, cut=len(stem)), row


def _with_seal(template: Template, tail: str, row: int, index: SubjectIndex) -> Iterator[Explanation]:
    """The template as it stands, and where the hash behind the name is that of the object, with what was hashed."""
    yield template, row
    if template.hash_length and is_hex(tail, template.hash_length):
        for digest in _seals_with(tail, row, index):
            yield dataclasses.replace(template, digest=digest), row


def _seals_with(tail: str, row: int, index: SubjectIndex) -> list[tuple[str, str]]:
    """What of this object the hash is, and how. What hashes of this length were before is tried first, and all else only so often."""
    subjects, length = index.subjects, len(tail)
    held = (subjects.namespaces[row], subjects.names[row], subjects.uids[row], subjects.kind(row))
    known = index.seals.setdefault(length, [])
    if found := [seal for seal in known if _seal(seal, held, length) == tail]:
        return found
    if index.seals_missed[length] >= SEALS_MISSED:
        return []
    found = _seals(*held, length).get(tail, [])
    known += [seal for seal in found if seal not in known]
    index.seals_missed[length] += not found
    return found


def _seal(digest: tuple[str, str], held: tuple[str, str, str, Kind], length: int) -> str:
    return Template("digest", hash_length=length, digest=digest).digest_of(*held)


@functools.lru_cache(maxsize=4096)
def _seals(namespace: str, name: str, uid: str, kind: Kind, length: int) -> dict[str, list[tuple[str, str]]]:
    """Hash of this length → what hash of what it is, for one object; 200 hashes."""
    found: dict[str, list[tuple[str, str]]] = {}
    for algorithm in DIGESTS:
        if algorithm in DECIMAL or length != DIGEST_LENGTHS.get(algorithm, length):
            continue
        if algorithm == "first" and length > UID_FIRST:
            continue
        # the first characters of a name are no hash
        for digested in ("{uid}",) if algorithm == "first" else DIGESTED:
            if namespace or "{namespace}" not in digested:
                digest = (algorithm, digested)
                text = _seal(digest, (namespace, name, uid, kind), length)
                found.setdefault(text, []).append(digest)
    return found


def digests_among(silent: list[str], keys: list[str]) -> list[str]:
    """Those of the keys that could be hashes as the silent ones are; none where these cannot be.

    Hex of one length, or numbers that are spread as hashes are, which times and ports are not. Beside such numbers there may be a
    date, or one of the few hashes that are shorter than others.
    """
    lengths = {len(key) for key in silent}
    if len(lengths) == 1 and all(map(_HEX.fullmatch, silent)):
        return [key for key in keys if len(key) in lengths]
    numbers = [int(key) for key in silent if is_decimal(key)]
    are_spread = 4 * len(numbers) >= 3 * len(silent) and max(numbers) >= 2 * min(numbers)
    return list(filter(is_decimal, keys)) if are_spread else []


def _algorithms(keys: list[str]) -> Iterator[tuple[str, int]]:
    """(algorithm, length of its hashes) of what could have made these keys."""
    lengths = {len(key) for key in keys}
    are_decimal = all(map(is_decimal, keys))
    for algorithm in DIGESTS:
        length = DIGEST_LENGTHS.get(algorithm, max(lengths))
        if are_decimal if algorithm in DECIMAL else lengths == {length}:
            yield algorithm, length


def explain_digest(keys: list[str], index: SubjectIndex) -> Iterator[Template]:
    """Templates whose hashes of live objects stand among these keys, which may be digests."""
    wanted = set(keys)
    # of a kind that has keys here, a few thousand objects show it as well as a million; of what is tried less often, a few hundred
    few = _fields(index, DIGEST_OF_A_KIND // 10)
    many = _fields(index, DIGEST_OF_A_KIND)
    for algorithm, length in _algorithms(keys):
        enough = digests_that_tell(8 if algorithm in DECIMAL else length, len(wanted), len(index.subjects.names))
        for digested in DIGESTED:
            if algorithm == "first" and (digested != "{uid}" or length != UID_FIRST):
                continue
            template = Template("digest", hash_length=length, digest=(algorithm, digested))
            has_kind = "ind}" in digested or "{resource}" in digested
            sample = few if has_kind else many[: SLOW_DIGEST_SUBJECTS if "fnv" in algorithm else None]
            hits = 0
            for fields in sample:
                if "{namespace}" in digested and not fields[0]:
                    continue
                hits += template.render_core(*fields) in wanted
                if hits >= enough:
                    yield template
                    break


def _fields(index: SubjectIndex, most: int) -> list[tuple[str, str, str, Kind]]:
    """Namespace, name, UID and kind of so many objects of each kind."""
    subjects = index.subjects
    rows = [row for kind in index.kind_sizes for row in _spread(index.rows_of(kind), most)][:DIGEST_SUBJECTS]
    return [(subjects.namespaces[row], subjects.names[row], subjects.uids[row], subjects.kind(row)) for row in rows]


def _spread(rows: list[int], most: int) -> list[int]:
    """Rows at even distances, so many at most."""
    return rows[:: max(1, -(-len(rows) // most))]
