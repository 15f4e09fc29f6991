"""Ways by which keys come into a map: an embedded one, helpers of helpers, getters, variables that are made when first needed, requests."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted


def reconciler(fields: str, body: str, more: str = "") -> str:
    """A reconciler with fields, whose Reconcile does something."""
    return (
        HEAD
        + f"""
type Reconciler struct {{
\tclient.Client
\t{fields}
}}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {{
\t{body}
\treturn ctrl.Result{{}}, nil
}}
{more}
"""
    )


EMBEDDED = reconciler(
    "nodes *nodes",
    'r.nodes.Store(req.Name, 1) // want "nothing deletes from it"',
    "\ntype nodes struct {\n\tsync.Map\n}\n\nfunc New() *Reconciler {\n\treturn &Reconciler{nodes: &nodes{}}\n}\n",
)
TWICE = reconciler(
    "seen map[string]int",
    'add(r.seen, req.Name) // want "one key for each req.Name, and nothing deletes from it"',
    "\nfunc add(m map[string]int, key string) {\n\treally(m, key)\n}\n\nfunc really(m map[string]int, name string) {\n\tm[name] = 1\n}\n",
)
GETTER = reconciler(
    "seen map[string]int",
    'r.known()[req.Name] = 1 // want "nothing deletes from it"',
    "\nfunc (r *Reconciler) known() map[string]int {\n\treturn r.seen\n}\n",
)
GAUGE = reconciler(
    "",
    'Ready().WithLabelValues(req.Namespace, req.Name).Set(1) // want "nothing deletes one"',
    '\nvar ready = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ready"}, []string{"namespace", "name"})\n\nfunc Ready() *prometheus.GaugeVec {\n\treturn ready\n}\n',
)
LAZY = reconciler(
    "",
    'if seen == nil {\n\t\tseen = map[string]bool{}\n\t}\n\tseen[req.Name] = true // want "nothing deletes from it"',
    "\nvar seen map[string]bool\n",
)
ONCE = reconciler(
    "",
    'known()[req.Name] = true // want "nothing deletes from it"',
    "\nvar (\n\tonce sync.Once\n\tseen map[string]bool\n)\n\nfunc known() map[string]bool {\n\tonce.Do(func() { seen = map[string]bool{} })\n\treturn seen\n}\n",
)


@pytest.mark.parametrize(
    "text", [EMBEDDED, TWICE, GETTER, GAUGE, LAZY, ONCE], ids=["embedded", "twice", "getter", "gauge", "lazy", "once"]
)
def test_keys_that_come_that_way_are_seen(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "forgets"),
    [
        (EMBEDDED, "r.nodes.Delete(name)"),
        (EMBEDDED, "r.nodes.drop(name)\n}\n\nfunc (n *nodes) drop(name string) {\n\tn.Delete(name)"),
        (TWICE, "delete(r.seen, name)"),
        (GETTER, "delete(r.known(), name)"),
        (GETTER, "delete(r.seen, name)"),
        (GAUGE, 'Ready().DeletePartialMatch(prometheus.Labels{"name": name})'),
        (LAZY, "delete(seen, name)"),
        (LAZY, "seen = map[string]bool{}"),
        (ONCE, "delete(known(), name)"),
    ],
)
def test_keys_that_go_that_way_are_seen(text: str, forgets: str) -> None:
    check(unwanted(text) + f"\nfunc (r *Reconciler) forget(name string) {{\n\t{forgets}\n}}\n")


def test_own_method_of_a_struct_hides_that_of_what_it_embeds() -> None:
    own = unwanted(EMBEDDED) + "\nfunc (n *nodes) Store(name string, value int) {\n\tn.client.Put(value)\n}\n"
    assert not found(own, level="B", rule="map-never-deleted")


def test_variable_that_is_shadowed_is_none_of_the_package() -> None:
    assert not found(
        unwanted(LAZY).replace("if seen == nil {\n\t\tseen = map[string]bool{}\n\t}", "seen := map[string]bool{}"), level="B"
    )
    result = LAZY.replace("(ctrl.Result, error) {", "(seen map[string]bool, err error) {").replace(
        "return ctrl.Result{}, nil", "return seen, nil"
    )
    assert not found(unwanted(result), level="B", rule="map-never-deleted")


SERVED = (
    HEAD
    + """
type server struct {
\tnodes map[string]time.Time
}

func (s *server) Register(ctx context.Context, req *pb.RegisterRequest) (*pb.Empty, error) {
\ts.nodes[req.GetNodeName()] = time.Now() // want "nothing deletes from it"
\treturn &pb.Empty{}, nil
}

func main() {
\tpb.RegisterServer(grpc.NewServer(), &server{nodes: map[string]time.Time{}})
}
"""
)


def test_method_that_answers_requests_runs_again_and_again() -> None:
    check(SERVED)
    check(unwanted(SERVED).replace("req *pb.RegisterRequest", "req Plugin"))


CHECKED = (
    HEAD
    + """
type validator struct {
\tseen map[string]int
}

func (v *validator) SetupWebhookWithManager(mgr ctrl.Manager) error {
\treturn ctrl.NewWebhookManagedBy(mgr).For(&Tenant{}).WithValidator(v).Complete()
}

func (v *validator) ValidateCreate(ctx context.Context, obj runtime.Object) (admission.Warnings, error) {
\ttenant := obj.(*Tenant)
\tv.seen[tenant.Name]++ // want "nothing deletes from it"
\treturn nil, nil
}
"""
)


def test_webhook_lives_as_long_as_its_manager() -> None:
    check(CHECKED)


SET = (
    HEAD
    + """
func save(ctx context.Context, cm *corev1.ConfigMap, s *Settings) {
\tif s.URL != "" {
\t\tcm.Data["url"] = s.URL
\t} else {
\t\tdelete(cm.Data, "url")
\t}
\tif len(s.Rules) > 0 {
\t\tcm.Data[rulesKey] = encode(s.Rules) // want "is set and never deleted"
\t}
}

const rulesKey = "rules"
"""
)


def test_key_that_is_set_and_not_deleted_beside_one_that_is() -> None:
    check(SET, level="B", rule="key-kept-when-unset")
    check(SET.replace("cm.Data", "cm.Annotations"), level="B", rule="key-kept-when-unset")
    (finding,) = found(SET, level="B", rule="key-kept-when-unset")
    assert [one.line for one in finding.witnesses] == [14]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t}\n}\n", "\t} else {\n\t\tdelete(cm.Data, rulesKey)\n\t}\n}\n"),
        lambda text: text.replace("\tif len(s.Rules) > 0 {\n\t\t", "\t{\n\t\t"),
        lambda text: text.replace("len(s.Rules) > 0", "s.Wants(rules)"),
        lambda text: text.replace('} else {\n\t\tdelete(cm.Data, "url")\n', ""),
        lambda text: text + "\nfunc forget(cm *corev1.ConfigMap) {\n\tdelete(cm.Data, rulesKey)\n}\n",
        lambda text: text.replace("cm.Data[rulesKey]", "other.Data[rulesKey]"),
    ],
    ids=["deleted", "always", "another question", "no example", "elsewhere", "another map"],
)
def test_key_that_is_deleted_or_has_no_example_is_left_alone(change) -> None:
    assert not found(unwanted(change(SET)), level="B", rule="key-kept-when-unset")
