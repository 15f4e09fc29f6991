"""`ghostkey ui`, driven on a real terminal of 80 by 24 before a real control plane: scan, explain, plan, trim, undo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, make_map, make_registry, make_tenant, read_data
from tests.terminal import Terminal

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]
Opener = Callable[..., Terminal]


@pytest.fixture
def opener(program: Program) -> Iterator[Opener]:
    started: list[Terminal] = []

    def opened(*arguments: str, program: Program = program) -> Terminal:
        command = [sys.executable, "-m", "ghostkey", "ui", *arguments]
        started.append(Terminal(command, program.environment()))
        return started[-1]

    yield opened
    for terminal in started:
        terminal.close()


def test_from_scan_to_trim_and_back(opener: Opener, control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "settings", {"color": "blue"})
    before = read_data(control_plane, namespace, "registry")
    terminal = opener("-n", namespace)
    lines = terminal.wait_for("cm/registry", "2 ghosts in 1 of", "q quit")
    assert max(map(len, lines)) <= 80
    assert not any("settings" in line for line in lines)

    terminal.press("enter")
    lines = terminal.wait_for("gone-a", "gone-b", "ghost-key", "p plan a trim")
    assert max(map(len, lines)) <= 80
    terminal.press("enter")
    terminal.wait_for("template {namespace}.{name}", "esc back, nothing is changed")
    terminal.press("escape")
    terminal.wait_for("p plan a trim")

    # a plan that is not confirmed changes nothing
    terminal.press("p")
    terminal.wait_for("server dry run: accepted", "type 2 and Enter")
    terminal.press("3", "enter")
    terminal.wait_for("that is not 2: nothing is changed")
    terminal.press("escape")
    terminal.wait_for("p plan a trim")
    assert read_data(control_plane, namespace, "registry") == before

    terminal.press("p")
    terminal.wait_for("type 2 and Enter")
    terminal.press("2", "enter")
    terminal.wait_for("removed 2 keys", "undo:    ghostkey undo")
    assert set(read_data(control_plane, namespace, "registry")) == {f"{namespace}.{name}" for name in LIVE}
    terminal.press("escape")
    terminal.wait_for("0 findings")

    terminal.press("u")
    terminal.wait_for("put 2 keys back", "type 2 and Enter")
    terminal.press("2", "enter")
    terminal.wait_for("put 2 keys of")
    assert read_data(control_plane, namespace, "registry") == before
    terminal.press("escape")
    terminal.wait_for("2 findings", "gone-a")
    terminal.press("u")
    terminal.wait_for("nothing to undo")
    terminal.press("escape")
    terminal.wait_for("2 findings")
    terminal.press("escape")

    terminal.wait_for("2 ghosts in 1 of")
    terminal.press("/")
    terminal.wait_for("part of a namespace")
    terminal.press("nope", "enter")
    terminal.wait_for("filter 'nope'", without="cm/registry")
    terminal.press("escape")
    terminal.wait_for("cm/registry", without="filter '")
    terminal.press("q")
    assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written
    assert "undone" in program("undo", "--list").out


@pytest.mark.whole
def test_what_changed_between_plan_and_confirmation_is_not_trimmed(
    opener: Opener, control_plane: ControlPlane, namespace: str
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    terminal = opener("-n", namespace)
    terminal.wait_for("cm/registry")
    terminal.press("enter")
    terminal.wait_for("gone-a")
    terminal.press("p")
    terminal.wait_for("type 2 and Enter")
    make_tenant(control_plane, namespace, "gone-a")
    terminal.press("2", "enter")
    terminal.wait_for("error: ", "hint: ", "esc back")
    assert len(read_data(control_plane, namespace, "registry")) == 10
    terminal.press("escape")
    terminal.wait_for("1 finding,")
    # the next plan is made from what is there now
    terminal.press("p")
    terminal.wait_for("type 1 and Enter")
    terminal.press("ctrl-c")
    assert terminal.ended() == 0
    assert len(read_data(control_plane, namespace, "registry")) == 10


@pytest.mark.whole
def test_a_refusal_is_shown_with_what_to_do_and_the_view_goes_on(
    opener: Opener, control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_registry(control_plane, namespace, LIVE, GONE)
    user = f"reader-{namespace}"
    bind(control_plane, user, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}])
    terminal = opener("-n", namespace, program=program.as_user(control_plane.kubeconfig_for(user)))
    terminal.wait_for("cm/registry")
    terminal.press("enter")
    terminal.wait_for("gone-a")
    terminal.press("p")
    terminal.wait_for("error: ", "403 Forbidden", "hint: ")
    terminal.press("escape")
    terminal.wait_for("gone-a", "p plan a trim")
    terminal.resize(120, 30)
    terminal.wait_for("gone-b")
    terminal.press("q")
    assert terminal.ended() == 0


@pytest.mark.whole
def test_a_cluster_that_does_not_answer_is_said_and_can_be_asked_again(opener: Opener, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"apiVersion":"v1","kind":"Config","current-context":"a","clusters":[{"name":"a","cluster":{"server":"http://127.0.0.1:9"}}],'
        '"contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"users":[{"name":"a","user":{}}]}'
    )
    terminal = opener(program=Program(tmp_path / "state", kubeconfig))
    terminal.wait_for("error: ", "127.0.0.1:9")
    terminal.press("r")
    terminal.wait_for("error: ")
    terminal.press("q")
    assert terminal.ended() == 0


def test_without_a_terminal_or_the_extra_it_says_what_to_do(files_program: Program) -> None:
    done = files_program("ui")
    assert done.code == 2
    assert "ui needs a terminal" in done.err
    hidden = "import sys; sys.modules['textual'] = None; from ghostkey.__main__ import main; sys.argv[0] = 'ghostkey'; sys.exit(main())"
    command = [sys.executable, "-c", hidden, "ui"]
    without = subprocess.run(command, capture_output=True, text=True, env=files_program.environment(), check=False)
    assert without.returncode == 2
    assert "ui needs textual" in without.stderr
    assert "pip install '.[ui]'" in without.stderr
