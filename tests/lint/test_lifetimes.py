"""How long what holds a map lives, by where it is made: each kind of false alarm that was met in public code, in our own words."""

from __future__ import annotations

import pytest

from ghostkey.lint.findings import Finding
from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, check, found

MADE = """package graph

type Graph struct {
\ttasks map[string]func()
}

func New() *Graph { return &Graph{tasks: map[string]func(){}} }

func (g *Graph) Enqueue(name string, run func()) { g.tasks[name] = run }
"""


def _program(uses: str, of: str = "example.org/op/pkg/graph") -> str:
    return f'package main\n\nimport "{of}"\n\nfunc main() {{\n{uses}}}\n'


def _told(**files: str) -> list[Finding]:
    named = {"graph": "pkg/graph/graph.go", "main": "cmd/op/main.go", "flow": "pkg/controller/flow.go"}
    return lint_files([(named[name], text.encode()) for name, text in files.items()]).findings


STEPS = """package controller

import "example.org/op/pkg/graph"

func (r *Reconciler) deploy(name string) {
\tg := graph.New()
\tg.Enqueue(name, r.run)
}
"""


def test_what_a_program_makes_at_its_start_is_held() -> None:
    assert [one.symbol for one in _told(graph=MADE, main=_program("\tg := graph.New()\n\tserve(g)\n"))] == ["(Graph).tasks"]


def test_what_is_made_for_one_call_elsewhere_is_less_sure() -> None:
    main = _program("\tg := graph.New()\n\tserve(g)\n")
    assert _told(graph=MADE, main=main, flow=STEPS) == []
    # but what a variable of a package holds is held, whoever makes others of it
    kept = main.replace("func main", "var all = graph.New()\n\nfunc main")
    assert len(_told(graph=MADE, main=kept, flow=STEPS)) == 1


def test_function_of_another_module_is_not_meant_by_its_last_word() -> None:
    other = _program("\tg := graph.New()\n\tserve(g)\n", of="example.com/other/v2/graph")
    assert _told(graph=MADE, main=other, flow=STEPS) == []


@pytest.mark.parametrize("folder", ["", "staging/src/example.org/", "modules/"])
def test_package_is_known_by_the_end_of_its_import(folder: str) -> None:
    path = "op/pkg/graph/graph.go" if folder else "pkg/graph/graph.go"
    told = lint_files(
        [(f"{folder}{path}", MADE.encode()), ("cmd/op/main.go", _program("\tg := graph.New()\n\tserve(g)\n").encode())]
    ).findings
    assert [one.symbol for one in told] == ["(Graph).tasks"]


STEP = HEAD + (
    """
type Revisions struct {
\tseen map[string]bool
}

func (b *Builder) ForSecrets() *Revisions { return &Revisions{seen: map[string]bool{}} }

func (r *Revisions) Reconcile(ctx context.Context, obj Object) (string, error) {
\tr.seen[obj.GetName()] = true
\treturn obj.GetName(), nil
}
"""
)


def test_method_called_reconcile_that_no_queue_asks() -> None:
    check(STEP)
    asked = STEP.replace("obj Object) (string", "req ctrl.Request) (ctrl.Result").replace(
        "obj.GetName(), nil", "ctrl.Result{}, nil"
    )
    assert [one.rule for one in found(asked.replace("obj.GetName()", "req.Name"))] == ["map-never-deleted"]


FACTORY = HEAD + (
    """
type Health struct {
\tbeats map[string]time.Time
}

type NewHealth func() *Health

var newHealth NewHealth = func() *Health { return &Health{beats: map[string]time.Time{}} }

func (h *Health) check(node string) { h.beats[node] = time.Now() }
"""
)


def test_what_the_function_of_a_variable_makes_is_not_the_variable() -> None:
    check(FACTORY)
    assert len(found(FACTORY.replace("func() *Health { return &Health{beats: map[string]time.Time{}} }", "&Health{}"))) == 1


OBJECT = HEAD + (
    """
type Agent struct {
\tmetav1.TypeMeta
\tconfigs map[string]string
}

func (a *Agent) SetConfig(node, value string) { a.configs[node] = value }
"""
)


def test_object_of_the_api_has_its_maps_for_itself() -> None:
    check(OBJECT, level="B")
    assert len(found(OBJECT.replace("\tmetav1.TypeMeta\n", "") + "\nvar agent = &Agent{}\n")) == 1


FLAG = HEAD + (
    """
type secrets struct {
\tbyURL map[string]string
}

var given secrets

func (s *secrets) String() string { return "" }

func (s *secrets) Set(value string) error {
\ts.byURL[url(value)] = value
\treturn nil
}
"""
)


def test_values_of_a_flag_are_those_of_the_command_line() -> None:
    check(FLAG)
    assert len(found(FLAG.replace("Set(value string)", "Keep(value string)"))) == 1


NAMED = HEAD + (
    """
type Kind int

const (
\tPod Kind = iota
\tNode
)

type byKind map[Kind]map[string]int

type Graph struct {
\tvertices byKind
}

var graph = &Graph{}

func (g *Graph) handle(kind Kind, of, name string) {
\tg.vertices[of][name] = 1
}

func (g *Graph) forget(of, name string) {
\tdelete(g.vertices[of], name)
}
"""
)


def test_keys_of_a_named_map_are_of_its_key_type() -> None:
    check(NAMED)
    assert len(found(NAMED.replace("byKind map[Kind]", "byKind map[string]"))) == 1


COPIED = HEAD + (
    """
func (r *Reconciler) copyOf(ctx context.Context, keys []string) error {
\tvar secret corev1.Secret
\tif err := r.Get(ctx, name, &secret); err != nil {
\t\treturn err
\t}
\tdata := secret.Data
\tif len(keys) > 0 {
\t\tdata = make(map[string][]byte, len(keys))
\t\tfor _, k := range keys {
\t\t\tdata[k] = secret.Data[k]
\t\t}
\t}
\treturn r.write(ctx, data)
}
"""
)


def test_name_that_is_given_a_map_of_its_own_is_the_old_one_no_more() -> None:
    assert [one for one in found(COPIED) if one.rule == "data-key-never-deleted"] == []
    same = COPIED.replace("\t\tdata = make(map[string][]byte, len(keys))\n", "")
    assert [one.rule for one in found(same)] == ["data-key-never-deleted"]
    # what one branch gives it is no matter after that branch
    after = COPIED.replace("\treturn r.write", "\tdata[keys[0]] = nil\n\treturn r.write")
    assert len([one for one in found(after) if one.rule == "data-key-never-deleted"]) == 1


CASES = HEAD + (
    """
func (r *Reconciler) strictest() *corev1.LimitRange {
\tranges, err := r.lister.LimitRanges("a").List(all)
\tvar one *corev1.LimitRange
\tswitch {
\tcase len(ranges) == 1:
\t\tone = ranges[0]
\tdefault:
\t\tone = &corev1.LimitRange{}
\t\tone.Spec.Limits = append(one.Spec.Limits, limit)
\t}
\treturn one
}
"""
)


def test_object_that_is_made_in_another_case_is_none_of_the_cache() -> None:
    check(CASES)
    assert [one.rule for one in found(CASES.replace("\t\tone = &corev1.LimitRange{}\n", ""))] == ["cached-object-changed"]


def test_field_of_a_type_that_only_has_the_name_holds_nothing() -> None:
    user = (
        'package agent\n\nimport lister "k8s.io/lister"\n\ntype Agent struct {\n\tgraph lister.Graph\n}\n\nvar agent = &Agent{}\n'
    )
    own = user.replace('lister "k8s.io/lister"', '"example.org/op/pkg/graph"').replace("lister.Graph", "graph.Graph")
    given = [("pkg/graph/graph.go", MADE.encode()), ("pkg/controller/flow.go", STEPS.encode())]
    assert lint_files([*given, ("pkg/agent/agent.go", user.encode())], level="B").findings == []
    assert len(lint_files([*given, ("pkg/agent/agent.go", own.encode())]).findings) == 1


def test_run_that_is_a_step_of_a_loop_holds_nothing() -> None:
    loop = """package controller

import "example.org/op/pkg/graph"

func (m *Manager) Start(ctx context.Context) {
\tgo wait.Until(func() {
\t\tm.run(ctx)
\t}, time.Minute, ctx.Done())
}

func (m *Manager) run(ctx context.Context) {
\tg := graph.New()
\tg.Enqueue(m.name, nil)
}
"""
    assert _told(graph=MADE, flow=loop) == []
    assert (
        len(
            _told(
                graph=MADE, flow=loop.replace("go wait.Until(func() {", "func() {").replace("}, time.Minute, ctx.Done())", "}()")
            )
        )
        == 1
    )


def test_what_a_tool_or_a_test_makes_tells_nothing() -> None:
    made = [("pkg/graph/graph.go", MADE.encode()), ("pkg/controller/flow.go", STEPS.encode())]
    tool = b'package suite\n\nimport "example.org/op/pkg/graph"\n\nvar all = graph.New()\n'
    assert lint_files([*made, ("test/e2e/suite.go", tool)], level="B").findings == []
    assert len(lint_files([*made, ("pkg/suite/suite.go", tool)]).findings) == 1


KEPT = """package controller

func NewErrors() *Errors { return &Errors{by: map[string]error{}} }

type Errors struct {
\tby map[string]error
}

func (e *Errors) record(name string, err error) { e.by[name] = err }

func errorsOf(state *sync.Map) *Errors {
\tfound, _ := state.LoadOrStore(key, NewErrors())
\treturn found.(*Errors)
}

func (r *Reconciler) Reconcile(ctx context.Context, req Request) (Result, error) {
\tlocal := NewErrors()
\tlocal.record(req.Name, nil)
\treturn Result{}, nil
}
"""


def test_what_is_put_into_what_was_handed_in_lives_as_its_likes_do() -> None:
    assert lint_files([("pkg/controller/a.go", KEPT.encode())], level="B").findings == []
    field = KEPT.replace("func errorsOf(state *sync.Map)", "func (r *Reconciler) errors()").replace("state.Load", "r.state.Load")
    assert len(lint_files([("pkg/controller/a.go", field.encode())], level="B").findings) == 1


def test_what_a_literal_gives_back_lives_with_whoever_has_the_literal() -> None:
    given = """package main

import "example.org/op/pkg/graph"

func options() []Option {
\treturn []Option{WithRunnable(func() *graph.Graph {
\t\tg := graph.New()
\t\treturn g
\t})}
}
"""
    told = lint_files([("pkg/graph/graph.go", MADE.encode()), ("pkg/boot/options.go", given.encode())], level="B").findings
    assert [(one.symbol, one.level) for one in told] == [("(Graph).tasks", "B")]


def test_what_is_added_to_something_may_stay_there() -> None:
    added = STEPS.replace("g.Enqueue(name, r.run)", "g.Enqueue(name, r.run)\n\tr.queues.AddGraph(g)")
    told = lint_files([("pkg/graph/graph.go", MADE.encode()), ("pkg/controller/flow.go", added.encode())], level="B").findings
    assert [(one.symbol, one.level) for one in told] == [("(Graph).tasks", "B")]
    own = added.replace("r.queues.AddGraph(g)", "all := queues()\n\tall.AddGraph(g)")  # ends with the function, as all does
    assert lint_files([("pkg/graph/graph.go", MADE.encode()), ("pkg/controller/flow.go", own.encode())], level="B").findings == []


def test_ways_that_multiply_come_to_an_end() -> None:
    # each of twenty functions is called by twenty, and these by twenty more
    text = HEAD + "\ntype tracker struct {\n\tseen map[string]bool\n}\n\nfunc give0(n int) *tracker {\n\treturn &tracker{}\n}\n"
    below = ["give0"]
    for layer in range(1, 6):
        names = [f"give{layer}of{n}" for n in range(20)]
        for name in names:
            ways = "".join(f"\tif n == {n} {{\n\t\treturn {one}(n)\n\t}}\n" for n, one in enumerate(below))
            text += f"\nfunc {name}(n int) *tracker {{\n{ways}\treturn nil\n}}\n"
        below = names
    text += "\nfunc (t *tracker) handle(pod *corev1.Pod) {\n\tt.seen[pod.Name] = true\n}\n"
    (finding,) = found(text, level="B")
    assert (finding.level, finding.symbol) == ("B", "(tracker).seen")  # nobody knows how long it lives
