"""A handler of deletes returns where it is given a tombstone, before it deletes the key.

*What it finds.* A function that is given any object, asserts its kind and returns where it is another (`pod, ok := obj.(*corev1.Pod);
if !ok { return }`), is the `DeleteFunc` of an informer's handlers, and has, by itself or by what it calls, all deletes of a map. It says
nothing of `cache.DeletedFinalStateUnknown`, and what it calls with the object does neither.

*Why it matters.* An informer that missed the delete, because its watch was broken off, learns of it when it lists again, and tells it by
a tombstone. The key of such an object stays.

*When it is wrong.* Something else sweeps the map. This is told with `--level B`.

Bad:

    func (c *Controller) onDelete(obj any) { // AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: c.onDelete})
        pod, ok := obj.(*corev1.Pod)
        if !ok {
            return // want "tombstone"
        }
        delete(c.nodes, pod.Name)
    }

Good:

    if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
        obj = tombstone.Obj
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import FileFacts
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import Package, Spot
from ghostkey.lint.reach import reached

_HANDLER = re.compile(r"\bDeleteFunc:\s*(?:func\((\w+) (?:any|interface\{\})\)\s*\{|(?:\w+\.)*(\w+)\s*(?:[,}]|$))")
_ANY = {"any", "interface{}"}
_KNOWS = re.compile(r"DeletedFinalStateUnknown|DeletionHandling|[Tt]ombstone")
MOST = 200  # lines of a handler


def _find(look: Look) -> Iterator[Finding]:
    known: dict[str, list[Spot]] = {}
    for spot in look.spots():
        known.setdefault(spot.package.folder, []).append(spot)
    for package in look.module.packages.values():
        for spot, begin, given in _handlers(package, known.get(package.folder, [])):
            lines = _body(spot.file, begin)
            line = _returns_at(lines, given)
            if line is None or _knows(lines) or _is_unpacked(look, spot, begin, len(lines), given):
                continue
            calls = [call for call in spot.function.calls if begin <= call.line < begin + len(lines)]
            run = reached(look.module, spot, calls)
            for symbol, held in look.held.items():
                if held.releases and not held.inner_releases and symbol.folder == package.folder:
                    inside = [
                        one
                        for one in held.releases
                        if id(one.spot.function) in run
                        or (one.spot.function is spot.function and begin <= one.release.line < begin + len(lines))
                    ]
                    if len(inside) == len(held.releases):
                        first = held.inserts[0]
                        yield Finding.at(
                            ("tombstone-not-unpacked", "B"), spot, begin + line, symbol, first.insert.place.keys[0],
                            f"{symbol} is deleted from only behind this return, which a tombstone of a missed delete takes",
                            Witness.at(inside[0].spot, inside[0].release.line, "the delete"),
                            Witness.at(first.spot, first.insert.line, f"inserted in {first.spot.function.full_name}"),
                        )  # fmt: skip


def _takes_any(spot: Spot) -> bool:
    return [kind for _, kind in spot.function.params] in [[kind] for kind in _ANY]


def _handlers(package: Package, spots: list[Spot]) -> Iterator[tuple[Spot, int, str]]:
    """The DeleteFunc handlers of a package: the function that has the code, its first line, and what the object is called."""
    for facts in package.files:
        for number, text in enumerate(facts.source, 1):
            found = _HANDLER.search(text) if "DeleteFunc:" in text else None
            if found is None:
                continue
            if found[2]:
                named = [spot for spot in spots if spot.function.name == found[2] and _takes_any(spot)]
                yield from ((spot, spot.function.line, spot.function.params[0][0]) for spot in named[:1])
            else:
                around = [spot for spot in spots if spot.file is facts and spot.function.line <= number]
                yield from ((spot, number, found[1]) for spot in around[-1:])


def _body(facts: FileFacts, begin: int) -> list[str]:
    """The lines of a function or literal, as gofmt sets them."""
    first = facts.source[begin - 1]
    indent = len(first) - len(first.lstrip())
    lines = [first]
    for text in facts.source[begin : begin + MOST]:
        lines.append(text)
        if text[indent : indent + 1] == "}" and not text[:indent].strip():
            break
    return lines


def _knows(lines: list[str]) -> bool:
    """Whether code, comments aside, names tombstones."""
    return any(_KNOWS.search(text.partition("//")[0]) for text in lines)


def _returns_at(lines: list[str], given: str) -> int | None:
    """The line, from 0, of the return that is taken where the object is of another kind."""
    asserted = re.compile(rf"\b\w+, (\w+) := {re.escape(given)}\.\(\*?[\w.]+\)")
    for at, text in enumerate(lines):
        found = asserted.search(text)
        asks = at if found and f"; !{found[1]} {{" in text else at + 1
        if found is None or asks >= len(lines) or f"!{found[1]} {{" not in lines[asks]:
            continue
        for later in range(asks + 1, min(asks + 5, len(lines))):
            if lines[later].strip() == "}":
                break
            if re.match(r"\s*return\b", lines[later]):
                return later
    return None


def _is_unpacked(look: Look, spot: Spot, begin: int, count: int, given: str) -> bool:
    """Whether a helper that is given the object knows of tombstones."""
    names = {call.name for call in spot.function.calls if begin <= call.line < begin + count and given in call.texts}
    return any(_knows(_body(one.file, one.function.line)) for name in names for one in look.module.functions.get(name, ())[:3])


RULE = Rule("B", "a handler of deletes that knows no tombstone", _find)
