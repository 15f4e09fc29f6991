"""Entries of a map in the memory of a process whose subject is gone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ghostkey import api, processes
from ghostkey.census.gomap import GoMap
from ghostkey.model.findings import Finding
from ghostkey.sources.go_map_lives import forgets_by_itself, is_long_lived, mirror_of, place_of
from tests.census.truth import Truth, built, running
from tests.helpers import config_map, keys, thing


@pytest.fixture
def truth():  # type: ignore[no-untyped-def]
    with running(built()) as started:
        yield started


def ghosts(folder: Path, truth: Truth, live: range, *objects: dict[str, object]) -> list[Finding]:
    """What is found in the program's memory, in a cluster where Pods of these numbers live; `seen` has 0 to 699."""
    pods = [thing("Pod", f"pod-{n}", f"ns-{n % 10}", api_version="v1") for n in live]
    spaces = [thing("Namespace", f"ns-{n}", "", api_version="v1") for n in range(10)]
    (folder / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*spaces, *pods, *objects]}))
    with processes.opened(truth.pid) as process:
        maps = api.go_maps(process)
        snapshot = api.collect_with(api.manifests([str(folder / "dump.json")]), [maps])
        return maps.confirm(api.analyse(snapshot), wait=lambda _: None)


def of_map(found: list[Finding], field: str) -> list[Finding]:
    return [one for one in found if one.analysis == "ghost-entry" and one.key.holder.name == f"(main.reconciler).{field}"]


def test_entry_of_a_gone_subject_is_found_by_its_struct_key(tmp_path: Path, truth: Truth) -> None:
    found = of_map(ghosts(tmp_path, truth, range(500)), "seen")
    assert keys(found) == {f"ns-{n % 10}/pod-{n}" for n in range(500, 700)}
    first = found[0]
    assert first.origin == "maps"
    assert first.attribution is not None
    assert first.attribution.template == "{namespace}/{name}"
    assert "map[main.namespacedName]string" in first.evidence[0]


def test_entries_of_subjects_that_all_live_are_none(tmp_path: Path, truth: Truth) -> None:
    assert not of_map(ghosts(tmp_path, truth, range(700)), "seen")


def test_entry_that_is_deleted_meanwhile_is_none(tmp_path: Path, truth: Truth) -> None:
    pods = [thing("Pod", f"pod-{n}", f"ns-{n % 10}", api_version="v1") for n in range(500)]
    (tmp_path / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    with processes.opened(truth.pid) as process:
        maps = api.go_maps(process)
        snapshot = api.collect_with(api.manifests([str(tmp_path / "dump.json")]), [maps])
        found = api.analyse(snapshot, only=["ghost-entry"])
        assert of_map(found, "seen")
        truth.ask("clear")
        assert not of_map(maps.confirm(found, wait=lambda _: None), "seen")


def test_map_in_the_cluster_and_map_in_memory_name_each_other(tmp_path: Path, truth: Truth) -> None:
    shadow = config_map({f"ns-{n % 10}.pod-{n}": "{}" for n in range(700)}, "pods", "ns-1")
    found = ghosts(tmp_path, truth, range(500), shadow)
    entry = of_map(found, "seen")[0]
    key = next(one for one in found if one.analysis == "ghost-key" and one.key.holder.name == "pods")
    assert any("cm/pods -n ns-1: this map in memory is its cause" in line for line in entry.evidence)
    assert any("map/(main.reconciler).seen of maps: that map in memory is the cause" in line for line in key.evidence)


def test_same_finding_in_the_next_run_has_the_same_id(tmp_path: Path, truth: Truth) -> None:
    first = {one.fingerprint for one in of_map(ghosts(tmp_path, truth, range(650)), "seen")}
    with running(built()) as another:
        assert {one.fingerprint for one in of_map(ghosts(tmp_path, another, range(650)), "seen")} == first


@pytest.mark.parametrize(
    "holder",
    [
        "goroutine 7 in main.main → (cache.sharedIndexInformer).indexer → (cache.cache).cacheStorage → (cache.threadSafeMap).items",
        "global 0x1 → (cache.storeIndex).indices[*]",
        "main.queue → (workqueue.Typed[sigs.k8s.io/controller-runtime/pkg/reconcile.Request]).dirty",
        "main.queue → (priorityqueue.priorityqueue[go.shape.string]).items",
        "goroutine 9 in garbagecollector.(*GraphBuilder).Run → (garbagecollector.concurrentUIDToNode).uidToNode",
        "main.cache → (v1.ConfigMap).Data",
        "main.cache → (v1.Pod).ObjectMeta.Labels",
    ],
)
def test_what_mirrors_live_objects_is_left_out(holder: str) -> None:
    assert mirror_of(holder)


def test_operators_own_cache_is_looked_into() -> None:
    assert not mirror_of("main.mgr → (cache.Tenants).byName")
    assert not mirror_of("main.mgr → (v1.Reconciler).seen")


@pytest.mark.parametrize(
    ("kind", "holder", "forgets"),
    [
        ("map[hpack.pairNameValue]uint64", "goroutine 34 in http2.(*Framer).ReadFrameHeader → … → ?", True),
        ("", "goroutine 9 in tls.(*Conn).readRecordOrCCS → (hpack.Decoder).dynTab.table.byNameValue", True),
        ("map[interface {}]*list.Element", "global 0x1 → func k8s.io/client-go/tools/record.NewEventCorrelator", True),
        ("map[string]*internal.Entry[string,bool]", "main.cache → (simplelru.LRU[string,bool]).items", True),
        ("map[lease.LeaseItem]struct {}", "global 0x1b9a758 → …", True),
        ("map[events.eventKey]*v1.Event", "goroutine 7 in main.run → ?", True),
        (
            "",
            "stack of events.x → func k8s.io/client-go/tools/events.(*eventBroadcasterImpl).startRecordingEvents.func1 → ?+0x10",
            True,
        ),
        ("", "main.client → (http.Transport).idleConn", True),
        ("map[interface {}]cache.entry", "main.tokens → (cache.Expiring).cache", True),
        ("map[string]string", "main.mgr → (main.reconciler).memory", False),
        ("map[string]*main.Element", "main.mgr → (main.lists).byName", False),
        ("map[string][]*resourcequota.admissionWaiter", "main.q → (resourcequota.quotaEvaluator).work", False),
    ],
)
def test_what_forgets_by_itself_is_left_out(kind: str, holder: str, forgets: bool) -> None:
    assert forgets_by_itself(GoMap(1, "swiss", 3, 8, 0, 100, 7, type=kind, root="global", holder=holder)) is forgets


def test_place_of_a_map_does_not_depend_on_the_run() -> None:
    found = GoMap(1, "swiss", 0, 0, 0, 48, 1)
    for number in (1, 99):
        assert place_of(dataclasses.replace(found, holder=f"goroutine {number} in main.run")) == "stack of main.run"
        assert place_of(dataclasses.replace(found, holder=f"goroutine {number} in main.run → (main.r).seen")) == "(main.r).seen"


@pytest.mark.parametrize(
    ("root", "holder", "is_long"),
    [
        ("global", "main.seen", True),
        ("stack", "goroutine 1 in manager.(*controllerManager).Start → (main.reconciler).memory", True),
        ("stack", "goroutine 1 in main.main", False),
        ("stack", "goroutine 71 in cache.(*Reflector).watch[*]", False),
        ("stack", "goroutine 8 in apply.build", False),
        ("stack", "goroutine 8 in apply.build → ?+0x8", False),
        ("stack", "goroutine 8 in apply.build → (interface {})", False),
        ("stack", "goroutine 8 in main.run → (interface {}) → (main.reconciler).memory", True),
        ("stack", "goroutine 8 in main.run → (map[string]interface {})[*]", False),
        ("stack", "goroutine 8 in main.run → (map.bucket[string]interface {}).elems[0]", False),
        ("stack", "goroutine 8 in main.run → …[*]", False),
        ("stack", "goroutine 8 in json.Marshal → (json.encodeState).ptrSeen", False),
        ("stack", "goroutine 8 in main.run → (reflect.MapIter).hiter.m", False),
        ("stack", "goroutine 8 in http.(*conn).serve → (http.Request).Form", False),
        ("stack", "goroutine 8 in http.(*conn).serve → (http.ServeMux).m", True),
        ("stack", "goroutine 8 in main.run → func main.run.func1", True),
        ("pool", "main.scratch.local (a sync.Pool) → (main.scratch).data", False),
        ("", "", False),
    ],
)
def test_only_what_may_outlive_a_call_is_judged(root: str, holder: str, is_long: bool) -> None:
    assert is_long_lived(GoMap(1, "swiss", 3, 8, 0, 100, 7, root=root, holder=holder)) is is_long


@pytest.mark.parametrize(("function", "is_long"), [("main.main", True), ("apply.build", False)])
def test_map_whose_header_is_in_a_frame_lives_as_long_as_that(function: str, is_long: bool) -> None:
    """Of a word in a frame that points to a map it is not known whether the call still has it; a header is the frame's own."""
    found = GoMap(1, "swiss", 3, 8, 0, 100, 7, place="stack", root="stack", holder=f"goroutine 1 in {function}")
    assert is_long_lived(found) is is_long
