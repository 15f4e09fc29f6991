"""Rules about the way that a clean-up takes: each on what it finds, and on what it leaves alone."""

from __future__ import annotations

from tests.lint.go import HEAD, check, unwanted

FINALIZE = (
    HEAD
    + """
type Reconciler struct {
\tclient.Client
\tmemory map[string]string
}

func (r *Reconciler) Reconcile(ctx context.Context, t *Tenant) error {
\tif !t.DeletionTimestamp.IsZero() {
\t\treturn r.finalize(ctx, t)
\t}
\tr.memory[t.Name] = "x"
\treturn nil
}

func (r *Reconciler) finalize(ctx context.Context, t *Tenant) error {
"""
)


def test_clean_up_that_a_missing_child_ends() -> None:
    rule = "child-gone-ends-cleanup"
    text = (
        FINALIZE
        + """
\tif err := r.Delete(ctx, child(t)); err != nil {
\t\treturn client.IgnoreNotFound(err) // want "gone already"
\t}
\tdelete(r.memory, t.Name)
\treturn nil
}
"""
    )
    check(text, level="B", rule=rule)
    longer = (
        "\tif err := r.Delete(ctx, child(t)); err != nil {\n\t\tif apierrors.IsNotFound(err) {\n"
        '\t\t\treturn nil // want "gone already"\n\t\t}\n\t\treturn err\n\t}\n\tdelete'
    )
    head, _, tail = text.partition("\tif err := r.Delete")
    check(head + longer + tail.partition("\tdelete")[2], level="B", rule=rule)
    silent = unwanted(text)
    check(silent.replace("client.IgnoreNotFound(err)", "err"), level="B", rule=rule)
    check(silent.replace("r.Delete(ctx, child(t))", "client.IgnoreNotFound(r.Delete(ctx, child(t)))").replace(
        "return client.IgnoreNotFound(err)", "return err"), level="B", rule=rule)  # fmt: skip
    # what is deleted first has nothing to be afraid of, nor what another way deletes too
    check(silent.replace("\tif err :=", "\tdelete(r.memory, t.Name)\n\tif err :="), level="B", rule=rule)
    check(silent.replace("r.Delete(ctx", "r.Get(ctx"), level="B", rule=rule)


def test_finalizer_that_is_dropped_although_the_clean_up_failed() -> None:
    rule = "finalizer-dropped-on-error"
    text = (
        FINALIZE
        + """
\tdelete(r.memory, t.Name)
\tif err := r.removeKey(ctx, t.Name); err != nil { // want "all the same"
\t\tlog.Error(err, "cannot remove the key")
\t}
\tcontrollerutil.RemoveFinalizer(t, finalizer)
\treturn r.Update(ctx, t)
}
"""
    )
    check(text, level="B", rule=rule)
    silent = unwanted(text)
    check(silent.replace('key")\n', 'key")\n\t\treturn err\n'), level="B", rule=rule)
    check(silent.replace('key")\n', 'key")\n\t\terrs = append(errs, err)\n'), level="B", rule=rule)
    check(silent.replace("r.removeKey(", "r.recordEvent("), level="B", rule=rule)
    check(silent.replace("\tcontrollerutil.RemoveFinalizer(t, finalizer)\n", ""), level="B", rule=rule)
    kept = silent.replace("\tcontrollerutil.Remove", "\tif isClean(t) {\n\t\tcontrollerutil.Remove").replace(
        "finalizer)\n", "finalizer)\n\t}\n"
    )
    check(kept, level="B", rule=rule)


def test_key_that_is_inserted_again_after_its_delete() -> None:
    rule = "inserted-again-in-defer"
    note = "\nfunc (r *Reconciler) note(t *Tenant) {\n\tr.memory[t.Name] = time.Now().String()\n}\n"
    text = (
        FINALIZE
        + """
\tdefer r.note(t) // want "after that"
\tdelete(r.memory, t.Name)
\treturn nil
}
"""
        + note
    )
    check(text, level="B", rule=rule)
    check(
        text.replace("r.note(t) //", "func() { r.note(t) }() //"),
        level="B",
        rule=rule,
    )
    silent = unwanted(text)
    check(silent.replace("defer r.note(t)", "r.note(t)"), level="B", rule=rule)
    check(silent.replace("\tdelete(r.memory, t.Name)\n", "\tdefer delete(r.memory, t.Name)\n"), level="B", rule=rule)
    check(silent.replace("\tdefer r.note(t)", "\tif t.Ready {\n\t\tdefer r.note(t)\n\t\treturn nil\n\t}"), level="B", rule=rule)
    check(silent.replace("String()\n", "String()\n\tif t.Gone {\n\t\tdelete(r.memory, t.Name)\n\t}\n"), level="B", rule=rule)


def test_key_of_what_may_change() -> None:
    rule = "key-of-changing-field"
    text = (
        FINALIZE.replace('r.memory[t.Name] = "x"', 'r.memory[keyOf(t)] = "x" // want "leaves the old key"')
        + """
\tdelete(r.memory, keyOf(t))
\treturn nil
}

func keyOf(t *Tenant) string {
\tfull := t.Namespace + "." + t.Name
\treturn full + "." + t.Spec.Plan
}
"""
    )
    check(text, level="B", rule=rule)
    written_out = text.replace("keyOf(t)]", 't.Name+"."+t.Spec.Plan]').replace(
        "delete(r.memory, keyOf(t))", 'delete(r.memory, t.Name+"."+t.Spec.Plan)'
    )
    check(written_out, level="B", rule=rule)
    silent = unwanted(text)
    check(silent.replace("t.Spec.Plan", "t.Spec.NodeName"), level="B", rule=rule)
    check(silent.replace('full + "." + t.Spec.Plan', "full"), level="B", rule=rule)
    # by the old object as well, or all that begin so
    check(
        silent.replace("\tdelete(r.memory, keyOf(t))", "\tdelete(r.memory, keyOf(t))\n\tdelete(r.memory, t.Status.Key)"),
        level="B",
        rule=rule,
    )
    check(silent.replace("\tdelete(r.memory, keyOf(t))", "\tclear(r.memory)"), level="B", rule=rule)
