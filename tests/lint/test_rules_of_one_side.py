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
    ],
    ids=["inside", "elector", "local", "helper", "false"],
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
    ],
    ids=["all delete", "leader fills", "sweep", "others", "a member", "another question"],
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


REPLACED = (
    HEAD
    + """
type Store struct {
\tbyAddress map[string]*Item
}

func (s *Store) updateItems(items []*Item) {
\ts.removeItems(items) // want "deletes by the keys of what it inserts"
\ts.addItems(items)
}

func (s *Store) removeItems(items []*Item) {
\tfor _, item := range items {
\t\tdelete(s.byAddress, item.Endpoint.Address)
\t}
}

func (s *Store) addItems(all []*Item) {
\tfor _, one := range all {
\t\ts.byAddress[one.Endpoint.Address] = one
\t}
}

func (c *Controller) onEvent(items []*Item) {
\tc.store.updateItems(items)
}

type Controller struct {
\tstore *Store
}

func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\treturn ctrl.Result{}, nil
}

func newController() *Controller {
\treturn &Controller{store: &Store{}}
}
"""
)


def test_update_that_deletes_what_it_is_about_to_insert() -> None:
    check(REPLACED, level="B", rule="deleted-by-new-key")
    assert not found(REPLACED, rule="deleted-by-new-key")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("updateItems(items []*Item) {\n\ts.removeItems(items)", "updateItems(old, items []*Item) {\n\ts.removeItems(old)"),
        lambda text: text.replace("Endpoint.Address", "Name"),
        # the old ones go first, in all that call it
        lambda text: text.replace("\tc.store.updateItems", "\tc.store.removeItems(c.old)\n\tc.store.updateItems"),
        # what was there is found by another key, and goes too
        lambda text: text.replace("\t\tdelete(", "\t\told := s.byKey[item.Name]\n\t\tdelete(s.byAddress, old.Endpoint.Address)\n\t\tdelete("),
        lambda text: text + "\nfunc (s *Store) sweep() {\n\tfor address := range s.byAddress {\n\t\tdelete(s.byAddress, address)\n\t}\n}\n",
    ],
    ids=["old", "name", "callers", "looked up", "sweep"],
)  # fmt: skip
def test_update_that_deletes_the_old_is_silent(change) -> None:
    changed = change(unwanted(REPLACED))
    assert changed != unwanted(REPLACED)
    assert not found(changed, level="B", rule="deleted-by-new-key")
