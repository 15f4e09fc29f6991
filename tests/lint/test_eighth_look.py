"""What an eighth batch of trees taught: scopes of names, who makes inner maps, and keys that a condition or a kind bounds."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found

SCOPED = (
    HEAD
    + """
var numbers = map[string]map[string]uint16{}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tfor _, pod := range r.pods(ctx) {
\t\tval := map[string]uint16{}
\t\tif val, ok := numbers[pod.Name]; ok {
\t\t\tr.use(val)
\t\t}
\t\tval[pod.Namespace] = 1
\t\tr.use(val)
\t}
\treturn ctrl.Result{}, nil
}
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("val := map[string]uint16{}\n", "").replace(
            "\t\tval[pod.Namespace]", "\t\tvar val map[string]uint16\n\t\tval[pod.Namespace]"
        ),
    ],
    ids=["before", "after"],
)
def test_name_that_an_if_declares_means_nothing_after_it(change) -> None:
    assert not found(change(SCOPED), level="B")


def test_name_that_an_if_declares_is_seen_through_within() -> None:
    inside = SCOPED.replace("\t\t\tr.use(val)\n", "\t\t\tval[pod.Name] = 2\n")
    assert [one.symbol for one in found(inside)] == ["numbers"]


HOSTS = (
    HEAD
    + """
type Syncer struct {
\tmissing map[string]map[string]bool
}

func NewSyncer(hosts []string) *Syncer {
\ts := &Syncer{missing: map[string]map[string]bool{}}
\tfor _, host := range hosts {
\t\ts.missing[host] = map[string]bool{}
\t}
\treturn s
}

func (s *Syncer) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\thost := s.hostOf(req)
\tif s.isGone(req) {
\t\tdelete(s.missing[host], req.Name)
\t} else {
\t\ts.missing[host][req.Name] = true
\t}
\treturn ctrl.Result{}, nil
}
"""
)


def test_outer_keys_come_from_who_makes_the_inner_maps() -> None:
    check(HOSTS, level="B")
    made = "\t\tif s.missing[host] == nil {\n\t\t\ts.missing[host] = map[string]bool{}\n\t\t}\n\t\ts.missing[host][req.Name] = true\n"
    assert [one.rule for one in found(HOSTS.replace("\t\ts.missing[host][req.Name] = true\n", made))] == ["nested-map-left-empty"]


MACHINE = (
    HEAD
    + """
type Machine struct {
\tstates map[string]State
}

func (m *Machine) Reconcile() (ctrl.Result, error) {
\treturn m.next()
}

func (m *Machine) Step(node Node) {
\tm.states[node.Name] = node.State
}
"""
)


def test_what_is_reconciled_without_a_name_is_no_reconciler() -> None:
    check(MACHINE)
    asked = MACHINE.replace("Reconcile()", "Reconcile(ctx context.Context, req ctrl.Request)")
    assert [one.symbol for one in found(asked)] == ["(Machine).states"]


KINDS = (
    HEAD
    + """
type Event string

const (
\tPods  Event = "pods"
\tNodes Event = "nodes"
)

var all = []Event{Pods, Nodes}

func (e Event) Key() string {
\treturn "last-" + string(e)
}

func (r *Reconciler) note(ctx context.Context, cm *corev1.ConfigMap, event Event) error {
\tif err := r.Get(ctx, at, cm); err != nil {
\t\treturn err
\t}
\tcm.Data[event.Key()] = "now"
\treturn r.Update(ctx, cm)
}
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace(", event Event", "").replace(
            '\tcm.Data[event.Key()] = "now"',
            '\tfor _, event := range all {\n\t\tkey := event.Key()\n\t\tcm.Data[key] = "now"\n\t}',
        ),
    ],
    ids=["parameter", "table"],
)
def test_what_a_method_says_of_a_kind_is_one_of_few(change) -> None:
    assert not found(change(KINDS))
    assert [
        one.rule
        for one in found(
            change(KINDS).replace("Event", "Tenant", 1).replace("event Event", "event Pod").replace("range all", "range r.all")
        )
    ] == ["data-key-never-deleted"]


CHECKED = (
    HEAD
    + """
type Checker struct {
\tclusters map[string]*Check
}

func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
\tr.checker = &Checker{clusters: map[string]*Check{}}
\treturn nil
}

func (c *Checker) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tif len(c.clusters) == 0 {
\t\tc.fill(ctx)
\t}
\treturn ctrl.Result{}, nil
}

func (c *Checker) fill(ctx context.Context) {
\tfor _, cluster := range c.read(ctx) {
\t\tc.clusters[cluster.Name] = newCheck(cluster)
\t}
}
"""
)


def test_map_that_is_filled_where_it_is_empty_does_not_grow() -> None:
    assert not found(CHECKED, level="B")
    assert found(CHECKED.replace("len(c.clusters) == 0", "len(c.pending) == 0"))
    assert found(CHECKED.replace("len(c.clusters) == 0", "len(c.clusters) != 0"))
    assert found(CHECKED + "\nfunc (c *Checker) again(ctx context.Context) {\n\tc.fill(ctx)\n}\n")


USERS = (
    HEAD
    + """
const mostOfThem = 999

type users struct {
\tnames map[uint32]string
}

var known = &users{names: map[uint32]string{}}

func (u *users) Name(uid uint32) string {
\tif uid > mostOfThem {
\t\treturn u.ask(uid)
\t}
\tu.add(uid, u.ask(uid))
\treturn u.names[uid]
}

func (u *users) add(uid uint32, name string) {
\tu.names[uid] = name
}
"""
)


def test_numbers_below_a_constant_are_few() -> None:
    assert not found(USERS, level="B")
    for other in ("uid < mostOfThem", "uid > u.most", "other > mostOfThem", "uid == mostOfThem"):
        assert [one.symbol for one in found(USERS.replace("uid > mostOfThem", other))] == ["(users).names"]


CONFIGURED = (
    HEAD
    + """
var instances = map[string]*Instance{}

func (r *Reconciler) instance(ctx context.Context, config *VirtualCenterConfig) *Instance {
\tif _, found := instances[config.Host]; !found {
\t\tinstances[config.Host] = r.connect(ctx, config)
\t}
\treturn instances[config.Host]
}
"""
)


def test_host_of_a_configuration_is_less_sure_than_one_of_a_cluster() -> None:
    assert not found(CONFIGURED)
    assert [one.level for one in found(CONFIGURED, level="B")] == ["B"]
    assert found(CONFIGURED.replace("*VirtualCenterConfig", "*rest.Config"))
    assert found(CONFIGURED.replace("config.Host", "machine.Host"))


HELPER = (
    HEAD
    + """
func UpdateField(ctx context.Context, c client.Client, at types.NamespacedName, key, value string) error {
\tvar cm corev1.ConfigMap
\tif err := c.Get(ctx, at, &cm); err != nil {
\t\treturn err
\t}
\tcm.Data[key] = value
\treturn c.Update(ctx, &cm)
}
"""
)
MAIN = "\nfunc main() {\n\tr.run()\n}\n"
CALLED = '\nfunc (r *Reconciler) note(ctx context.Context, pod *corev1.Pod) error {\n\treturn UpdateField(ctx, r.Client, at, pod.Name, "x")\n}\n'


def test_helper_that_nobody_calls_is_less_sure_in_the_tree_of_a_program() -> None:
    def levels(text: str) -> list[str]:
        return [one.level for one in found(text, level="B", rule="data-key-never-deleted")]

    assert levels(HELPER) == ["A"]  # a library's
    program = (HELPER + MAIN).replace("package thing", "package main")
    assert levels(program) == ["B"]
    assert levels(program + CALLED) == ["A"]
