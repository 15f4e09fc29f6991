"""Fields of an API that become keys: markers they lack, and tests that never try them."""

from __future__ import annotations

from tests.lint.go import HEAD, check, unwanted

TYPES = """package thing

type TenantSpec struct {
\t// Region is where it runs.
\tRegion string `json:"region,omitempty"` // want "takes an empty region"

\t// Plan is never a key.
\tPlan string `json:"plan,omitempty"`
}
"""
USE = (
    HEAD
    + """
func (r *Reconciler) write(cm *corev1.ConfigMap, t *Tenant) {
\tkey := t.Spec.Region + "." + t.Name
\tcm.Data[key] = "x"
}

func (r *Reconciler) forget(cm *corev1.ConfigMap, t *Tenant) {
\tdelete(cm.Data, t.Spec.Region+"."+t.Name)
}
"""
)


def test_field_that_becomes_a_key_and_may_be_empty() -> None:
    check(USE, TYPES, level="B", rule="key-field-unvalidated")
    check(USE, unwanted(TYPES).replace("// Region is where it runs.", "// +kubebuilder:validation:MinLength=1"), level="B")
    check(USE.replace("t.Spec.Region", "t.Labels"), unwanted(TYPES), level="B")


TESTED = """package thing

func TestWrite(t *testing.T) {
\twrite(cm, &Tenant{Spec: TenantSpec{Region: "eu", Plan: ""}})
}
"""


def test_field_that_becomes_a_key_and_is_tested_with_good_values_alone() -> None:
    rule = "key-field-untested"
    use = USE.replace('cm.Data[key] = "x"', 'cm.Data[key] = "x" // want "and never"')
    types = unwanted(TYPES)
    check(use, types, TESTED, level="B", rule=rule)
    check(use, types, TESTED.replace('"eu"', '"nt"'), level="B", rule=rule)  # letters, and no escapes
    quiet = unwanted(use)
    check(quiet, types, level="B", rule=rule)  # without any test, others may test it
    both = TESTED.replace(
        "}})", '}})\n\twrite(cm, &Tenant{Spec: TenantSpec{}})\n\twrite(cm, &Tenant{Spec: TenantSpec{Region: " "}})'
    )
    check(quiet, types, both, level="B", rule=rule)
    check(quiet, types, TESTED.replace('Region: "eu"', "Region: region"), level="B", rule=rule)
    check(use, types, TESTED.replace("}})", '}})\n\tt.Spec.Region = ""'), level="B", rule=rule)
    manifest = "package thing\n\nfunc TestWrite(t *testing.T) {\n\tapply(`spec:\n  region: eu-1`)\n}\n"
    check(quiet, types, manifest, level="B", rule=rule)  # a word without quotes is not told
    check(
        quiet,
        types.replace("// Region is where it runs.", "// +kubebuilder:validation:MinLength=1"),
        TESTED,
        level="B",
        rule=rule,
    )
