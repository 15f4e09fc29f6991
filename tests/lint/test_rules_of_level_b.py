"""The rules that are told with `--level B`, and those about what is gone: each on what it finds, and on what it leaves alone."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

GONE = (
    HEAD
    + """
type Reconciler struct {
\tretries map[string]int
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tvar tenant Tenant
\tif err := r.Get(ctx, req.NamespacedName, &tenant); err != nil {
\t\tif apierrors.IsNotFound(err) {
\t\t\treturn r.afterNotFound(req.Name)
\t\t}
\t\treturn ctrl.Result{}, err
\t}
\tr.retries[req.Name]++ // want "when the object is gone"
\tif tenant.Status.Ready {
\t\tdelete(r.retries, req.Name)
\t}
\treturn ctrl.Result{}, nil
}

func (r *Reconciler) afterNotFound(name string) (ctrl.Result, error) {
\tr.log(name)
\treturn ctrl.Result{}, nil
}
"""
)


def test_reconcile_that_forgets_what_is_gone() -> None:
    check(GONE, level="B", rule="gone-without-release")
    assert not found(GONE)
    assert found(GONE, level="B")[0].witnesses[1].text.startswith("it is deleted here alone")
    silent = unwanted(GONE)
    check(silent.replace("\tr.log(name)", "\tdelete(r.retries, name)"), level="B")
    check(
        silent.replace("\tr.log(name)", "\tr.forget(name)")
        + "\nfunc (r *Reconciler) forget(n string) {\n\tdelete(r.retries, n)\n}\n",
        level="B",
    )
    check(
        silent.replace(
            "\tr.retries[req.Name]++", "\tfor n := range r.retries {\n\t\tdelete(r.retries, n)\n\t}\n\tr.retries[req.Name]++"
        ),
        level="B",
    )
    check(silent.replace("\tvar tenant", "\tdelete(r.retries, req.Name)\n\tvar tenant"), level="B")


EMPTIED = (
    HEAD
    + """
func (r *Reconciler) removeKey(ctx context.Context, key string) error {
\treturn r.patchRegistry(ctx, map[string]any{key: ""}) // want "empties the key key"
}

func (r *Reconciler) finalize(cm *corev1.ConfigMap, t *Tenant) {
\tcm.Data[t.Name] = "" // want "empties the key t.Name"
}
"""
)


def test_value_that_is_emptied_instead_of_deleted() -> None:
    check(EMPTIED, rule="value-emptied-not-deleted")
    silent = unwanted(EMPTIED)
    check(silent.replace('""', "nil").replace("cm.Data[t.Name] = nil", "delete(cm.Data, t.Name)"))
    check(silent.replace("removeKey", "addKey").replace("finalize", "fill"), rule="value-emptied-not-deleted")
    check(silent.replace("[t.Name]", '["state"]').replace("{key", '{"state"'))


FINALIZER = (
    HEAD
    + """
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tvar tenant Tenant
\tif !tenant.DeletionTimestamp.IsZero() {
\t\treturn ctrl.Result{}, r.finalize(ctx, &tenant) // want "nobody adds the finalizer"
\t}
\treturn ctrl.Result{}, nil
}

func (r *Reconciler) finalize(ctx context.Context, t *Tenant) error {
\tcontrollerutil.RemoveFinalizer(t, finalizer)
\treturn r.Update(ctx, t)
}
"""
)


def test_finalizer_that_nobody_adds() -> None:
    check(FINALIZER, level="B", rule="finalizer-never-added")
    check(
        unwanted(FINALIZER).replace(
            "\treturn ctrl.Result{}, nil", "\tcontrollerutil.AddFinalizer(&tenant, finalizer)\n\treturn ctrl.Result{}, nil"
        ),
        level="B",
    )
    check(unwanted(FINALIZER).replace("RemoveFinalizer", "Log"), level="B")


NOTHING = (
    HEAD
    + """
func (r *Reconciler) finalize(ctx context.Context, name string) error {
\treturn r.removeKey(ctx, name)
}

func (r *Reconciler) removeKey(ctx context.Context, key string) error { // want "does nothing"
\treturn nil
}
"""
)


def test_delete_that_deletes_nothing() -> None:
    check(NOTHING, level="B", rule="delete-that-deletes-nothing")
    check(unwanted(NOTHING).replace("\treturn nil", "\treturn r.patch(ctx, key)"), level="B")
    check(unwanted(NOTHING) + "\ntype remover interface {\n\tremoveKey(ctx context.Context, key string) error\n}\n", level="B")


KEYS = (
    HEAD
    + """
func (r *Reconciler) finalize(ctx context.Context, tenant *Tenant) error {
\tdelete(r.memory, r.keyOf(tenant))
\treturn r.removeKey(ctx, r.keyToDelete(tenant)) // want "another key"
}

func (r *Reconciler) keyOf(t *Tenant) string { return t.Namespace + "." + t.Name }

func (r *Reconciler) keyToDelete(tenant *Tenant) string { return tenant.Name }
"""
)


def test_two_keys_for_one_object() -> None:
    check(KEYS, level="B", rule="keys-of-one-object-differ")
    check(unwanted(KEYS).replace("return tenant.Name", 'return tenant.Namespace + "." + tenant.Name'), level="B")
    check(unwanted(KEYS).replace("r.keyToDelete(", "r.keyOf("), level="B")


UPDATE = (
    HEAD
    + """
type Cache struct {
\tby map[string]string
}

var cache = &Cache{}

func (c *Cache) onUpdate(oldPod, newPod *corev1.Pod) {
\tc.by[newPod.Status.PodIP] = newPod.Name // want "never deletes by oldPod"
}

func (c *Cache) onDelete(pod *corev1.Pod) {
\tdelete(c.by, pod.Status.PodIP)
}
"""
)


def test_update_that_leaves_the_old_key() -> None:
    check(UPDATE, level="B", rule="updated-by-new-alone")
    check(unwanted(UPDATE).replace("\tc.by[new", "\tdelete(c.by, oldPod.Status.PodIP)\n\tc.by[new"), level="B")
    check(unwanted(UPDATE).replace("\tc.by[new", "\tc.onDelete(oldPod)\n\tc.by[new"), level="B")
    check(unwanted(UPDATE).replace("Status.PodIP", "Name"), level="B")


@pytest.mark.parametrize(
    "asserted",
    [
        "\toldPod, newPod := oldObj.(*corev1.Pod), newObj.(*corev1.Pod)\n",
        "\toldPod, _ := oldObj.(*corev1.Pod)\n\tnewPod, ok := newObj.(*corev1.Pod)\n\tif !ok {\n\t\treturn\n\t}\n",
    ],
    ids=["at once", "asked"],
)
def test_update_of_what_an_informer_hands_over(asserted: str) -> None:
    text = UPDATE.replace("oldPod, newPod *corev1.Pod) {\n", f"oldObj, newObj interface{{}}) {{\n{asserted}")
    check(text, level="B", rule="updated-by-new-alone")
    check(unwanted(text).replace("\tc.by[new", "\tdelete(c.by, oldPod.Status.PodIP)\n\tc.by[new"), level="B")


EARLY = (
    HEAD
    + """
type Reconciler struct {
\tgone map[string]bool
}

func (r *Reconciler) handleDelete(name string) {
\tr.gone[name] = true
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tif !isOurs(req) {
\t\treturn ctrl.Result{}, nil // want "returns before it comes to the only delete"
\t}
\tdelete(r.gone, req.Name)
\treturn ctrl.Result{}, nil
}
"""
)


def test_early_return_before_the_only_delete() -> None:
    check(EARLY, level="B", rule="return-before-delete")
    check(unwanted(EARLY).replace("!isOurs(req)", "!r.gone[req.Name]"), level="B")
    check(unwanted(EARLY).replace("!isOurs(req)", "req.Workload == nil"), level="B")  # nothing is given that could be forgotten
    check(EARLY.replace("!isOurs(req)", "adapter, _ := adapterOf(req); adapter == nil"), level="B", rule="return-before-delete")
    check(unwanted(EARLY).replace("return ctrl.Result{}, nil\n\t}", "return ctrl.Result{}, err\n\t}"), level="B")


GUARD = (
    HEAD
    + """
type Handler struct {
\tloops  map[string]func()
\tcaches map[string]int
}

var handler = &Handler{}

func (h *Handler) handleScale(key string) {
\th.caches[key] = 1
}

func (h *Handler) handleStart(key string) {
\th.loops[key] = func() {}
}

func (h *Handler) handleDelete(key string) {
\tif cancel, ok := h.loops[key]; ok {
\t\tcancel()
\t\tdelete(h.loops, key)
\t\tdelete(h.caches, key) // want "only where loops has the key"
\t}
}
"""
)


def test_delete_that_hangs_on_another_map() -> None:
    check(GUARD, level="B", rule="delete-under-foreign-guard")
    check(unwanted(GUARD).replace("\t\tdelete(h.caches, key)\n\t}", "\t}\n\tdelete(h.caches, key)"), level="B")
    assert not found(GUARD)


BY_HELPER = (
    HEAD
    + """
type Handler struct {
\tloops  sync.Map
\tcaches map[string]int
}

var handler = &Handler{}

func (h *Handler) handleMetrics(key string) {
\th.caches[key] = 1
}

func (h *Handler) handleStart(key string) {
\th.handleMetrics(key)
\th.loops.Store(key, func() {})
}

func (h *Handler) DeleteObject(key string) {
\tcancel, ok := h.loops.Load(key)
\tif ok {
\t\tcancel.(func())()
\t\th.loops.Delete(key)
\t\th.clear(key) // want "only where loops has the key"
\t}
}

func (h *Handler) handleFailure(key string, err error) {
\tif err != nil {
\t\th.clear(key)
\t}
}

func (h *Handler) handleQuery(key string) {
\th.handleMetrics(key)
}

func (h *Handler) clear(key string) {
\tif _, ok := h.caches[key]; ok {
\t\tdelete(h.caches, key)
\t}
}
"""
)


def test_delete_in_a_helper_that_is_called_where_another_map_has_the_key() -> None:
    rule = "delete-under-foreign-guard"
    check(BY_HELPER, level="B", rule=rule)
    left = unwanted(BY_HELPER).replace(
        "\tif ok {\n\t\tcancel.(func())()\n\t\th.loops.Delete(key)\n\t\th.clear(key)\n\t}",
        """\tif !ok {
\t\treturn
\t}
\tcancel.(func())()
\th.loops.Delete(key)
\th.clear(key) // want "only where loops has the key\"""",
    )
    check(left, level="B", rule=rule)
    together = unwanted(BY_HELPER).replace("func (h *Handler) handleQuery(key string) {\n\th.handleMetrics(key)\n}\n", "")
    check(together, level="B", rule=rule)
    # what may end before the other map gets its key leaves this one with its own
    between = BY_HELPER.replace("func (h *Handler) handleQuery(key string) {\n\th.handleMetrics(key)\n}\n", "").replace(
        "\th.handleMetrics(key)\n", "\th.handleMetrics(key)\n\tif !h.isReady(key) {\n\t\treturn\n\t}\n"
    )
    check(between, level="B", rule=rule)
    asked = unwanted(between).replace(
        "\th.handleMetrics(key)\n\tif !h.isReady(key)", "\tif err := h.handleMetrics(key); err != nil"
    )
    check(asked, level="B", rule=rule)
    always = unwanted(BY_HELPER).replace("\t\th.clear(key)\n\t}\n}", "\t}\n\th.clear(key)\n}", 1)
    check(always, level="B", rule=rule)


def test_vector_that_is_handed_to_another_package_and_never_deleted_from_is_told() -> None:
    text = (
        HEAD
        + """
var byObject = []string{"namespace", "name"}

var Events = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_total"}, append(byObject, "reason")) // want "is handed to"

func Run(reg *prometheus.Registry) {
\treg.MustRegister(Events)
\trecord.NewRecorder(client, Events)
}
"""
    )
    check(text, level="B", rule="series-never-deleted")
    check(unwanted(text).replace("\trecord.NewRecorder(client, Events)\n", ""), level="B", rule="series-never-deleted")
    deleted = '\nfunc forget(ns, name string) {\n\tEvents.DeletePartialMatch(prometheus.Labels{"name": name})\n}\n'
    check(unwanted(text) + deleted, level="B", rule="series-never-deleted")
