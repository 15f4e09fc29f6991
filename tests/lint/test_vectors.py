"""From the name of a metric family to the vector that has it: by its own name, and never by hardly any of it."""

from __future__ import annotations

import pytest

from ghostkey.lint.about import Sought, about

SOURCE = b"""package main

import "github.com/prometheus/client_golang/prometheus"

type Tenant struct{ Name string }

var plan = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenant_plan", Help: "x"}, []string{"name"})
var planCount = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenant_plan_count", Help: "x"}, []string{"name"})

func counter(prefix string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "_total", Help: "x"}, []string{"code"})
}

var commented = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	// Name: "old_name"
	Name: "new_name",
	Help: "see https://example.org",
}, []string{"name"})

func record(t Tenant) {
	plan.WithLabelValues(t.Name).Set(1)
	planCount.WithLabelValues(t.Name).Set(1)
	commented.WithLabelValues(t.Name).Set(1)
}
"""


@pytest.mark.parametrize(
    ("family", "variable"),
    [
        ("tenant_plan", "plan"),
        ("tenant_plan_count", "planCount"),
        ("new_name", "commented"),
        ("old_name", ""),
        ("workqueue_adds_total", ""),
        ("controller_runtime_reconcile_total", ""),
    ],
)
def test_family_leads_to_the_vector_of_its_own_name_alone(family: str, variable: str) -> None:
    lines = SOURCE.decode().splitlines()
    told = [lines[clue.line - 1].strip() for clue in about([("main.go", SOURCE)], Sought(metric=family)).inserts]
    made = [line for line in lines if line.startswith(f"var {variable} =")]
    assert told == ([f"{variable}.WithLabelValues(t.Name).Set(1)", *made] if variable else [])
