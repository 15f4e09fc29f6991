"""The keys of a map as text, decoded by their type. Values are never read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ghostkey.census import classic, layouts, swiss, trie
from ghostkey.census.gomap import GoMap
from ghostkey.census.memory import Range, read_near
from ghostkey.census.runtime import Runtime
from ghostkey.census.types import EMPTY_INTERFACES, GoType, Types

KEYS_MOST = 1_000_000
TEXT_MOST = 4096  # bytes of one key that are read
DEPTH_MOST = 8
ARRAY_MOST = 64
BATCH_BYTES = 1 << 20
BATCH_KEYS = 4096

_NUMBERS = {
    "int": "<q", "int8": "<b", "int16": "<h", "int32": "<i", "int64": "<q", "uint": "<Q", "uint8": "<B", "uint16": "<H",
    "uint32": "<I", "uint64": "<Q", "uintptr": "<Q", "float32": "<f", "float64": "<d",
}  # fmt: skip
_Part = str | Range
"""Text, or where a string's bytes are."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one map. `is_whole`: these are all of them. `why`: why there are none, or not all."""

    texts: list[str]
    is_whole: bool
    why: str = ""


class KeyReader:
    """Reads the keys of maps whose type is known, or whose possible types have the same keys."""

    def __init__(self, runtime: Runtime, types: Types) -> None:
        self._runtime, self._types = runtime, types

    def key_type(self, found: GoMap) -> GoType | None:
        """The type of a map's keys; None when it is not known."""
        kind = self._kind(found)
        return self._types.at(kind.key) if kind is not None else None

    def _kind(self, found: GoMap) -> GoType | None:
        if found.type_address:
            return self._types.at(found.type_address)
        kinds = [kind for address in found.alike if (kind := self._types.at(address)) is not None]
        layouts_of = {
            (self._types.shape(kind.key), kind.slot_bytes, kind.bucket_bytes, kind.key_bytes, kind.flags & 5) for kind in kinds
        }
        return kinds[0] if len(layouts_of) == 1 else None

    def is_text(self, kind: GoType, depth: int = 0) -> bool:
        """Whether keys of a type can be names: strings, interfaces, UIDs in bytes, and structs with one of those."""
        if kind.kind in {"string", "interface"} or (kind.kind == "array" and kind.size == 16):
            return True
        if kind.kind != "struct" or depth > DEPTH_MOST:
            return False
        inner = (self._types.at(field.type) for field in self._types.fields(kind))
        return any(one is not None and self.is_text(one, depth + 1) for one in inner)

    def read(self, found: GoMap, most: int = KEYS_MOST) -> Keys:
        """The first keys of a map, in the order they lie in memory; entries that a writer is moving may be missed."""
        texts: list[str] = []
        if found.design == "sync":
            raw = self._of_trie(found)
            kind = None
        else:
            map_kind = self._kind(found)
            kind = self._types.at(map_kind.key) if map_kind is not None else None
            if map_kind is None or kind is None:
                return Keys([], found.length == 0, "the type of its keys is not known" if found.length else "")
            slots = self._of_swiss if found.design == "swiss" else self._of_classic
            raw = slots(found, map_kind, kind)
        batch: list[bytes] = []
        for key in raw:
            batch.append(key)
            if len(batch) >= BATCH_KEYS or len(texts) + len(batch) > most:
                texts += self._texts(kind, batch)
                batch = []
                if len(texts) > most:
                    return Keys(texts[:most], False)
        return Keys((texts + self._texts(kind, batch))[:most], True)

    # slots

    def _of_swiss(self, found: GoMap, kind: GoType, key: GoType) -> Iterator[bytes]:
        group = self._types.at(kind.group)
        size = key.size if not kind.flags & layouts.KEY_INDIRECT else 8
        if group is None or not 8 + 7 * kind.slot_bytes + size <= group.size <= 1 << 20:
            return
        step = max(1, BATCH_BYTES // group.size)
        for start, count in swiss.group_arrays(self._runtime, found.address):
            for first in range(0, count, step):
                several = min(step, count - first)
                raw = self._runtime.memory.read_many([(start + first * group.size, several * group.size)])[0]
                if raw is None:
                    continue
                places = [
                    i * group.size + 8 + slot * kind.slot_bytes
                    for i in range(several)
                    for slot in swiss.live_slots(raw[i * group.size : i * group.size + 8])
                ]
                yield from self._direct(
                    [bytes(raw[place : place + size]) for place in places],
                    key,
                    size != key.size or bool(kind.flags & layouts.KEY_INDIRECT),
                )

    def _of_classic(self, found: GoMap, kind: GoType, key: GoType) -> Iterator[bytes]:
        header = classic.header_at(self._runtime, found.address)
        if header is None:
            return
        is_indirect = bool(kind.flags & layouts.OLD_KEY_INDIRECT)
        size = 8 if is_indirect else key.size
        for bucket in classic.buckets(self._runtime, header, kind.bucket_bytes):
            live = [i for i, top in enumerate(bytes(bucket[:8])) if top >= layouts.TOPHASH_LIVE]
            yield from self._direct([bytes(bucket[8 + i * size : 8 + (i + 1) * size]) for i in live], key, is_indirect)

    def _direct(self, raw: list[bytes], key: GoType, is_indirect: bool) -> Iterator[bytes]:
        """The keys themselves, where their slots only point to them: those of more than 128 bytes."""
        if not is_indirect:
            yield from raw
            return
        places = [(int.from_bytes(pointer, "little"), key.size) for pointer in raw]
        yield from (bytes(content) for content in read_near(self._runtime.memory, places) if content is not None)

    def _of_trie(self, found: GoMap) -> Iterator[bytes]:
        """Keys of a sync.Map: an interface each. layout: internal/sync.entry: key@16."""
        places = [(entry + 16, 16) for entry in trie.entries_of(self._runtime, found.address)]
        yield from (bytes(content) for content in read_near(self._runtime.memory, places) if content is not None)

    # text

    def _texts(self, kind: GoType | None, raw: list[bytes]) -> list[str]:
        """The keys of a batch; all their strings are read in one go. `kind` None: interfaces."""
        decoded = [self._parts(kind, key, 0) if kind is not None else self._interface(key, 0) for key in raw]
        wanted = [part for parts in decoded for part in parts if not isinstance(part, str)]
        sizes = [(address, min(size, TEXT_MOST)) for address, size in wanted if size > 0]
        strings = iter(read_near(self._runtime.memory, sizes))
        texts = []
        for parts in decoded:
            words = []
            for part in parts:
                if isinstance(part, str):
                    words.append(part)
                elif part[1] > 0:
                    content = next(strings)
                    words.append(bytes(content).decode("utf-8", "backslashreplace") if content is not None else "?")
            texts.append("".join(words))
        return texts

    def _parts(self, kind: GoType, raw: bytes, depth: int) -> list[_Part]:
        if depth > DEPTH_MOST or len(raw) < kind.size:
            return ["?"]
        match kind.kind:
            case "string":
                address, size = struct.unpack_from("<Qq", raw)
                return [(address, size)] if 0 < size < 1 << 40 else [""]
            case "bool":
                return ["true" if raw[0] else "false"]
            case "interface":
                return self._interface(raw, depth, is_empty=kind.name in EMPTY_INTERFACES)
            case "struct":
                return self._struct(kind, raw, depth)
            case "array":
                return self._array(kind, raw, depth)
            case "ptr" | "chan" | "unsafe.Pointer":
                return [f"{int.from_bytes(raw[:8], 'little'):#x}"]
        form = _NUMBERS.get(kind.kind)
        return (
            [f"{struct.unpack_from(form, raw)[0]:g}" if "float" in kind.kind else str(struct.unpack_from(form, raw)[0])]
            if form
            else ["?"]
        )

    def _struct(self, kind: GoType, raw: bytes, depth: int) -> list[_Part]:
        """A struct of strings as `namespace/name`, without those that are empty; any other as Go prints it."""
        fields = [field for field in self._types.fields(kind) if field.name != "_"]
        parts: list[tuple[str, list[_Part], bool]] = []
        for field in fields:
            inner = self._types.at(field.type)
            if inner is None:
                return ["?"]
            found = self._parts(inner, raw[field.offset : field.offset + inner.size], depth + 1)
            parts.append((field.name, found, inner.kind == "string" or self._is_of_strings(inner, depth)))
        if parts and all(is_text for _, _, is_text in parts):
            names = [name for name, _, _ in parts]
            if "Namespace" in names and "Name" in names:
                parts.sort(key=lambda part: {"Namespace": 0, "Name": 1}.get(part[0], 2))
            return _joined([found for _, found, _ in parts if found != [""]], "/")
        return ["{", *_joined([found for _, found, _ in parts], " "), "}"]

    def _is_of_strings(self, kind: GoType, depth: int) -> bool:
        if kind.kind != "struct" or depth > DEPTH_MOST:
            return False
        inner = [self._types.at(field.type) for field in self._types.fields(kind)]
        return bool(inner) and all(
            one is not None and (one.kind == "string" or self._is_of_strings(one, depth + 1)) for one in inner
        )

    def _array(self, kind: GoType, raw: bytes, depth: int) -> list[_Part]:
        inner = self._types.at(kind.elem)
        if inner is None or not inner.size:
            return ["?"]
        if inner.kind == "uint8":
            text = raw[: kind.size].hex()
            is_uuid = kind.size == 16
            return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" if is_uuid else text]
        many = min(kind.length, ARRAY_MOST)
        found = [self._parts(inner, raw[i * inner.size : (i + 1) * inner.size], depth + 1) for i in range(many)]
        return ["[", *_joined(found, " "), "]"]

    def _interface(self, raw: bytes, depth: int, *, is_empty: bool = True) -> list[_Part]:
        """What an interface holds: its type, or its itab, and a pointer to the value."""
        word, data = struct.unpack_from("<QQ", raw)
        kind = self._types.at(word)
        if kind is None and not is_empty:
            tab = self._runtime.memory.read_many([(word, 16)])[0]
            kind = self._types.at(int.from_bytes(tab[8:], "little")) if tab is not None else None
        if kind is None:
            return ["nil" if not word else "?"]
        if kind.kind in {"ptr", "map", "func", "chan", "unsafe.Pointer"}:
            return [f"{data:#x}"]
        content = self._runtime.memory.read_many([(data, kind.size)])[0] if kind.size else memoryview(b"")
        return self._parts(kind, bytes(content), depth + 1) if content is not None else ["?"]


def _joined(several: list[list[_Part]], between: str) -> list[_Part]:
    return [part for i, parts in enumerate(several) for part in ([between] if i else []) + parts]
