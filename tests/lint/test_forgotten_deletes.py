"""Maps from which nothing is deleted although something nearby looks like it, or like a reason why there need be no delete."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, unwanted

START = """
type Reconciler struct {
%s}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
%s\treturn ctrl.Result{}, nil
}
"""


def reconciler(fields: str, body: str, rest: str = "") -> str:
    """A reconciler with fields and a body, a line each."""
    lines = [[f"\t{line}\n" for line in text.split("\n")] for text in (fields, body)]
    return HEAD + START % ("".join(lines[0]), "".join(lines[1])) + rest


SEEN = 'r.seen[req.Name] = 1 // want "nothing deletes"'


@pytest.mark.parametrize(
    "rest",
    [
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = map[string]int{}\n}\n",
        "\nfunc (r *Reconciler) Close() {\n\tr.seen = nil\n}\n",
        "\nfunc (r *Reconciler) ShutDown() {\n\tclear(r.seen)\n}\n",
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\nfunc wait(t *time.Timer) {\n\tt.Reset(time.Second)\n}\n",
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\ntype ring struct{}\n\nfunc (b *ring) Reset() {}\n\nfunc turn(b *ring) {\n\tb.Reset()\n}\n",
        "\nfunc (r *Reconciler) Copy() *Reconciler {\n\tcopied := &Reconciler{}\n\tcopied.seen = map[string]int{}\n\treturn copied\n}\n",
    ],
    ids=["reset that nobody calls", "close", "shutdown", "a timer's reset", "another type's reset", "a copy"],
)
def test_another_map_at_the_end_or_in_tests_alone_releases_nothing(rest: str) -> None:
    check(reconciler("seen map[string]int", SEEN, rest))


@pytest.mark.parametrize(
    "rest",
    [
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\nfunc (r *Reconciler) syncAll() {\n\tr.Reset()\n}\n",
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\ntype resettable interface {\n\tReset()\n}\n",
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\nfunc start(r *Reconciler) {\n\tevery(time.Hour, r.Reset)\n}\n",
        "\nfunc (r *Reconciler) Reset() {\n\tr.seen = nil\n}\n\ntype outer struct {\n\t*Reconciler\n}\n\nfunc turn(o *outer) {\n\to.Reset()\n}\n",
        "\nfunc (r *Reconciler) takeAll() map[string]int {\n\ttaken := r.seen\n\tr.seen = map[string]int{}\n\treturn taken\n}\n",
    ],
    ids=["called", "by way of an interface", "handed over", "called on what embeds it", "taken"],
)
def test_another_map_while_the_program_runs_is_a_release(rest: str) -> None:
    check(reconciler("seen map[string]int", SEEN.partition(" //")[0], rest))


@pytest.mark.parametrize(
    ("fields", "insert"),
    [
        ("bySource map[types.UID]int", "r.bySource[source]"),
        ("byStatus map[objectStatus]int", "r.byStatus[status]"),
        ("byHash map[hash]int", "r.byHash[h]"),
        ("stores map[string]cache.Store", "r.stores[req.Name]"),
        ("times map[string]int", "r.times[diff.Hash]"),
        ("perFamily map[Family]map[string]int", "r.perFamily[family][req.Name]"),
    ],
    ids=[
        "the name of a UID",
        "the name of a struct",
        "one constant",
        "a map of caches",
        "a local called as a package",
        "inner keys",
    ],
)
def test_what_looks_bounded_and_is_not(fields: str, insert: str) -> None:
    rest = (
        '\ntype objectStatus struct {\n\tnamespace, name string\n}\n\ntype hash string\n\nconst noHash hash = ""\n'
        '\ntype Family string\n\nconst (\n\tV4 Family = "4"\n\tV6 Family = "6"\n)\n'
    )
    body = f'source, status, h, diff, family := origin(req)\n{insert} = nil // want "nothing deletes"'
    check(reconciler(fields, body, rest).replace('"time"', '"time"\n\n\t"example.com/x/diff"'))


@pytest.mark.parametrize("fields", ["perFamily map[Family]map[string]int", "perFamily map[Family]sets.Set[string]"])
def test_inner_keys_that_are_deleted_are_released(fields: str) -> None:
    rest = '\ntype Family string\n\nconst (\n\tV4 Family = "4"\n\tV6 Family = "6"\n)\n'
    if "sets" in fields:
        body, release = "r.perFamily[family].Insert(req.Name)", "r.perFamily[family].Delete(name)"
    else:
        body, release = "r.perFamily[family][req.Name] = 1", "delete(r.perFamily[family], name)"
    rest += f"\nfunc (r *Reconciler) forget(family Family, name string) {{\n\t{release}\n}}\n"
    check(reconciler(fields, f"family := familyOf(req)\n{body}", rest))
    check(reconciler(fields, f'family := familyOf(req)\n{body} // want "nothing deletes"', rest.replace(release, "print(name)")))


def test_what_is_called_like_a_start_and_runs_in_a_loop() -> None:
    rest = '\nfunc (r *Reconciler) installRoute(name string) {\n\tr.routes[name] = 1 // want "nothing deletes"\n}\n'
    check(reconciler("routes map[string]int", "r.installRoute(req.Name)", rest))
    # a plugin's function is registered by its name, whoever calls
    rest = "\nfunc (r *Reconciler) registerRouteFn(name string) {\n\tr.routes[name] = 1\n}\n"
    check(reconciler("routes map[string]int", "r.registerRouteFn(req.Name)", rest))


KEEPER = (
    HEAD
    + """
type entry struct {
\tpods map[string]int
}

type keeper struct {
\tentries map[string]*entry
}

func New() *keeper {
\treturn &keeper{entries: map[string]*entry{}}
}

func (k *keeper) onDelete(name string) {
\tdelete(k.entries, name)
}

func (k *keeper) onPod(name, pod string) {
\tk.entries[name].pods[pod] = 1 // want "nothing deletes"
}
"""
)


@pytest.mark.parametrize(
    "stored",
    [
        "\nfunc (k *keeper) onNode(name string) {\n\te := &entry{pods: map[string]int{}}\n\tk.keep(name, e)\n}\n",
        "\nfunc (k *keeper) onNode(name string) {\n\tk.keep(name, &entry{pods: map[string]int{}})\n}\n",
        "\nfunc (k *keeper) onNode(name string) {\n\te := k.make()\n\tk.keep(name, e)\n}\n\nfunc (k *keeper) make() *entry {\n\treturn &entry{}\n}\n",
        "\nfunc (k *keeper) onNode(name string) {\n\te := entry{pods: map[string]int{}}\n\tk.entries[name] = &e\n}\n",
    ],
    ids=["a local that is handed over", "a literal that is handed over", "made by a method", "by its address"],
)
def test_what_is_handed_to_a_method_that_keeps_it_stays(stored: str) -> None:
    rest = "\nfunc (k *keeper) keep(name string, e *entry) {\n\tk.entries[name] = e\n}\n"
    check(KEEPER + stored + rest, level="B")


def test_what_a_function_makes_that_starts_the_manager_stays() -> None:
    text = (
        HEAD
        + """
func StartManager(cfg string) error {
\tstore := newStore()
\treturn serve(store)
}

type store struct {
\tpods map[string]int
}

func newStore() *store {
\treturn &store{pods: map[string]int{}}
}

func (s *store) onPod(pod *corev1.Pod) {
\ts.pods[pod.Name] = 1 // want "nothing deletes"
}
"""
    )
    check(text)
    # what one call of a loop makes goes with it
    check(text.replace("StartManager(cfg", "syncOnce(cfg").replace(' // want "nothing deletes"', ""))


def test_generic_call_of_another_package_is_none_of_its_own() -> None:
    text = (
        HEAD
        + """
type scheduler struct {
\treserved map[string]int
}

func New(cfg string) *scheduler {
\ts := newScheduler()
\treturn s
}

func newScheduler() *scheduler {
\treturn &scheduler{reserved: map[string]int{}}
}

func (s *scheduler) schedule(pod *corev1.Pod) {
\tplaced := sets.New[string]()
\tplaced.Insert(pod.Name)
\ts.reserved[pod.Name] = 1 // want "nothing deletes"
}
"""
    )
    check(text)
    check(text.replace("sets.New[string]()", "sets.New[string](pod.Name)"))


@pytest.mark.parametrize(
    "body",
    [
        'key := "http"\nr.seen[key] = 1',
        "r.seen[gvr.Resource] = 1",
        "r.seen[obj.gvk.GroupKind()] = 1",
        "for resource := range r.dynamicGVRs {\n\tr.seen[resource] = 1\n}",
        "once.Do(func() {\n\tr.seen[req.Name] = 1\n})",
    ],
    ids=["a text", "a resource of the API", "a group", "resources of the API", "once"],
)
def test_keys_that_do_not_go_on_coming(body: str) -> None:
    check(reconciler("seen map[string]int", body), level="B")


@pytest.mark.parametrize(
    "body",
    [
        'once.Do(func() {\n\tr.start()\n})\nr.seen[req.Name] = 1 // want "nothing deletes"',
        'r.once.Do(start)\ngo func() {\n\tr.seen[req.Name] = 1 // want "nothing deletes"\n}()',
        'r.seen[gvk.Kind+req.Name] = 1 // want "nothing deletes"',
        'r.seen[gvr.Name] = 1 // want "nothing deletes"',
    ],
    ids=["behind what is done once", "beside what is done once", "a kind and a name", "a name of a struct that is called so"],
)
def test_keys_that_go_on_coming_beside_what_does_not(body: str) -> None:
    check(reconciler("seen map[string]int", body))


def test_options_and_test_servers_are_no_part_of_what_runs_for_long() -> None:
    text = (
        HEAD
        + '\ntype config struct {\n\tby map[string]int\n}\n\nvar current = &config{}\n\nfunc (c *config) handle(name string) {\n\tc.by[name] = 1 // want "nothing deletes"\n}\n'
    )
    check(text)
    check(text.replace("handle(", "ApplyTo(").replace(' // want "nothing deletes"', ""))


def test_array_of_maps_has_no_outer_keys() -> None:
    text = (
        HEAD
        + """
type tracker struct {
\tby [2]map[string]set.Set[string]
}

var current = &tracker{}

func (t *tracker) onAdd(side int, name string) {
\tt.by[side][name] = nil
}

func (t *tracker) onDelete(side int, name string) {
\tdelete(t.by[side], name)
}
"""
    )
    check(text, level="B")


def test_value_that_is_called_as_a_loop_variable_is_another() -> None:
    text = (
        HEAD
        + """
func keep(seen map[string]string, name string, doubled []string) {
\tpath := read(name)
\tseen[name] = path
\tfor _, path := range doubled {
\t\tdelete(seen, path)
\t}
}
"""
    )
    check(text)
    check(
        text.replace("seen[name] = path\n", 'seen[name] = path // want "deleted by its value"\n').replace(
            "\tfor _, path := range doubled {\n\t\tdelete(seen, path)\n\t}\n", "\tdelete(seen, path)\n"
        )
    )


def test_series_of_constants_of_others_and_of_who_writes() -> None:
    text = (
        HEAD
        + """
var rows = prometheus.NewGaugeVec(prometheus.GaugeOpts{}, []string{"table_name"})

func handle(count float64) {
\trows.WithLabelValues(nbdb.Table).Set(count)
\trecord("pods", count)
}

func record(resource string, count float64) {
\trows.WithLabelValues(resource).Set(count)
}
"""
    ).replace('"time"', '"time"\n\n\t"example.com/x/nbdb"')
    check(text)
    check(
        text.replace("Set(count)\n\trecord(", 'Set(count) // want "has a series"\n\trecord(').replace(
            'record("pods"', "record(row.Name"
        )
    )


def test_part_of_a_cached_object_that_is_copied_may_be_changed() -> None:
    text = (
        HEAD
        + """
func (c *Controller) handle(name string) error {
\tes, err := c.lister.Get(name)
\tselector := es.Spec.Selector
\tselector.Terms = append(selector.Terms, "x")
\treturn err
}
"""
    )
    check(text)
    check(
        text.replace("selector.Terms = append(selector.Terms,", "es.Spec.Terms = append(selector.Terms,").replace(
            '"x")\n', '"x") // want "without DeepCopy"\n'
        )
    )


def test_data_of_a_secret_that_a_function_builds_is_new() -> None:
    text = (
        HEAD
        + """
func (r *Reconciler) proto(keys keys) (*corev1.Secret, error) {
\tsecret, err := newSecret(keys)
\tsecret.Data[*keys.CA] = nil
\treturn secret, err
}

func newSecret(k keys) (*corev1.Secret, error) {
\treturn builder.Secret(k).Object(), nil
}

func setStatus(ctx context.Context, cm *corev1.ConfigMap) error {
\treturn update(ctx, map[string]string{
\t\t"status": "done",
\t}, cm)
}

func update(ctx context.Context, data map[string]string, cm *corev1.ConfigMap) error {
\tfor k, v := range data {
\t\tcm.Data[k] = v
\t}
\treturn nil
}
"""
    )
    check(text)
    check(text.replace('"status": "done"', 'cm.Name: "done"').replace("= v\n", '= v // want "gets the key k"\n'))


def test_field_that_is_given_another_value_as_a_whole_holds_nothing_for_long() -> None:
    text = (
        HEAD
        + """
type report struct {
\tby map[string]int
}

func (r *report) insert(name string) {
\tr.by[name] = 1 // want "nothing deletes"
}

type Client struct {
\tlast report
}

var client = &Client{}

func (c *Client) handle(name string) {
\tc.last.insert(name)
}
"""
    )
    check(text)
    check(unwanted(text) + "\nfunc (c *Client) sync(next report) {\n\tc.last = next\n}\n")
