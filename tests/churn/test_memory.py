"""What is said of a Go map that grows: a leak where its keys name the dead, or can name nobody; nothing where they were not read."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import cast

import pytest

from ghostkey.census.census import Process
from ghostkey.census.gomap import GoMap
from ghostkey.census.keys import Keys
from ghostkey.churn import memory as churn_memory
from ghostkey.churn import memory_text
from ghostkey.churn.memory import Memory
from ghostkey.churn.tokens import Named
from ghostkey.churn.traces import Signature
from tests.churn.helpers import TenantBed, leaks

NAMES = [Named("gkaaaaaaax", "gkaaaaaaax", "n")]
HELD = "global main.r → (main.reconciler).seen"
BUCKETS = "goroutine 80 in runtime.selectgo → (prometheus.histogramCounts).nativeHistogramBucketsPositive"


def looked(
    monkeypatch: pytest.MonkeyPatch,
    reads: list[list[str]],
    *,
    design: str = "swiss",
    is_text: bool = True,
    is_whole: bool = True,
    holder: str = HELD,
    memory: Memory | None = None,
) -> tuple[list[Signature], Memory]:
    """What is found of one map that grew, whose keys read so, look after look."""
    one = cast(GoMap, SimpleNamespace(type="map", holder=holder, candidates=[], address=1, seed=1, length=9, design=design))
    left = iter(reads)

    def text_keys(*_: object) -> tuple[list[tuple[int, Keys]], int]:
        return [(1, Keys(next(left, []), is_whole=is_whole))], 0

    keys = SimpleNamespace(key_type=lambda _: object(), is_text=lambda _: is_text)
    process = cast(Process, SimpleNamespace(text_keys=text_keys, keys=keys, refresh=lambda: None, close=lambda: None))
    monkeypatch.setattr("ghostkey.churn.memory.open_process", lambda _: process)
    monkeypatch.setattr(Memory, "maps", lambda *_: [one])
    memory = memory or Memory(samples=[{(1, 1): length} for length in (0, 3, 6, 9)])
    return list(memory.traces(3, NAMES)), memory


def test_keys_that_were_not_read_are_neither_clean_nor_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    found, memory = looked(monkeypatch, [["other", "another"]], is_whole=False)
    assert not found
    assert memory.gaps == [
        "map at (main.reconciler).seen in memory has 9 keys: 0 of 1 dead subjects are named by the first 2 keys; whether the others are is not known"
    ]
    found, memory = looked(monkeypatch, [["other", "n/gkaaaaaaax"]], is_whole=False)
    assert len(found) == 1, "what is named by those that were read is named, however many there are"
    assert not memory.gaps


@pytest.mark.whole(but=["5-inconclusive"])
@pytest.mark.parametrize(("most", "result"), [(5, "inconclusive"), (None, "leaks")])
def test_map_of_an_operator_that_is_larger_than_what_is_read_of_it(
    tenants: TenantBed, monkeypatch: pytest.MonkeyPatch, most: int | None, result: str
) -> None:
    if most is not None:
        monkeypatch.setattr(churn_memory, "KEYS_MOST", most)
    outcome, registry = tenants.rounds("no-delete-on-notfound", subjects=4, allow=(("configmaps", "another matter"),))
    assert outcome.result == result, outcome.inconclusive
    assert any("whether the others are is not known" in why for why in outcome.inconclusive) == (most is not None)
    assert leaks(outcome, registry) == (set() if most is not None else {"memory: map[string]string at (main.reconciler).memory"})


@pytest.mark.whole
def test_memory_beyond_what_is_read_of_a_program_in_any_language_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    held = ["gkaaaaaa" + letter + "x" for letter in "abcdef"]
    rounds = {name: number // 2 for number, name in enumerate(held)}
    found, unread = memory_text.traces(os.getpid(), rounds)
    assert (len(found), unread) == (1, "")
    monkeypatch.setattr(memory_text, "BYTES_MOST", 4096)
    found, unread = memory_text.traces(os.getpid(), rounds)
    assert not found
    assert unread.startswith("names of the dead were looked for in 4,096 bytes of the operator's memory, and not in ")


@pytest.mark.parametrize("design", ["swiss", "sync"])
def test_map_whose_keys_could_not_be_read_is_no_leak_and_no_silence(monkeypatch: pytest.MonkeyPatch, design: str) -> None:
    found, memory = looked(monkeypatch, [], design=design)
    assert not found
    assert memory.gaps == [
        "the keys of map at (main.reconciler).seen in memory could not be read: whether they name the dead is not known"
    ]


def test_keys_that_are_moved_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, memory = looked(monkeypatch, [[], ["n/gkaaaaaaax"]])
    assert [str(signature.place) for signature in found] == ["map at (main.reconciler).seen"]
    assert not memory.gaps


def test_keys_that_are_no_text_by_type_name_all_the_dead_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found, memory = looked(monkeypatch, [], is_text=False)
    assert len(found) == 1
    assert not memory.gaps


def test_keys_that_name_others_are_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    found, memory = looked(monkeypatch, [["other"]])
    assert not found
    assert not memory.gaps


def test_buckets_of_a_histogram_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    found, memory = looked(monkeypatch, [], design="sync", holder=BUCKETS)
    assert not found
    assert not memory.gaps


INFORMER = "goroutine 80 in cache.(*sharedIndexInformer).RunWithContext"


@pytest.mark.parametrize(
    ("holder", "is_leak"),
    [
        (f"{INFORMER} → …[*][*]", False),
        (f"{INFORMER} → … → …[*]", False),
        (f"{INFORMER} → … → (main.reconciler).seen", True),
        ("goroutine 80 in main.(*reconciler).Run → …[*]", True),
    ],
)
def test_what_an_informers_goroutine_leads_to_by_unknown_objects_alone_is_its_store(
    monkeypatch: pytest.MonkeyPatch, holder: str, is_leak: bool
) -> None:
    found, memory = looked(monkeypatch, [["n/gkaaaaaaax"]], holder=holder)
    assert bool(found) is is_leak
    assert not memory.gaps


def test_map_that_was_once_seen_to_mirror_the_cluster_does_so_by_whichever_path(monkeypatch: pytest.MonkeyPatch) -> None:
    _, memory = looked(monkeypatch, [["n/gkaaaaaaax"]], holder="global main.m → (cache.storeIndex).indices[*]")
    found, _ = looked(monkeypatch, [["n/gkaaaaaaax"]], holder="goroutine 80 in main.main → …[*]", memory=memory)
    assert not found


def test_map_that_is_known_to_be_bounded_is_so_by_whichever_path_it_is_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    _, memory = looked(monkeypatch, [], design="sync", holder=BUCKETS)
    found, memory = looked(monkeypatch, [], design="sync", holder="no root found", memory=memory)
    assert not found
    assert not memory.gaps


def test_holder_that_was_not_found_is_looked_for_again() -> None:
    one = SimpleNamespace(address=1, seed=1, length=9, holder="", root="")
    finds = iter([("none", ""), ("stack", "goroutine 80 in main.main → …[*]"), ("global", "global main.m")])

    def find_holders(maps: list[SimpleNamespace], _: object) -> None:
        for each in maps:
            each.root, each.holder = next(finds)

    process = SimpleNamespace(
        census=lambda: SimpleNamespace(maps=[one]), name_types=lambda _: None, describe=lambda _: None,
        find_holders=find_holders, refresh=lambda: None, forget_holder=lambda _: None,
    )  # fmt: skip
    memory = Memory(samples=[{(1, 1): length} for length in (0, 3, 6, 9)])
    (found,) = memory.maps(cast(Process, process), 3)
    assert found.root == "global"
