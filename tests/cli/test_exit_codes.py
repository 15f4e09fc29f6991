"""Each exit code of docs/cli.md, by a command that ends with it; like mistakes have like codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ghostkey.cli.exit_codes import EXIT_CODES
from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import CutAfter, Relay, Request
from tests.helpers import HANG_SECONDS, Program, config_map, make_map, make_registry, merge, thing

LIVE, GONE = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 9)]
NAMED = {0, 1, 2, 3, 4, 5, 6, 130, 141}


def test_every_code_of_the_table_has_a_test_here() -> None:
    assert set(EXIT_CODES) == NAMED
    text = Path(__file__).read_text()
    assert all(f"def test_{code}_" in text for code in NAMED)


@pytest.fixture
def registry(control_plane: ControlPlane, namespace: str) -> str:
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "settings", {"a": "1"})
    return namespace


def test_0_is_for_nothing_found_and_for_done(registry: str, program: Program) -> None:
    assert program("scan", "cm/settings", "-n", registry).code == 0
    assert program("scan", "-n", registry, "--fail-on", "never").code == 0
    assert program("explain", "cm/settings", "-n", registry).code == 0
    assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 0
    assert program("verify", "cm/registry", "-n", registry, "--for", "1s").code == 0
    assert program("undo").code == 0


def test_1_is_for_news(registry: str, program: Program) -> None:
    assert program("scan", "-n", registry).code == 1
    assert program("explain", "cm/registry", "-n", registry).code == 1


def test_2_is_for_wrong_words_and_for_names_of_nothing(registry: str, program: Program, tmp_path: Path) -> None:
    assert program("scan", "--no-such-option").code == 2
    assert program("scan", "-A", "-n", registry).code == 2
    assert program("scan", "--context", "nope").code == 2
    assert program("scan", "--kubeconfig", str(tmp_path / "nope")).code == 2
    assert program("scan", "deploy/x").code == 2
    # a file that is not there, whichever option names it
    nope = str(tmp_path / "nope")
    assert program("scan", "--from", nope).code == 2
    assert program("explain", "cm/registry", "-n", registry, "--from", nope).code == 2
    assert program("history", "import", nope).code == 2
    assert program("trim", "--plan", nope).code == 2
    assert program("undo", nope).code == 2
    assert program("pprof", nope).code == 2
    assert program("blame", "cm/registry", "-n", registry, "--store", nope).code == 2
    assert program("scan", "-l", "a=b=c").code == 2
    # a map that is not there, whichever command names it
    place = ("-n", registry)
    lines = [
        ("explain", "cm/nope", *place), ("trim", "cm/nope", *place, "--key", "a"), ("blame", "cm/nope", *place),
        ("trim", "cm/nope", *place, "--ghosts"), ("explain", "cm/nope", *place, "--from", "live"), ("verify", "cm/nope", *place),
        ("undo", "cm/nope", *place),
    ]  # fmt: skip
    # a key, a finding, a receipt
    lines += [("explain", "cm/settings", "nope", *place), ("trim", "cm/settings", "--key", "nope", *place)]
    lines += [("explain", "0123456789ab"), ("undo", "nope"), ("verify", "cm/settings", *place, "--from-receipt", "nope")]
    lines += [("undo", "nope", "--receipts", "cluster", *place)]
    codes = {" ".join(line): program(*line).code for line in lines}
    assert {line: code for line, code in codes.items() if code != 2} == {}


def test_3_is_for_what_could_not_be_seen(control_plane: ControlPlane, registry: str, program: Program) -> None:
    nobody = program.as_user(control_plane.kubeconfig_for(f"nobody-{registry}"))
    assert nobody("scan", "-n", registry).code == 3
    assert nobody("trim", "cm/registry", "-n", registry, "--key", "x").code == 3
    assert program("scan", "-n", f"{registry}-nope").code == 3


def test_4_is_for_a_plan_that_is_outdated(control_plane: ControlPlane, registry: str, program: Program) -> None:
    plan = program("trim", "cm/registry", "-n", registry, "--ghosts", "-o", "json")
    assert plan.code == 0
    merge(control_plane, registry, "registry", {f"{registry}.{GONE[0]}": "changed"})
    done = program("trim", "--plan", "-", "--apply", stdin=plan.out)
    assert done.code == 4, done


def test_5_is_for_what_failed(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_text('{"apiVersion": "v1", "kind": ')
    assert files_program("scan", "--from", str(tmp_path / "damaged.json")).code == 5
    cluster = {"server": "http://127.0.0.1:1"}
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    assert files_program("scan", "--kubeconfig", str(tmp_path / "kubeconfig")).code == 5


@pytest.mark.whole
def test_6_is_for_a_write_of_which_nobody_knows(control_plane: ControlPlane, registry: str, tmp_path: Path) -> None:
    lost = threading.Event()

    def is_after_the_patch(request: Request) -> bool:
        if request.method == "PATCH" and "dryRun" not in request.path:
            lost.set()
        return lost.is_set()

    with Relay(control_plane) as relay:
        relay.spoil(CutAfter(), when=is_after_the_patch)
        program = Program(tmp_path / "state", relay.kubeconfig)
        assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 6


@pytest.mark.whole(but=["2-130"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_130_is_for_ctrl_c_and_its_like(registry: str, program: Program, number: signal.Signals, code: int) -> None:
    assert program("trim", "cm/registry", "-n", registry, "--ghosts", "--apply").code == 0
    watching = program.start("verify", "cm/registry", "-n", registry, "--for", "300s")
    assert watching.stderr is not None
    next(line for line in watching.stderr if line.startswith("watching"))
    watching.send_signal(number)
    _, err = watching.communicate(timeout=HANG_SECONDS)
    assert watching.returncode == code
    assert "Traceback" not in err


def test_141_is_for_readers_that_have_enough(files_program: Program, tmp_path: Path) -> None:
    tenants = [thing("Tenant", f"shop-{n}") for n in range(2000)]
    registry = config_map({f"prod.shop-{n}": "{}" for n in range(8000)})
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    (tmp_path / "dump.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [*spaces, *tenants, registry]}))
    reading, writing = os.pipe()
    running = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", "scan", "--from", str(tmp_path / "dump.json"), "-o", "jsonl"],
        env=files_program.environment(), stdout=writing, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = running.communicate(timeout=HANG_SECONDS)
    assert (running.returncode, "Traceback" in err) == (141, False), err
