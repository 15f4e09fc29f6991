"""Each rule: what it finds, what it leaves alone, and the shapes of real leaks in our own words."""

from __future__ import annotations

import pytest

from ghostkey.lint.rules import all_rules, page
from tests.lint.go import HEAD, check, found

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

    # three of its mistakes stand in its text, switched on or not
    always = {"patchRegistry", "(reconciler).shards", "tenantPlans"}
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
