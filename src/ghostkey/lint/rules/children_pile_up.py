"""Children are created under a name that is new each time, and nothing deletes one while their owner is there.

*What it finds.* A Create (or a helper called create…, ensure…) of a kind of object whose Name or GenerateName has something random, the time
or a hash of what may change (a spec, data, the object as a whole; no name) in it, in a function that runs again and again, in a tree that
deletes no object of that kind.

*Why it matters.* An owner reference helps when the owner goes, which may be never: until then each run, each revision leaves one more Job,
one more ConfigMap, and etcd keeps them all.

*When it is wrong.* The kind cleans up after itself (`ttlSecondsAfterFinished`, a limit of its history), or the object is created once. This
is told with `--level B`.

Bad:

    job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: cr.Name + "-" + rand.String(5)}}
    _, err := c.client.BatchV1().Jobs(cr.Namespace).Create(ctx, job, metav1.CreateOptions{}) // want "nothing deletes one"

Good:

    for _, old := range finished(jobs, limit) {
        c.client.BatchV1().Jobs(old.Namespace).Delete(ctx, old.Name, metav1.DeleteOptions{})
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.child_names import Code, new_name_of_call
from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.startup import runs_at_start
from ghostkey.lint.module import Module, Spot

_CREATES = re.compile(r"(?:[Cc]reate|[Ee]nsure)(?:[A-Z]\w*)?$")
_DELETES = re.compile(r"(?:[Dd]elete|[Rr]emove|[Pp]rune|[Cc]lean\w*)(?:Collection|AllOf|All)?(?P<kind>[A-Z]\w*?)?s?$")
_OF_CLIENT = re.compile(r"\.(\w+?)s\([^()]*\)$")
_LITERAL = re.compile(r"&(?:\w+\.)?([A-Z]\w*)\{")
_KINDS = re.compile(r"(?:batch\w*|core\w*|v1\w*|apps\w*|rbac\w*|[a-z]\w*v1\w*)\.([A-Z]\w*)$")
_ENDS_ITSELF = re.compile(r"TTLSecondsAfterFinished|HistoryLimit")
# reviews are kept by nobody, and requests of certificates not for long: kube-controller-manager takes them away
_NOT_KEPT = re.compile(
    r"Event|CertificateSigningRequest|\w*Review|TokenRequest|Eviction|Binding|Lease|Options|ObjectMeta|Client|Meta$"
)
LINES = 60  # in front of a Create, in which its name is made


def _find(look: Look) -> Iterator[Finding]:
    deleted = _deleted_kinds(look.module)
    for spot in look.spots():
        for call in spot.function.calls:
            kind = _kind(spot, call) if _CREATES.match(call.name) else ""
            if not kind or kind in deleted or _NOT_KEPT.match(kind) or _deletes_any(spot):
                continue
            line = _line_of_name(look.module, spot, call)
            if line is not None and not runs_at_start(look.module, spot):
                where, at = line
                yield Finding.at(
                    ("children-pile-up", "B"), spot, call.line, kind, call.texts[-1][:40],
                    f"{spot.function.full_name} creates a {kind} under a name that is new each time, and nothing deletes one",
                    Witness.at(where, at, "its name is made here"),
                )  # fmt: skip


def _kind(spot: Spot, call: Call) -> str:
    """The kind of object that a call creates, as its client, a literal or the local that is handed over says; empty if none does."""
    if call.name == "Create" and (found := _OF_CLIENT.search(call.qualifier)):
        return found[1]
    for text in call.texts:
        if found := _LITERAL.match(text):
            return found[1]
    if call.name != "Create":
        return ""
    made = {one.to.root: one.type_name for one in spot.function.made if one.goes == "local"}
    kinds = [found[1] for text in call.texts if (found := _KINDS.match(made.get(text.lstrip("&"), "")))]
    return kinds[0] if kinds else ""


def _deleted_kinds(module: Module) -> set[str]:
    """The kinds of which some code of the tree deletes objects."""
    found: set[str] = set()
    for name, calls in module.callers.items():
        match = _DELETES.match(name)
        if match is None:
            continue
        if match["kind"]:
            found.add(match["kind"])
        for _, call in calls:
            if of_client := _OF_CLIENT.search(call.qualifier):
                found.add(of_client[1])
    return found


def _deletes_any(spot: Spot) -> bool:
    """Whether the package deletes objects by a client that takes all kinds: `r.Delete(ctx, obj)`."""
    return any(
        call.name in {"Delete", "DeleteAllOf"} and len(call.texts) > 1 and not call.qualifier.endswith(")")
        for facts in spot.package.files
        for function in facts.functions
        for call in function.calls
    )


def _line_of_name(module: Module, spot: Spot, call: Call) -> tuple[Spot, int] | None:
    """Where the name of what is created is made, when it is new each time: in front of the call, or in the function that makes it."""
    function = spot.function

    def makers(name: str) -> list[Code]:
        return [
            Code(one, one.function.line, max(back.last_line for back in one.function.returns))
            for one in module.functions.get(name, ())
            if one.package is spot.package and one.function.returns and name != function.name
        ]

    code = Code(spot, max(function.line, call.line - LINES), call.line + LINES)
    given = {text.lstrip("&") for text in call.texts}
    names = {
        made.type_name[2:].rpartition(".")[2]
        for made in function.made
        if made.goes == "local" and made.to.root in given and made.type_name.startswith("()") and made.line < call.line
    }
    own = [line for name in sorted(names) for one in makers(name) for line in one.lines]
    if any(_ENDS_ITSELF.search(line) for line in (*code.lines[: call.line - code.first + 1], *own)):
        return None
    found = new_name_of_call(code, call.name, call.line, makers)
    return (found[0].spot, found[0].line(found[1])) if found is not None else None


RULE = Rule("B", "children under new names that nobody deletes", _find)
