"""Where a path leads: through an atomic pointer, what a function gives, and structs of other packages."""

from __future__ import annotations

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, check, unwanted

KEPT = (
    HEAD
    + """
type state struct {
\tseen map[string]time.Time
\tready *prometheus.GaugeVec
}

func newState() *state {
\treturn &state{
\t\tseen: map[string]time.Time{},
\t\tready: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"}),
\t}
}

type Reconciler struct {
\tcurrent atomic.Pointer[state]
}

func New() *Reconciler {
\tr := &Reconciler{}
\tr.current.Store(newState())
\treturn r
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.current.Load().seen[req.Name] = time.Now() // want "nothing deletes from it"
\tr.current.Load().ready.WithLabelValues(req.Namespace, req.Name).Set(1) // want "nothing deletes one"
\treturn ctrl.Result{}, nil
}
"""
)
FORGETS = """
func (r *Reconciler) forget(req ctrl.Request) {
\tdelete(r.current.Load().seen, req.Name)
\tr.current.Load().ready.DeleteLabelValues(req.Namespace, req.Name)
}
"""


def test_what_an_atomic_pointer_holds_is_held() -> None:
    check(KEPT)
    check(KEPT.replace("r.current.Load().seen", "s := r.current.Load()\n\ts.seen"))
    # of a variable of the package
    check(
        KEPT.replace("\tcurrent atomic.Pointer[state]\n", "")
        .replace("r.current", "current")
        .replace("type Reconciler", "var current atomic.Pointer[state]\n\ntype Reconciler")
    )


def test_delete_by_the_same_way_is_seen() -> None:
    check(unwanted(KEPT) + FORGETS)
    check(unwanted(KEPT) + FORGETS.replace("\tdelete(r.current.Load().seen", "\ts := r.current.Load()\n\tdelete(s.seen"))


def test_what_takes_the_place_of_the_one_before_goes_with_the_next_one() -> None:
    refreshed = KEPT.replace("newState())\n\treturn r", "nil)\n\treturn r")
    refreshed += "\nfunc (r *Reconciler) refresh() {\n\tr.current.Store(newState())\n}\n"
    check(unwanted(refreshed))


GIVEN = (
    HEAD
    + """
type state struct {
\tready *prometheus.GaugeVec
}

var all = &state{ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})}

func shared() *state { return all }

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tshared().ready.WithLabelValues(req.Namespace, req.Name).Set(1) // want "nothing deletes one"
\treturn ctrl.Result{}, nil
}
"""
)


def test_field_of_what_a_function_gives() -> None:
    check(GIVEN)
    check(GIVEN.replace("shared() *state", "(r *Reconciler) shared() *state").replace("\tshared()", "\tr.shared()"))
    check(unwanted(GIVEN) + "\nfunc forget(ns, name string) {\n\tshared().ready.DeleteLabelValues(ns, name)\n}\n")


METERS = """package meters

import "github.com/prometheus/client_golang/prometheus"

type Meters struct {
\tReady *prometheus.GaugeVec
\tSeen map[string]bool
}

func New() *Meters {
\treturn &Meters{
\t\tSeen: map[string]bool{},
\t\tReady: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"}),
\t}
}
"""
USER = """package thing

import (
\t"example.org/x/pkg/meters"
\tctrl "sigs.k8s.io/controller-runtime"
)

type Reconciler struct {
\tmeters *meters.Meters
}

func New() *Reconciler {
\treturn &Reconciler{meters: meters.New()}
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tr.meters.Ready.WithLabelValues(req.Namespace, req.Name).Set(1)
\tr.meters.Seen[req.Name] = true
\treturn ctrl.Result{}, nil
}
"""


def told(*texts: tuple[str, str]) -> list[str]:
    return sorted(found.symbol for found in lint_files([(path, text.encode()) for path, text in texts]).findings)


def test_field_of_a_struct_of_another_package() -> None:
    assert told(("pkg/meters/a.go", METERS), ("pkg/thing/b.go", USER)) == ["(Meters).Ready", "(Meters).Seen"]
    embedded = USER.replace("\tmeters *meters.Meters\n", "\t*meters.Meters\n").replace("r.meters.", "r.")
    embedded = embedded.replace("{meters:", "{Meters:")
    assert told(("pkg/meters/a.go", METERS), ("pkg/thing/b.go", embedded)) == ["(Meters).Ready", "(Meters).Seen"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "pkg/meters/c.go",
            "package meters\n\nfunc (m *Meters) Forget(ns, name string) {\n\tm.Ready.DeleteLabelValues(ns, name)\n\tdelete(m.Seen, name)\n}\n",
        ),
        (
            "pkg/thing/c.go",
            "package thing\n\nfunc (r *Reconciler) forget(ns, name string) {\n\tr.meters.Ready.DeleteLabelValues(ns, name)\n\tdelete(r.meters.Seen, name)\n}\n",
        ),
    ],
)
def test_field_of_another_package_is_cleaned_in_either(path: str, text: str) -> None:
    assert told(("pkg/meters/a.go", METERS), ("pkg/thing/b.go", USER), (path, text)) == []


def test_struct_of_a_package_that_is_not_in_the_tree_is_none_of_it() -> None:
    assert (
        told(("pkg/meters/a.go", METERS), ("pkg/thing/b.go", USER.replace("example.org/x/pkg/meters", "example.org/y/meters")))
        == []
    )
