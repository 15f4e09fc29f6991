"""A child object is created without an owner, and no code of the package deletes it.

*What it finds.* A function that runs from Reconcile and creates an object it has just made (a ConfigMap, a Secret, a Job …), in a
package that never sets an owner reference, never adds a finalizer, and never deletes an object.

*Why it matters.* When the parent goes, its children stay: garbage collection knows nothing of them.

A child with a name of its own, whoever the parent is, is left alone: there is one.

*When it is wrong.* The child is meant to outlive its parent, or something else cleans up by labels. This is told with `--level B`.

Bad:

    child := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name + "-credentials"}}
    return r.Create(ctx, child) // want "without an owner"

Good:

    if err := controllerutil.SetControllerReference(t, child, r.Scheme()); err != nil {
        return err
    }
    return r.Create(ctx, child)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from ghostkey.lint.facts import Made
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.bounded import is_constant_in
from ghostkey.lint.module import Package, Spot
from ghostkey.lint.reach import RECONCILES, reached

_CHILD = re.compile(r"(?:corev1|v1|appsv1|batchv1|rbacv1|networkingv1)\.(\w+)$")
_NAME = re.compile(r"\bName:\s*(.+?)(?:,|\}|$)")
NEAR = 8  # lines of a literal in which its name stands
_NO_CHILD = {"ObjectMeta", "Namespace", "Event", "Node", "Lease"}
_OWNS = re.compile(r"OwnerRef|ControllerRef|[Ff]inalizer|SetOwner")
_DELETES = re.compile(r"^(?:Delete|DeleteAllOf|DeleteCollection)$")


def _find(look: Look) -> Iterator[Finding]:
    is_owned = functools.cache(lambda folder: _is_owned(look.module.packages[folder]))
    for spot in look.spots():
        if not RECONCILES.match(spot.function.name) or not spot.function.receiver_type:
            continue
        for one in (spot, *reached(look.module, spot).values()):
            if one.package is not spot.package or is_owned(one.package.folder):
                continue
            made = {
                m.to.root: found[1]
                for m in one.function.made
                if m.goes == "local" and (found := _CHILD.match(m.type_name)) and not _is_one_for_all(one, m)
            }
            for call in one.function.calls:
                given = call.texts[:2] if call.name == "Create" else ()
                name = next((text.lstrip("&") for text in given if text.lstrip("&") in made), "")
                if made.get(name, "Event") not in _NO_CHILD:
                    yield Finding.at(
                        ("child-without-owner", "B"), one, call.line, made[name], name,
                        f"a {made[name]} is created without an owner, and no code of this package deletes one",
                        Witness.at(spot, spot.function.line, f"run from {spot.function.full_name}"),
                    )  # fmt: skip


def _is_one_for_all(spot: Spot, made: Made) -> bool:
    """Whether a child has a name that the code or its configuration says: there is one, whoever its parents are."""
    lines = spot.file.source[made.line - 1 : made.line - 1 + NEAR]
    name = next((found[1] for line in lines if (found := _NAME.search(line))), "")
    return bool(name) and (is_constant_in(spot, name) or name.startswith(f"{spot.function.receiver}."))


def _is_owned(package: Package) -> bool:
    """Whether anything in the package is about owners, finalizers, or deletes objects."""
    return any(
        _OWNS.search(call.name) or (_DELETES.match(call.name) and len(call.texts) > 1)
        for facts in package.files
        for function in facts.functions
        for call in function.calls
    ) or any("OwnerReferences:" in line for facts in package.files for line in facts.source)


RULE = Rule("B", "a child that nobody owns", _find)
