"""Templates that make a key from a subject: `{namespace}.{name}`, `tenant-{uid}.json`, `{name:.15}-<8 hex>` …"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ghostkey.inference.codecs import CODECS
from ghostkey.inference.digests import DECIMAL, DIGESTED, DIGESTS, LEAST_DIGITS, MOST_DIGITS
from ghostkey.model.errors import UsageError
from ghostkey.model.refs import Kind

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
UNDASHED_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_NOT_ALPHANUMERIC = re.compile(r"[^a-zA-Z0-9]")
_WORDS = re.compile(r"[a-zA-Z0-9]+")
# Kubernetes' rand.SafeEncodeString of a number in decimal, as Pod template hashes are: ten characters out of 27
# Source: k8s.io/apimachinery v0.31 pkg/util/rand/rand.go
SAFE_HASH = re.compile(r"[4-9bcdf]{8,10}")
SAFE_LEAST, SAFE_MOST = 8, 10
LEAST_HASH = 4  # characters
LONG_SEPARATOR = 2  # characters of the longest mark


def _camel(text: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in _WORDS.findall(text))


def _lower_camel(text: str) -> str:
    camel = _camel(text)
    return camel[:1].lower() + camel[1:]


TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "": lambda text: text,
    "lower": str.lower,
    "_": lambda text: _NOT_ALPHANUMERIC.sub("_", text),
    "-": lambda text: _NOT_ALPHANUMERIC.sub("-", text),
    ".": lambda text: _NOT_ALPHANUMERIC.sub(".", text),
    "upper": str.upper,
    "upper_": lambda text: _NOT_ALPHANUMERIC.sub("_", text).upper(),
    "lower_": lambda text: _NOT_ALPHANUMERIC.sub("_", text).lower(),
    "lower-": lambda text: _NOT_ALPHANUMERIC.sub("-", text).lower(),
    "plain": lambda text: text.replace("-", ""),
    "camel": _camel,
    "lower_camel": _lower_camel,
    "squashed": lambda text: _NOT_ALPHANUMERIC.sub("", text).lower(),
}
SQUASHING: Final = frozenset({"camel", "lower_camel", "squashed", "plain"})  # no separator is left of what was joined


_FIELDS = re.compile(r"\{(namespace|name|uid)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """How a key is made. `order` is name, namespace-name, name-namespace, uid or digest.

    `cut` > 0: what is made is cut to that many characters. `hash_length` > 0: a hash of that length follows `hash_mark`, or of
    `hash_least` characters and more. `tail`: any text follows this mark; `head`: any text stands before it. `codec`: the whole is
    encoded so. `digest` = (algorithm, what is digested): the key is that hash, of `hash_length` characters, or, of any other order, the
    hash behind the name is that one, and the key sealed by it. `is_loose`: the UID stands
    anywhere in the key, among text that differs from key to key. `is_namespace_plain`: only the name is transformed.
    """

    order: str
    prefix: str = ""
    separator: str = ""
    suffix: str = ""
    transform: str = ""
    cut: int = 0
    hash_mark: str = ""
    hash_length: int = 0
    digest: tuple[str, str] = ("", "")
    is_loose: bool = False
    is_namespace_plain: bool = False
    hash_least: int = 0
    tail: str = ""
    head: str = ""
    codec: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether the key is what stands for the subject, with nothing around it, and any key may be one."""
        around = self.prefix or self.suffix or self.tail or self.head or self.codec
        return not (around or self.has_word_between or self.cut or self.hash_length or self.is_loose)

    @property
    def has_word_between(self) -> bool:
        """Whether what stands between namespace and name is more than a mark: a key without it is not made so."""
        return len(self.separator) > LONG_SEPARATOR

    @property
    def is_open(self) -> bool:
        """Whether text of any sort stands beside what stands for the subject."""
        return self.is_loose or bool(self.tail or self.head)

    @property
    def core(self) -> tuple[object, ...]:
        """What decides how a subject is rendered, apart from what stands around it."""
        return (
            self.order,
            self.separator,
            self.transform,
            self.is_namespace_plain,
            self.cut,
            self.digest,
            self.hash_length if self.digest[0] else 0,
            self.hash_mark if self.digest[0] else "",
        )

    @property
    def is_sealed(self) -> bool:
        """Whether the hash behind the name is known to be that of the object: no other object could have this key."""
        return bool(self.digest[0]) and self.order != "digest"

    @property
    def is_sealed_by_uid(self) -> bool:
        """Whether a name and the beginning of a UID make the key: another beginning is that of another object, of whatever name."""
        return self.is_sealed and self.digest == ("first", "{uid}")

    @property
    def is_exact(self) -> bool:
        """Whether nothing of the key is left to chance: no open end, and no hash of which it is not known what it is of."""
        return not self.is_open and (not self.hash_length or bool(self.digest[0]))

    @property
    def is_plain_name(self) -> bool:
        """Whether a subject renders as its name alone."""
        return self.order == "name" and not (self.transform or self.cut or self.digest[0])

    @property
    def is_plain_pair(self) -> bool:
        """Whether a subject renders as namespace and name, unchanged."""
        return self.order in {"namespace-name", "name-namespace"} and not (self.transform or self.cut or self.digest[0])

    @property
    def has_namespace(self) -> bool:
        """Whether the key itself says which namespace its subject is in."""
        return self.order in {"namespace-name", "name-namespace"} and not self.digest[0]

    @property
    def is_joined(self) -> bool:
        """Whether namespace and name can be told apart in what is left of them."""
        return not (self.transform in SQUASHING and not self.is_namespace_plain)

    @property
    def is_unmistakable(self) -> bool:
        """Whether one match can hardly be chance: UIDs and hashes."""
        return self.order in {"uid", "digest"} or self.is_sealed

    def render_core(self, namespace: str, name: str, uid: str, kind: Kind | None = None) -> str:
        """What stands for a subject in its key, without prefix, suffix and a random hash; some digests have its kind within."""
        if self.is_namespace_plain:
            name = TRANSFORMS[self.transform](name)
        match self.order:
            case "uid":
                text = uid
            case "digest":
                return self.digest_of(namespace, name, uid, kind)
            case "namespace-name":
                text = namespace + self.separator + name
            case "name-namespace":
                text = name + self.separator + namespace
            case _:
                text = name
        if self.transform and not self.is_namespace_plain:
            text = TRANSFORMS[self.transform](text)
        text = text[: self.cut] if self.cut else text
        return f"{text}{self.hash_mark}{self.digest_of(namespace, name, uid, kind)}" if self.is_sealed else text

    def digest_of(self, namespace: str, name: str, uid: str, kind: Kind | None) -> str:
        """The hash of an object, cut to the length that the template gives it."""
        words = ("", "") if kind is None else (kind.kind, kind.resource)
        raw = DIGESTED[self.digest[1]](
            namespace=namespace, name=name, uid=uid, Kind=words[0], kind=words[0].lower(), resource=words[1]
        )
        return DIGESTS[self.digest[0]](raw.encode())[: self.hash_length]

    def core_of(self, key: str) -> str | None:
        """The part of a key that stands for its subject; None when the key is not made by this template."""
        if self.codec:
            text = CODECS[self.codec].decode(key)
            if text is None:
                return None
            key = text
        if self.is_loose:
            found = UUID.search(key)
            return found[0] if found else None
        if not (key.startswith(self.prefix) and key.endswith(self.suffix)):
            return None
        core = key[len(self.prefix) : len(key) - len(self.suffix) or None]
        if len(self.prefix) + len(self.suffix) >= len(key):
            return None
        if self.has_word_between and self.separator not in core:
            return None
        if self.order == "digest":
            is_hash = is_decimal(core) if self.digest[0] in DECIMAL else is_hex(core, self.hash_length)
            return core if is_hash else None
        if self.is_sealed:
            stem = self._without_hash(core)
            return core if stem is not None and (not self.cut or len(stem) <= self.cut) else None
        if self.tail or self.head:
            stem = self._closed(core)
            if stem is None:
                return None
            core = stem
        if self.hash_length:
            stem = self._without_hash(core)
            if stem is None:
                return None
            core = stem
        if self.cut and len(core) != self.cut:
            return None
        return core

    def text_beside(self, key: str) -> str:
        """What stands in a key of an open template before or behind the mark, beside what stands for the subject."""
        if not (self.head or self.tail):
            return ""
        pieces = self._pieces(key[len(self.prefix) : len(key) - len(self.suffix) or None]) or [""]
        return pieces[-1] if self.tail else pieces[0]

    def _closed(self, core: str) -> str | None:
        """Without the text before or behind the mark."""
        pieces = self._pieces(core)
        if pieces is None:
            return None
        return self.tail.join(pieces[:-1]) if self.tail else self.head.join(pieces[1:])

    def _pieces(self, core: str) -> list[str] | None:
        """The text before the mark and what follows, or what stands before and the text behind it."""
        parts = 2 if self.has_namespace and self.separator in (self.tail, self.head) else 1
        pieces = core.split(self.tail, parts) if self.tail else core.rsplit(self.head, parts)
        return pieces if len(pieces) > parts and all(pieces) else None

    def _without_hash(self, core: str) -> str | None:
        if self.hash_least:
            stem, mark, tail = core.rpartition(self.hash_mark)
            return stem if stem and mark and SAFE_HASH.fullmatch(tail) else None
        place = len(core) - self.hash_length
        stem, mark, tail = core[: max(0, place - 1)], core[max(0, place - 1) : place], core[place:]
        is_hash = looks_hashed(tail) or is_hex(tail, self.hash_length)
        return stem if stem and mark == self.hash_mark and is_hash else None

    def without_seal(self, core: str) -> str:
        """What stands before the hash in the core of a sealed key."""
        return core[: -self.hash_length - len(self.hash_mark)]

    def splits(self, core: str) -> Iterator[tuple[str, str]]:
        """Every way to part a core into namespace and name, the likeliest first."""
        separator = self.separator
        if self.transform and self.transform not in {"lower", "upper"} and not self.is_namespace_plain:
            # sanitising made the separator and what stood in the names alike
            separator = TRANSFORMS[self.transform](separator)
        if not separator:
            return  # nothing is left of where they were joined
        if core.count(separator) == 1:
            left, _, right = core.partition(separator)
            if left and right:
                yield (left, right) if self.order == "namespace-name" else (right, left)
            return
        places = []
        start = core.find(separator)
        while start >= 0:
            if start and start + len(separator) < len(core):
                places.append(start)
            start = core.find(separator, start + 1)
        # namespaces have no dots and no underscores, so the outermost split is the likeliest
        for start in places if self.order == "namespace-name" else reversed(places):
            left, right = core[:start], core[start + len(separator) :]
            yield (left, right) if self.order == "namespace-name" else (right, left)

    def may_be_made(self, core: str) -> bool:
        """Whether any subject could have this core: a UID looks like one, and a namespace and a name stand apart."""
        if self.order == "uid":
            return bool(UUID.fullmatch(core) or UNDASHED_UUID.fullmatch(core)) or bool(self.cut)
        if not self.is_joined:
            first = core[:1]
            case = {
                "camel": first.isupper() or first.isdigit(),
                "lower_camel": not first.isupper(),
                "squashed": core == core.lower(),
            }
            return core.isalnum() and case.get(self.transform, True)
        return not self.has_namespace or next(self.splits(core), None) is not None

    def names_in(self, core: str) -> list[str]:
        """Every piece of a core that could be the name."""
        return [name for _, name in self.splits(core)] or [core] if self.has_namespace else [core]

    def split(self, core: str, namespaces: frozenset[str]) -> tuple[str, str] | None:
        """Namespace and name in a core, the namespace a live one if any split gives one.

        `namespaces` are canonical. None when the template has no namespace; the namespace is empty when it cannot be told.
        """
        if not self.has_namespace:
            return None
        pieces = list(self.splits(core))
        for namespace, name in pieces:
            if namespace in namespaces or namespace.lower().replace("_", "-").replace(".", "-") in namespaces:
                return namespace, name
        ambiguous = self.separator == "-" or (bool(self.transform) and not self.is_namespace_plain)
        if not pieces or (ambiguous and len(pieces) > 1):
            return "", core
        return pieces[0]

    @property
    def firmness(self) -> int:
        """How little room there is for another reading of a key: 2 with a UID in it, 1 when all of it is told, 0 with any text."""
        return 2 if self.order == "uid" or self.is_sealed else 0 if self.is_open else 1

    def __str__(self) -> str:
        name = f"{{name:.{self.cut}}}" if self.cut and self.order == "name" else "{name}"
        if self.is_namespace_plain:
            name = f"{_TRANSFORM_WORDS[self.transform]}({name})"
        inner = {
            "name": name,
            "uid": "{uid}",
            "namespace-name": "{namespace}" + self.separator + name,
            "name-namespace": name + self.separator + "{namespace}",
            "digest": f"{self.digest[0]}({self.digest[1]})[:{self.hash_length}]",
        }[self.order]
        if self.cut and self.has_namespace:
            inner = f"({inner})[:{self.cut}]"
        if self.is_sealed:
            inner += f"{self.hash_mark}{self.digest[0]}({self.digest[1]})[:{self.hash_length}]"
        elif self.hash_length and not self.digest[0]:
            least = f"{self.hash_least}-" if self.hash_least else ""
            inner += f"{self.hash_mark}<hash:{least}{self.hash_length}>"
        if self.transform and not self.is_namespace_plain:
            inner = f"{_TRANSFORM_WORDS[self.transform]}({inner})"
        inner = f"…{self.head}{inner}" if self.head else f"{inner}{self.tail}…" if self.tail else inner
        whole = f"…{inner}…" if self.is_loose else self.prefix + inner + self.suffix
        return f"{self.codec}({whole})" if self.codec else whole


_TRANSFORM_WORDS = {
    "lower": "lower", "upper": "upper", "_": "sanitise_", "-": "sanitise-", ".": "sanitise.",
    "upper_": "UPPER_SNAKE", "lower_": "lower_snake", "lower-": "lower-dash",
    "plain": "undashed", "camel": "CamelCase", "lower_camel": "camelCase", "squashed": "squashed",
}  # fmt: skip


def parse_template(text: str) -> Template:
    """The template that a person wrote. Raises UsageError when it has no {name} or {uid}, or a field twice."""
    fields = list(_FIELDS.finditer(text))
    words = [found[1] for found in fields]
    prefix = text[: fields[0].start()] if fields else ""
    suffix = text[fields[-1].end() :] if fields else ""
    if words in (["name"], ["uid"]):
        return Template(words[0], prefix, suffix=suffix)
    if sorted(words) == ["name", "namespace"]:
        between = text[fields[0].end() : fields[1].start()]
        if between:
            return Template("-".join(words), prefix, between, suffix)
        raise UsageError(f"template {text!r} has nothing between {{namespace}} and {{name}}")
    raise UsageError(
        f"template {text!r} names no subject", "use {name}, {uid}, or {namespace} and {name}, e.g. '{namespace}.{name}'"
    )


@functools.lru_cache(maxsize=65536)
def transforms_between(name: str, written: str) -> tuple[str, ...]:
    """The names of the transforms that make `written` of `name`, the simplest first; several where the name is simple."""
    return tuple(word for word, transform in TRANSFORMS.items() if transform(name) == written)


def may_be_hash(text: str) -> bool:
    """Whether a piece of a key is of letters and digits that a hash could be written with, words among them."""
    return len(text) >= LEAST_HASH and text.isalnum() and text.lower() == text


def looks_hashed(text: str) -> bool:
    """Whether a piece of a key looks random: hex or Kubernetes' safe alphabet, four characters or more, not a word."""
    if not may_be_hash(text):
        return False
    digits = sum(character.isdigit() for character in text)
    if digits == len(text):
        return len(text) >= 5
    if digits:
        return True
    # no digit at all: Kubernetes' random names use no vowels
    return not set(text) & set("aeiou")


def is_decimal(text: str) -> bool:
    """Whether a text could be a hash of 32 bits written as a number."""
    is_number = LEAST_DIGITS <= len(text) <= MOST_DIGITS and text.isascii() and text.isdecimal() and text[0] != "0"
    return is_number and int(text) < 1 << 32


def is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(character in "0123456789abcdef" for character in text)
