"""The testbed's operator: each mistake that code can show is found at its line, the correct one is silent; mutations of it; other words."""

from __future__ import annotations

import re

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.operator import operator, switched


def told(texts: dict[str, str]) -> set[tuple[str, str]]:
    """(rule, line of code) of what is found at both levels."""
    return {
        (finding.rule, texts[finding.path].split("\n")[finding.line - 1].strip())
        for finding in lint_files([(name, text.encode()) for name, text in texts.items()], level="B").findings
    }


NO_FINALIZER = {("finalizer-never-added", "return ctrl.Result{}, r.finalize(ctx, &tenant)")}
TWO_KEYS = {("keys-of-one-object-differ", "if err := r.removeKey(ctx, r.keyToDelete(tenant)); err != nil {")}
NOTHING = {("delete-that-deletes-nothing", "func (r *reconciler) removeKey(ctx context.Context, key string) error {")}
SHOWN = {
    "no-delete-on-notfound": NO_FINALIZER,
    "key-by-uid": NO_FINALIZER,
    "cleanup-lost-on-restart": NO_FINALIZER,
    "return-on-deletion-timestamp": {("map-never-deleted", "r.memory[r.keyOf(&tenant)] = r.valueOf(&tenant)")},
    "wrong-delete-key": TWO_KEYS,
    "sanitised-key": TWO_KEYS,
    "shortened-key": TWO_KEYS,
    "tombstone": {("value-emptied-not-deleted", 'return r.patchRegistry(ctx, map[string]any{key: ""})')},
    "nested-document": NOTHING,
    "secret-registry": NOTHING,
    "parallel-map": {("map-never-deleted", "r.seen[key] = time.Now()")},
    "nested-empty": {("nested-map-left-empty", "r.shards[key] = map[string]bool{}")},
    "early-return": {("child-gone-ends-cleanup", "return client.IgnoreNotFound(err)")},
    "error-branch": {("finalizer-dropped-on-error", "if err := r.removeKey(ctx, r.keyToDelete(tenant)); err != nil {")},
    "update-under-new-key": {("key-of-changing-field", "r.memory[r.keyOf(&tenant)] = r.valueOf(&tenant)")},
    "set-again-in-defer": {("inserted-again-in-defer", "defer r.note(tenant)")},
    # a delete that stands in one branch is the most ordinary thing, and which replica leads is no matter of the code
    "else-branch": set(),
    "non-leader": set(),
    "series-never-deleted": {
        ("series-never-deleted", "tenantPlans.WithLabelValues(t.Namespace, t.Name).Set(float64(len(t.Spec.Plan)))")
    },
    # a patch that is made of text is no map of the code
    "annotation-never-removed": set(),
    # what a webhook of others takes away, and values that are encoded twice, are no matter of who inserts and who deletes
    "owner-reference-stripped": set(),
    "double-encoding": set(),
}


def test_every_mistake_of_the_operator_is_here() -> None:
    known = set(re.findall(r'^\t"([\w-]+)":', switched()["mistakes.go"], re.MULTILINE))
    assert known == SHOWN.keys()


@pytest.mark.parametrize("mistake", sorted(SHOWN))
def test_mistake_is_found_at_its_line(mistake: str) -> None:
    assert told(operator(mistake)) == SHOWN[mistake]


def test_correct_operator_is_silent_at_both_levels() -> None:
    assert told(operator()) == set()


def without_deletes(texts: dict[str, str], field: str) -> dict[str, str]:
    return {name: "\n".join(line for line in text.split("\n") if f"delete(r.{field}" not in line) for name, text in texts.items()}


@pytest.mark.whole(
    but=[
        "",
        "cleanup-lost-on-restart",
        "else-branch",
        "nested-document",
        "non-leader",
        "return-on-deletion-timestamp",
        "series-never-deleted",
        "tombstone",
    ]
)
@pytest.mark.parametrize("mistake", ["", *sorted(SHOWN)])
def test_all_deletes_of_a_field_taken_away_are_missed(mistake: str) -> None:
    texts = operator(mistake)
    fields = {field for text in texts.values() for field in re.findall(r"delete\(r\.(\w+)", text)}
    filled = {field for text in texts.values() for field in re.findall(r"\br\.(\w+)\[[^\]]*\] =", text)}
    for field in fields & filled:
        findings = lint_files([(n, t.encode()) for n, t in without_deletes(texts, field).items()]).findings
        assert ("map-never-deleted", f"(reconciler).{field}") in {(f.rule, f.symbol) for f in findings}


def renamed(texts: dict[str, str]) -> dict[str, str]:
    for old, new in [
        ("memory", "lastSeen"),
        ("reconciler", "tenantController"),
        ("keyToDelete", "staleName"),
        ("keyOf", "nameOf"),
    ]:
        texts = {name: re.sub(rf"\b{old}\b", new, text) for name, text in texts.items()}
    return texts


def functions(text: str) -> tuple[str, list[str]]:
    """What stands before the first function, and the functions."""
    head, *rest = re.split(r"(?m)^(?=(?://[^\n]*\n)*func )", text)
    return head, rest


def reordered(texts: dict[str, str]) -> dict[str, str]:
    split = {name: functions(text) for name, text in texts.items()}
    return {name: head + "\n".join(part.rstrip("\n") + "\n" for part in reversed(parts)) for name, (head, parts) in split.items()}


def split_up(texts: dict[str, str]) -> dict[str, str]:
    head, parts = functions(texts["reconcile.go"])
    imports = re.search(r"(?s)^package.*?\n\)\n", head)
    assert imports
    half = len(parts) // 2
    others = {name: text for name, text in texts.items() if name != "reconcile.go"}
    return {**others, "reconcile.go": head + "".join(parts[:half]), "rest.go": imports[0] + "\n" + "".join(parts[half:])}


def aliased(texts: dict[str, str]) -> dict[str, str]:
    words = {
        "\tr.memory[r.keyOf(&tenant)] =": "\tentries := r.memory\n\tentries[r.keyOf(&tenant)] =",
        "delete(r.memory, r.keyOf(tenant))": "held := r.memory\n\t\tdelete(held, r.keyOf(tenant))",
    }
    for old, new in words.items():
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    return texts


def wrapped(texts: dict[str, str]) -> dict[str, str]:
    text = texts["reconcile.go"].replace(
        "\tr.memory[r.keyOf(&tenant)] =", "\tput(r.memory, r.keyOf(&tenant), r.valueOf(&tenant)) //"
    )
    text = text.replace("delete(r.memory, r.keyOf(tenant))", "r.forget(r.keyOf(tenant))")
    text += "\nfunc put(entries map[string]string, key, value string) {\n\tentries[key] = value\n}\n"
    if "r.forget(" in text:
        text += "\nfunc (r *reconciler) forget(key string) {\n\tdelete(r.memory, key)\n}\n"
    return {**texts, "reconcile.go": text}


CHANGES = (renamed, reordered, split_up, aliased, wrapped)
# each mistake in other words, and each way to say them; all pairs with --all
PAIRS = [
    pytest.param(change, mistake, marks=() if not mistake or (row + column) % (2 * len(CHANGES)) == 0 else pytest.mark.whole)
    for row, mistake in enumerate(["", *sorted(SHOWN)])
    for column, change in enumerate(CHANGES)
]


@pytest.mark.parametrize(("change", "mistake"), PAIRS)
def test_other_words_for_the_same_change_no_verdict(change, mistake: str) -> None:  # type: ignore[no-untyped-def]
    before, after = operator(mistake), change(operator(mistake))
    assert after != before
    assert sorted(rule for rule, _ in told(after)) == sorted(rule for rule, _ in SHOWN.get(mistake, set()))
