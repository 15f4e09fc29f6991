"""A map is deleted from in a method that nobody calls.

*What it finds.* All deletes of a map that is held for long are in methods that no code of the tree calls (or that
are called by such methods alone), or names as a value; of a method that an interface declares, that nothing of its name is called;
of one that is given a key alone, that it is called on nothing that may be of its type.

*Why it matters.* The delete was written, and the call forgotten: the map grows.

*When it is wrong.* Another module calls it. This is told with `--level B`.

Bad:

    func (c *Cache) Forget(name string) { // called by nobody
        delete(c.objects, name)
    }

Good:

    if apierrors.IsNotFound(err) {
        c.Forget(req.Name)
    }
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.code import has_program
from ghostkey.lint.judgements.startup import is_called, is_of_interface, may_mean
from ghostkey.lint.module import Module, Spot
from ghostkey.lint.reach import calls_of

DEPTH = 3  # of callers: above it, some framework calls
_CALLED_BY_OTHERS = re.compile(
    r"(?i)^(?:reconcile|on[A-Z]|delete$|update$|create$|generic$|handle|sync|ServeHTTP|Close|Stop|run|start|main$|init$|\(package\)|.*ForTest)"
)

_KEY = re.compile(r"string|u?int(?:32|64)?|(?:types\.)?(?:NamespacedName|UID)|(?:client\.)?ObjectKey")


def _find(look: Look) -> Iterator[Finding]:
    declared = look.module.interface_methods
    # one text for each package: it is asked for many names
    texts = {
        folder: "\n".join(line for file in one.files for line in file.source) for folder, one in look.module.packages.items()
    }
    is_value = functools.cache(functools.partial(_is_value, look.module, texts))
    for symbol, held in look.held.items():
        functions = {id(one.spot.function): one for one in held.releases}
        names = [one.spot.function.name for one in functions.values()]
        is_dead = functions and all(_is_never_meant(look.module, texts, one.spot) for one in functions.values())
        if not functions or (not is_dead and any(_may_be_called(look.module, name, declared, is_value) for name in names)):
            continue
        first, dead = held.inserts[0], held.releases[0]
        where = dead.spot.function.full_name
        yield Finding(
            "delete-never-called", "B", first.spot.file.path, first.insert.line, str(symbol), first.spot.function.full_name,
            first.insert.place.keys[0], f"{symbol} is deleted from in {where} alone, which nobody calls",
            (Witness(dead.spot.file.path, dead.release.line, f"{where} has no caller in this tree"),),
        )  # fmt: skip


def _is_never_meant(module: Module, texts: dict[str, str], spot: Spot) -> bool:
    """Whether a program has a method that takes a key, and calls it on nothing that may be of its type, whatever else has its name.

    What a framework calls is given objects and events, and more than a key.
    """
    kinds = [kind for _, kind in spot.function.params]
    is_by_key = bool(kinds) and all(_KEY.fullmatch(kind) for kind in kinds)
    name = spot.function.name
    as_value = re.compile(rf"[\w)\]]\.{re.escape(name)}\b(?!\s*[\[(])")  # c.reconcile, which something else calls
    if not spot.function.receiver_type or not is_by_key or not has_program(module):
        return False
    if spot.function.receiver_type[:1].islower() and not is_of_interface(module, spot):  # its own package has it alone
        own = [(caller, call) for caller, call in calls_of(module, spot) if caller.package is spot.package]
        return not any(may_mean(module, *one, spot) for one in own) and not _stands(as_value, texts[spot.package.folder])
    if is_called(module, spot):
        return False
    if any(caller.function.name == name for caller, _ in calls_of(module, spot)):
        return False  # another type's method of that name hands on to it
    folders = texts if name[:1].isupper() else (spot.package.folder,)
    return not any(_stands(as_value, texts[folder]) for folder in folders)


def _may_be_called(
    module: Module, name: str, declared: frozenset[str], is_value: Callable[[str], bool], seen: frozenset[str] = frozenset()
) -> bool:
    """Whether a function is handed on as a value, is called by a framework, or by a function that may be called."""
    if _CALLED_BY_OTHERS.match(name):
        return True
    if name in declared:  # whoever has such a one may call it; where nobody calls what has the name, nobody does
        return not has_program(module) or bool(module.callers.get(name)) or is_value(name)
    callers = {spot.function.name for spot, _ in module.callers.get(name, ())} - {name} - seen
    if len(seen) >= DEPTH:
        return bool(callers) or is_value(name)
    if any(_may_be_called(module, caller, declared, is_value, seen | {name}) for caller in sorted(callers)):
        return True
    return is_value(name)


def _is_value(module: Module, texts: dict[str, str], name: str) -> bool:
    """Whether a function's name stands anywhere without being called or declared: in an argument, a literal, an assignment."""
    named = re.compile(rf"\b{re.escape(name)}\b(?!\s*[\[(])")
    folders = list(module.packages) if name[:1].isupper() else sorted({spot.package.folder for spot in module.functions[name]})
    return any(name in texts[folder] and _stands(named, texts[folder]) for folder in folders)


def _stands(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a pattern is found in a text outside of comments."""
    return any("//" not in text[text.rfind("\n", 0, found.start()) + 1 : found.start()] for found in pattern.finditer(text))


RULE = Rule("B", "a delete that nobody calls", _find)
