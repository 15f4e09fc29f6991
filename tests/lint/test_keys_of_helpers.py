"""Keys that a helper makes, that a literal is, or that a queue gives: where they are of objects of the cluster, that is sure."""

from __future__ import annotations

import pytest

from ghostkey.lint.run import lint_files
from tests.lint.go import HEAD, check, found

KEYED = (
    HEAD
    + """
import "example.org/op/pkg/names"

type Controller struct {
\tseen map[string]time.Time
\tprefix string
}

func NewController() *Controller { return &Controller{seen: map[string]time.Time{}} }

func (c *Controller) note(w *v1.Widget) {
\tk := KEY
\tc.seen[k] = time.Now() // want "gets one key"
}
"""
)
SURE = {
    "a function": ("keyFor(w)", 'func keyFor(w *v1.Widget) string { return w.Namespace + "/" + w.Name }'),
    "a method": ("c.key(w)", 'func (c *Controller) key(w client.Object) string { return w.GetNamespace() + "/" + w.GetName() }'),
    "formatted": ("label(w)", 'func label(w *v1.Widget) string { return fmt.Sprintf("%s.%s", w.Namespace, w.Name) }'),
    "a UID": ("idOf(w)", "func idOf(w *v1.Widget) string { return string(w.UID) }"),
    "by way of a local": ("join(w)", 'func join(w *v1.Widget) string {\n\tmade := w.Namespace + "." + w.Name\n\treturn made\n}'),
    "with an error": (
        "must(w)",
        'func must(w *v1.Widget) (string, error) {\n\tif w == nil {\n\t\treturn "", nil\n\t}\n\treturn w.Namespace, nil\n}',
    ),
    "asked of another one": (
        "outer(w)",
        "func outer(w *v1.Widget) string { return inner(w) }\n\nfunc inner(w *v1.Widget) string { return w.Namespace }",
    ),
    "of the object's own": ("w.Path()", 'func (w *Widget) Path() string { return w.Namespace + "/" + w.Name }'),
    "a name for both": (
        "both(w).String()",
        "func both(w *v1.Widget) types.NamespacedName {\n\treturn types.NamespacedName{Namespace: w.Namespace, Name: w.Name}\n}",
    ),
    "of an object that is called config": (
        "named(w)",
        'import apiv1 "example.org/op/api/v1"\n\nfunc named(config *apiv1.TenantConfig) string { return config.Name }',
    ),
    "a literal": ("types.NamespacedName{Namespace: w.Namespace, Name: w.Name}.String()", ""),
    "a literal of parts": ("types.NamespacedName{Name: w.Spec.Flavor}.String()", ""),
    "a literal in a literal": ("ctrl.Request{NamespacedName: types.NamespacedName{Name: w.Spec.Flavor}}.String()", ""),
}
UNSURE = {
    "of options": ("named(w)", "func named(config *Settings) string { return config.Name }"),
    "of a part of the program": ("part(w)", "func part(w *v1.Widget) string { return w.Spec.Flavor }"),
    "of the helper's own": ("c.own(w)", "func (c *Controller) own(w *v1.Widget) string { return c.hostname }"),
    "of an error beside it": (
        "try(w)",
        "func try(w *v1.Widget) (string, error) {\n\tif err := w.Check(); err != nil {\n\t\treturn w.Flavor, err\n\t}\n"
        "\treturn w.Flavor, nil\n}",
    ),
    "of words alone": ("word(w)", 'func word(w *v1.Widget) string { return "namespace" }'),
    "the name of a part": ("w.Plugin()", "func (p *Part) Plugin() string { return p.Name }"),
    "of another module": ("names.KeyFor(w)", "func KeyFor(w *v1.Widget) string { return w.Namespace }"),
    "of a literal in it": (
        "late(w)",
        "func late(w *v1.Widget) string {\n\tvar f = func() string { return w.Namespace }\n\tuse(f)\n\treturn w.Flavor\n}",
    ),
    "a literal of constants": ('types.NamespacedName{Namespace: "system", Name: "one"}.String()', ""),
    "a literal of the program's own": ("types.NamespacedName{Namespace: c.prefix, Name: options.Name}.String()", ""),
}


@pytest.mark.parametrize(("key", "helper"), SURE.values(), ids=SURE)
def test_key_that_is_made_of_an_object_is_sure(key: str, helper: str) -> None:
    check(KEYED.replace("KEY", key) + "\n" + helper + "\n", rule="map-never-deleted")


@pytest.mark.parametrize(("key", "helper"), UNSURE.values(), ids=UNSURE)
def test_key_that_is_made_of_something_else_is_not(key: str, helper: str) -> None:
    text = KEYED.replace("KEY", key) + "\n" + helper + "\n"
    assert [one.level for one in found(text, level="B", rule="map-never-deleted")] == ["B"]


def test_key_of_a_helper_in_another_package() -> None:
    text = KEYED.replace("KEY", "names.KeyFor(w)")

    def levels(body: str) -> list[str]:
        helper = f"package names\n\nfunc KeyFor(w *v1.Widget) string {{ return {body} }}\n"
        files = [("pkg/thing/a.go", text.encode()), ("pkg/names/a.go", helper.encode())]
        return [one.level for one in lint_files(files, level="B").findings]

    assert levels('w.Namespace + "/" + w.Name') == ["A"]
    assert levels("w.Spec.Flavor") == ["B"]


def test_helpers_that_ask_each_other_come_to_an_end() -> None:
    helpers = "\nfunc one(w *v1.Widget) string { return two(w) }\n\nfunc two(w *v1.Widget) string { return one(w) }\n"
    assert [one.level for one in found(KEYED.replace("KEY", "one(w)") + helpers, level="B")] == ["B"]


WORKER = (
    HEAD
    + """
type Controller struct {
\tqueue workqueue.RateLimitingInterface
\ttries map[string]int
}

func NewController() *Controller { return &Controller{tries: map[string]int{}} }

func (c *Controller) work() {
\tfor {
\t\titem, quit := GIVEN
\t\tif quit {
\t\t\treturn
\t\t}
\t\tk := item.(string)
\t\tc.tries[k]++ // want "gets one key"
\t}
}
"""
)


def test_key_that_a_queue_gives_its_worker() -> None:
    check(WORKER.replace("GIVEN", "c.queue.Get()"))
    typed = WORKER.replace("\t\tk := item.(string)\n", "").replace("c.tries[k]", "c.tries[item]")
    check(typed.replace("GIVEN", "c.podQueue.Get()"))
    check(typed.replace("GIVEN", "c.Queue().Get()"))
    for other in ("c.settings.Get()", "c.queue.Len()", "c.queue.Get(c.at)"):
        assert [one.level for one in found(WORKER.replace("GIVEN", other), level="B")] == ["B"], other
