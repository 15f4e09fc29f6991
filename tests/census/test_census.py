"""The census of a process says of every map exactly what the process itself says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ghostkey.census import layouts, swiss
from ghostkey.census.census import Census, Process, open_core, open_process
from ghostkey.census.gomap import GoMap
from ghostkey.census.paths import find_paths
from ghostkey.census.references import References
from tests.census.truth import Truth, built, running

PIE = ("-buildmode=pie",)


def check(truth: Truth, process: Process, census: Census) -> None:
    """No wrong length, no missed map that holds something, no map that is none."""
    found = {one.address: one for one in census.maps}
    assert not [fact for address, fact in truth.maps.items() if address not in found]
    assert {a: found[a].length for a in truth.maps} == {a: n for a, (_, n) in truth.maps.items()}
    assert sorted(one.length for one in census.maps if one.place == "stack") == sorted(truth.stack)
    if process.runtime.is_swiss:
        assert truth.sync in [one.length for one in census.maps if one.design == "sync"]
    assert all(one.is_consistent for one in census.maps)
    # what is not the program's own is the runtime's and the libraries': their slots hold as many entries as they say
    assert all(swiss.has_sound_group(process.runtime, one) for one in census.maps if one.design == "swiss" and one.groups == 1)
    assert all(one.tombstones >= 0 for one in census.maps if one.design == "classic" and one.type)


def look(truth: Truth, process: Process) -> Census:
    census = process.census()
    process.map_types.name(census.maps)
    process.contents.settle(census.maps)
    process.map_types.count_classic(census.maps)
    check(truth, process, census)
    return census


@pytest.fixture(params=[True, False], ids=["stripped", "symbols"])
def truth(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    with running(built(stripped=request.param)) as started:
        yield started


def held(census: Census, truth: Truth, process: Process, name: str) -> GoMap:
    found = next(one for one in census.maps if one.address == truth.address(name))
    process.find_holders([found], census.maps)
    return found


def test_every_map_is_seen_with_its_length(truth: Truth) -> None:
    process = open_process(truth.pid)
    census = look(truth, process)
    assert census.lost == 0
    deleted = held(census, truth, process, "globalDeleted")
    assert (deleted.type, deleted.length) == ("map[string]string", 2000)
    assert deleted.slots >= 10_000, "slots do not come back on delete"
    assert deleted.tombstones > 0


def test_holders_are_told_by_runtime_types(truth: Truth) -> None:
    process = open_process(truth.pid)
    census = look(truth, process)
    assert held(census, truth, process, "items").holder.endswith("(main.manager).store → (main.memStore).items")
    assert held(census, truth, process, "seen").holder.endswith("(main.reconciler).seen")
    assert "main.makeClosure.func1" in held(census, truth, process, "closure").holder
    cleared = held(census, truth, process, "globalCleared").holder
    has_symbols = bool(process.executable.section_data(".symtab"))
    assert cleared == "main.globalCleared" if has_symbols else cleared.startswith("global 0x") and "used by main." in cleared
    nested = held(census, truth, process, "nested")
    process.find_holders([nested], census.maps)
    assert nested.holder.endswith("[*]")
    stacks = [one for one in census.maps if one.place == "stack"]
    process.find_holders(stacks, census.maps)
    assert {one.holder.partition(" in ")[2] for one in stacks} == {"main.onStack", "main.smallOnStack"}


def test_field_that_holds_a_map_is_told_rather_than_a_word_of_a_stack(truth: Truth) -> None:
    process = open_process(truth.pid)
    census = look(truth, process)
    written = held(census, truth, process, "written")
    assert written.holder.endswith("(main.journal).written"), "`m` points to it, too"
    references = References(process.runtime, process.map_types, process.types, process.goroutines)
    found, is_cut = find_paths(process.runtime, references, [(written.address, layouts.HEADER_BYTES)])
    assert not is_cut
    paths = found[written.address]
    assert paths[-1].is_loose, "what was to be passed over was there"
    assert not any(path.is_loose for path in paths[:-1])


def test_a_search_that_ran_out_of_time_says_so(truth: Truth) -> None:
    process = open_process(truth.pid)
    census = look(truth, process)
    (found,) = [one for one in census.maps if one.address == truth.address("seen")]
    process.forget_holder(found)
    process.find_holders([found], census.maps, seconds=0)
    assert (found.holder, found.root) == ("no root found in 0 s", "none")
    process.forget_holder(found)
    process.find_holders([found], census.maps)
    assert found.root == "global"


@pytest.mark.parametrize("stripped", [True, False], ids=["stripped", "symbols"])
def test_every_go_version_is_read(version: str, stripped: bool) -> None:
    with running(built(version, stripped=stripped)) as truth:
        process = open_process(truth.pid)
        census = look(truth, process)
        assert process.version.startswith(f"go{version}")
        assert process.version == truth.go
        assert held(census, truth, process, "items").holder.endswith("(main.manager).store → (main.memStore).items")


@pytest.mark.whole  # each has all of the standard library built anew
def test_experiments_that_change_maps_are_read(version: str, experiment: str) -> None:
    with running(built(version, experiment=experiment)) as truth:
        process = open_process(truth.pid)
        census = look(truth, process)
        keys = process.keys.read(held(census, truth, process, "items"))
        assert set(keys.texts) == {f"ns/obj-{n}" for n in range(5000)}


def test_position_independent_program_is_read() -> None:
    with running(built(flags=PIE)) as truth:
        process = open_process(truth.pid)
        assert process.runtime.bias
        census = look(truth, process)
        assert held(census, truth, process, "items").holder.endswith("(main.memStore).items")


def test_keys_are_decoded_by_their_type() -> None:
    with running(built()) as truth:
        process = open_process(truth.pid)
        census = look(truth, process)

        def keys(name: str) -> set[str]:
            found = process.keys.read(held(census, truth, process, name))
            assert found.is_whole
            return set(found.texts)

        assert keys("globalDeleted") == {f"key-{n}" for n in range(8000, 10_000)}
        assert keys("seen") == {f"ns-{n % 10}/pod-{n}" for n in range(700)}
        assert keys("pending") == {f"ns-{n}/pod-{n}" for n in range(5)}, "a struct in a struct"
        assert keys("byUID") == {f"00000000-0000-4000-8000-{n:012d}" for n in range(700)}
        assert keys("extra") == {str(n) for n in range(300)}
        assert keys("globalFloat") == {"1.5", "-2"}
        assert keys("globalNoPtr") == {str(n) for n in range(10_000, 15_000)}, "of types that look alike and have the same keys"
        assert keys("globalMixed") == {str(n) for n in range(700)}, "numbers and strings in interfaces"
        assert "09000000-0000-0000-0000-000000000000" in keys("globalHash")
        synced = next(one for one in census.maps if one.design == "sync" and one.length == truth.sync)
        assert set(process.keys.read(synced).texts) == {f"s{n}" for n in range(truth.sync)}
        sample = process.keys.read(held(census, truth, process, "items"), 7)
        assert (len(sample.texts), sample.is_whole) == (7, False)


def test_core_dump_says_what_the_process_said(tmp_path: Path) -> None:
    if shutil.which("gcore") is None:
        pytest.skip("no gcore here")
    with running(built()) as truth:
        subprocess.run(["gcore", "-o", str(tmp_path / "core"), str(truth.pid)], check=True, capture_output=True, timeout=300)
        live = {one.address: one.length for one in open_process(truth.pid).census().maps}
        process = open_core(str(tmp_path / f"core.{truth.pid}"))
        census = look(truth, process)
        assert {one.address: one.length for one in census.maps} == live
        assert held(census, truth, process, "items").holder.endswith("(main.memStore).items")


def test_maps_that_change_all_the_time_are_seen_and_others_are_right(scale: int) -> None:
    with running(built()) as truth:
        truth.tell("churn")
        process = open_process(truth.pid)
        for _ in range(5 if scale == 1 else 100):
            census = process.census()
            found = {one.address: one for one in census.maps}
            assert {a: found[a].length for a in truth.maps} == {a: n for a, (_, n) in truth.maps.items()}
            hot = [one for one in census.maps if one.length >= 30_000]
            assert all(one.slots >= one.length for one in hot)
        assert truth.process.poll() is None


def test_another_look_at_one_map_is_the_same_map(truth: Truth) -> None:
    process = open_process(truth.pid)
    census = look(truth, process)
    seen = held(census, truth, process, "seen")
    assert truth.ask("insert 50") == 750
    again = process.again(seen)
    assert again is not None
    assert (again.length, again.holder, again.type) == (750, seen.holder, seen.type)
    truth.ask("clear")
    emptied = process.again(seen)
    assert emptied is not None
    assert emptied.length == 0
    assert emptied.slots >= 700


def test_tombstones_are_what_growth_was_left_for_and_is_neither_left_nor_used() -> None:
    assert swiss.Table(used=5, capacity=8, growth_left=1, groups=0).tombstones == 1
    assert swiss.Table(used=100, capacity=1024, growth_left=700, groups=0).tombstones == 96


def test_keys_of_a_map_that_grew_into_new_memory_since_the_census_are_read(truth: Truth) -> None:
    process = open_process(truth.pid)
    seen = held(look(truth, process), truth, process, "seen")
    assert truth.ask("insert 60000") == 60700
    keys = process.read_keys(seen, 50)
    assert len(keys.texts) == 50, keys.why
    truth.ask("clear")
    assert process.read_keys(seen, 50).texts == []
