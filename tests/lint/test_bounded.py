"""Keys that run out, by the kinds of false alarm that were met in public code: each in our own words, and beside what is found."""

from __future__ import annotations

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, found

HELD = HEAD + (
    """
type Cache struct {
\tby map[string]any
}

var cache = &Cache{}

func (c *Cache) take(pod string, one Part) {
\tINSERT
}
"""
)


def _rules(text: str, level: str = "A") -> list[str]:
    return [one.rule for one in found(text, level=level)]


def test_key_of_a_name_is_found() -> None:
    assert _rules(HELD.replace("INSERT", "c.by[pod] = one")) == ["map-never-deleted"]
    assert _rules(HELD.replace("INSERT", "c.by[one.GetName()] = one")) == ["map-never-deleted"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c.by[pod]", "c.by[one.Name()]"),
        ("c.by[pod] = one", "filter, ok := one.(Filter)\n\tif ok {\n\t\tc.by[one.Name()] = filter\n\t}"),
        ("c.by[pod]", "c.by[gvk.GroupVersion()]"),
        ("c.by[pod]", "c.by[string(corev1.PodRunning)]"),
        ("c.by[pod]", "c.by[objectKind]"),
        (
            "c.by[pod] = one",
            'files := map[string]int{\n\t\t"a": 1,\n\t}\n\tfor file := range files {\n\t\tc.by[file] = one\n\t}',
        ),
        ("pod string, one", "pod byte, one"),
        ("pod string, one", "pod config.ObjectType, one"),
        ("take(", "AddFilterFn("),
        ("Cache", "FakeCache"),
    ],
    ids=["own name", "asserted", "versions", "converted", "kinds", "literal", "byte", "type", "registered", "stand-in"],
)
def test_key_that_runs_out_is_silent(old: str, new: str) -> None:
    # level B asks for less, and is silent, too
    assert _rules(HELD.replace("INSERT", "c.by[pod] = one").replace(old, new), level="B") == []


@pytest.mark.parametrize(
    ("signature", "insert"),
    [
        ("OnAddPart(one Part)", "c.by[one.Name()] = one"),
        ("OnAddPart(one metav1.Object)", "c.by[one] = one"),
        ("partInit(one Part)", "c.by[one.GetName()] = one"),
        ("take(one Part)", "names := []string{one.Name, one.Space}\n\tfor _, n := range names {\n\t\tc.by[n] = one\n\t}"),
    ],
    ids=["handler", "any object", "start of one", "literal of what comes"],
)
def test_key_of_what_comes_and_goes_is_found_however_it_is_called(signature: str, insert: str) -> None:
    assert _rules(HELD.replace("INSERT", insert).replace("take(pod string, one Part)", signature)) == ["map-never-deleted"]


def test_method_that_makes_something_runs_as_long_as_its_object_is_there() -> None:
    text = HELD.replace("INSERT", "c.by[pod] = one").replace("take(", "newState(")
    assert _rules(text) == ["map-never-deleted"]
    # a function of that name makes what begins
    assert _rules(text.replace("func (c *Cache) newState(pod", "func newState(c *Cache, pod")) == []


def test_number_that_a_loop_counts_runs_out() -> None:
    text = HELD.replace("map[string]any", "map[uint32]any").replace(
        "INSERT", "for i := range 3 {\n\t\tc.by[uint32(i)] = one\n\t}"
    )
    assert _rules(text) == []
    assert _rules(text.replace("uint32(i)]", "one.Request]")) == ["map-never-deleted"]


@pytest.mark.parametrize("folder", ["docs/guide", "samples/x", "tutorials"])
def test_programs_for_readers_are_left_out(folder: str) -> None:
    text = HELD.replace("INSERT", "c.by[pod] = one").encode()
    assert lint_files([(f"{folder}/a.go", text)]).findings == []
    assert lint_files([("pkg/thirdparty/a.go", text)]).findings != []  # a folder is left out where it is read, not here


CHOSEN = HEAD + (
    """
func (r *Reconciler) sign(ctx context.Context) error {
\tvar secret corev1.Secret
\tif err := r.Get(ctx, r.name, &secret); err != nil {
\t\treturn err
\t}
\tr.write(&secret, "tls.key")
\treturn r.Update(ctx, &secret)
}

func (r *Reconciler) write(secret *corev1.Secret, key string) {
\tr.put(secret, key)
}

func (r *Reconciler) put(secret *corev1.Secret, key string) {
\tsecret.Data[key] = nil
}
"""
)


def test_key_that_all_callers_choose_from_constants_is_none_of_an_object() -> None:
    assert _rules(CHOSEN) == []
    assert _rules(CHOSEN.replace('"tls.key"', "tenant.Name")) == ["data-key-never-deleted"]
    assert _rules(CHOSEN.replace("Data[key]", "Data[opts.CertKey]")) == []


FRESH = HEAD + (
    """
func (r *Reconciler) copyTo(ctx context.Context, dest *corev1.Secret, src *corev1.Secret) error {
\tif src.Password != nil {
\t\tdest.Data = map[string][]byte{}
\t\tfor k, v := range src.Data {
\t\t\tdest.Data[k] = v
\t\t}
\t}
\treturn r.Update(ctx, dest)
}
"""
)


def test_data_that_is_made_anew_behind_a_question_about_something_else() -> None:
    assert _rules(FRESH) == []
    for first in ("dest.Data == nil", "nil == dest.Data", "len(dest.Data) < 1", "m := dest.Data; m == nil"):
        assert _rules(FRESH.replace("src.Password != nil", first)) == ["data-key-never-deleted"], first


GAUGE = """package metrics

var used = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "used"}, []string{"node", "unit"})

var node string

func Record(name string, unit string) {
\tused.WithLabelValues(VALUES).Set(1)
}
"""
WRITER = """package main

import "example.org/op/pkg/metrics"

func (r *Reconciler) Reconcile(ctx context.Context, req Request) (Result, error) {
\tmetrics.Record(GIVEN, "cpu")
\tmetrics.Other()
\treturn Result{}, nil
}
"""


def _series(values: str, given: str, more: str = "") -> list[str]:
    gauge = GAUGE.replace("VALUES", values) + "\nfunc Other() {}\n" + more
    files = [("pkg/metrics/a.go", gauge.encode()), ("cmd/op/main.go", WRITER.replace("GIVEN", given).encode())]
    return [one.rule for one in lint_files(files).findings]


def test_series_of_what_is_asked_for_is_found() -> None:
    assert _series("name, unit", "req.Name") == ["series-never-deleted"]


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ("node, unit", "req.Name"),
        ("name, unit", "r.Config.NodeName"),
        ("name, unit", "r.nodeName"),
        ("name, unit", "string(r.nodeName)"),
    ],
    ids=["variable", "configured", "own", "own, converted"],
)
def test_series_of_the_one_node_it_runs_on_is_silent(values: str, given: str) -> None:
    assert _series(values, given) == []


def test_labels_that_a_function_makes_are_seen_through() -> None:
    text = GAUGE.replace("WithLabelValues(VALUES)", "With(labels)").replace(
        "\tused.With", "\tlabels := own()\n\tlabels[unitKey] = unit\n\tused.With"
    )
    own = '\nfunc own() prometheus.Labels {\n\treturn prometheus.Labels{"node": node}\n}\n'

    def told(extra: str) -> list[str]:
        writer = WRITER.replace("GIVEN", "req.Name").encode()
        return [
            one.rule for one in lint_files([("pkg/metrics/a.go", (text + extra).encode()), ("cmd/op/main.go", writer)]).findings
        ]

    assert told(own) == []
    assert told(own.replace('"node": node}', '"node": asked()}')) == ["series-never-deleted"]


def test_series_that_nobody_writes_is_less_sure() -> None:
    unused = GAUGE.replace("VALUES", "name, unit").replace("Record", "RecordNever") + "\nfunc Other() {}\n"
    files = [("pkg/metrics/a.go", unused.encode()), ("cmd/op/main.go", WRITER.replace("GIVEN", "req.Name").encode())]
    assert lint_files(files).findings == []
    assert [one.rule for one in lint_files(files, level="B").findings] == ["series-never-deleted"]


HOST = GAUGE.replace("\tused.With", "\tnodeID, _ := os.Hostname()\n\tused.With").replace(
    "unit string)", "unit string, options *Options)"
)


def _of_host(gauge: str, given: str = "req.Name") -> list[str]:
    writer = WRITER.replace("\tmetrics.Record", "\town := r.config.NodeName\n\tmetrics.Record").replace(
        '"cpu")', '"cpu", r.options)'
    )
    texts = {"pkg/metrics/a.go": gauge + "\nfunc Other() {}\n", "cmd/op/main.go": writer.replace("GIVEN", given)}
    return [one.rule for one in lint_files([(path, text.encode()) for path, text in texts.items()]).findings]


@pytest.mark.parametrize(
    ("value", "given"),
    [("nodeID", "req.Name"), ("options.NodeName", "req.Name"), ("name", "own")],
    ids=["of the process", "of what it was told", "own by way of a local"],
)
def test_series_of_the_one_node_by_way_of_a_local_is_silent(value: str, given: str) -> None:
    assert _of_host(HOST.replace("VALUES", f"{value}, unit"), given) == []


def test_what_only_looks_like_the_one_node_is_found() -> None:
    asked = WRITER.replace("GIVEN", "site").replace("\tmetrics.Record", "\tsite, ok := r.siteOf(req.Name)\n\tmetrics.Record")
    texts = {"pkg/metrics/a.go": GAUGE.replace("VALUES", "name, unit") + "\nfunc Other() {}\n", "cmd/op/main.go": asked}
    assert len(lint_files([(path, text.encode()) for path, text in texts.items()]).findings) == 1
    assert _of_host(HOST.replace("VALUES", "options.Name, unit")) == ["series-never-deleted"]
    again = HOST.replace("\tused.With", "\tif name != nodeID {\n\t\tnodeID = name\n\t}\n\tused.With")
    assert _of_host(again.replace("VALUES", "nodeID, unit")) == ["series-never-deleted"]


COMPOSED = HEAD + (
    """
func (m *Manager) AddKey(ctx context.Context, name, key string) {
\tobj, _ := m.store.GetOrCreate("secrets", name)
\tsecret, ok := obj.(*corev1.Secret)
\tif ok {
\t\tsecret.Data[key] = nil
\t}
}
"""
)


def test_secret_of_a_store_that_is_filled_in_this_process_is_no_old_one() -> None:
    assert _rules(COMPOSED) == []
    assert _rules(COMPOSED.replace('GetOrCreate("secrets"', 'GetOrCreate(ctx, "secrets"')) == ["data-key-never-deleted"]


@pytest.mark.parametrize("folder", ["pkg/thing-cli/cmd", "pkg/driver/dummy", "pkg/must-gather"])
def test_tools_of_a_program_are_left_out(folder: str) -> None:
    text = HELD.replace("INSERT", "c.by[pod] = one").encode()
    assert lint_files([(f"{folder}/a.go", text)]).findings == []
    assert lint_files([("pkg/client/cmd/a.go", text)]).findings != []


TABLE = HEAD + (
    """
var files = map[string]string{"a": "b"}

func (r *Reconciler) sync(ctx context.Context, tenant *Tenant) error {
\tsecret, err := r.secrets.Get(ctx, r.name)
\tif err != nil {
\t\treturn err
\t}
\tfor name := range files {
\t\tsecret.Data[name] = nil
\t}
\treturn r.Update(ctx, secret)
}
"""
)


def test_key_of_a_table_and_key_of_a_secret_that_is_made_on_the_way() -> None:
    assert _rules(TABLE) == []
    named = TABLE.replace("range files", "range tenant.Names")
    assert _rules(named) == ["data-key-never-deleted"]
    made = "\tsecret = &corev1.Secret{}\n\tfor name"
    assert _rules(named.replace("\tfor name", made)) == []
    # what is made on another way is not what is written here
    read = named.replace(
        "secret, err := r.secrets.Get(ctx, r.name)", "var secret *corev1.Secret\n\terr := r.Get(ctx, r.name, secret)"
    )
    assert _rules(read.replace("\tfor name", made)) == []
    elsewhere = "\tif r.isNew {\n" + made.replace("\tfor", "\t}\n\tfor")
    assert _rules(read.replace("\tfor name", elsewhere)) == ["data-key-never-deleted"]


def test_variable_that_is_a_text_is_a_constant() -> None:
    text = CHOSEN.replace('"tls.key"', "certKey") + '\nvar certKey = "tls.key"\n'
    assert _rules(text) == []
    assert _rules(text.replace('certKey = "tls.key"', "certKey = read()")) == ["data-key-never-deleted"]


CYCLE = HEAD + (
    """
type cycle struct {
\tdemand *prometheus.GaugeVec
}

func newCycle() *cycle {
\treturn &cycle{demand: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "demand"}, []string{"pool", "queue"})}
}

func (m *Metrics) report(queue *Queue) {
\tm.latest.Load().demand.WithLabelValues(queue.Pool, queue.Name).Set(1)
\tone := newCycle()
\tone.demand.WithLabelValues(queue.Pool, queue.Name).Set(1)
\tkept(one)
}
"""
)


def test_series_of_vectors_that_are_made_anew_go_with_them() -> None:
    assert _rules(CYCLE) == ["series-never-deleted"]
    swapped = CYCLE + "\nfunc (m *Metrics) begin() {\n\tm.latest.Store(newCycle())\n}\n"
    assert _rules(swapped, level="B") == []


def test_resource_name_names_no_object() -> None:
    labels = CYCLE.replace('"pool", "queue"', '"subcomponent", "resourceName"').replace(
        "queue.Pool, queue.Name", "unit, resourceName"
    )
    assert _rules(labels) == []
