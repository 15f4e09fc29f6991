"""What was nearly right leads on: names of maps, files, selectors and receipts that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostkey.model.nearest import meant_map, nearest
from ghostkey.sources._selectors import selects
from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, config_map, make_map, make_registry, thing
from tests.report.formats.shops import write_list


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, [f"shop-{n}" for n in range(6)], ["bakery-1"])
    return namespace


def hint_of(err: str) -> str:
    (hint,) = [line.removeprefix("hint: ") for line in err.splitlines() if line.startswith("hint: ")]
    return hint


@pytest.mark.whole(but=["words0", "words3"])
@pytest.mark.parametrize(
    "words",
    [
        ("explain", "cm/regstry"), ("trim", "cm/regstry", "--key", "a"), ("trim", "cm/regstry", "--ghosts"), ("blame", "cm/regstry"),
        ("explain", "cm/regstry", "--from", "live"), ("guard", "plan", "cm/regstry"), ("scan", "cm/regstry"),
    ],
)  # fmt: skip
def test_map_of_a_name_like_it_is_told(registry: str, program: Program, words: tuple[str, ...]) -> None:
    done = program(*words, "-n", registry)
    assert done.code == (3 if words[0] == "scan" else 2)
    assert hint_of(done.err).startswith("did you mean registry?"), done.err


def test_map_of_that_name_elsewhere_is_told_and_nothing_is_guessed(
    control_plane: ControlPlane, registry: str, program: Program
) -> None:
    name = f"only-{registry}"
    make_map(control_plane, registry, name, {"a": "1"})
    done = program("explain", f"cm/{name}", "-n", "default")
    assert hint_of(done.err) == f"there is one of that name in {registry}: name it with -n"
    done = program("explain", "cm/zzzzzz", "-n", registry)
    assert hint_of(done.err) == "kubectl get configmaps -A | grep zzzzzz"
    # who may not list is told what can be done about it, and not how to be allowed to list
    user = f"getter-{registry}"
    bind(control_plane, user, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}], registry)
    done = program.as_user(control_plane.kubeconfig_for(user))("trim", "cm/regstry", "-n", registry, "--key", "a")
    assert (done.code, hint_of(done.err)) == (2, "kubectl get configmaps -A | grep regstry")


def test_maps_of_a_dump_are_told_likewise(files_program: Program, tmp_path: Path) -> None:
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    dump = str(write_list(tmp_path, *spaces, config_map({"a": "1"}), config_map({"a": "1"}, "other", "test")))
    done = files_program("explain", "cm/registri", "--from", dump, "-n", "prod")
    assert (done.code, hint_of(done.err)) == (2, "did you mean registry?")
    done = files_program("explain", "cm/other", "--from", dump, "-n", "prod")
    assert (done.code, hint_of(done.err)) == (2, "there is one of that name in test: name it with -n")


def test_receipts_are_led_to(registry: str, program: Program, tmp_path: Path) -> None:
    assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 0
    for words in (("undo", "cm/regstry"), ("verify", "cm/regstry")):
        done = program(*words, "-n", registry)
        assert (done.code, hint_of(done.err).partition("?")[0]) == (2, "did you mean registry"), done.err
    done = program("undo", "cm/registry", "-n", "default")
    assert f"there is one of that name in {registry}: name it with -n" in hint_of(done.err)
    for words in (("undo", "./nope"), ("undo", str(tmp_path)), ("verify", "--from-receipt", "./nope")):
        done = program(*words)
        assert done.code == 2, done.err
        assert "ghostkey undo --list shows the ids" in hint_of(done.err)


def test_guard_undo_leads_to_its_receipts(registry: str, program: Program) -> None:
    nothing = program("guard", "undo")
    assert nothing.code == 2
    assert "ghostkey guard apply cm/NAME --apply writes one" in hint_of(nothing.err)
    assert program("guard", "undo", "--list").err == "no receipts\n"
    applied = program("guard", "apply", "cm/registry", "-n", registry, "--apply")
    (line,) = [line for line in applied.err.splitlines() if line.startswith("undo:")]
    name = line.split()[4]
    try:
        listed = program("guard", "undo", "--list")
        assert listed.out.splitlines()[1].split()[-1] == name
        assert "applied" in listed.out
        for wrong in (f"{name[:-1]}x", "nope", "cm/registry"):
            done = program("guard", "undo", wrong)
            assert done.code == 2
            assert "ghostkey guard undo --list shows them" in hint_of(done.err)
            assert (f"did you mean {name}?" in done.err) == (wrong[:10] == name[:10])
    finally:
        assert program("guard", "undo").code == 0
    again = program("guard", "undo")
    assert again.code == 2
    assert "has been undone" in again.err
    assert "undone" in program("guard", "undo", "--list").out


@pytest.mark.parametrize("selector", ["a=b=c", "=", "a in", "a in (b", "-a", "a notin b"])
def test_selector_that_is_none_is_a_wrong_word_live_and_of_a_dump(
    control_plane: ControlPlane, program: Program, tmp_path: Path, selector: str
) -> None:
    live = program("scan", "-l", selector)
    dumped = program("scan", "-l", selector, "--from", str(write_list(tmp_path, config_map({"a": "1"}))))
    for done in (live, dumped):
        assert done.code == 2, done
        assert done.err.startswith(f"error: -l {selector!r} is no label selector")
        assert hint_of(done.err).startswith("write -l app=web,tier!=db")


LABELS = [{}, {"a": "1"}, {"a": "2", "b": ""}, {"b": "x", "c/d": "1"}]


@pytest.mark.parametrize(
    "selector",
    ["a=1", "a==1", "a!=1", "a", "!a", "a,b", "a in (1,2)", "a notin (1)", "c/d=1", "b=", "a=1,b!=x", "a in (1),!b", "b in (,x)", ""],
)  # fmt: skip
def test_dumps_are_selected_from_as_the_api_server_does(control_plane: ControlPlane, namespace: str, selector: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for number, labels in enumerate(LABELS):
        make_map(control_plane, namespace, f"m-{number}", {"k": "v"}, metadata={"labels": labels})
    from urllib.parse import quote

    answer = control_plane.request("GET", f"{path}?labelSelector={quote(selector)}")
    chosen = {item["metadata"]["name"] for item in answer["items"] if item["metadata"]["name"].startswith("m-")}
    assert chosen == {f"m-{number}" for number, labels in enumerate(LABELS) if selects(selector, labels)}


def test_file_that_is_not_there_is_a_wrong_name_with_a_hint(files_program: Program, tmp_path: Path) -> None:
    nope = str(tmp_path / "nope")
    for words in (
        ("pprof", nope),
        ("maps", "1", "--diff", nope),
        ("churn", "--operator", "true", "--crds", nope, "--sample", nope),
    ):
        done = files_program(*words)
        assert (done.code, bool(hint_of(done.err))) == (2, True), done
    assert "nothing was imported yet" in files_program("history", "gaps", "--store", nope).err


def test_guesses_keep_their_spelling_and_are_made_of_what_is_there() -> None:
    assert nearest("reconcile", ["Reconciler", "Manager"]) == "did you mean Reconciler?"
    assert nearest("zz", ["Reconciler"]) == ""
    assert meant_map("a", ["b"], ["y", "x", "x"]) == "there is one of that name in x, y: name it with -n"
    assert meant_map("a", [], []) == ""
