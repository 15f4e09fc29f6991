"""Programs for arm64, run under qemu, say of their core dumps what the census does."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from ghostkey.census.census import open_core
from tests.census.test_census import held, look
from tests.census.truth import VERSIONS, Truth, built
from tests.helpers import HANG_SECONDS

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


@pytest.mark.whole  # each has all of the standard library built anew
@pytest.mark.parametrize("go", VERSIONS)
def test_core_dump_of_arm64_says_what_the_process_said(tmp_path: Path, go: str) -> None:
    if QEMU is None:
        pytest.skip("no qemu here")
    program = built(go, machine="arm64")
    # a Go program dumps its core when it is told to end, and qemu writes that of the program beside its own
    truth = Truth(QEMU, program, cwd=tmp_path, env={**os.environ, "GOTRACEBACK": "crash"})
    try:
        resource.prlimit(truth.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        truth.process.send_signal(signal.SIGQUIT)
        truth.process.wait(HANG_SECONDS)
    finally:
        truth.end()
    [core] = tmp_path.glob("qemu_*.core")
    process = open_core(str(core), str(program))
    census = look(truth, process)
    assert process.version == truth.go
    assert process.executable.machine == "arm64"
    assert set(process.keys.read(held(census, truth, process, "items")).texts) == {f"ns/obj-{number}" for number in range(5000)}
    assert held(census, truth, process, "items").holder.endswith("(main.manager).store → (main.memStore).items")
