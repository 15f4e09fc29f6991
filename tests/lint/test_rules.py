"""Each rule: what it finds, what it leaves alone, and the shapes of real leaks in our own words."""

from __future__ import annotations

import pytest

from ghostkey.lint.rules import all_rules, page
from tests.lint.go import HEAD, check, found, unwanted

RECONCILER = (
    HEAD
    + """
type Reconciler struct {
\tseen map[string]time.Time
\tmu   sync.Mutex
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.mu.Lock()
\tdefer r.mu.Unlock()
\tr.seen[req.Name] = time.Now() // want "nothing deletes from it"
\treturn ctrl.Result{}, nil
}
"""
)


def test_map_of_a_reconciler_without_a_delete() -> None:
    check(RECONCILER, rule="map-never-deleted")
    finding = found(RECONCILER)[0]
    assert finding.symbol == "(Reconciler).seen"
    assert finding.function == "(Reconciler).Reconcile"
    assert finding.key == "req.Name"


@pytest.mark.parametrize(
    "release",
    [
        "func (r *Reconciler) forget(name string) {\n\tdelete(r.seen, name)\n}\n",
        "func (r *Reconciler) sweep() {\n\tr.seen = map[string]time.Time{}\n}\n",
        "func (r *Reconciler) drop() {\n\tclear(r.seen)\n}\n",
        'func (r *Reconciler) prune() {\n\tdropOld(r.seen)\n}\nfunc dropOld(m map[string]time.Time) {\n\tdelete(m, "a")\n}\n',
        'func (r *Reconciler) prune() {\n\tm := r.seen\n\tdelete(m, "a")\n}\n',
        "func (r *Reconciler) prune() {\n\tfor name := range r.seen {\n\t\tdelete(r.seen, name)\n\t}\n}\n",
    ],
    ids=["delete", "another map", "clear", "helper", "alias", "range"],
)
@pytest.mark.parametrize("is_split", [False, True], ids=["one file", "two files"])
def test_map_that_is_released_in_any_way_is_silent(release: str, is_split: bool) -> None:
    text = RECONCILER.replace(' // want "nothing deletes from it"', "")
    head = 'package thing\n\nimport "time"\n\n'
    check(*((text, head + release) if is_split else (text + "\n" + release,)))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("seen", "lastVisited").replace("Reconciler", "TenantReconciler"),
        lambda text: text.replace("r.seen[req.Name] =", "m := r.seen\n\tm[req.Name] ="),
        lambda text: text.replace("r.seen[req.Name] =", "put(r.seen, req.Name) //").replace(
            "type Rec", "func put(m map[string]time.Time, k string) {\n\tm[k] = time.Now()\n}\n\ntype Rec"
        ),
        lambda text: text.replace("map[string]time.Time", "sync.Map").replace("r.seen[req.Name] = time.Now()", "r.seen.Store(req.Name, 1)"),
        lambda text: text.replace("seen map[string]time.Time\n", "").replace("type Reconciler struct {", "type memory struct {\n\tseen map[string]time.Time\n}\n\ntype Reconciler struct {\n\tmemory"),
    ],
    ids=["renamed", "alias", "helper", "sync.Map", "embedded"],
)  # fmt: skip
def test_the_same_leak_in_other_words_is_found(change) -> None:
    told = found(change(RECONCILER), rule="map-never-deleted")
    assert len(told) == 1


def test_named_map_whose_method_deletes_is_silent() -> None:
    text = RECONCILER.replace("map[string]time.Time", "records").replace(
        ' // want "nothing deletes from it"', "\n\tr.seen.prune()"
    )
    named = '\ntype records map[string]time.Time\n\nfunc (s records) prune() {\n\tdelete(s, "a")\n}\n'
    check(text + named)
    assert found(text + named.replace("delete", "print"))


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
        ("*lru.Cache", "r.seen.Add(req.Name, 1)"),
        ("map[string]int //ghostkey:bounded one for each node pool", "r.seen[req.Name] = 1"),
    ],
    ids=["enumeration", "constant", "kinds", "lru", "comment"],
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


def test_sibling_that_is_deleted_is_the_witness_of_the_missing_side() -> None:
    text = (
        HEAD
        + """
type Monitor struct {
\tknown  map[string]int
\thealth map[string]int
}

func NewMonitor() *Monitor { return &Monitor{known: map[string]int{}, health: map[string]int{}} }

func (m *Monitor) Reconcile(node string) {
\tm.known[node] = 1
\tm.health[node] = 1 // want "(Monitor).onDelete deletes from known, and not from health"
}

func (m *Monitor) onDelete(node string) {
\tdelete(m.known, node)
}
"""
    )
    check(text)
    witness = found(text)[0].witnesses[-1]
    assert (witness.line, witness.text) == (25, "(Monitor).onDelete deletes from known, and not from health")


NESTED = (
    HEAD
    + """
type Cache struct {
\tby map[string]map[string]int
}

var cache = &Cache{}

func (c *Cache) SyncOne(ns, name string) {
\tc.by[ns][name] = 1 // want "nothing deletes the emptied key"
}

func (c *Cache) Forget(ns, name string) {
\tdelete(c.by[ns], name)
}
"""
)


def test_outer_key_of_a_map_of_maps_stays() -> None:
    text = NESTED
    check(text, rule="nested-map-left-empty")
    check(
        text.replace("], name)\n", "], name)\n\tif len(c.by[ns]) == 0 {\n\t\tdelete(c.by, ns)\n\t}\n").replace(
            ' // want "nothing deletes the emptied key"', ""
        )
    )


GAUGE = (
    HEAD
    + """
var ready = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})

func report(t *Tenant) {
\tready.WithLabelValues(t.Namespace, t.Name).Set(1) // want "has a series for each namespace, name"
}
"""
)


def test_series_of_objects_without_a_delete() -> None:
    check(GAUGE, rule="series-never-deleted")
    silent = GAUGE.replace(' // want "has a series for each namespace, name"', "")
    check(silent + "\nfunc forget(t *Tenant) {\n\tready.DeleteLabelValues(t.Namespace, t.Name)\n}\n")
    check(silent.replace('"namespace", "name"', '"method", "code"').replace("t.Namespace, t.Name", "method, code"))
    check(silent.replace('[]string{"namespace", "name"}', "labels").replace("t.Namespace, t.Name", '"nodes"'))


def test_counters_by_object_are_told_at_level_b() -> None:
    counter = GAUGE.replace("GaugeVec", "CounterVec").replace("GaugeOpts", "CounterOpts")
    assert not found(counter)
    assert [f.rule for f in found(counter, level="B")] == ["series-never-deleted"]


# in our own words after a dashboard operator, whose BinaryData key outlives its dashboard
DATA_KEY = (
    HEAD
    + """
func (r *Reconciler) reconcilePlugins(ctx context.Context, cm *corev1.ConfigMap, resource string, value []byte) error {
\tif cm.BinaryData == nil {
\t\tcm.BinaryData = make(map[string][]byte)
\t}
\tcm.BinaryData[resource] = value // want "no code of this package deletes one"
\treturn r.Client.Update(ctx, cm)
}
"""
)


def test_key_of_a_config_map_that_nobody_deletes() -> None:
    check(DATA_KEY, rule="data-key-never-deleted")
    silent = DATA_KEY.replace(' // want "no code of this package deletes one"', "")
    check(silent + "\nfunc forget(cm *corev1.ConfigMap, name string) {\n\tdelete(cm.BinaryData, name)\n}\n")
    check(silent.replace("[resource]", '["state.json"]'))
    check(silent.replace("cm.BinaryData[resource]", "cm.BinaryData = map[string][]byte{}\n\tcm.BinaryData[resource]"))


# in our own words after a cache of repositories, which was inserted into by URL and deleted from by path for seven years
def test_delete_by_what_was_the_value() -> None:
    check(
        HEAD
        + """
func (c *cache) lock(url, path string) {
\tc.paths[url] = path // want "is deleted by its value path"
\tdefer delete(c.paths, path)
}
""",
        rule="deleted-by-another-key",
    )
    check(HEAD + "\nfunc (c *cache) lock(url, path string) {\n\tc.paths[url] = path\n\tdefer delete(c.paths, url)\n}\n")


def test_object_of_an_informer_that_is_changed_in_place() -> None:
    text = (
        HEAD
        + """
func (c *Controller) sync(ns, name string) error {
\tcm, err := c.cmLister.ConfigMaps(ns).Get(name)
\tif err != nil {
\t\treturn err
\t}
\tcm.Labels["seen"] = "true" // want "without DeepCopy"
\treturn nil
}
"""
    )
    check(text, rule="cached-object-changed")
    check(text.replace("\tcm.Labels", "\tcm = cm.DeepCopy()\n\tcm.Labels").replace(' // want "without DeepCopy"', ""))


@pytest.mark.parametrize("name", sorted(all_rules()))
def test_every_rule_has_its_page(name: str) -> None:
    for part in ("*What it finds.*", "*Why it matters.*", "*When it is wrong.*", "Bad:", "Good:"):
        assert part in page(name)


@pytest.mark.parametrize("folder", ["pkg/fake", "test/e2e", "hack", "cmd/kubectl-tenant"])
def test_code_that_does_not_run_for_long_is_silent(folder: str) -> None:
    from ghostkey.lint.run import lint_files

    assert not lint_files([(f"{folder}/a.go", RECONCILER.encode())]).findings
    assert lint_files([("pkg/a.go", RECONCILER.encode())]).findings
    generated = b"// Code generated by x. DO NOT EDIT.\n" + RECONCILER.encode()
    assert not lint_files([("pkg/a.go", generated)]).findings


@pytest.mark.parametrize("field", ["memory", "pending"])
def test_operator_of_the_testbed_is_silent_until_its_deletes_are_taken_away(field: str) -> None:
    from ghostkey.lint.run import lint_files
    from ghostkey.testing import testbed_directory

    sources = {path.name: path.read_text() for path in (testbed_directory() / "tenant-operator").glob("*.go")}
    assert sources

    def told(texts: dict[str, str]) -> set[str]:
        return {f.symbol for f in lint_files([(name, text.encode()) for name, text in texts.items()]).findings}

    # two of its mistakes stand in its text, switched on or not
    always = {"patchRegistry", "(reconciler).shards"}
    assert told(sources) == always
    without = {
        name: "\n".join(line for line in text.split("\n") if f"delete(r.{field}" not in line) for name, text in sources.items()
    }
    assert without != sources
    assert told(without) == always | {f"(reconciler).{field}"}


PARALLEL = (
    HEAD
    + """
type Cache struct {
\tobjects map[string]int
\towners  map[string]string
}

var cache = &Cache{}

func (c *Cache) handleAdd(name, owner string) {
\tc.objects[name] = 1
\tc.owners[name] = owner // want "deletes from objects, and not from owners"
}

func (c *Cache) handleDelete(name string) {
\tdelete(c.objects, name)
}

func (c *Cache) reconcileOwner(name string) {
\tdelete(c.owners, name)
\tdelete(c.objects, name)
}
"""
)


def test_one_of_two_maps_is_forgotten_on_one_path() -> None:
    check(PARALLEL, level="B", rule="parallel-map-forgotten")
    assert not found(PARALLEL)
    check(
        PARALLEL.replace(' // want "deletes from objects, and not from owners"', "").replace(
            "\tdelete(c.objects, name)\n}\n\nfunc (c *Cache) rec",
            "\tdelete(c.objects, name)\n\tdelete(c.owners, name)\n}\n\nfunc (c *Cache) rec",
        ),
        level="B",
    )


def test_delete_that_nobody_calls() -> None:
    text = RECONCILER.replace("nothing deletes from it", "forgetTenant alone, which nobody calls")
    text += "\nfunc (r *Reconciler) forgetTenant(name string) {\n\tdelete(r.seen, name)\n}\n"
    check(text, level="B")
    silent = text.replace(' // want "forgetTenant alone, which nobody calls"', "")
    check(silent.replace("\tdefer r.mu", "\tr.forgetTenant(req.Name)\n\tdefer r.mu"), level="B")
    check(silent.replace("\tdefer r.mu", "\tonGone(r.forgetTenant)\n\tdefer r.mu"), level="B")


def test_outer_key_that_stays_on_one_path_is_told_at_level_b() -> None:
    text = NESTED.replace("nothing deletes the emptied key", "is deleted elsewhere alone")
    text += "\nfunc (c *Cache) DropNamespace(ns string) {\n\tdelete(c.by, ns)\n}\n"
    assert not found(text)
    check(text, level="B", rule="nested-map-left-empty")


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

func (p *Policy) merge(rules map[string]string) {
\tfor id := range rules {
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
