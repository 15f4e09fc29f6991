"""Children are created under a name that is new each time, and nothing deletes one while their owner is there.

*What it finds.* A Create (or a helper called create…, ensure…) of a kind of object whose name has something random, the time or a hash in
it, in a function that runs again and again, in a tree that deletes no object of that kind.

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

from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.startup import runs_at_start
from ghostkey.lint.module import Module, Spot

_CREATES = re.compile(r"(?:[Cc]reate|[Ee]nsure)(?:[A-Z]\w*)?$")
_DELETES = re.compile(r"(?:[Dd]elete|[Rr]emove|[Pp]rune|[Cc]lean\w*)(?:Collection|AllOf|All)?(?P<kind>[A-Z]\w*?)?s?$")
_OF_CLIENT = re.compile(r"\.(\w+?)s\([^()]*\)$")
_LITERAL = re.compile(r"&(?:\w+\.)?([A-Z]\w*)\{")
_KINDS = re.compile(r"(?:batch\w*|core\w*|v1\w*|apps\w*|rbac\w*|[a-z]\w*v1\w*)\.([A-Z]\w*)$")
_NEW_NAME = re.compile(r"GenerateName:|[rR]and\w*\.(?:String|Int|Safe)|[rR]andString|uuid\.|time\.Now\(\)|\.Unix\w*\(\)|[hH]ash")
_NAME = re.compile(r"\b\w*[nN]ame\w*\s*:?=|\bName:|GenerateName:|Sprintf\(")
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
    places = [(spot, max(function.line, call.line - LINES), call.line)]
    given = {text.lstrip("&") for text in call.texts}
    for made in function.made:
        if made.goes == "local" and made.to.root in given and made.type_name.startswith("()") and made.line < call.line:
            own = [one for one in module.functions.get(made.type_name[2:].rpartition(".")[2], ()) if one.package is spot.package]
            places += [(one, one.function.line, max((r.last_line for r in one.function.returns), default=0)) for one in own]
    if any(_ENDS_ITSELF.search(line) for where, first, last in places for line in where.file.source[first - 1 : last]):
        return None
    for where, first, last in places:
        for number, line in enumerate(where.file.source[first - 1 : last], first):
            code = line.partition("//")[0]
            if _NAME.search(code) and _NEW_NAME.search(code):
                return where, number
    return None


RULE = Rule("B", "children under new names that nobody deletes", _find)
