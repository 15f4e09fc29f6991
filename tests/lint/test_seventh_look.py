"""What a seventh batch of trees taught: what is of few, what is built for its caller, and what only has the name."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

BUILT = (
    HEAD
    + """
func build(tenants []string) *corev1.ConfigMap {
\tcm := newConfigMap("names")
\taddNames(tenants, cm)
\treturn cm
}

func newConfigMap(name string) *corev1.ConfigMap {
\treturn &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func addNames(tenants []string, cm *corev1.ConfigMap) {
\tfor _, tenant := range tenants {
\t\tcm.Data[tenant] = "x"
\t}
}
"""
)


@pytest.mark.parametrize(
    "change",
    [lambda text: text, lambda text: text.replace('newConfigMap("names")', "&corev1.ConfigMap{}")],
    ids=["by a function", "literal"],
)
def test_object_that_every_caller_has_made_is_new(change) -> None:
    assert not found(change(BUILT))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\taddNames(tenants, cm)", "\tr.Get(ctx, at, cm)\n\taddNames(tenants, cm)"),
        lambda text: text.replace('cm := newConfigMap("names")', "cm := r.read(ctx)"),
        lambda text: (
            text + "\nfunc (r *Reconciler) more(ctx context.Context, cm *corev1.ConfigMap) {\n\taddNames(r.all, cm)\n}\n"
        ),
    ],
    ids=["read", "another's", "one of two"],
)
def test_object_that_a_caller_has_not_made_is_an_old_one(change) -> None:
    assert [one.rule for one in found(change(BUILT))] == ["data-key-never-deleted"]


ANSWER = (
    HEAD
    + """
func (s *server) all(ctx context.Context, req *api.Request) (*api.GetBulkSecretResponse, error) {
\tresponse, err := s.answer(ctx)
\tfor key, v := range s.store.Everything() {
\t\tresponse.Data[key] = v
\t}
\treturn response, err
}

func (s *server) answer(ctx context.Context) (*api.GetBulkSecretResponse, error) {
\treturn s.client.Answer(ctx)
}
"""
)


def test_answer_about_secrets_is_no_secret() -> None:
    assert not found(ANSWER, rule="data-key-never-deleted")
    assert found(ANSWER.replace("GetBulkSecretResponse", "Secret"), rule="data-key-never-deleted")


COUNTED = (
    HEAD
    + """
type Reconciler struct {
\tnumbers map[string]int
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tpodCounts := r.count(ctx)
\tmaps.Copy(r.numbers, podCounts)
\treturn ctrl.Result{}, nil
}

func (r *Reconciler) count(ctx context.Context) map[string]int {
\treturn r.client.Numbers(ctx)
}
"""
)


def test_counts_of_things_are_no_things() -> None:
    check(COUNTED)
    check(COUNTED.replace("podCounts", "podNumbers").replace("podNumbers)", 'podNumbers) // want "nothing deletes"'))
    kept = COUNTED.replace("\tpodCounts := r.count(ctx)\n\tmaps.Copy(r.numbers, podCounts)", "\tr.numbers[podType] = 1")
    check(kept.replace("(ctx context.Context, req ctrl.Request)", "(ctx context.Context, req ctrl.Request, podType string)"))


CALLBACK = (
    HEAD
    + """
var found = map[string]func(name string){}

func AddFoundCallback(service string, callback func(name string)) {
\tfound[service] = callback
}

func init() {
\tAddFoundCallback(proto.Store.ServiceName, func(name string) {})
}
"""
)


def test_callback_that_is_added_is_a_part_of_the_program() -> None:
    check(CALLBACK, level="B")
    assert found(
        unwanted(CALLBACK).replace("AddFoundCallback", "handleFound").replace("func init", "func (r *R) Reconcile"), level="B"
    )


FULL = (
    HEAD
    + """
type cache struct {
\tknown map[string]string
}

var shared = &cache{known: map[string]string{}}

func (c *cache) Put(pod *corev1.Pod) error {
\tif _, exists := c.known[pod.Name]; !exists && len(c.known) >= most {
\t\treturn errFull
\t}
\tc.known[pod.Name] = pod.Spec.NodeName
\treturn nil
}

const most = 1000
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("_, exists := c.known[pod.Name]; !exists && len(c.known) >= most", "len(c.known) > 500"),
        lambda text: text.replace("\tc.known[pod.Name] =", "\tif len(c.known) < most {\n\t\tc.known[pod.Name] =").replace(
            "NodeName\n", "NodeName\n\t}\n"
        ),
    ],
    ids=["new ones", "all", "inside"],
)
def test_map_that_is_full_at_some_time_does_not_grow(change) -> None:
    assert not found(change(FULL), level="B")


@pytest.mark.parametrize(
    "condition", ["len(c.known) > 0", "len(c.known) == most", "len(pod.Labels) >= most", "len(c.known) < most"]
)
def test_other_questions_about_a_length_bound_nothing(condition: str) -> None:
    told = found(FULL.replace("_, exists := c.known[pod.Name]; !exists && len(c.known) >= most", condition))
    assert [one.symbol for one in told] == ["(cache).known"]


EVENTS = (
    HEAD
    + """
var latest = map[string]time.Time{}
var sent = map[string]time.Time{}

const prefix = "io.example."

func note(key string, at time.Time) {
\tlatest[key] = at
}

func NewEmitter(eventType enum.EventType) Emitter {
\tname := strings.TrimPrefix(string(eventType), prefix)
\treturn Emitter{after: func(pod *corev1.Pod) { note(name, time.Now()) }}
}

func (r *Reconciler) handle(ctx context.Context) {
\tfor key, at := range latest {
\t\tsent[key] = at
\t}
}
"""
)


def test_keys_that_are_cut_out_of_kinds_are_few() -> None:
    assert not found(EVENTS, level="B")
    by_pod = EVENTS.replace("note(name, time.Now())", "note(pod.Name, time.Now())")
    assert sorted(one.symbol for one in found(by_pod)) == ["latest", "sent"]
    # a name of which nothing is known may be any
    assert found(EVENTS.replace("string(eventType)", "string(pod)"), level="B")


ENVIRONMENT = (
    HEAD
    + """
var images = map[string]string{}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tfor _, one := range os.Environ() {
\t\tpair := strings.SplitN(one, "=", 2)
\t\timages[pair[0]] = pair[1]
\t}
\treturn ctrl.Result{}, nil
}
"""
)


def test_environment_stays_as_it_is() -> None:
    assert not found(ENVIRONMENT, level="B")
    # what is there gets another value
    assert not found(
        ENVIRONMENT.replace(
            "\treturn ctrl", "\tfor name, image := range images {\n\t\timages[name] = other(image)\n\t}\n\treturn ctrl"
        ),
        level="B",
    )
    assert found(ENVIRONMENT.replace("os.Environ()", "r.lines(ctx)"), level="B")


WITHIN = (
    HEAD
    + """
type status struct {
\thubs map[string]string
}

var all = map[string]*status{}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tall[req.Name] = &status{hubs: map[string]string{}}
\tall[req.Name].set(req.Namespace)
\treturn ctrl.Result{}, nil
}

func (s *status) set(namespace string) {
\ts.hubs[namespace] = "x"
}

func forget(name string) {
\tdelete(all, name)
}
"""
)


def test_map_within_what_goes_with_its_key() -> None:
    assert not found(WITHIN)
    kept = WITHIN.replace("\tdelete(all, name)\n", "")
    assert sorted(one.symbol for one in found(kept)) == ["(status).hubs", "all"]


PASSED = (
    HEAD
    + """
type state struct {
\tpending map[types.NamespacedName]int
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tmade := &state{pending: map[types.NamespacedName]int{}}
\tr.addReplicas(made, req.NamespacedName)
\treturn ctrl.Result{}, nil
}

func (r *Reconciler) addReplicas(s *state, key types.NamespacedName) {
\tr.count(s, key)
}

func (r *Reconciler) count(s *state, key types.NamespacedName) {
\ts.pending[key] = 1
}
"""
)


def test_value_that_is_added_to_and_kept_by_nobody_goes() -> None:
    assert not found(PASSED, level="B", rule="map-never-deleted")
    kept = PASSED.replace("\ts.pending[key] = 1\n", "\ts.pending[key] = 1\n\tr.all = append(r.all, s)\n")
    assert [one.symbol for one in found(kept, level="B", rule="map-never-deleted")] == ["(state).pending"]
