"""Whether the code shows that keys are of what comes and goes: level A asks for that, level B does not."""

from __future__ import annotations

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, check, found

REGISTRY = (
    HEAD
    + """
type Registry struct {
\tloggers map[string]int
}

var registry = &Registry{}

func (r *Registry) Lookup(name string) int {
\tif _, ok := r.loggers[name]; !ok {
\t\tr.loggers[name] = 1
\t}
\treturn r.loggers[name]
}
"""
)


def _levels(text: str) -> list[str]:
    return [one.level for one in found(text, level="B", rule="map-never-deleted")]


def test_key_of_which_nothing_is_known_is_less_sure() -> None:
    assert _levels(REGISTRY) == ["B"]


@pytest.mark.parametrize(
    "used",
    [
        "func (c *Controller) check(pod *corev1.Pod) {\n\tregistry.Lookup(pod.Name)\n}\n",
        "func (c *Controller) check(at string) {\n\tname := c.prefix + at\n\tregistry.Lookup(name)\n}\n\n"
        "func (c *Controller) all() {\n\tfor _, one := range c.nodes {\n\t\tc.check(one)\n\t}\n}\n",
        "func (c *Controller) syncHandler(what string) {\n\tregistry.Lookup(what)\n}\n",
        "func (c *Controller) check(err error) {\n\tregistry.Lookup(err.Error())\n}\n",
        "func (c *Controller) check(one *corev1.Pod) {\n\tregistry.Lookup(string(one))\n}\n",
        "func (c *Controller) check(one any) {\n\tregistry.Lookup(podKey(one))\n}\n",
        "func (c *Controller) check(at string) {\n\t_, name, _ := cache.SplitMetaNamespaceKey(at)\n\tregistry.Lookup(name)\n}\n",
    ],
    ids=[
        "name of an object",
        "by way of a local, a caller and a loop",
        "given by a queue",
        "text of an error",
        "type",
        "function for keys",
        "part",
    ],
)
def test_key_is_followed_to_what_callers_give(used: str) -> None:
    assert _levels(REGISTRY + used) == ["A"]


@pytest.mark.parametrize(
    "used",
    [
        "func (c *Controller) check() {\n\tregistry.Lookup(c.prefix)\n}\n",
        "func (c *Controller) check() {\n\tregistry.Lookup(options.Name)\n}\n",
        'func (c *Controller) check() {\n\tregistry.Lookup(c.word("pod"))\n}\n',
        "func (c *Controller) check() {\n\tregistry.Lookup(parseUserList(c.words))\n}\n",
        "func (c *Controller) check() {\n\tregistry.Lookup(agentCluster.Client())\n}\n",
        'const podKey = "pods"\n\nfunc (c *Controller) check(at string) {\n\tregistry.Lookup(podKey)\n\tregistry.Lookup(c.prefix)\n}\n',
        "func (c *Controller) check() {\n\tone := &Part{Connection: c.conn}\n\tregistry.Lookup(one)\n}\n",
    ],
    ids=["a field", "an option", "words in a text", "a function's name", "what something is asked of", "a constant", "a literal"],
)
def test_what_names_no_object_is_no_witness(used: str) -> None:
    assert _levels(REGISTRY + used) == ["B"]


def test_type_of_the_keys_is_a_witness() -> None:
    typed = REGISTRY.replace("map[string]int", "map[types.NamespacedName]int").replace("name string", "name types.NamespacedName")
    assert _levels(typed) == ["A"]


OWN_RANGE = (
    HEAD
    + """
type Factory struct {
\tinformers map[string]int
\tstarted map[string]bool
\tpods map[string]int
}

var factory = &Factory{}

func (f *Factory) Start() {
\tfor name := range f.informers {
\t\tf.started[name] = true
\t}
}

func (f *Factory) informer(pod string) {
\tf.informers[pod] = 1
}

func (f *Factory) ForPods() { f.informer("pods") }
"""
)


def test_loop_over_a_map_of_few_keys_has_few() -> None:
    check(OWN_RANGE)
    many = OWN_RANGE.replace("f.started[name] = true", 'f.started[name] = true // want "(Factory).started gets one key"')
    many = many.replace("f.informers[pod] = 1", 'f.informers[pod] = 1 // want "(Factory).informers gets one key"')
    check(many.replace('ForPods() { f.informer("pods") }', "ForPods(pod *corev1.Pod) { f.informer(pod.Name) }"))


def test_caller_that_gives_what_the_map_has_adds_nothing() -> None:
    text = OWN_RANGE + "\nfunc (f *Factory) Renew() {\n\tfor pod := range f.informers {\n\t\tf.informer(pod)\n\t}\n}\n"
    check(text)
    # and where no other caller is known, nothing says that the keys are few
    alone = text.replace('ForPods() { f.informer("pods") }', "ForPods() {}")
    assert {one.symbol for one in found(alone)} == {"(Factory).informers", "(Factory).started"}


OF_OTHERS = (
    HEAD
    + """
import "k8s.io/apimachinery/pkg/labels"

type Options struct {
\tNodeSelector map[string]string
}

var options Options

func Mutator(given map[string]string) func(*corev1.PodSpec) {
\treturn func(pod *corev1.PodSpec) {
\t\tfor node, v := range given {
\t\t\tpod.NodeSelector[node] = v
\t\t}
\t}
}

func Merge(into, more map[string]string) {
\tfor node, v := range more {
\t\tinto[node] = v
\t}
}

func labelsOf(node *corev1.Node) {
\tlabels.Merge(options.NodeSelector, node.Labels)
}
"""
)


def test_field_of_a_type_and_function_of_a_module_elsewhere_are_not_ones_own() -> None:
    check(OF_OTHERS)
    check(
        OF_OTHERS.replace(
            "labels.Merge(options.NodeSelector, node.Labels)",
            'Merge(options.NodeSelector, node.Labels) // want "NodeSelector gets one key"',
        )
    )
    own = OF_OTHERS.replace("*corev1.PodSpec", "*Options")
    check(own.replace("pod.NodeSelector[node] = v", 'pod.NodeSelector[node] = v // want "NodeSelector gets one key"'))


def test_what_a_program_starts_and_keeps_for_itself_lives_long() -> None:
    text = (
        HEAD
        + """
type Cache struct {
\tby map[string]int
}

func MakeCache() *Cache { return &Cache{} }

func (c *Cache) Put(pod *corev1.Pod) {
\tc.by[pod.Name] = 1 // want "(Cache).by gets one key"
}

func StartExecutor() {
\tcache := MakeCache()
\tserve(cache)
}

func main() { StartExecutor() }
"""
    )
    check(text)
    called = text.replace(
        "func main() { StartExecutor", "func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) { StartExecutor"
    )
    check(called.replace(' // want "(Cache).by gets one key"', ""))


def test_what_a_program_has_in_a_table_of_what_it_can_run_as_lives_long() -> None:
    text = (
        HEAD
        + """
type Cache struct {
\tby map[string]int
}

func (c *Cache) Put(pod *corev1.Pod) { c.by[pod.Name] = 1 }

func StartExecutor() error {
\tcache := &Cache{}
\treturn serve(cache)
}
"""
    )
    program = """package main

import "example.org/op/pkg/thing"

var runs = []run{{name: "executor", start: func() error { return thing.StartExecutor() }}}
"""

    def told(main: str) -> list[str]:
        files = [("pkg/thing/a.go", text.encode()), ("program/main.go", main.encode())]
        return [one.level for one in lint_files(files, level="B").findings if one.rule == "map-never-deleted"]

    assert told(program) == ["A"]
    assert told(program.replace("StartExecutor", "Other")) == []


MADE_ELSEWHERE = """package thing

type Graph struct {
\tvertices map[string]int
}

func New() *Graph { return &Graph{vertices: map[string]int{}} }

func (g *Graph) Add(pod string) { g.vertices[pod] = 1 }
"""


def test_what_no_code_of_a_program_makes_is_less_sure() -> None:
    def levels(main: str) -> list[str]:
        files = [("pkg/thing/a.go", MADE_ELSEWHERE.encode()), ("cmd/op/main.go", main.encode())]
        return [one.level for one in lint_files(files, level="B").findings]

    program = 'package main\n\nimport "example.org/op/pkg/thing"\n\nfunc main() {\n\tBODY}\n'
    assert levels(program.replace("BODY", "")) == ["B"]
    assert levels(program.replace("BODY", "g := thing.New()\n\tserve(g)\n")) == ["A"]
    # a tree without a program is there for programs elsewhere
    assert levels("package op\n") == ["A"]
