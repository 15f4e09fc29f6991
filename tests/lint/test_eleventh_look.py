"""What real fixes taught a second time: keys that another map's values say, a metric that is left out, and what is kept or set up while a program runs."""

from __future__ import annotations

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, check, found, unwanted

INDEX = (
    HEAD
    + """
type addresses struct {
\tofPod map[string][]string
\tpods map[string]string
}

var known = &addresses{ofPod: map[string][]string{}, pods: map[string]string{}}

func (a *addresses) update(pod string, ips []string) {
\ta.ofPod[pod] = ips // want "does not ask what it said before"
\tfor _, ip := range ips {
\t\ta.pods[ip] = pod
\t}
}

func (a *addresses) remove(pod string) {
\told, ok := a.ofPod[pod]
\tif !ok {
\t\treturn
\t}
\tfor _, ip := range old {
\t\tdelete(a.pods, ip)
\t}
\tdelete(a.ofPod, pod)
}

func handle(pod *corev1.Pod) {
\tif pod.DeletionTimestamp != nil {
\t\tknown.remove(pod.Name)
\t\treturn
\t}
\tknown.update(pod.Name, ipsOf(pod))
}
"""
)
INDEX_RULE = "index-left-behind"
UPDATE = "\ta.ofPod[pod] = ips"


def test_value_that_is_overwritten_leaves_the_keys_it_said() -> None:
    check(INDEX, level="B", rule=INDEX_RULE)


@pytest.mark.parametrize(
    "before",
    [
        "\ta.remove(pod)\n",
        "\tfor _, ip := range a.ofPod[pod] {\n\t\tdelete(a.pods, ip)\n\t}\n",
        "\tif _, ok := a.ofPod[pod]; ok {\n\t\treturn\n\t}\n",
    ],
)
def test_value_that_is_asked_for_before_it_is_overwritten(before: str) -> None:
    text = unwanted(INDEX).replace(UPDATE, before + UPDATE)
    assert not found(text, level="B", rule=INDEX_RULE)


def test_value_that_its_caller_has_taken_out_before() -> None:
    text = unwanted(INDEX).replace("\tknown.update(", "\tknown.remove(pod.Name)\n\tknown.update(")
    assert not found(text, level="B", rule=INDEX_RULE)


def test_value_of_what_was_seen_not_to_be_there() -> None:
    created = unwanted(INDEX).replace("update(", "create(")
    assert not found(created, level="B", rule=INDEX_RULE)
    wanting = unwanted(INDEX).replace(UPDATE, "\tif ofPod == nil {\n\t" + UPDATE + "\n\t}")
    assert not found(wanting, level="B", rule=INDEX_RULE)


def test_index_that_is_swept_forgets_by_itself() -> None:
    swept = "\nfunc (a *addresses) sweep() {\n\tfor ip, pod := range a.pods {\n\t\tif gone(pod) {\n\t\t\tdelete(a.pods, ip)\n\t\t}\n\t}\n}\n"
    assert not found(unwanted(INDEX) + swept, level="B", rule=INDEX_RULE)


ALONE = unwanted(INDEX).replace(UPDATE, "\ta.remove(pod)\n" + UPDATE) + (
    """
func (a *addresses) evict(pod string) {
\tdelete(a.ofPod, pod) // want "deletes from ofPod alone"
}
"""
)


def test_value_that_is_deleted_alone_leaves_the_keys_it_said() -> None:
    check(ALONE, level="B", rule=INDEX_RULE)


def test_value_that_is_deleted_beside_what_cleans_the_index() -> None:
    calls = "\nfunc forget(pod string) {\n\tknown.remove(pod)\n\tknown.evict(pod)\n}\n"
    assert not found(unwanted(ALONE) + calls, level="B", rule=INDEX_RULE)
    either = (
        "\nfunc forget(pod string, all bool) {\n\tif all {\n\t\tknown.remove(pod)\n\t} else {\n\t\tknown.evict(pod)\n\t}\n}\n"
    )
    check(ALONE + either, level="B", rule=INDEX_RULE)


SERIES = (
    HEAD
    + """
var (
\treceived = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a"}, []string{"user"})
\tdropped = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "b"}, []string{"user", "reason"})
\tqueued = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "c"}, []string{"user"})
\tlimits = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "d"}, []string{"user", "limit"})
)

func deleteUser(user string) {
\treceived.DeleteLabelValues(user)
\tdropped.DeletePartialMatch(prometheus.Labels{"user": user})
\tqueued.DeleteLabelValues(user)
}

func observe(user string, now map[string]float64, before []string) {
\treceived.WithLabelValues(user).Inc()
\tdropped.WithLabelValues(user, "late").Inc()
\tqueued.WithLabelValues(user).Set(1)
\tfor limit, value := range now {
\t\tlimits.WithLabelValues(user, limit).Set(value) // want "and not from limits"
\t}
\tfor _, limit := range before {
\t\tlimits.DeleteLabelValues(user, limit)
\t}
}
"""
)
SERIES_RULE = "series-left-out"


def test_metric_is_left_out_where_its_user_goes() -> None:
    check(SERIES, level="B", rule=SERIES_RULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\tqueued.DeleteLabelValues(user)\n}", "\tqueued.DeleteLabelValues(user)\n\tlimits.DeletePartialMatch(labels)\n}"),
        ("\tqueued.DeleteLabelValues(user)\n}", "}"),  # two of them may be left out on purpose
        ('[]string{"user", "limit"}', '[]string{"tenant", "limit"}'),
        ("deleteUser(", "report("),
    ],
)
def test_metric_that_nothing_says_to_be_left_out(old: str, new: str) -> None:
    assert not found(unwanted(SERIES).replace(old, new), level="B", rule=SERIES_RULE)


SETUP = (
    HEAD
    + """
type agent struct {
\taddress map[string]string
}

func (a *agent) setupInterface(name, address string) error {
\ta.address[name] = address // want "nothing deletes from it"
\treturn nil
}

func (a *agent) poolReconcile(names []string) {
\tfor _, name := range names {
\t\ta.setupInterface(name, "")
\t}
}

func main() {
\ta := &agent{address: map[string]string{}}
\ta.setupInterface("eth0", "")
\tfor {
\t\ta.poolReconcile(list())
\t}
}
"""
)


def test_method_called_setup_that_a_loop_runs_again() -> None:
    check(SETUP, level="B", rule="map-never-deleted")
    assert not found(unwanted(SETUP).replace("poolReconcile", "begin"), level="B", rule="map-never-deleted")


INTO_GIVEN = (
    HEAD
    + """
type queue struct {
\tname string
\tchildren map[string]*queue
}

var root = &queue{children: map[string]*queue{}}

func newQueue(name string, parent *queue) *queue {
\tchild := &queue{name: name, children: map[string]*queue{}}
\tparent.attach(child)
\treturn child
}

func (q *queue) attach(child *queue) {
\tq.children[child.name] = child // want "nothing deletes from it"
}

func handle(pod *corev1.Pod) {
\tnewQueue(pod.Name, root)
}
"""
)


def test_constructor_that_puts_what_it_makes_into_what_it_is_given() -> None:
    check(INTO_GIVEN, level="B", rule="map-never-deleted")
    assert not found(unwanted(INTO_GIVEN).replace("handle(pod", "init(pod"), level="B", rule="map-never-deleted")


KEPT_BY_OTHERS = (
    HEAD
    + """
type node struct {
\tpods map[string]int
}

func (n *node) take(pod string) {
\tn.pods[pod]++ // want "nothing deletes from it"
}

type scheduler struct {
\tparts map[string]part
}

func (s *scheduler) onNode(name string) {
\tn := &node{pods: map[string]int{}}
\tpart := s.partOf(name)
\tpart.AddNode(n)
}

func (s *scheduler) handle(pod *corev1.Pod) {
\ts.nodeOf(pod).take(pod.Name)
}
"""
)


def test_value_is_kept_by_what_was_asked_for() -> None:
    check(KEPT_BY_OTHERS, level="B", rule="map-never-deleted")
    assert not found(unwanted(KEPT_BY_OTHERS).replace("s.partOf(name)", "newPart(name)"), level="B", rule="map-never-deleted")


OWN_KEYS = (
    HEAD
    + """
type tenantID struct{ namespace, name string }

type state struct {
\ttenants map[tenantID]int
\tempty map[tenantID]time.Time
}

var current = &state{tenants: map[tenantID]int{}, empty: map[tenantID]time.Time{}}

func (s *state) add(id tenantID) {
\ts.tenants[id]++
}

func (s *state) record(id tenantID, pods int) {
\tif pods > 0 {
\t\tdelete(s.empty, id)
\t\treturn
\t}
\ts.empty[id] = time.Now() // want "not out of empty"
}

func (s *state) deleteTenant(id tenantID) {
\tdelete(s.tenants, id)
}
"""
)


def test_one_map_beside_is_enough_where_keys_have_a_type_of_their_own() -> None:
    check(OWN_KEYS, level="B", rule="parallel-map-forgotten")
    kind = unwanted(OWN_KEYS).replace("type tenantID struct{ namespace, name string }", "type tenantID = types.NamespacedName")
    assert not found(kind, level="B", rule="parallel-map-forgotten")


STORE = (
    HEAD
    + """
type taskStore struct {
\ttasks map[string]int
}

func (t *taskStore) Set(id string, task int) {
\tt.tasks[id] = task // want "which nobody calls"
}

func (t *taskStore) Delete(id string) {
\tdelete(t.tasks, id)
}

var store = &taskStore{tasks: map[string]int{}}

func handle(pod *corev1.Pod) {
\tstore.Set(string(pod.UID), 1)
}
"""
)
MAIN = 'package main\n\nimport "k8s.io/client-go/kubernetes"\n\nfunc main() {\n\tclient.Delete("a")\n}\n'


def test_delete_of_a_type_of_the_package_that_others_cannot_mean() -> None:
    def told(text: str) -> list[str]:
        files = [("pkg/thing/a.go", text.encode()), ("cmd/main.go", MAIN.encode())]
        return [f.message for f in lint_files(files, level="B", rules=["delete-never-called"]).findings]

    assert len(told(unwanted(STORE))) == 1
    assert not told(unwanted(STORE) + "\nfunc gone(pod *corev1.Pod) {\n\tstore.Delete(string(pod.UID))\n}\n")
    assert not told(unwanted(STORE) + "\nvar forget = store.Delete\n")


LATER = (
    HEAD
    + """
type broker struct {
\tbyToken map[string]*corev1.Pod
}

var one = &broker{byToken: map[string]*corev1.Pod{}}

func (b *broker) leave(req *corev1.Pod) func() {
\treturn func() {
\t\tdelete(b.byToken, req.Spec.NodeName)
\t}
}

func (b *broker) add(req *corev1.Pod) {
\tb.byToken[req.Spec.NodeName] = req
}

func handle(req *corev1.Pod) {
\tstop(one.leave(req))
\tone.add(req)
}
"""
)


def test_delete_in_a_literal_that_is_given_back_runs_later() -> None:
    assert not found(LATER, level="B", rule="updated-by-new-alone")
    at_once = LATER.replace("\treturn func() {\n\t\tdelete", "\t{\n\t\tdelete").replace(") func() {", ") {")
    assert found(at_once, level="B", rule="updated-by-new-alone")


SETS = (
    HEAD.replace('\t"sync"\n', '\t"sync"\n\n\t"example.org/tree/pkg/maker"\n')
    + """
type table struct {
\tnodes map[string]int
}

var known = &table{}

func handle(pod *corev1.Pod) {
\tmaker.Fill(known.nodes, pod.Name, 1)
}
"""
)
MAKER = "package maker\n\nfunc Fill(of map[string]int, key string, value int) {\n\tof[key] = value\n}\n"
OTHER = "package other\n\nfunc Fill(of map[string]int, key string, value int) {\n\tdelete(of, key)\n}\n"


def test_function_that_deletes_from_what_it_is_given_is_the_one_that_is_imported() -> None:
    def told(first: str, second: str) -> list[str]:
        files = [("pkg/thing/a.go", SETS), ("pkg/maker/a.go", first), ("pkg/other/a.go", second)]
        found = lint_files([(path, text.encode()) for path, text in files], level="B", rules=["map-never-deleted"]).findings
        return [one.symbol for one in found]

    assert told(MAKER, OTHER) == ["(table).nodes"]
    both = MAKER.replace("\tof[key] = value\n", "\tdelete(of, key)\n\tof[key] = value\n")
    assert not told(both, OTHER)


def test_key_that_is_added_to_a_map_that_is_there_overwrites_nothing() -> None:
    nested = (
        unwanted(INDEX)
        .replace("map[string][]string", "map[string]map[string]bool")
        .replace(UPDATE, "\tinner := a.ofPod[pod]\n\tinner[ips[0]] = true")
    )
    assert not found(nested, level="B", rule=INDEX_RULE)


SHARED = (
    HEAD
    + """
type metrics struct {
\tleft *prometheus.GaugeVec
}

func newMetrics() *metrics {
\treturn &metrics{left: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "left"}, []string{"pod"})}
}

func (m *metrics) handle(podName string) {
\tm.left.WithLabelValues(podName).Set(1) // want "nothing deletes one"
}

type cleaner struct {
\tleft *prometheus.GaugeVec
}

func newCleaner(left *prometheus.GaugeVec) *cleaner {
\treturn &cleaner{left: left}
}
"""
)
CLEANS = "\nfunc (c *cleaner) forget(podName string) {\n\tc.left.DeleteLabelValues(podName)\n}\n"


def test_vector_that_is_given_to_who_deletes_from_it() -> None:
    check(SHARED, level="B", rule="series-never-deleted")
    assert not found(unwanted(SHARED) + CLEANS, level="B", rule="series-never-deleted")
    own = SHARED.replace("newCleaner(left *prometheus.GaugeVec)", "newCleaner()").replace("left: left", "left: nil") + CLEANS
    check(own, level="B", rule="series-never-deleted")


WRAPPED = (
    HEAD
    + """
var pushed = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pushed"}, []string{"instance_id"})

type recorder struct {
\tid string
}

var own = &recorder{id: "one"}

func (r *recorder) record(opts []option) {
\tlabels := prometheus.Labels{"instance_id": r.id}
\tfor _, with := range opts {
\t\tlabels = with(labels)
\t}
\tpushed.With(labels).Set(1)
}

func handle(pod *corev1.Pod) {
\town.record(nil)
}
"""
)


def test_labels_that_are_given_back_by_what_adds_to_them_are_what_they_were_made_as() -> None:
    assert not found(WRAPPED, level="B", rule="series-never-deleted")
    others = WRAPPED.replace("record(opts", "record(pod *corev1.Pod, opts").replace('_id": r.id', '_id": pod.Name')
    assert found(others, level="B", rule="series-never-deleted")
