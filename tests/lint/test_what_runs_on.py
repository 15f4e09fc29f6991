"""Locals that live on after the function they are made in, and methods that are called later than their names say."""

from __future__ import annotations

import pytest

from ghostkey.lint.findings import Finding
from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, found

TRACKER = """package flow

type Tracker struct {
\tseen map[string]bool
}

func NewTracker() *Tracker { return &Tracker{seen: map[string]bool{}} }

func (t *Tracker) Mark(name string) { t.seen[name] = true }

func (t *Tracker) Run(stop <-chan struct{}) { t.loop(stop) }

func (t *Tracker) Look() { t.once() }
"""

USER = """package flow

func (s *Step) Handle(stop <-chan struct{}) {
\tt := NewTracker()
\tUSE
}
"""


def _levels(*texts: str, paths: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    named = zip(paths or [f"pkg/flow/{chr(97 + at)}.go" for at in range(len(texts))], texts, strict=True)
    told: list[Finding] = lint_files(
        [(path, text.encode()) for path, text in named], level="B", rules=["map-never-deleted"]
    ).findings
    return [(one.symbol, one.level) for one in told]


@pytest.mark.parametrize(
    ("use", "is_told"),
    [
        ("t.Look()", False),
        ("t.Run(nil)", False),
        ("use(t.seen)", False),  # a field, and no method
        ("t.Run(stop)", True),
        ("go t.Run(nil)", True),
        ("s.group.Go(t.Look)", True),
        ("for {\n\t\tselect {\n\t\tcase <-s.changes:\n\t\t\tt.Look()\n\t\t}\n\t}", True),
        (
            "s.group.Go(func() error {\n\t\tfor {\n\t\t\tselect {\n\t\t\tcase x := <-s.xs:\n\t\t\t\ts.use(x, t)\n\t\t\t}\n\t\t}\n\t})",
            True,
        ),
        ("for i := 0; i < 3; i++ {\n\t\tt.Look()\n\t}", False),
        ("go func() {\n\t\tfor {\n\t\t\tt.Look()\n\t\t}\n\t}()", True),
        ("for {\n\t\tt.Look()\n\t}", False),
    ],
)
def test_local_that_is_run_or_called_back_outlives_its_function(use: str, *, is_told: bool) -> None:
    assert _levels(TRACKER, USER.replace("USE", use)) == [("(Tracker).seen", "B")] * is_told


def test_loop_of_what_waits_ends_when_it_has_seen_enough() -> None:
    waits = USER.replace("Handle", "waitForAll").replace(
        "USE", "for {\n\t\tselect {\n\t\tcase <-s.xs:\n\t\t\tt.Look()\n\t\t}\n\t}"
    )
    assert _levels(TRACKER, waits) == []


AROUND = """package flow

type Discovery struct {
\ttracker *Tracker
}

func NewDiscovery(t *Tracker) *Discovery { return &Discovery{tracker: t} }

func (s *Step) Handle(stop <-chan struct{}) {
\tt := NewTracker()
\td := NewDiscovery(t)
\tUSE
}
"""


@pytest.mark.parametrize(("use", "is_told"), [("go d.Run(stop)", True), ("s.discovery = d", True), ("d.look()", False)])
def test_value_lives_as_long_as_what_a_constructor_makes_of_it(use: str, *, is_told: bool) -> None:
    assert _levels(TRACKER, AROUND.replace("USE", use)) == [("(Tracker).seen", "B")] * is_told


def test_value_in_what_the_program_keeps_is_kept() -> None:
    program = 'package main\n\nimport "example.org/op/pkg/flow"\n\nfunc main() {\n\tserve(&flow.Step{})\n}\n'
    around = AROUND.replace("USE", "s.discovery = d") + "\ntype Step struct {\n\tdiscovery *Discovery\n\tname string\n}\n"
    paths = ("pkg/flow/a.go", "pkg/flow/b.go", "cmd/op/main.go")
    told = _levels(
        TRACKER, around.replace("\ts.discovery = d", "\tif s.discovery == nil {\n\t\ts.discovery = d\n\t}"), program, paths=paths
    )
    assert told == [("(Tracker).seen", "B")]


def test_constructor_of_another_package_is_meant_by_its_import() -> None:
    # four packages have one of that name; the import says which
    others = [AROUND.replace("package flow", f"package f{at}").partition("func (s *Step)")[0] for at in range(4)]
    user = USER.replace("USE", "d := flow.NewDiscovery(t)\n\tgo d.Run(stop)").replace("NewTracker", "flow.NewTracker")
    user = user.replace("package flow\n", 'package step\n\nimport "example.org/op/pkg/flow"\n')
    here = AROUND.partition("func (s *Step)")[0]
    paths = ("pkg/flow/a.go", "pkg/flow/b.go", "pkg/step/a.go", *(f"pkg/f{at}/a.go" for at in range(4)))
    assert _levels(TRACKER, here, user, *others, paths=paths) == [("(Tracker).seen", "B")]


COUNTER = (
    HEAD
    + """
type Counter struct {
\tcounts map[string]int
}

func NewCounter(informer Informer) *Counter {
\tc := &Counter{counts: map[string]int{}}
\tinformer.AddEventHandler(Handlers{AddFunc: func(obj any) {
\t\tc.counts[obj.(*corev1.Pod).Name] = 1
\t}})
\treturn c
}
"""
)
RUN = """
func (c *Counter) Run(ctx context.Context) {
\tc.counts = map[string]int{}
}
"""
LOOP = "\tfor {\n\t\tc.counts = map[string]int{}\n\t}"


def test_handler_that_a_constructor_gives_to_an_informer_runs_later() -> None:
    assert [one.symbol for one in found(COUNTER)] == ["(Counter).counts"]
    assert not found(COUNTER.replace("informer.AddEventHandler", "c.fill"))


def test_what_runs_until_it_is_told_to_stop_begins_with_a_first_value() -> None:
    # others are called Run, too, and more than can be looked at
    assert [one.symbol for one in found(COUNTER + RUN)] == ["(Counter).counts"]
    assert not found(COUNTER + RUN.replace("ctx context.Context", ""))
    assert not found(COUNTER + RUN.replace("\tc.counts = map[string]int{}", LOOP))


IN_CMD = """package entry

type holder struct {
\tinvalid map[string]bool
}

func newHolder() *holder { return &holder{invalid: map[string]bool{}} }

var all = newHolder()

func (h *holder) add(name string) { h.invalid[name] = true }

func (h *holder) check(podName string) { h.add(podName) }
"""


def test_method_in_the_folder_of_a_program_may_be_called_as_long_as_it_runs() -> None:
    assert _levels(IN_CMD, paths=("cmd/entry/a.go",)) == [("(holder).invalid", "A")]
    # a plain function there wires the program
    wired = IN_CMD.replace("func (h *holder) check(podName string) { h", "func wire(podName string) { all")
    assert _levels(wired, paths=("cmd/entry/a.go",)) == []


PROVIDER = """package provider

type Provider struct {
\ttrunks map[string]int
}

var all = &Provider{}

func (p *Provider) InitResource(instance Instance) {
\tp.add(instance.Name())
}

func (p *Provider) add(nodeName string) { p.trunks[nodeName] = 1 }

func (n *Node) InitResources() { all.InitResource(n.instance) }
"""


def _trunks(text: str) -> list[tuple[str, str]]:
    return _levels(text, paths=("pkg/provider/a.go",))


def test_what_is_made_ready_for_one_node_comes_with_each_of_them() -> None:
    assert _trunks(PROVIDER) == [("(Provider).trunks", "A")]
    registers = PROVIDER.replace("InitResource(instance", "RegisterOne(instance")
    assert _trunks(registers) == [("(Provider).trunks", "A")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("instance Instance", "service Service"),  # parts of the program are registered like that
        ("instance Instance", "instance client.Interface"),
        ("instance Instance", "instances []Instance"),
        ("(p *Provider) InitResource(instance", "InitResource(p *Provider, instance"),
    ],
)
def test_what_is_made_ready_for_a_part_of_the_program_is_of_its_start(old: str, new: str) -> None:
    assert _trunks(PROVIDER.replace(old, new)) == []


def test_what_only_the_start_makes_ready_is_of_the_start() -> None:
    started = PROVIDER.replace("(n *Node) InitResources() { all.InitResource(n.instance)", "main() { all.InitResource(nil)")
    assert _trunks(started) == []


STORES = """package watch

type Cache struct {
\tstores map[string]int
}

var all = &Cache{}

func (c *Cache) AddIndexer(clusterName string, indexers int) { c.stores[clusterName] = indexers }
"""


def test_method_that_adds_for_one_cluster_registers_nothing() -> None:
    assert _levels(STORES) == [("(Cache).stores", "A")]
    assert _levels(STORES.replace("clusterName", "name")) == []


def test_what_is_given_back_and_runs_on_outlives_who_asked_for_it() -> None:
    start = USER.replace("func (s *Step) Handle", "func Begin").replace(") {", ") *Tracker {", 1)
    asks = "package flow\n\nfunc (s *Step) Handle() {\n\tt := Begin(nil)\n\tt.Look()\n}\n"
    aside = "go func() {\n\t\tfor {\n\t\t\tt.Look()\n\t\t}\n\t}()\n\treturn t"
    assert _levels(TRACKER, start.replace("USE", aside), asks) == [("(Tracker).seen", "B")]
    assert _levels(TRACKER, start.replace("USE", "t.Look()\n\treturn t"), asks) == []


@pytest.mark.parametrize(
    ("use", "is_told"),
    [
        ("one := s.instrument()\n\tone.SetData(NewTracker())", True),
        ("s.SetData(NewTracker())", True),
        ("one := newInstrument()\n\tone.SetData(NewTracker())", False),
        ("one := &Instrument{}\n\tone.SetData(NewTracker())", False),
        ("s.Reset(NewTracker())", False),
    ],
)
def test_value_that_is_set_in_what_was_there_stays_with_it(use: str, *, is_told: bool) -> None:
    assert _levels(TRACKER, USER.replace("t := NewTracker()\n\tUSE", use)) == [("(Tracker).seen", "B")] * is_told


FLAG = """package args

type pairs struct {
\tby map[string]string
}

var all = &pairs{}

func (p *pairs) set(podName string) { p.by[podName] = "x" }

func (p *pairs) String() string { return "" }

func (p *pairs) Set(value string) error { p.set(value); return nil }

func (p *pairs) Type() string { return "pairs" }
"""


def test_value_of_a_flag_is_given_by_the_command_line() -> None:
    assert _levels(FLAG) == []
    assert _levels(FLAG.replace(") Type(", ") Sort(")) == [("(pairs).by", "A")]


KEEPER = """package flow

func (s *Step) newTracker() *Tracker {
\tt := &Tracker{seen: map[string]bool{}}
\tKEEP
\treturn t
}

func (s *Step) Handle() {
\tt := s.newTracker()
\tt.Look()
}
"""


@pytest.mark.parametrize(
    ("keep", "is_told"),
    [("s.manager.AddTracker(t)", True), ("t.part = newPart(t)", False), ("s.look(t)", False)],
)
def test_what_is_kept_and_given_back_is_kept(keep: str, *, is_told: bool) -> None:
    part = "\n\ntype part struct {\n\tof *Tracker\n}\n\nfunc newPart(t *Tracker) *part { return &part{of: t} }\n"
    tracker = TRACKER.replace("\tseen map", "\tpart *part\n\tseen map") + part
    assert _levels(tracker, KEEPER.replace("KEEP", keep)) == [("(Tracker).seen", "B")] * is_told


STATES = (
    HEAD
    + """
type State struct {
\tpods map[string]bool
}

type Controller struct {
\tstates map[string]*State
}

func (c *Controller) newState() *State { return &State{pods: map[string]bool{}} }

func (c *Controller) forget(name string) { delete(c.states, name) }

func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tstate, ok := c.states[req.Namespace]
\tif !ok {
\t\tstate = c.newState()
\t\tc.states[req.Namespace] = state
\t}
\tstate.pods[req.Name] = true
\treturn ctrl.Result{}, nil
}
"""
)


def test_what_is_made_only_where_it_was_not_found_is_not_new() -> None:
    assert [one.symbol for one in found(STATES, level="B", rule="map-never-deleted")] == ["(State).pods"]
    fresh = STATES.replace("state, ok := c.states[req.Namespace]\n\tif !ok {", "state := c.newState()\n\tif c.is(state) {")
    fresh = fresh.replace("\t\tstate = c.newState()\n", "")
    assert not found(fresh, level="B", rule="map-never-deleted")
    # what goes in on the branch itself is of the new one alone
    within = STATES.replace("\t}\n\tstate.pods[req.Name] = true\n", "\t\tstate.pods[req.Name] = true\n\t}\n")
    assert not found(within, level="B", rule="map-never-deleted")


SINGLETON = """package flow

import "sync"

var (
\tonce sync.Once
\tall  *Tracker
)

func initialize() { all = NewTracker() }

func Singleton() *Tracker {
\tonce.Do(initialize)
\treturn all
}
"""


def test_what_a_variable_of_the_package_is_given_once_is_held() -> None:
    mark = TRACKER.replace("Mark(name", "Mark(podName").replace("[name]", "[podName]")
    assert _levels(mark, SINGLETON) == [("(Tracker).seen", "A")]
    # what is given anew again and again is less sure
    assert _levels(mark, SINGLETON.replace("once.Do(initialize)", "initialize()")) == [("(Tracker).seen", "B")]
    inside = SINGLETON.replace("once.Do(initialize)", "once.Do(func() { all = NewTracker() })")
    inside = inside.replace("func initialize() { all = NewTracker() }", "")
    assert _levels(mark, inside) == [("(Tracker).seen", "A")]


SERVER = """package registry

import "context"

type server struct {
\tby map[string]int
}

var all = &server{}

func (s *server) Register(ctx context.Context, service *pb.Service) (*pb.Service, error) {
\ts.by[service.Name] = 1
\treturn service, nil
}
"""


def test_method_of_the_shape_of_a_grpc_answer_is_served() -> None:
    assert _levels(SERVER) == [("(server).by", "A")]
    assert _levels(SERVER.replace("(*pb.Service, error)", "error").replace("service, nil", "nil")) == []
    assert _levels(SERVER.replace("ctx context.Context, ", "")) == []
