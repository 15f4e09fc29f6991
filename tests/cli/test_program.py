"""The program as installed: help, completion, the kubectl plugin, output for pipes and for terminals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.cli import COMMANDS
from ghostkey.testing import ControlPlane, binary
from tests.helpers import Program, make_map, make_tenant, make_tenants_kind, read_terminal

BIN = Path(sys.executable).parent
HEAVY = {"yaml", "ssl", "http.client", "msgspec", "ghostkey.inference", "ghostkey.kube.client", "duckdb"}


def test_help_imports_nothing_heavy(files_program: Program) -> None:
    code = "import sys; from ghostkey.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stderr.split())
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_tenants_kind(control_plane)
    for number in range(6):
        make_tenant(control_plane, namespace, f"shop-{number}")
    make_map(control_plane, namespace, "registry", {f"{namespace}.shop-{number}": "{}" for number in range(9)})
    return namespace


def test_kubectl_ghostkey_is_the_same_program(control_plane: ControlPlane, registry: str, program: Program) -> None:
    kubectl = str(binary("kubectl"))
    environment = {**program.environment(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [kubectl, "ghostkey", "scan", "-n", registry, "-o", "name"], env=environment, capture_output=True, text=True, check=False
    )
    direct = program("scan", "-n", registry, "-o", "name")
    assert (done.returncode, done.stdout) == (direct.code, direct.out)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"cm/registry {registry}.shop-{number}" for number in (6, 7, 8)]


def test_kubectl_completes_commands_maps_and_namespaces(control_plane: ControlPlane, registry: str, program: Program) -> None:
    kubectl = str(binary("kubectl"))
    environment = {**program.environment(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def complete(*words: str) -> list[str]:
        said = subprocess.run(
            [kubectl, "__complete", "ghostkey", *words], env=environment, capture_output=True, text=True, check=True
        )
        return [line.split("\t")[0] for line in said.stdout.splitlines() if not line.startswith(":")]

    assert complete("tr") == ["trim"]
    assert complete("trim", "-n", registry, "cm/reg") == ["cm/registry"]
    assert registry in complete("scan", "-n", registry[:-1])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(files_program: Program, shell: str) -> None:
    assert "_GHOSTKEY_COMPLETE" in files_program("completion", shell).out


def test_bash_completion_works_in_bash(files_program: Program) -> None:
    script = files_program("completion", "bash").out
    # the words as bash hands them over while somebody types `ghostkey ver<TAB>`
    typed = f'{script}\nCOMP_WORDS=(ghostkey ver); COMP_CWORD=1; _ghostkey_completion ghostkey; echo "${{COMPREPLY[@]}}"'
    environment = {**files_program.environment(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", typed], env=environment, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {"verify", "version"}


@pytest.mark.whole
def test_colours_are_for_terminals_and_no_color_is_obeyed(registry: str, program: Program) -> None:
    def on_terminal(**extra: str) -> str:
        mine, theirs = pty.openpty()
        environment = {**program.environment(), "TERM": "xterm", **extra}
        if "NO_COLOR" not in extra:
            del environment["NO_COLOR"]
        command = [sys.executable, "-m", "ghostkey", "scan", "-n", registry]
        child = subprocess.Popen(command, env=environment, stdout=theirs, stderr=subprocess.DEVNULL)
        os.close(theirs)
        said = read_terminal(mine)
        os.close(mine)
        assert child.wait() == 1
        return said.decode()

    assert "\x1b[" in on_terminal()
    assert "\x1b[" not in on_terminal(NO_COLOR="1")
    piped = program("scan", "-n", registry, "--color", "auto")
    assert "\x1b[" not in piped.out + piped.err


def test_data_on_stdout_words_on_stderr(registry: str, program: Program) -> None:
    done = program("scan", "-n", registry, "-o", "json")
    assert json.loads(done.out)["summary"]["findings"] == 3
    assert done.err == ""


def test_reader_that_has_seen_enough_is_no_error(registry: str, program: Program) -> None:
    command = f"{sys.executable} -m ghostkey scan -n {registry} -o wide | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=program.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
