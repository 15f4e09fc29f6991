"""What lint leaves alone: maps of what lives as long as a call, and keys that run out."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted
from tests.lint.test_rules import GAUGE, RECONCILER


def test_map_of_what_lives_as_long_as_a_call_is_silent() -> None:
    check(
        HEAD
        + """
type plan struct {
\tnames map[string]bool
}

func (p *plan) add(name string) {
\tp.names[name] = true
}

type Reconciler struct{}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tp := &plan{names: map[string]bool{}}
\tp.add(req.Name)
\treturn ctrl.Result{}, nil
}
"""
    )


@pytest.mark.parametrize(
    ("declared", "insert"),
    [
        ("map[Phase]int", "r.seen[phaseOf(req)]++"),
        ("map[string]int", 'r.seen["all"]++'),
        ("map[schema.GroupVersionKind]int", "r.seen[kindOf(req)] = 1"),
        ("map[string]int", "region := regionOf(req)\n\tr.seen[region]++"),
        ("*lru.Cache", "r.seen.Add(req.Name, 1)"),
        ("map[string]int //ghostkey:bounded one for each node pool", "r.seen[req.Name] = 1"),
    ],
    ids=["enumeration", "constant", "kinds", "regions", "lru", "comment"],
)
def test_keys_that_run_out_are_silent(declared: str, insert: str) -> None:
    check(
        HEAD
        + f"""
type Phase string

const Ready Phase = "Ready"

type Reconciler struct {{
\tseen {declared}
}}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {{
\t{insert}
\treturn ctrl.Result{{}}, nil
}}
"""
    )


def test_what_is_registered_at_the_start_is_silent() -> None:
    check(
        HEAD
        + """
type Registry struct {
\tplugins map[string]int
}

var registry = &Registry{plugins: map[string]int{}}

func (r *Registry) Register(name string, n int) {
\tr.plugins[name] = n
}

func NewRegistry(names []string) *Registry {
\tr := &Registry{plugins: map[string]int{}}
\tfor _, name := range names {
\t\tr.plugins[name] = 1
\t}
\treturn r
}
"""
    )


SNAPSHOT = (
    HEAD
    + """
type State struct {
\tnames map[string]bool
}

func (s *State) add(name string) { s.names[name] = true }

type Server struct {
\tcurrent *State
}

func (s *Server) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tstate := &State{names: map[string]bool{}}
\tstate.add(req.Name)
\ts.current = state
\treturn ctrl.Result{}, nil
}

var server = &Server{}
"""
)


def test_what_takes_the_place_of_the_one_before_it_does_not_live_long() -> None:
    check(SNAPSHOT)
    check(SNAPSHOT + "\nvar _ Interface = &State{}\n")
    kept = SNAPSHOT.replace("\ts.current = state\n", "\tif s.current == nil {\n\t\ts.current = state\n\t}\n")
    check(kept.replace("{ s.names[name] = true }", '{ s.names[name] = true } // want "nothing deletes"'))


def test_key_with_a_fixed_beginning_is_no_constant() -> None:
    wanted = RECONCILER.replace("r.seen[req.Name]", 'r.seen["tenant-"+req.Name]')
    assert wanted != RECONCILER
    check(wanted)
    check(unwanted(RECONCILER.replace("r.seen[req.Name]", 'r.seen["tenant"]')))


def test_label_in_words_is_one_series() -> None:
    told = GAUGE.replace('[]string{"namespace", "name"}', "labels").replace("t.Namespace, t.Name", "cluster.Value(name)")
    assert found(told.replace('"has a series for each namespace, name"', '""'), rule="series-never-deleted")
    check(unwanted(told).replace("cluster.Value(name)", 'cluster.Value("local")'))


FIELD = (
    HEAD
    + """
type Part struct {
\tName string
}

type Reconciler struct {
\tparts []Part
\tseen  map[string]bool
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tfor _, part := range r.parts {
\t\tr.seen[part.Name] = true
\t}
\treturn ctrl.Result{}, nil
}
"""
)


def test_keys_of_a_field_that_stays_as_it_was_made_run_out() -> None:
    check(FIELD)
    changed = FIELD + "\nfunc (r *Reconciler) add(p Part) {\n\tr.parts = append(r.parts, p)\n}\n"
    check(changed.replace("r.seen[part.Name] = true", 'r.seen[part.Name] = true // want "nothing deletes"'))


def test_local_map_that_a_literal_takes_is_the_field() -> None:
    made = (
        RECONCILER
        + """
func setup(events chan string) *Reconciler {
\tseen := map[string]time.Time{}
\tgo func() {
\t\tfor name := range events {
\t\t\tdelete(seen, name)
\t\t}
\t}()
\treturn &Reconciler{seen: seen}
}
"""
    )
    check(unwanted(made))
    check(made.replace("\t\t\tdelete(seen, name)\n", ""))


def test_object_of_the_api_lives_as_long_as_a_try() -> None:
    kind = (
        HEAD
        + """
type Rules struct {
\tHeaders map[string]string `json:"headers"`
}

type Policy struct {
\tmetav1.TypeMeta
\tmetav1.ObjectMeta
\tSpec Rules
}

func (p *Policy) merge(hosts map[string]string) {
\tfor id := range hosts {
\t\tp.Spec.Headers[id] = id
\t}
}

var known = &Policy{}
"""
    )
    check(kind)
    check(kind.replace("\tmetav1.TypeMeta\n", "").replace("= id\n", '= id // want "nothing deletes"\n'))


def test_series_whose_labels_the_code_names_are_as_many_as_it_names() -> None:
    text = (
        HEAD
        + """
const backoff = "backoff"

var Pending = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pending"}, []string{"queue"})

func (q *Queue) handle(req ctrl.Request) {
\tPending.With(prometheus.Labels{"queue": "active"}).Inc()
\tPending.With(prometheus.Labels{"queue": backoff}).Inc()
}

type provider struct{ depth *prometheus.GaugeVec }

func (p *provider) NewDepthMetric(name string) workqueue.GaugeMetric {
\treturn p.depth.WithLabelValues(name)
}
"""
    )
    check(text)
    check(
        text.replace('{"queue": backoff}).Inc()', '{"queue": req.Name}).Inc()').replace(
            'Pending.With(prometheus.Labels{"queue": "active"}).Inc()',
            'Pending.With(prometheus.Labels{"queue": "active"}).Inc() // want "has a series for each queue"',
        )
    )


def test_map_of_constants_of_a_type_and_of_kinds_is_bounded() -> None:
    text = (
        HEAD
        + """
type Name string

const (
	Replicas = Name("replicas")
	Capacity = Name("capacity")
)

var settings = map[Name]string{}

var byKind = map[string]int{}

func handleSet(name Name, value string) {
\tsettings[name] = value
}

func handleLook(gvrKey string) {
\tbyKind[gvrKey] = 1
}

func handleCreate(ctx context.Context, row string) {
\tstore.rows.Add(ctx, row)
}
"""
    )
    check(text)
    check(
        text.replace("settings[name] = value", 'settings[name] = value // want "settings gets one key"').replace(
            'Capacity = Name("capacity")', ""
        )
    )


def test_secret_that_another_function_makes_is_no_old_one() -> None:
    text = (
        HEAD
        + """
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) {
\tsecret := r.newSecret()
\tr.client.Get(ctx, req.NamespacedName, &tenant)
\tsecret.Data[tenant.Spec.Region] = nil
\tr.client.Create(ctx, secret)
}

func (r *Reconciler) newSecret() *corev1.Secret {
\treturn &corev1.Secret{}
}
"""
    )
    check(text)
    read = text.replace(
        "\treturn &corev1.Secret{}", "\tsecret := &corev1.Secret{}\n\tr.client.Get(ctx, r.key, secret)\n\treturn secret"
    )
    check(read.replace("Region] = nil", 'Region] = nil // want "gets the key"'))
