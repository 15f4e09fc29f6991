"""What real fixes of leaks taught: labels that only their values tell of, makers that a reconciler calls, deletes that nobody means."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

LABELLED = (
    HEAD
    + """
var size = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dataset_size"}, []string{"dataset"})

func set(set *corev1.Pod, namespace, name string, value float64) {
\tsize.WithLabelValues(fmt.Sprintf("%s/%s", namespace, name)).Set(value) // want "a series for each dataset"
}

func again(namespace, name string) {
\tset(nil, namespace, name, 1)
}
"""
)
BOTH = 'fmt.Sprintf("%s/%s", namespace, name)'


@pytest.mark.parametrize(
    "value",
    [
        BOTH,
        'namespace + "/" + name',
        "types.NamespacedName{Namespace: namespace, Name: name}.String()",
        "client.ObjectKeyFromObject(set).String()",
    ],
)
def test_label_is_of_objects_where_its_value_is_both_names_of_one(value: str) -> None:
    check(LABELLED.replace(BOTH, value))
    named = LABELLED.replace(f"\tsize.WithLabelValues({BOTH})", f"\tkey := {value}\n\tsize.WithLabelValues(key)")
    check(named)


@pytest.mark.parametrize("value", ["mode", 'fmt.Sprintf("%s/%s", mode, phase)', '"all"'])
def test_label_of_which_nothing_tells_that_it_is_of_objects(value: str) -> None:
    assert not found(unwanted(LABELLED).replace(BOTH, value), level="B")


def test_label_that_says_it_is_of_none() -> None:
    assert not found(unwanted(LABELLED).replace('"dataset"', '"reason"'), level="B")


ID_TYPE = (
    HEAD
    + """
type groupIDType uint32

type groups struct {
\tknown sync.Map
}

func (g *groups) Add(groupID groupIDType) {
\tg.known.Store(groupID, true) // want "nothing deletes from it"
}
"""
)


def test_type_of_numbers_that_tell_objects_apart_has_many() -> None:
    check(ID_TYPE, level="B", rule="map-never-deleted")
    assert not found(unwanted(ID_TYPE).replace("groupIDType", "groupType"), level="B", rule="map-never-deleted")


MADE = (
    HEAD
    + """
var sessions sync.Map

type Reconciler struct{}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tscope := newScope(req.Namespace, req.Name)
\treturn ctrl.Result{}, scope.apply()
}

func newScope(namespace, name string) *scope {
\treturn &scope{session: sessionFor(namespace + "-" + name)}
}

func sessionFor(key string) *session {
\tmade := &session{}
\tsessions.Store(key, made) // want "nothing deletes from it"
\treturn made
}
"""
)


def test_what_a_reconciler_makes_is_no_part_of_starting() -> None:
    check(MADE)
    at_start = unwanted(MADE).replace("(r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request)", "main()")
    assert not found(at_start, level="B", rule="map-never-deleted")


NUMBERS = (
    HEAD.replace("package thing", "package main")
    + """
type numbers struct {
\tnames map[uint32]string
}

var known = &numbers{names: map[uint32]string{}}

func (n *numbers) Number(name string) uint32 {
\tnumber := hashOf(name)
\tn.names[number] = name // want "deleted from in (numbers).Delete alone, which nobody calls"
\treturn number
}

func (n *numbers) Delete(name string) {
\tdelete(n.names, hashOf(name))
}

type Reconciler struct {
\tclient.Client
\tloaded ebpf.Maps
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tif known.Number(req.Name) == 0 {
\t\treturn ctrl.Result{}, r.Client.Delete(ctx, &corev1.Pod{})
\t}
\treturn ctrl.Result{}, r.loaded.Backends.Delete(req.Name)
}

func main() {
\tctrl.NewControllerManagedBy(nil).Complete(&Reconciler{})
}
"""
)


@pytest.mark.parametrize(
    "text",
    [
        NUMBERS.replace("\tif known.Number", "\tknown.Delete(old)\n\tif known.Number"),
        NUMBERS.replace("\tif known.Number", "\tforget(known.Delete)\n\tif known.Number"),
        NUMBERS.replace("\tif known.Number", "\tr.end = ending{by: known.Delete}\n\tif known.Number"),
        NUMBERS
        + "\nfunc (o *other) Delete(name string) {\n\to.numbers.Delete(name)\n}\n\ntype other struct {\n\tnumbers *numbers\n}\n",
        NUMBERS.replace("package main", "package thing"),
        NUMBERS.replace(
            "type numbers struct",
            "type namer interface {\n\tNumber(name string) uint32\n\tDelete(name string)\n}\n\ntype numbers struct",
        ),
        NUMBERS.replace("\tif known.Number", "\tfor _, one := range r.all() {\n\t\tone.Delete(req.Name)\n\t}\n\tif known.Number"),
    ],
    ids=["called", "as a value", "in a field", "handed on", "library", "interface", "of what it is called on nothing is known"],
)
def test_delete_that_somebody_may_call(text: str) -> None:
    check(NUMBERS, level="B", rule="delete-never-called")
    assert not found(unwanted(text), level="B", rule="delete-never-called")


INDEX = (
    HEAD.replace('\tctrl "', '\t"k8s.io/client-go/tools/cache"\n\tctrl "')
    + """
type Reconciler struct {
\tinstalled cache.Indexer
}

func New() *Reconciler {
\treturn &Reconciler{installed: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})}
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tpod := &corev1.Pod{}
\tif err := r.Get(ctx, req.NamespacedName, pod); err != nil {
\t\treturn ctrl.Result{}, err
\t}
\tr.installed.Add(pod) // want "nothing deletes from it"
\treturn ctrl.Result{}, r.installed.Update(pod)
}
"""
)


def test_store_of_client_go_that_is_filled_and_never_emptied() -> None:
    check(INDEX, level="B")
    local = INDEX.replace("return &Reconciler{installed: ", "installed := ").replace(
        "cache.Indexers{})}", "cache.Indexers{})\n\treturn &Reconciler{installed: installed}"
    )
    check(local, level="B")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return ctrl.Result{}, r.installed.Update(pod)", "return ctrl.Result{}, r.installed.Delete(pod)"),
        ("return ctrl.Result{}, r.installed.Update(pod)", 'return ctrl.Result{}, r.installed.Replace(all, "")'),
        ("return ctrl.Result{}, r.installed.Update(pod)", "go cache.NewReflector(r, pod, r.installed, 0).Run(nil)"),
        ("cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})", "informer.GetIndexer()"),
        ("\tr.installed.Add(pod)", "\tr.known(pod)"),
        ('"k8s.io/client-go/tools/cache"', '"example.org/lru/cache"'),
    ],
    ids=["deleted", "replaced", "handed on", "of an informer", "not filled", "of another module"],
)
def test_store_that_is_emptied_or_none_of_ones_own(old: str, new: str) -> None:
    assert not found(unwanted(INDEX).replace(old, new), level="B", rule="map-never-deleted")


HANDLED = (
    HEAD
    + """
func (c *Controller) next(ctx context.Context, queue workqueue.RateLimitingInterface) bool {
\tkey, _ := queue.Get()
\tdefer queue.Done(key)
\tif err := c.sync(ctx, key); err != nil {
\t\tc.handleErr(queue, err, key)
\t}
\treturn true
}

func (c *Controller) handleErr(queue workqueue.RateLimitingInterface, err error, key any) {
\tif err == nil {
\t\tqueue.Forget(key) // want "called only where there is an error"
\t\treturn
\t}
\tif queue.NumRequeues(key) < 5 {
\t\tqueue.AddRateLimited(key)
\t\treturn
\t}
\tqueue.Forget(key)
}
"""
)
ASKED = "\tif err := c.sync(ctx, key); err != nil {\n\t\tc.handleErr(queue, err, key)\n\t}\n"


def test_queue_that_forgets_only_what_failed() -> None:
    check(HANDLED, level="B", rule="queue-never-forgets")
    always = HANDLED.replace(ASKED, "\terr := c.sync(ctx, key)\n\tc.handleErr(queue, err, key)\n")
    assert not found(unwanted(always), level="B", rule="queue-never-forgets")
    other = HANDLED.replace("; err != nil {", "; ready != nil {")
    assert not found(unwanted(other), level="B", rule="queue-never-forgets")
    also = HANDLED.replace("\treturn true\n", "\tc.handleErr(queue, nil, key)\n\treturn true\n", 1)
    assert not found(unwanted(also), level="B", rule="queue-never-forgets")
