"""A key is written into the data of a ConfigMap or Secret, and no code of the package deletes one.

*What it finds.* `cm.Data[key] = value` (or `BinaryData`, `StringData`) with a key that is no constant, on an object that is read
from the cluster or handed in, in a package without a `delete(….Data, …)` and without a new map in its place.

*Why it matters.* These are the ghost keys that `ghostkey scan` finds: the object grows until the API server refuses it.

*When it is wrong.* The object is replaced as a whole elsewhere, or somebody else deletes.

Bad:

    cm.Data[tenant.Namespace+"."+tenant.Name] = encode(tenant) // want "no code of this package deletes"
    return r.Update(ctx, cm)

Good:

    if !tenant.DeletionTimestamp.IsZero() {
        delete(cm.Data, tenant.Namespace+"."+tenant.Name)
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Function, Insert
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import DATA
from ghostkey.lint.judgements.bounded import (
    is_answer_of_few,
    is_constant_in,
    is_constant_of_callers,
    is_of_options,
    is_of_table,
)
from ghostkey.lint.judgements.code import has_program
from ghostkey.lint.module import Module, Package, Spot
from ghostkey.lint.reach import calls_of, handed_over

_READS = {"Get", "CreateOrUpdate", "CreateOrPatch"}
_CALLED_SO = re.compile(r"(?i)(?:cm|secret|configmap)$")
_ASSERTED = re.compile(r"(\w+)\.\(\*")
_IS_ONE = re.compile(r"&?(?:\w+\.)?(?:ConfigMap|Secret)\{")
_GIVES = re.compile(r"\.(?:GetOrCreate|GetOrAdd|GetOrNew)\((?!\w*[cC]tx|context\.)")
_BUILDS = re.compile(r"(?i)(?:build|new|make|generate|construct|compose|mutate|render)")


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        for insert in spot.function.inserts:
            if _is_data(look.module, spot, insert) and not _is_released(spot.package):
                name, key = insert.place.fields[-1], insert.place.keys[-1]
                yield Finding(
                    "data-key-never-deleted",
                    "B" if _is_uncalled(look.module, spot) else "A",
                    spot.file.path,
                    insert.line,
                    f"{insert.place.root}.{name}",
                    spot.function.full_name,
                    key,
                    f"{insert.place.root}.{name} gets the key {key}, and no code of this package deletes one",
                    (Witness(spot.file.path, insert.line, f"inserted in {spot.function.full_name}"),),
                )


def _is_uncalled(module: Module, spot: Spot) -> bool:
    """Whether a function of a program's tree has no caller there, is handed to nobody, and is no method that others may ask for."""
    function = spot.function
    return (
        not function.receiver_type
        and has_program(module)
        and not module.callers.get(function.name)
        and function.name not in handed_over(module)
    )


def _is_data(module: Module, spot: Spot, insert: Insert) -> bool:
    """Whether an insert is of a key that varies, into an object that was there before."""
    place, function = insert.place, spot.function
    if not place.fields or place.fields[-1] not in DATA or not place.keys:
        return False
    kind = module.type_of_root(spot, place.root)
    is_called_so = _CALLED_SO.search(place.root) is not None and not kind.endswith(("Response", "Request"))
    if not re.search(r"(?:ConfigMap|Secret)s?\b", kind) and not is_called_so:
        return False
    key = place.keys[-1]
    if is_constant_in(spot, key) or is_of_table(spot, key) or is_constant_of_callers(module, spot, key):
        return False
    if is_answer_of_few(module, spot, key):
        return False
    if _is_new(module, spot, insert):
        return False
    if is_of_options(module, spot, key.rpartition(".")[0]):
        return False  # what the program, or a caller in it, chose
    position = next((at for at, (name, _) in enumerate(function.params) if name == place.root), None)
    if position is None:
        return True
    return not _BUILDS.match(function.name) and not _is_new_to_callers(module, spot, position)


def _is_new_to_callers(module: Module, spot: Spot, position: int) -> bool:
    """Whether every caller hands over what it has made, or had made, before, and has read nothing into it."""
    calls = [(caller, call.texts[position]) for caller, call in calls_of(module, spot) if position < len(call.texts)]
    return bool(calls) and all(_is_made(module, caller, text) and not _reads(caller.function, text) for caller, text in calls)


def _is_new(module: Module, spot: Spot, insert: Insert) -> bool:
    """Whether the object, or its data, is made in this function, or in one that it calls, and so replaces what was there."""
    function, root, name = spot.function, insert.place.root, insert.place.fields[-1]
    if any(branch.kind == "for" and branch.text == f"range {root}.{name}" for branch in insert.branches):
        return True  # what is there already gets another value
    is_made, reads = _is_made(module, spot, root), _reads(function, root)
    if is_made and not reads:
        return True
    # what is read after it was made, or within a read, has what the cluster has
    before = [
        reset
        for reset in function.resets
        if reset.place.root == root and reset.at < insert.at and not any(reset.at < at < insert.at for at in reads)
    ]
    # secret = &corev1.Secret{…}, on the way to the insert
    if any(
        _IS_ONE.match(one.value) and one.branches == insert.branches[: len(one.branches)]
        for one in before
        if not one.place.fields
    ):
        return True
    return any(reset.place.fields[-1:] == (name,) and not reset.is_first for reset in before)


def _reads(function: Function, root: str) -> list[int]:
    """Where something is read from the cluster into a local: bytes of the calls."""
    return [call.at for call in function.calls if call.name in _READS and root in {text.lstrip("&") for text in call.texts}]


def _is_made(module: Module, spot: Spot, root: str) -> bool:
    """Whether a local is a literal, declared, or what a function gives that makes one."""
    local = spot.function.locals.get(root)
    if local is None:
        return False
    return bool(
        re.search(r"(?:ConfigMap|Secret)\{", local.text + local.whole)
        # a struct of the function's own, which looks like one
        or re.match(r"&?struct\b.*\{", local.text, re.DOTALL)
        # `var secret corev1.Secret`: what is decoded into it is no object of the cluster until somebody says so
        or local.how == "type"
        or (local.how == "call" and _makes_one(module, spot, local.text))
        or _is_of_store(spot.function, local.text)
    )


def _is_of_store(function: Function, text: str) -> bool:
    """Whether an object is asserted of what a store gives that is filled in this process: to ask a server takes a context."""
    found = _ASSERTED.match(text)
    local = function.locals.get(found[1]) if found else None
    return local is not None and _GIVES.search(local.whole) is not None


def _makes_one(module: Module, spot: Spot, called: str) -> bool:
    """Whether a function of this package gives a ConfigMap or Secret that it has made, or whose data it has."""
    found = [other.function for other in module.functions.get(called.rpartition(".")[2], ()) if other.package is spot.package]
    return bool(found) and all(
        (
            (_BUILDS.match(each.name) and re.search("ConfigMap|Secret", each.result) is not None)
            or any(
                made.type_name.rpartition(".")[2] in {"ConfigMap", "Secret"} and made.goes in {"return", "local"}
                for made in each.made
            )
        )
        and not any(call.name in _READS for call in each.calls)
        and each.returned.isdisjoint(name for name, _ in each.params)  # what it was given is none that it made
        for each in found
    )


def _is_released(package: Package) -> bool:
    return any(
        release.place.fields and release.place.fields[-1] in DATA
        for facts in package.files
        for function in facts.functions
        for release in function.releases
    )


RULE = Rule("A", "a key of a ConfigMap or Secret that nobody deletes", _find)
