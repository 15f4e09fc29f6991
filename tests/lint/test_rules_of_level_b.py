"""The rules that are told with `--level B`, and those about what is gone: each on what it finds, and on what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

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


ZEROED = (
    HEAD
    + """
type Cache struct {
\tby map[string]VALUES
}

var cache = &Cache{}

func (c *Cache) handle(name string) {
\tc.by[name] = given
}

func (c *Cache) forget(name string) {
\tc.by[name] = EMPTY
}
"""
)


@pytest.mark.parametrize(
    ("values", "empty", "is_told"),
    [
        ("bool", "false", True),
        ("int", "0", True),
        ("Entry", "Entry{}", True),
        ("[]string", "[]string{}", True),
        ("map[string]int", "map[string]int{}", True),
        ("*Entry", "nil", True),
        ("*Entry", "(*Entry)(nil)", True),
        ("Entry", "*new(Entry)", True),
        ("Pair[string, int]", "Pair[string, int]{}", True),
        ("time.Time", "time.Time{}", True),
        ("types.UID", 'types.UID("")', True),
        ("time.Duration", "time.Duration(0)", True),
        ("float64", "0.0", True),
        ("string", "``", True),
        ("string", '"null"', True),
        ("json.RawMessage", "json.RawMessage(nil)", True),
        ("map[string]int", "make(map[string]int)", True),
        ("*Entry", "&Entry{}", False),  # another one
        ("*Entry", "new(Entry)", False),
        ("*Entry", "newEntry(nil)", False),
        ("chan int", "make(chan int)", False),
        ("string", "fmt.Sprint(0)", False),
        ("string", '"gone"', False),
        ("int", "1", False),
        ("sets.Empty", "sets.Empty{}", False),  # what every member of a set has
        ("struct{}", "struct{}{}", False),
        ("bool", "true", False),
    ],
)
def test_zero_value_in_the_place_of_a_delete(values: str, empty: str, *, is_told: bool) -> None:
    told = found(ZEROED.replace("VALUES", values).replace("EMPTY", empty), level="B", rule="value-emptied-not-deleted")
    assert [one.key for one in told] == ["name"] * is_told


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


SHADOW = (
    HEAD
    + """
type store struct {
\tobjects map[string]int
}

func (s *store) Forget(name string) {
\tdelete(s.objects, name)
}

type Cache struct {
\tstore
}

var cache = &Cache{}

func (c *Cache) handleAdd(name string) {
\tc.objects[name] = 1
}

func (c *Cache) Forget(name string) { // want "hides (store).Forget"
\tc.log(name)
}
"""
)


def test_embedded_delete_that_is_hidden() -> None:
    check(SHADOW, level="B", rule="embedded-delete-shadowed")
    check(unwanted(SHADOW).replace("\tc.log(name)", "\tc.store.Forget(name)"), level="B", rule="embedded-delete-shadowed")


LOCK = (
    HEAD
    + """
type Cache struct {
\tmu      sync.Mutex
\tobjects map[string]int
}

var cache = &Cache{}

func (c *Cache) HandleAdd(name string) {
\tc.mu.Lock()
\tdefer c.mu.Unlock()
\tc.objects[name] = 1
}

func (c *Cache) HandleUpdate(name string) {
\tc.mu.Lock()
\tdefer c.mu.Unlock()
\tc.objects[name] = 2
}

func (c *Cache) HandleDelete(name string) {
\tdelete(c.objects, name) // want "without mu"
}
"""
)


def test_map_that_is_written_outside_its_lock() -> None:
    check(LOCK, level="B", rule="map-outside-lock")
    silent = unwanted(LOCK)
    check(silent.replace("HandleDelete", "deleteLocked"), level="B", rule="map-outside-lock")
    check(silent.replace("\tdelete(c", "\tc.mu.Lock()\n\tdelete(c"), level="B", rule="map-outside-lock")
    called = silent.replace("HandleDelete", "drop").replace("objects[name] = 2", "objects[name] = 2\n\tc.drop(name)")
    check(called, level="B", rule="map-outside-lock")


VALUE = (
    HEAD
    + """
func (r *Reconciler) forget(cm *corev1.ConfigMap, name string) {
\tif cm.Data[name] != "" {
\t\tdelete(cm.Data, name) // want "only where its value"
\t}
}
"""
)


def test_delete_that_leaves_keys_with_empty_values() -> None:
    check(VALUE, level="B", rule="deleted-by-value-test")
    check(VALUE.replace('cm.Data[name] != ""', "v := cm.Data[name]; len(v) > 0"), level="B")
    check(unwanted(VALUE).replace('cm.Data[name] != ""', "_, ok := cm.Data[name]; ok"), level="B")
    check(unwanted(VALUE).replace('cm.Data[name] != ""', 'cm.Data[name] == ""'), level="B")


@pytest.mark.parametrize(
    ("condition", "is_told"),
    [
        ('"" != cm.Data[name]', True),
        ("cm.Data[name] != ``", True),
        ("len(cm.Data[name]) != 0", True),
        ('strings.TrimSpace(cm.Data[name]) != ""', True),
        ('v := cm.Data[name]; v != "" && r.isLeader()', True),
        ('v, ok := cm.Data[name]; ok && v == "x"', False),
        ('cm.Data[name] != "" || r.isLeader()', False),
        ('cm.Data[other] != ""', False),
        ('cm.Data[name] != "x"', False),
    ],
)
def test_tests_of_a_value_before_a_delete(condition: str, *, is_told: bool) -> None:
    text = VALUE if is_told else unwanted(VALUE)
    check(text.replace('cm.Data[name] != ""', condition), level="B", rule="deleted-by-value-test")


def test_delete_behind_a_return_for_empty_values() -> None:
    text = HEAD + (
        "\nfunc (r *Reconciler) forget(cm *corev1.ConfigMap, name string) {\n\tif len(cm.Data[name]) == 0 {\n\t\treturn\n\t}\n"
        '\tdelete(cm.Data, name) // want "only where its value"\n}\n'
    )
    check(text, level="B", rule="deleted-by-value-test")
    check(unwanted(text).replace("len(cm.Data[name]) == 0", "name == cm.Name"), level="B", rule="deleted-by-value-test")


HELD_VALUE = (
    HEAD
    + """
type Cache struct {
\tby map[string]VALUES
}

var cache = &Cache{}

func (c *Cache) handle(name string) {
\tc.by[name] = EMPTY
}

func (c *Cache) onDelete(name string) {
\tif CONDITION {
\t\tdelete(c.by, name) // want "only where its value"
\t}
}
"""
)


@pytest.mark.parametrize(
    ("values", "empty", "condition", "is_told"),
    [
        ("int", "0", "c.by[name] > 0", True),
        ("int", "0", "n := c.by[name]; n != 0", True),
        ("bool", "false", "c.by[name]", True),
        ("*Entry", "nil", "c.by[name] != nil", True),
        ("time.Time", "time.Time{}", "!c.by[name].IsZero()", True),
        ("*Entry", "newEntry(name)", "c.by[name] != nil", False),  # it never has an empty one
        ("int", "0", "_, ok := c.by[name]; ok", False),
        ("int", "0", "c.by[name] == 0", False),
    ],
)
def test_delete_from_a_map_in_memory_that_leaves_zero_values(values: str, empty: str, condition: str, *, is_told: bool) -> None:
    text = HELD_VALUE.replace("VALUES", values).replace("EMPTY", empty).replace("CONDITION", condition)
    check(text if is_told else unwanted(text), level="B", rule="deleted-by-value-test")


CHILD = (
    HEAD
    + """
type Reconciler struct {
\tclient.Client
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\treturn ctrl.Result{}, r.writeChild(ctx, req.Name)
}

func (r *Reconciler) writeChild(ctx context.Context, name string) error {
\tchild := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-credentials"}}
\treturn r.Create(ctx, child) // want "a Secret is created without an owner"
}
"""
)


def test_child_that_nobody_owns() -> None:
    check(CHILD, level="B", rule="child-without-owner")
    owned = unwanted(CHILD).replace(
        "\treturn r.Create", "\tcontrollerutil.SetControllerReference(t, child, r.Scheme())\n\treturn r.Create"
    )
    check(owned, level="B")
    check(unwanted(CHILD).replace("corev1.Secret", "corev1.Event"), level="B")
    # one for all, by its name
    check(unwanted(CHILD).replace('name + "-credentials"', '"credentials"'), level="B", rule="child-without-owner")
    check(unwanted(CHILD).replace('name + "-credentials"', "r.options.SecretName"), level="B", rule="child-without-owner")
    # an older client has no context
    check(CHILD.replace("Create(ctx, child)", "Create(child)"), level="B", rule="child-without-owner")
    check(
        unwanted(CHILD) + "\nfunc (r *Reconciler) drop(ctx context.Context) error {\n\treturn r.Delete(ctx, child)\n}\n",
        level="B",
    )


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


PILE = (
    HEAD
    + """
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\treturn ctrl.Result{}, r.runJob(ctx, req.Name)
}

func (r *Reconciler) runJob(ctx context.Context, owner string) error {
\tname := fmt.Sprintf("%s-%s", owner, rand.String(5))
\tjob := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
\tjob, err := r.client.BatchV1().Jobs("jobs").Create(ctx, job, metav1.CreateOptions{}) // want "under a name that is new each time"
\treturn err
}
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("rand.String(5)", "hashOf(owner)"),
        lambda text: text.replace("rand.String(5)", "time.Now().Unix()"),
        lambda text: text.replace("Name: name", 'GenerateName: owner + "-"').replace("rand.String(5)", '"x"'),
        lambda text: text.replace('r.client.BatchV1().Jobs("jobs").Create(ctx, job, metav1.CreateOptions{})', "ensureJob(ctx, &batchv1.Job{Name: name})"),
        lambda text: text.replace("&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}", "jobOf(name)").replace("rand.String(5)", '"x"')
        + "\nfunc jobOf(name string) *batchv1.Job {\n\treturn &batchv1.Job{ObjectMeta: metav1.ObjectMeta{GenerateName: name}}\n}\n",
    ],
    ids=["random", "hash", "time", "generated", "by a helper", "made by a function"],
)  # fmt: skip
def test_children_under_new_names_that_nobody_deletes(change: Callable[[str], str]) -> None:
    check(change(PILE), level="B", rule="children-pile-up")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("rand.String(5)", '"job"'),
        lambda text: (
            text + '\nfunc (r *Reconciler) prune(name string) {\n\tr.client.BatchV1().Jobs("jobs").Delete(ctx, name)\n}\n'
        ),
        lambda text: text + "\nfunc (r *Reconciler) prune(job *batchv1.Job) error {\n\treturn r.Delete(ctx, job)\n}\n",
        lambda text: text + "\nfunc (r *Reconciler) prune(job *batchv1.Job) error {\n\treturn util.DeleteJob(job)\n}\n",
        lambda text: text.replace("job, err", "job.Spec.TTLSecondsAfterFinished = &ttl\n\tjob, err"),
        lambda text: text.replace("Job", "Lease"),
        lambda text: text.replace("runJob", "installJobs").replace("Reconcile(", "Setup("),
    ],
    ids=["one name", "deleted", "by any client", "by a helper", "ends itself", "one by its nature", "at the start"],
)
def test_children_that_do_not_pile_up(change: Callable[[str], str]) -> None:
    check(change(unwanted(PILE)), level="B", rule="children-pile-up")
