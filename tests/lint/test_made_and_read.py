"""What is made anew, and what only seems so: objects that are read after they were made, vectors that are stored once at the start."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, unwanted

READ = (
    HEAD
    + """
func (r *Reconciler) write(ctx context.Context, name string) (cm *corev1.ConfigMap, err error) {
\tcm = &corev1.ConfigMap{}
\tcm.Name = "registry"
\tif err := r.Get(ctx, r.at, cm); err != nil {
\t\treturn nil, err
\t}
\tcm.Data[name] = "x" // want "no code of this package deletes"
\treturn cm, r.Update(ctx, cm)
}
"""
)
UPDATED = (
    HEAD
    + """
func (r *Reconciler) write(ctx context.Context, name string) (secret *corev1.Secret, err error) {
\tsecret = &corev1.Secret{}
\t_, err = controllerutil.CreateOrUpdate(ctx, r.Client, secret, func() error {
\t\tsecret.Data[name] = nil // want "no code of this package deletes"
\t\treturn nil
\t})
\treturn secret, err
}
"""
)


def test_object_that_is_made_and_then_read_is_an_old_one() -> None:
    check(READ)
    check(UPDATED)
    # its data, too
    check(READ.replace('cm.Name = "registry"', "cm.Data = map[string]string{}"))
    declared = READ.replace("(cm *corev1.ConfigMap, err error) {", "error {\n\tvar cm *corev1.ConfigMap")
    check(declared.replace("return nil, err", "return err").replace("return cm, r.Update", "return r.Update"))


def test_object_that_is_made_after_it_was_read_is_new() -> None:
    anew = READ.replace("\tcm.Data[name]", "\tcm = &corev1.ConfigMap{}\n\tcm.Data[name]")
    check(unwanted(anew))
    check(unwanted(READ.replace("\tcm.Data[name]", "\tcm.Data = map[string]string{}\n\tcm.Data[name]")))
    check(unwanted(UPDATED.replace("\t\tsecret.Data[name]", "\t\tsecret.Data = map[string][]byte{}\n\t\tsecret.Data[name]")))
    check(unwanted(READ.replace("r.Get(ctx, r.at, cm)", "r.Get(ctx, r.at, other)")))


METERS = (
    HEAD
    + """
type meters struct {
\tready *prometheus.GaugeVec
}

func newMeters() *meters {
\treturn &meters{ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})}
}

func (m *meters) record(t *Tenant) {
\tm.ready.WithLabelValues(t.Namespace, t.Name).Set(1) // want "nothing deletes one"
}

type Reconciler struct {
\tlatest atomic.Pointer[meters]
\tby sync.Map
\tboxes Box
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.latest.Load().record(req)
\treturn ctrl.Result{}, nil
}
"""
)


@pytest.mark.parametrize(
    "stores",
    [
        "func Add(mgr ctrl.Manager) error {\n\tr := &Reconciler{}\n\tr.latest.Store(newMeters())\n\treturn run(mgr, r)\n}",
        "func NewReconciler() *Reconciler {\n\tr := &Reconciler{}\n\tr.latest.Store(newMeters())\n\treturn r\n}",
        "func main() { begin(&Reconciler{}) }\n\nfunc begin(r *Reconciler) { r.latest.Store(newMeters()) }",
        "func (r *Reconciler) renew() {\n\tif r.latest.Load() == nil {\n\t\tr.latest.Store(newMeters())\n\t}\n}",
        "func (r *Reconciler) renew() { r.latest.CompareAndSwap(nil, newMeters()) }",
        "func (r *Reconciler) renew(at string) { r.by.Store(at, newMeters()) }",
        "func (r *Reconciler) renew() { r.boxes.Store(newMeters()) }",
    ],
    ids=[
        "with the manager",
        "constructor",
        "from main",
        "first value",
        "first value, compared",
        "a sync.Map",
        "a box of one's own",
    ],
)
def test_vectors_that_are_stored_once_stay(stores: str) -> None:
    check(METERS + "\n" + stores + "\n", rule="series-never-deleted")


@pytest.mark.parametrize(
    "stores",
    [
        "func (r *Reconciler) renew() { r.latest.Store(newMeters()) }",
        "func (r *Reconciler) renew() { r.latest.Store(&meters{ready: r.vector()}) }",
        "func (r *Reconciler) renew() {\n\tfresh := newMeters()\n\tr.latest.Store(fresh)\n}",
        "func (r *Reconciler) renew(old *meters) { r.latest.CompareAndSwap(old, newMeters()) }",
        "func NewReconciler() *Reconciler {\n\tr := &Reconciler{}\n\tr.latest.Store(newMeters())\n\treturn r\n}\n\n"
        "func (r *Reconciler) renew() { r.latest.Swap(newMeters()) }",
    ],
    ids=["stored", "a literal", "by way of a local", "compared", "at the start and again"],
)
def test_vectors_that_are_stored_again_and_again_go(stores: str) -> None:
    check(unwanted(METERS) + "\n" + stores + "\n", level="B", rule="series-never-deleted")


CONFIG = (
    HEAD
    + """
import v1 "example.org/op/IMPORT/v1"

var hosts = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hosts"}, []string{"cluster", "node"})

func (r *Reconciler) report(config *v1.TenantConfig) {
\thosts.WithLabelValues(config.Spec.Cluster, config.Spec.NodeName).Set(1) // want "nothing deletes one"
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\ttenantConfig := &v1.TenantConfig{}
\tcm := &corev1.ConfigMap{}
\tif err := r.Get(ctx, r.at, cm); err != nil {
\t\treturn ctrl.Result{}, err
\t}
\tcm.Data[tenantConfig.Namespace+"."+tenantConfig.Name] = "x" // want "no code of this package deletes"
\tr.report(tenantConfig)
\treturn ctrl.Result{}, r.Update(ctx, cm)
}
"""
)


def test_object_of_the_api_is_no_configuration_of_the_program() -> None:
    for path in ("api", "apis", "pkg/apis/tenancy"):
        check(CONFIG.replace("IMPORT", path))
    # what a program is configured with
    for path in ("pkg/config", "apis/config"):
        check(unwanted(CONFIG.replace("IMPORT", path)))
    own = CONFIG.replace("IMPORT", "pkg/config").replace("v1.TenantConfig", "TenantConfig")
    check(unwanted(own))
    check(own, "package thing\n\ntype TenantConfig struct {\n\tmetav1.TypeMeta\n\tmetav1.ObjectMeta\n\tSpec Spec\n}\n")
    check(unwanted(own), "package thing\n\ntype TenantConfig struct {\n\tmetav1.TypeMeta\n\tNamespace string\n}\n")


LOOP = (
    HEAD
    + """
import v1 "example.org/op/IMPORT/v1"

type Reconciler struct {
\thosts map[string]int
}

func NewReconciler() *Reconciler { return &Reconciler{hosts: map[string]int{}} }

func (r *Reconciler) note(config *v1.TenantConfig) {
\tfor _, host := range config.Spec.Hosts {
\t\tr.hosts[host] = 1 // want "gets one key"
\t}
}
"""
)


def test_loop_over_a_field_of_an_object_is_no_loop_over_options() -> None:
    check(LOOP.replace("IMPORT", "api"))
    check(unwanted(LOOP.replace("IMPORT", "config")), level="B")


RESOURCE = (
    HEAD
    + """
import v1 "example.org/op/api/v1"

var held = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "held"}, []string{"kind", "LABEL"})

func (r *Reconciler) report(t *v1.Tenant, part *Part, what string) {
\tname := t.GetName()
\theld.WithLabelValues("Tenant", VALUE).Set(1) // want "nothing deletes one"
\tuse(name)
}
"""
)


@pytest.mark.parametrize("label", ["resource_name", "resourceName", "resource"])
def test_what_a_label_has_counts_more_than_its_word(label: str) -> None:
    for value in ("t.Name", "t.GetName()", "name"):
        check(RESOURCE.replace("LABEL", label).replace("VALUE", value))
    for value in ("part.Name", "what", "t.Kind"):
        check(unwanted(RESOURCE.replace("LABEL", label).replace("VALUE", value)))
