"""Deletes that do not delete: of a series by other labels, behind a return that a tombstone or a field takes, of a queue that is never told."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

PHASE = (
    HEAD
    + """
var phase = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "phase"}, []string{"namespace", "name", "phase"})

func (r *Reconciler) record(t *Tenant) {
\tphase.WithLabelValues(t.Namespace, t.Name, t.Phase).Set(1)
}

func (r *Reconciler) forget(t *Tenant) {
\tphase.DeleteLabelValues(t.Namespace, t.Name) // want "phase has 3 labels: DeleteLabelValues is given 2, so that nothing is deleted"
}
"""
)
BY_LABELS = PHASE.replace(
    "phase.DeleteLabelValues(t.Namespace, t.Name)", 'phase.Delete(prometheus.Labels{"namespace": t.Namespace, "name": t.Name})'
).replace("DeleteLabelValues is given 2, so that nothing is deleted", "Delete is given 2")
FIELD = PHASE.replace(
    "var phase = ", "type meters struct {\n\tphase *prometheus.GaugeVec\n}\n\nvar all = &meters{phase: "
).replace('"phase"})\n', '"phase"})}\n')


def test_delete_with_other_labels_than_the_vector_has() -> None:
    check(PHASE)
    check(BY_LABELS)
    check(FIELD.replace("\tphase.", "\tall.phase.").replace("phase has 3", "(meters).phase has 3"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("t.Namespace, t.Name) //", "t.Namespace, t.Name, t.Phase) //"),
        lambda text: text.replace("phase.DeleteLabelValues(t.Namespace, t.Name)", 'phase.DeletePartialMatch(prometheus.Labels{"name": t.Name})'),
        lambda text: text.replace("DeleteLabelValues(t.Namespace, t.Name)", "DeleteLabelValues(t.labels()...)"),
        lambda text: text.replace('[]string{"namespace", "name", "phase"})', 'append(common, "phase"))'),
        lambda text: text.replace('[]string{"namespace", "name", "phase"})', "labels)"),
        lambda text: text.replace("DeleteLabelValues(t.Namespace, t.Name)", "Delete(labels)"),
        lambda text: text.replace("phase.DeleteLabelValues(t.Namespace, t.Name)", 'phase.Delete(prometheus.Labels{nameLabel: t.Name, namespaceLabel: t.Namespace})'),
    ],
    ids=["all", "partial", "spread", "joined", "unknown", "local", "constants"],
)  # fmt: skip
def test_delete_that_may_be_right_is_left_alone(change) -> None:
    assert not found(unwanted(change(PHASE)), rule="series-delete-misses")


CHANGING = (
    HEAD
    + """
var phase = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "phase"}, []string{"namespace", "name", "phase"})

func (r *Reconciler) record(t *Tenant) {
\tphase.WithLabelValues(t.Namespace, t.Name, string(t.Status.Phase)).Set(1) // want "leaves the series of the value before"
}

func (r *Reconciler) forget(t *Tenant) {
\tphase.DeleteLabelValues(t.Namespace, t.Name, string(t.Status.Phase))
}
"""
)


def test_label_that_changes_and_is_deleted_by_what_it_is_then() -> None:
    check(CHANGING, level="B", rule="series-delete-misses")
    check(
        CHANGING.replace("string(t.Status.Phase)).Set", "now).Set").replace(
            "\tphase.With", "\tnow := string(t.Status.Phase)\n\tphase.With"
        ),
        level="B",
        rule="series-delete-misses",
    )
    assert not found(unwanted(CHANGING))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Status.Phase", "Spec.NodeName"),
        lambda text: text.replace("\tphase.With", "\tphase.DeletePartialMatch(prometheus.Labels{nameLabel: t.Name})\n\tphase.With"),
        lambda text: text.replace("\tphase.With", "\tphase.DeleteLabelValues(t.Namespace, t.Name, string(t.Status.Phase))\n\tphase.With"),
        lambda text: text.replace("DeleteLabelValues(t.Namespace, t.Name, string(t.Status.Phase))", "DeleteLabelValues(t.Namespace, t.Name, one)"),
    ],
    ids=["identity", "partial", "before", "each"],
)  # fmt: skip
def test_label_of_which_other_values_are_deleted_is_left_alone(change) -> None:
    assert not found(unwanted(change(CHANGING)), level="B", rule="series-delete-misses")


HANDLER = (
    HEAD
    + """
type Controller struct {
\tnodes map[string]string
}

func New(informer cache.SharedIndexInformer) *Controller {
\tc := &Controller{nodes: map[string]string{}}
\tinformer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: c.onAdd, DeleteFunc: c.onDelete})
\treturn c
}

func (c *Controller) onAdd(obj any) {
\tpod := obj.(*corev1.Pod)
\tc.nodes[pod.Name] = pod.Spec.NodeName
}

func (c *Controller) onDelete(obj any) {
\tpod, ok := obj.(*corev1.Pod)
\tif !ok {
\t\treturn // want "a tombstone of a missed delete"
\t}
\tdelete(c.nodes, pod.Name)
}
"""
)
UNPACKS = "\tif tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {\n\t\tobj = tombstone.Obj\n\t}\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\tpod, ok := obj.(*corev1.Pod)\n\tif !ok {", "\tpod := &corev1.Pod{}\n\tif asserted, ok := obj.(*corev1.Pod); !ok {"),
        lambda text: text.replace("\tdelete(c.nodes, pod.Name)", "\tc.forget(pod)") + "\nfunc (c *Controller) forget(pod *corev1.Pod) {\n\tdelete(c.nodes, pod.Name)\n}\n",
        lambda text: text.replace("obj any", "obj interface{}").replace("\t\treturn //", '\t\tklog.Error("what is this?")\n\t\treturn //'),
        lambda text: text.replace("DeleteFunc: c.onDelete}", "DeleteFunc: func(obj any) {\n\t\tpod, ok := obj.(*corev1.Pod)\n\t\tif !ok {\n\t\t\treturn // want \"a tombstone\"\n\t\t}\n\t\tdelete(c.nodes, pod.Name)\n\t}}").split("\nfunc (c *Controller) onDelete")[0],
    ],
    ids=["method", "in the condition", "helper", "log", "literal"],
)  # fmt: skip
def test_handler_that_returns_at_a_tombstone(change) -> None:
    check(change(HANDLER), level="B", rule="tombstone-not-unpacked")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\tpod, ok := obj", UNPACKS + "\tpod, ok := obj"),
        lambda text: text.replace("\tpod, ok := obj.(", "\tpod, ok := unpacked(obj).("),
        lambda text: text.replace("DeleteFunc: c.onDelete", "AddFunc: c.onDelete"),
        lambda text: text + "\nfunc (c *Controller) sweep(name string) {\n\tdelete(c.nodes, name)\n}\n",
        lambda text: text.replace("\t\treturn", "\t\tpanic(obj)"),
    ],
    ids=["unpacked", "helper", "no delete", "swept", "ends"],
)
def test_handler_that_knows_tombstones_or_is_not_alone(change) -> None:
    assert not found(unwanted(change(HANDLER)), level="B", rule="tombstone-not-unpacked")


REMOVED = (
    HEAD
    + """
type Controller struct {
\tnodes map[string]string
}

var known = &Controller{nodes: map[string]string{}}

func (c *Controller) onAdd(pod *corev1.Pod) {
\tc.nodes[pod.Name] = pod.Spec.NodeName
}

func (c *Controller) onDelete(pod *corev1.Pod) {
\tif pod.Spec.NodeName == "" {
\t\treturn // want "returns where pod.Spec.NodeName"
\t}
\tdelete(c.nodes, pod.Name)
}
"""
)


def test_remover_that_leaves_objects_alone_which_were_inserted() -> None:
    check(REMOVED, level="B", rule="return-before-delete")
    labels = REMOVED.replace('pod.Spec.NodeName == ""', '!watched(pod) || pod.Labels["watched"] == ""')
    assert not found(unwanted(labels), level="B", rule="return-before-delete")
    check(
        REMOVED.replace('pod.Spec.NodeName == ""', "pod.Spec.HostNetwork").replace(
            "where pod.Spec.NodeName", "where pod.Spec.HostNetwork"
        ),
        level="B",
        rule="return-before-delete",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\tc.nodes[pod.Name]", '\tif pod.Spec.NodeName == "" {\n\t\treturn\n\t}\n\tc.nodes[pod.Name]'),
        lambda text: text.replace("\t\treturn", "\t\treturn fmt.Errorf()"),
        lambda text: text.replace('pod.Spec.NodeName == ""', "pod == nil"),
        lambda text: text + "\nfunc (c *Controller) sweep(name string) {\n\tdelete(c.nodes, name)\n}\n",
        lambda text: text.replace("onDelete(", "rename("),
    ],
    ids=["asked before", "error", "nothing", "swept", "no remover"],
)
def test_remover_that_leaves_alone_what_was_never_inserted(change) -> None:
    assert not found(unwanted(change(REMOVED)), level="B", rule="return-before-delete")


QUEUE = (
    HEAD
    + """
type Controller struct {
\tqueue workqueue.TypedRateLimitingInterface[string]
}

func New() *Controller {
	return &Controller{queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())}
}

func (c *Controller) next(ctx context.Context) bool {
\tkey, _ := c.queue.Get()
\tdefer c.queue.Done(key)
\tif err := c.sync(ctx, key); err != nil {
\t\tc.queue.AddRateLimited(key) // want "never told to forget a key"
\t}
\treturn true
}
"""
)


def test_queue_that_is_never_told_to_forget() -> None:
    check(QUEUE)
    check(QUEUE.replace("TypedRateLimitingInterface[string]", "RateLimitingInterface"))
    check(
        QUEUE.replace("\tqueue workqueue.TypedRateLimitingInterface[string]\n", "").replace("c.queue", "queue")
        + "\nvar queue workqueue.RateLimitingInterface\n"
    )


def test_queue_with_a_limiter_of_which_nothing_is_known() -> None:
    own = QUEUE.replace("workqueue.DefaultTypedControllerRateLimiter[string]()", "buckets()")
    assert not found(unwanted(own))
    check(own, level="B")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\treturn true", "\tc.queue.Forget(key)\n\treturn true"),
        lambda text: text.replace("\treturn true", "\thandled(c.queue, key)\n\treturn true"),
        lambda text: text.replace("workqueue.TypedRateLimitingInterface[string]", "retries"),
        lambda text: text + "\nfunc (o *other) done(c *Controller) {\n\tc.queue.Forget(o.key)\n}\n",
        lambda text: (
            text + "\nfunc (c *Controller) Queue() workqueue.TypedRateLimitingInterface[string] {\n\treturn c.queue\n}\n"
        ),
    ],
    ids=["told", "handed over", "of one's own", "elsewhere", "given"],
)
def test_queue_that_forgets_or_may(change) -> None:
    assert not found(unwanted(change(QUEUE)), rule="queue-never-forgets")


DECLARED = (
    HEAD
    + """
type Store interface {
\tPut(name string)
\tDrop(name string)
}

type memory struct {
\titems map[string]bool
}

func (m *memory) Put(name string) {
\tm.items[name] = true // want "which nobody calls"
}

func (m *memory) Drop(name string) {
\tdelete(m.items, name)
}

type Reconciler struct {
\tstore Store
}

func New() *Reconciler {
\treturn &Reconciler{store: &memory{items: map[string]bool{}}}
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.store.Put(req.Name)
\treturn ctrl.Result{}, nil
}
"""
)
MAIN = "\nfunc main() {\n\tNew()\n}\n"


def test_delete_of_an_interface_that_nobody_calls_in_a_program() -> None:
    program = DECLARED.replace("package thing", "package main") + MAIN
    check(program, level="B", rule="delete-never-called")
    called = program.replace("\tr.store.Put", "\tr.store.Drop(old)\n\tr.store.Put")
    assert not found(unwanted(called), level="B", rule="delete-never-called")
    # a library's interface is there for others to call
    assert not found(unwanted(DECLARED), level="B", rule="delete-never-called")


NAMED = (
    HEAD
    + """
type names map[string]struct{}

func (n names) add(name string) {
\tn[name] = struct{}{}
}

type Reconciler struct {
\tseen names
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.seen.add(req.Name) // want "nothing deletes from it"
\treturn ctrl.Result{}, nil
}
"""
)


def test_named_map_that_its_own_method_fills() -> None:
    check(NAMED)
    check(
        unwanted(NAMED)
        + "\nfunc (n names) drop(name string) {\n\tdelete(n, name)\n}\n\nfunc (r *Reconciler) forget(name string) {\n\tr.seen.drop(name)\n}\n"
    )


def test_variable_of_the_package_under_another_name() -> None:
    gauge = (
        HEAD
        + """
var ready = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tgauge := ready
\tgauge.WithLabelValues(req.Namespace, req.Name).Set(1) // want "nothing deletes one"
\treturn ctrl.Result{}, nil
}
"""
    )
    check(gauge)
    check(unwanted(gauge) + "\nfunc forget(ns, name string) {\n\tgauge := ready\n\tgauge.DeleteLabelValues(ns, name)\n}\n")
