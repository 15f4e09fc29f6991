"""Maps and vectors that are locals, and outlive the call: a literal that is handed on has them, or a loop without an end."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

MAPPED = (
    HEAD
    + """
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
\tseen := map[string]time.Time{}
\treturn ctrl.NewControllerManagedBy(mgr).For(&corev1.Pod{}).Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(
\t\tfunc(ctx context.Context, obj client.Object) []reconcile.Request {
\t\t\tseen[obj.GetName()] = time.Now() // want "seen of (Reconciler).SetupWithManager gets one key for each obj.GetName()"
\t\t\treturn nil
\t\t},
\t)).Complete(r)
}
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("seen := map[string]time.Time{}", "seen := make(map[string]time.Time, 8)"),
        lambda text: text.replace("seen := map[string]time.Time{}", "var seen sync.Map").replace("seen[obj.GetName()] = time.Now()", "seen.Store(obj.GetName(), time.Now())"),
        lambda text: text.replace("seen := map[string]time.Time{}", "seen := sets.New[string]()").replace("seen[obj.GetName()] = time.Now()", "seen.Insert(obj.GetName())"),
        lambda text: text.replace("SetupWithManager(mgr ctrl.Manager) error", "SetupWithManager(mgr ctrl.Manager) error").replace("handler.EnqueueRequestsFromMapFunc(\n\t\tfunc", "handler.Funcs{CreateFunc: func").replace("[]reconcile.Request {", "[]reconcile.Request {").replace("},\n\t)).Complete", "}}).Complete"),
    ],
    ids=["literal", "make", "sync.Map", "set", "part of a struct"],
)  # fmt: skip
def test_local_of_a_handler_is_held(change) -> None:
    check(change(MAPPED))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("return nil\n", "delete(seen, obj.GetNamespace())\n\t\t\treturn nil\n"),
        lambda text: text.replace("seen[obj", "seen := map[string]time.Time{}\n\t\t\tseen[obj"),  # one's own
        lambda text: text.replace("handler.EnqueueRequestsFromMapFunc(", "retry.OnConflict("),
        lambda text: text.replace("return nil\n", "seen = map[string]time.Time{}\n\t\t\treturn nil\n"),
        lambda text: (
            text.replace("return nil\n", "prune(seen)\n\t\t\treturn nil\n")
            + "\nfunc prune(m map[string]time.Time) {\n\tdelete(m, oldest(m))\n}\n"
        ),
        lambda text: text.replace("seen[obj.GetName()]", 'seen["last"]'),
    ],
    ids=["deleted", "shadowed", "run at once", "made anew", "helper", "constant"],
)
def test_local_that_is_cleaned_or_ends_is_not_told(change) -> None:
    assert not found(unwanted(change(MAPPED)), level="B", rule="map-never-deleted")


RETURNED = (
    HEAD
    + """
func mapPods(reg prometheus.Registerer) handler.MapFunc {
\tseen := map[types.NamespacedName]bool{}
\tvec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})
\treg.MustRegister(vec)
\treturn func(ctx context.Context, obj client.Object) []reconcile.Request {
\t\tseen[client.ObjectKeyFromObject(obj)] = true // want "nothing deletes from it"
\t\tvec.WithLabelValues(obj.GetNamespace(), obj.GetName()).Set(1) // want "nothing deletes one"
\t\treturn nil
\t}
}
"""
)


def test_local_of_a_literal_that_is_returned() -> None:
    check(RETURNED)
    named = RETURNED.replace("\treturn func(ctx", "\tmapped := func(ctx").replace(
        "return nil\n\t}\n", "return nil\n\t}\n\treturn mapped\n"
    )
    check(named)
    check(
        RETURNED.replace(
            "vec.WithLabelValues(obj.GetNamespace(), obj.GetName())",
            'vec.With(prometheus.Labels{"namespace": obj.GetNamespace(), "name": obj.GetName()})',
        )
    )
    forgets = RETURNED.replace(
        "\t\treturn nil",
        "\t\tdelete(seen, client.ObjectKeyFromObject(obj))\n\t\tvec.DeleteLabelValues(obj.GetNamespace(), obj.GetName())\n\t\treturn nil",
    )
    check(unwanted(forgets))


def test_literal_that_lives_for_one_call_keeps_nothing() -> None:
    user = "\nfunc (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n\tmapped := mapPods(r.reg)\n\tmapped(ctx, nil)\n\treturn ctrl.Result{}, nil\n}\n"
    assert not found(unwanted(RETURNED) + user, level="B", rule="map-never-deleted")


LOOP = (
    HEAD
    + """
func Run(ctx context.Context, events <-chan Event) {
\tlast := map[string]time.Time{}
\tfor {
\t\tselect {
\t\tcase <-ctx.Done():
\t\t\treturn
\t\tcase event := <-events:
\t\t\tlast[event.Pod.Name] = time.Now() // want "nothing deletes from it"
\t\t}
\t}
}
"""
)


def test_local_of_a_loop_without_an_end() -> None:
    check(LOOP, level="B", rule="map-never-deleted")
    assert not found(unwanted(LOOP))
    check(
        LOOP.replace("\tfor {", "\tgo func() {\n\tfor {").replace("\t\t}\n\t}\n", "\t\t}\n\t}\n\t}()\n"),
        level="B",
        rule="map-never-deleted",
    )
    for ends in (
        LOOP.replace("\tfor {", "\tfor range 3 {"),
        LOOP.replace("func Run(", "func (r *Reconciler) ensure("),
        LOOP.replace("\t\tselect {", "\t\tlast := map[string]time.Time{}\n\t\tselect {"),
    ):
        assert not found(unwanted(ends), level="B", rule="map-never-deleted")
