"""Go source, whole and broken, as `ghostkey lint` reads it: facts, links and all rules of both levels."""

from __future__ import annotations

from pathlib import Path

from ghostkey.lint.run import lint_files
from ghostkey.report.lint import text

_CACHE = b"""package cache

import (
\t"context"
\t"sync"

\tcorev1 "k8s.io/api/core/v1"
\tctrl "sigs.k8s.io/controller-runtime"
)

type Family string

const (
\tV4 Family = "4"
\tV6 Family = "6"
)

type entry[K comparable] struct {
\tpods map[K]struct{}
\tsync.Mutex
}

type Reconciler struct {
\tentry[string]
\tseen, retries map[string]int
\tby   map[Family]map[string]*entry[string]
\tkept sync.Map
}

var _ = &Reconciler{seen: map[string]int{}}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tvar cm corev1.ConfigMap
\tif err := r.Get(ctx, req.NamespacedName, &cm); err != nil {
\t\treturn ctrl.Result{}, client.IgnoreNotFound(err)
\t}
\tr.Lock()
\tdefer r.Unlock()
\tr.seen[req.Name]++
\tr.kept.Store(req.Name, &entry[string]{pods: make(map[string]struct{})})
\tfor family, inner := range r.by {
\t\tinner[req.Name] = new(entry[string])
\t\tswitch family {
\t\tcase V4, V6:
\t\t\tdelete(r.by[family], cm.Name)
\t\tdefault:
\t\t\tgo func() { r.forget(cm.Name) }()
\t\t}
\t}
\tcm.Data[req.Namespace+"."+req.Name] = ""
\treturn ctrl.Result{}, r.Update(ctx, &cm)
}

func (r *Reconciler) forget(name string) {
\tif n := r.retries[name]; n > 0 {
\t\tdelete(r.retries, name)
\t}
\tr.seen, r.retries[name] = nil, 0
}
"""

_METRICS = b"""package metrics

var (
\tpending = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "pending"}, []string{"namespace", "name"})
\tstored  = sets.New[string](names...)
)

//ghostkey:bounded of three
func Report(namespace, name string, ready bool) {
\tpending.With(prometheus.Labels{"namespace": namespace, "name": name}).Set(1) //nolint:ghostkey // few
\tif !ready {
\t\tpending.WithLabelValues(namespace, name).Set(0)
\t}
\tstored.Insert(namespace + "/" + name)
}

func onUpdate(oldPod, newPod *corev1.Pod) {
\tcopied := newPod.DeepCopy()
\tcache[copied.Status.PodIP], cache["x"] = copied, oldPod
\tmaps.DeleteFunc(cache, func(key string, pod *corev1.Pod) bool { return pod == nil })
}
"""


def seeds() -> list[bytes]:
    """Files of a program with maps, inner maps, embedded and generic structs, metrics and comments for lint."""
    return [_CACHE, _METRICS]


def read(raw: bytes, folder: Path) -> None:
    """Lints the file beside a whole one of its package, and writes what is found."""
    linted = lint_files([("pkg/cache/a.go", raw), ("pkg/cache/b.go", _CACHE), ("pkg/cache/b_test.go", raw)], level="B")
    assert "\n".join(text(linted))
    assert linted.files == 2, folder
