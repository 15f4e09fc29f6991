"""`ghostkey lint --explain-finding`: from a ghost key, a map in memory or a line to the code that inserts and forgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghostkey.lint.about import Sought, about
from tests.helpers import Program
from tests.lint.go import HEAD
from tests.lint.operator import operator

LIMITS = (
    HEAD
    + """
const prefix = "limits."

type Reconciler struct {
\tclient.Client
\tseen map[string]time.Time
}

func keyOf(t *Tenant) string {
\treturn fmt.Sprintf("%s-%s", prefix+t.Namespace, t.Name)
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tvar cm corev1.ConfigMap
\tr.Get(ctx, types.NamespacedName{Name: "tenant-limits"}, &cm)
\tr.seen[req.Name] = time.Now()
\tkey := keyOf(tenant)
\tcm.Data[key] = "1"
\tcm.Data["total-"+req.Name] = "1"
\treturn ctrl.Result{}, r.Update(ctx, &cm)
}

func (r *Reconciler) forget(cm *corev1.ConfigMap, t *Tenant) {
\tdelete(cm.Data, t.Name)
\tdelete(cm.Data, "limits/"+t.Name)
}
"""
)


def of(words: Sought, text: str = LIMITS) -> tuple[list[int], list[tuple[int, bool | None]], set[str]]:
    told = about([("pkg/thing/a.go", text.encode())], words)
    return (
        [clue.line for clue in told.inserts],
        [(clue.line, clue.same_key) for clue in told.deletes],
        {finding.rule for finding in told.findings},
    )


def test_key_leads_to_the_line_whose_expression_makes_it() -> None:
    assert of(Sought(key="limits.prod-shop", map_name="tenant-limits"))[:2] == ([28], [(34, None), (35, False)])
    assert of(Sought(key="total-shop", map_name="tenant-limits"))[0] == [29]
    assert of(Sought(key="other", map_name="tenant-limits"))[0] == []


def test_map_in_memory_and_line_lead_to_its_inserts_and_what_lint_says() -> None:
    for words in ("(Reconciler).seen", "main.mgr → (*thing.Reconciler).seen", "pkg/thing/a.go:26", "/src/x/pkg/thing/a.go:26"):
        inserts, deletes, rules = of(Sought.of_words(words))
        assert (inserts, deletes) == ([26], [])
        assert "map-never-deleted" in rules


def test_operator_that_renders_its_memory_is_followed_into_it() -> None:
    files = [(name, text.encode()) for name, text in operator("wrong-delete-key").items()]
    told = about(files, Sought(key="shop.prod", map_name="tenants"))
    assert any(clue.text.startswith("r.memory[") for clue in told.inserts)
    assert {finding.rule for finding in told.findings} == {"keys-of-one-object-differ"}


@pytest.mark.timeout(60)
def test_key_of_many_unknown_parts_takes_no_time() -> None:
    text = LIMITS.replace('"total-"+req.Name', '+"-"+'.join(["a"] * 60))
    assert of(Sought(key="-" * 253))[0] == []
    assert of(Sought(key="-" * 253), text)[0] == [29]


def test_command_takes_a_finding_of_a_scan(files_program: Program, tmp_path: Path) -> None:
    names = [f"team-{number}" for number in range(12)]
    meta = {"namespace": "prod", "uid": "u"}
    objects = [
        {"apiVersion": "demo.example.com/v1", "kind": "Tenant", "metadata": {**meta, "name": name, "uid": name}}
        for name in names[2:]
    ]
    data = {f"limits.prod-{name}": "1" for name in names}
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "tenant-limits"}, "data": data})
    (tmp_path / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.go").write_text(LIMITS)
    scanned = json.loads(files_program("scan", "--from", str(tmp_path / "dump.json"), "-o", "json").out)
    ghost = next(one for one in scanned["findings"] if one["key"] == "limits.prod-team-0")
    done = files_program("lint", str(tmp_path / "src"), "--explain-finding", ghost["id"])
    assert done.code == 0
    assert (
        "the key limits.prod-team-0 of tenant-limits is inserted by\n  a.go:28 (Reconciler).Reconcile: cm.Data[key]" in done.out
    )
    assert 'a.go:35 (Reconciler).forget: delete(cm.Data, "limits/"+t.Name): another key' in done.out
    record = json.loads(files_program("lint", str(tmp_path / "src"), "--explain-finding", ghost["id"], "-o", "json").out)
    assert record["kind"] == "GhostkeyLintAbout"
    assert [clue["line"] for clue in record["inserts"]] == [28]
    nothing = files_program("lint", str(tmp_path / "src"), "--explain-finding", "(Reconciler).other")
    assert (nothing.code, nothing.out) == (3, "no line of this code is known to insert (Reconciler).other\n")
    wrong = files_program("lint", str(tmp_path / "src"), "--explain-finding", "no such thing!")
    assert wrong.code == 2
    assert "no id of a finding" in wrong.err


VECTORS = """package m

const namespace = "tenant"

var opts = prometheus.GaugeOpts{Name: "by_opts"}

var (
\tplain = prometheus.NewGaugeVec(
\t\tprometheus.GaugeOpts{Namespace: namespace, Subsystem: "plan", Name: "length"}, []string{"namespace", "name"})
\tauto = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "tenant_auto_total"}, []string{"name"})
\tviaOpts = prometheus.NewGaugeVec(opts, []string{"name"})
\tbuilt = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prometheus.BuildFQName(namespace, "", "built")}, []string{"name"})
\tof = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: somewhere.Else, Name: "of_another"}, []string{"name"})
)

type Metrics struct {
\ta *prometheus.GaugeVec
\tb *prometheus.HistogramVec
}

func New() *Metrics {
\tm := &Metrics{a: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "in_literal"}, []string{"name"})}
\tm.b = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "by_store"}, []string{"name"})
\treturn m
}

func (m *Metrics) Use(t *T) {
\tm.a.WithLabelValues(t.Name).Set(1)
\tm.b.With(prometheus.Labels{"name": t.Name}).Observe(2)
\tplain.WithLabelValues(t.Namespace, t.Name).Set(3)
\tviaOpts.WithLabelValues(t.Name).Set(3)
\tauto.WithLabelValues(t.Name).Inc()
\tplain.DeleteLabelValues(t.Namespace, t.Name)
}
"""


@pytest.mark.parametrize(
    ("family", "inserts", "deletes", "rules"),
    [
        ("tenant_plan_length", [30, 8], [33], set()),
        ("tenant_auto_total", [32, 10], [], set()),
        ("by_opts", [31, 11], [], set()),
        ("tenant_built", [12], [], set()),
        ("anywhere_of_another", [13], [], set()),
        ("of_another", [13], [], set()),
        ("in_literal", [28, 22], [], {"series-never-deleted"}),
        ("by_store", [29, 23], [], {"series-never-deleted"}),
        ("plan_length", [], [], set()),
        ("tenant_plan_length_more", [], [], set()),
        ("other", [], [], set()),
    ],
)
def test_series_leads_to_the_lines_that_write_it_and_to_its_vector(
    family: str, inserts: list[int], deletes: list[int], rules: set[str]
) -> None:
    told = of(Sought(metric=family), VECTORS)
    assert (told[0], [line for line, _ in told[1]], told[2]) == (inserts, deletes, rules)
