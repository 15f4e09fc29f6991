"""A function that is called to remove something, and removes nothing.

*What it finds.* A function or method called remove…, delete…, forget… with parameters, whose body does nothing but return nil, and
that is called in its package.

*Why it matters.* The caller believes that the key is gone.

*When it is wrong.* There is nothing to remove, and the function is there for symmetry; methods that an interface of the tree
demands are left out. This is told with `--level B`.

Bad:

    func (r *Reconciler) removeKey(ctx context.Context, key string) error { // want "does nothing"
        return nil
    }

Good:

    func (r *Reconciler) removeKey(ctx context.Context, key string) error {
        return r.patchRegistry(ctx, map[string]any{key: nil})
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.facts import Function
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.names import REMOVES, own_verb

_REMOVES = own_verb(f"{REMOVES}|cleanup")  # not exported: no other package's interface


def _find(look: Look) -> Iterator[Finding]:
    declared = look.module.interface_methods
    for spot in look.spots():
        function = spot.function
        if not _REMOVES.match(function.name) or not function.params or function.name in declared or not _is_empty(function):
            continue
        called = [(s, c) for s, c in look.module.callers.get(function.name, ()) if s.package is spot.package]
        alike = sum(other.package is spot.package for other in look.module.functions[function.name])
        if called and alike == 1:
            caller, call = called[0]
            yield Finding.at(
                ("delete-that-deletes-nothing", "B"), spot, function.line, function.full_name, call.texts[-1] if call.texts else "",
                f"{function.full_name} does nothing, and {caller.function.full_name} calls it to remove",
                Witness.at(caller, call.line, "called here"),
            )  # fmt: skip


def _is_empty(function: Function) -> bool:
    has_effect = function.calls or function.inserts or function.releases or function.resets or function.made or function.series
    return not has_effect and all(one.text in {"return", "return nil"} for one in function.returns)


RULE = Rule("B", "a delete that deletes nothing", _find)
