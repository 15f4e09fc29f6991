"""Keys of the data of an object that a function gives: one that it has made is new, one that it was given is not."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, found

GIVEN = (
    HEAD
    + """
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tfound := r.lookup(ctx)
\tcm := mutateConfigMap(found)
\tcm.Data[req.Name] = "x"
\treturn ctrl.Result{}, r.Update(ctx, cm)
}

func mutateConfigMap(cm *corev1.ConfigMap) *corev1.ConfigMap {
\tBODY
}
"""
)


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        ("return cm", True),
        ("cm.Labels = labels\n\treturn cm", True),
        ("return &corev1.ConfigMap{Data: map[string]string{}}", False),
        ("made := &corev1.ConfigMap{}\n\tmade.Labels = cm.Labels\n\treturn made", False),
    ],
)
def test_function_that_gives_what_it_was_given_makes_nothing(body: str, *, is_told: bool) -> None:
    assert [one.rule for one in found(GIVEN.replace("BODY", body))] == ["data-key-never-deleted"] * is_told
