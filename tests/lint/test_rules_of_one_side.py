"""Rules about deletes that one side alone comes to: the replica that leads, and the other branch of the insert's own question."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

LEADER = (
    HEAD
    + """
type Controller struct {
\tmembers map[string]string
\tmu      sync.Mutex
}

func (c *Controller) onAdd(obj *Tenant) {
\tc.members[obj.Name] = obj.UID
}

func (c *Controller) onDelete(name string) {
\tif !c.isLeader() {
\t\treturn
\t}
\tdelete(c.members, name) // want "only by the replica that leads, and is filled by all"
}
"""
)
GUARD = "if !c.isLeader() {\n\t\treturn\n\t}\n\tdelete(c.members, name)"


def test_delete_that_the_leader_alone_comes_to() -> None:
    check(LEADER, level="B", rule="delete-by-leader-alone")
    assert not found(LEADER)
    (finding,) = found(LEADER, level="B", rule="delete-by-leader-alone")
    assert finding.witnesses[0].text == "inserted in (Controller).onAdd, whoever leads"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("if !c.isLeader() {\n\t\treturn\n\t}\n\tdelete(c.members, name)", "if c.isLeader() {\n\t\tdelete(c.members, name)\n\t}//"),
        lambda text: text.replace("c.isLeader()", "c.elector.IsLeader()"),
        lambda text: text.replace("!c.isLeader()", "leading := c.lease.Held(); !leading"),
        lambda text: text.replace("\tdelete(c.members, name)", "\tc.forget(name)") + "\nfunc (c *Controller) forget(name string) {\n\tdelete(c.members, name)\n}\n",
        lambda text: text.replace("if !c.isLeader() {\n\t\treturn\n\t}", "if c.isLeader() == false {\n\t\treturn\n\t}"),
        # one term of several asks, and has a sign of its own
        lambda text: text.replace(GUARD, 'if c.isLeader() && name != "" {\n\t\tdelete(c.members, name)\n\t}'),
        lambda text: text.replace(GUARD, "if c.elector != nil && c.isLeader() {\n\t\tdelete(c.members, name)\n\t}"),
        lambda text: text.replace("!c.isLeader()", "!c.isLeader() != false"),
        lambda text: text.replace("!c.isLeader()", "ok := c.isLeader(); !ok"),
    ],
    ids=["inside", "elector", "local", "helper", "false", "with a key", "not nil", "twice not", "named"],
)  # fmt: skip
def test_the_same_in_other_words_is_found(change) -> None:
    assert len(found(unwanted(change(LEADER)), level="B", rule="delete-by-leader-alone")) == 1


@pytest.mark.parametrize(
    "change",
    [
        # every replica deletes, or none but the leader fills
        lambda text: text.replace("\tif !c.isLeader() {\n\t\treturn\n\t}\n", ""),
        lambda text: text.replace("\tc.members[obj", "\tif !c.isLeader() {\n\t\treturn\n\t}\n\tc.members[obj"),
        lambda text: text + "\nfunc (c *Controller) resync() {\n\tfor name := range c.members {\n\t\tdelete(c.members, name)\n\t}\n}\n",
        # the others are those that delete
        lambda text: text.replace("!c.isLeader()", "c.isLeader()"),
        # a member of what is looked after leads, and not this process
        lambda text: text.replace("!c.isLeader()", '!(pod.Labels["role"] == "leader")'),
        lambda text: text.replace("!c.isLeader()", "!c.paused()"),
        # some of the others delete, too
        lambda text: text.replace("!c.isLeader()", "!c.isLeader() && c.dryRun"),
        lambda text: text.replace("!c.isLeader()", "c.elector != nil && !c.isLeader()"),
        lambda text: text.replace("!c.isLeader()", "c.elector != nil && c.isLeader()"),
        lambda text: text.replace("!c.isLeader()", "!c.isLeader() || c.dryRun"),
        lambda text: text.replace(GUARD, 'if !c.isLeader() && name != "" {\n\t\tdelete(c.members, name)\n\t}'),
        # there is a leader, whoever it is
        lambda text: text.replace("!c.isLeader()", "c.leader() != nil"),
        lambda text: text.replace("!c.isLeader()", "_, err := c.leader(); err != nil"),
        # who fills is not known
        lambda text: text.replace("\tc.members[obj", "\tif !(c.isLeader() && c.ready) {\n\t\treturn\n\t}\n\tc.members[obj"),
        lambda text: text.replace("\tc.members[obj", "\tif !c.isLeader() || c.paused {\n\t\treturn\n\t}\n\tc.members[obj"),
        lambda text: text.replace("\tc.members[obj", "\tif c.ready && c.isLeader() {\n\t\tc.fill()\n\t}\n}\n\nfunc (c *Controller) fill(obj *Tenant) {\n\tc.members[obj"),
    ],
    ids=[
        "all delete", "leader fills", "sweep", "others", "a member", "another question", "dry run", "elector", "others with an elector",
        "either", "others with a key", "nil", "error", "conjunction fills", "either fills", "leader calls what fills",
    ],
)  # fmt: skip
def test_what_all_replicas_do_alike_is_silent(change) -> None:
    changed = change(unwanted(LEADER))
    assert changed != unwanted(LEADER)
    assert not found(changed, level="B", rule="delete-by-leader-alone")


OTHER = (
    HEAD
    + """
type Watcher struct {
\twatched map[string]int
}

func (w *Watcher) onChange(svc *Tenant) {
\tif svc.Spec.Watched {
\t\tw.watched[svc.Name] = svc.Spec.Port
\t} else {
\t\tdelete(w.watched, svc.Name) // want "only where svc.Spec.Watched does not hold"
\t}
}
"""
)


def test_delete_that_only_the_other_answer_comes_to() -> None:
    check(OTHER, level="B", rule="deleted-on-other-branch")
    assert not found(OTHER)
    turned = OTHER.replace(
        "if svc.Spec.Watched {", "if !svc.Spec.Watched {\n\t\tdelete(w.watched, svc.Name)\n\t} else {"
    ).replace('\t} else {\n\t\tdelete(w.watched, svc.Name) // want "only where svc.Spec.Watched does not hold"\n\t}', "\t}")
    assert "else" in turned
    assert len(found(turned, level="B", rule="deleted-on-other-branch")) == 1
    behind = unwanted(OTHER).replace(
        "svc.Spec.Port\n\t} else {\n\t\tdelete(w.watched, svc.Name)\n\t}",
        "svc.Spec.Port\n\t\treturn\n\t}\n\tdelete(w.watched, svc.Name)",
    )
    assert "return" in behind
    assert len(found(behind, level="B", rule="deleted-on-other-branch")) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\nfunc (w *Watcher) onDelete(name string) {\n\tdelete(w.watched, name)\n}\n",
        # the condition asks whether it is there at all
        lambda text: text.replace("svc.Spec.Watched", "svc.DeletionTimestamp == nil && svc.Spec.Watched"),
        lambda text: text.replace("if svc.Spec.Watched", "if port, ok := w.ports[svc.Name]; ok"),
        lambda text: text.replace("if svc.Spec.Watched", "if err == nil"),
        lambda text: text.replace("svc.Spec.Watched", "isAdd"),
        # another key, and what sweeps
        lambda text: text.replace("delete(w.watched, svc.Name)", "clear(w.watched)"),
        # it runs once more for what is gone
        lambda text: text + "\nfunc (w *Watcher) handle(svc *Tenant) {\n\tif svc.DeletionTimestamp != nil {\n\t\tw.onChange(svc)\n\t}\n}\n",
    ],
    ids=["delete handler", "deletion", "look-up", "error", "parameter", "sweep", "run when gone"],
)  # fmt: skip
def test_what_is_asked_again_for_what_is_gone_is_silent(change) -> None:
    changed = change(unwanted(OTHER))
    assert changed != unwanted(OTHER)
    assert not found(changed, level="B", rule="deleted-on-other-branch")


MISSING = """
func (w *Watcher) onKey(ctx context.Context, key string) error {
\tsvc := &Tenant{}
\tif err := w.client.Get(ctx, key, svc); err != nil {
\t\treturn err
\t}
\tif svc.Spec.Watched {
\t\tw.watched[key] = svc.Spec.Port
\t} else {
\t\tdelete(w.watched, key)
\t}
\treturn nil
}
"""
KEYED = HEAD + "\ntype Watcher struct {\n\twatched map[string]int\n}\n" + MISSING
TRIED = "\tsvc := &Tenant{}\n\tif err := w.client.Get(ctx, key, svc); err != nil {\n\t\treturn err\n\t}\n"


@pytest.mark.parametrize(
    "tried",
    [
        TRIED,
        TRIED.replace("svc := &Tenant{}", "var svc Tenant").replace("key, svc", "key, &svc"),
        TRIED.replace("err != nil", "apierrors.IsNotFound(err)"),
        "\tsvc, err := w.get(key)\n\tif err != nil {\n\t\treturn err\n\t}\n",
        "\tvar svc *Tenant\n\tvar err error\n\tsvc, err = w.get(key)\n\tif err != nil {\n\t\treturn err\n\t}\n",
    ],
    ids=["pointer", "value", "not found", "result", "declared before"],
)
def test_object_that_is_not_there_ends_the_function_before_the_question(tried: str) -> None:
    assert len(found(KEYED.replace(TRIED, tried), level="B", rule="deleted-on-other-branch")) == 1


IGNORED = "client.IgnoreNotFound(err) != nil"


@pytest.mark.parametrize(
    "tried",
    [
        "\tsvc, err := w.get(key)\n\tif err != nil {\n\t\tsvc = &Tenant{}\n\t}\n",
        "\tsvc, err := w.get(key)\n\tif apierrors.IsNotFound(err) {\n\t\tsvc = w.none()\n\t} else if err != nil {\n\t\treturn err\n\t}\n",
        "\tsvc, err := w.get(key)\n\tif err != nil {\n\t\t*svc = Tenant{}\n\t}\n",
        "\tsvc, err := w.get(key)\n\tif " + IGNORED + " {\n\t\treturn err\n\t}\n",
        TRIED.replace("err != nil", IGNORED),
        TRIED.replace("err != nil", "err != nil && !apierrors.IsNotFound(err)"),
        TRIED.replace("svc := &Tenant{}", "svc := new(Tenant)").replace("err != nil", IGNORED),
        TRIED.replace("svc := &Tenant{}", "var svc Tenant").replace("key, svc", "key, &svc").replace("err != nil", IGNORED),
        TRIED.replace("\t\treturn err\n", "\t\tif !apierrors.IsNotFound(err) {\n\t\t\treturn err\n\t\t}\n"),
        TRIED.replace("\t\treturn err\n", "\t\tw.log(err)\n"),
        # the error that ends it is another one's
        TRIED.replace("err != nil", IGNORED) + "\tif err := w.check(ctx); err != nil {\n\t\treturn err\n\t}\n",
        "\tsvc := &Tenant{}\n\t_ = w.client.Get(ctx, key, svc)\n\tif err := w.check(ctx); err != nil {\n\t\treturn err\n\t}\n",
    ],
    ids=[
        "made on error", "given when not found", "set on error", "ignored of a result", "ignored", "not found is let by", "new", "var",
        "nested", "logged", "ignored and another", "dropped and another",
    ],
)  # fmt: skip
def test_zero_value_in_the_place_of_what_is_gone_comes_to_the_other_branch(tried: str) -> None:
    changed = KEYED.replace(TRIED, tried)
    assert changed != KEYED
    assert not found(changed, level="B", rule="deleted-on-other-branch")


BEGUN = (
    HEAD
    + """
var state struct {
\tschemas map[string]string
}

func init() {
\tuseDefault("")
}

type Watcher struct{}

func (w *Watcher) Run(names <-chan string) {
\tuseDefault("live")
\tfor name := range names {
\t\tw.sync(name)
\t}
}

func useDefault(text string) {
\tstate.schemas = map[string]string{}
}

func (w *Watcher) sync(name string) {
\tstate.schemas[name] = "x" // want "nothing deletes from it"
}
"""
)


def test_map_that_is_made_anew_only_when_a_controller_begins_to_run() -> None:
    check(BEGUN, rule="map-never-deleted")
    again = unwanted(BEGUN).replace("\tfor name := range names {\n", '\tfor name := range names {\n\t\tuseDefault("")\n')
    check(again)
    check(unwanted(BEGUN) + '\nfunc (w *Watcher) onReset() {\n\tuseDefault("")\n}\n')


HELPERS = HEAD + (
    """
type store struct {
\tbyAddress map[string]*Instance
}

var instances = &store{}

func (s *store) remove(all []*Instance) {
\tfor _, i := range all {
\t\tdelete(s.byAddress, i.Endpoint.Address)
\t}
}

func (s *store) add(all []*Instance) {
\tfor _, instance := range all {
\t\ts.byAddress[instance.Endpoint.Address] = instance
\t}
}

func (s *store) update(all []*Instance) {
\ts.remove(all)
\ts.add(all) // want "never the one that was there before"
}
"""
)


def test_key_that_is_deleted_just_before_it_is_inserted_again() -> None:
    check(HELPERS, level="B", rule="updated-by-new-alone")
    silent = unwanted(HELPERS)
    for mended in (
        silent.replace("\ts.remove(all)\n", "\ts.remove(s.before(all))\n"),  # what was there before is removed
        silent.replace(
            "\t\tdelete(",
            "\t\tfor _, old := range s.of(i) {\n\t\t\tdelete(s.byAddress, old.Endpoint.Address)\n\t\t}\n\t\tdelete(",
        ),
        silent.replace("Endpoint.Address", "Name"),  # which never changes
        silent.replace("\ts.remove(all)\n", "\tif isGone {\n\t\ts.remove(all)\n\t\treturn\n\t}\n"),
    ):
        check(mended, level="B", rule="updated-by-new-alone")
