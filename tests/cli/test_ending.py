"""However a command ends, its helpers end with it, and what it made for itself goes."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import HANG_SECONDS, Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
LOG_BYTES = 400 << 20  # more than a helper can read before it is looked for


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An audit log that takes several processes some time."""
    path = tmp_path_factory.mktemp("log") / "audit.log"
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "registry", "namespace": "prod", "resourceVersion": "1"},
    }
    lines = []
    for number in range(2000):
        event = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": f"{number:08}-0000-4000-8000-000000000000",
            "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/prod/configmaps/registry", "verb": "update",
            "user": {"username": "operator"}, "sourceIPs": ["10.0.0.1"], "userAgent": "operator/v1",
            "objectRef": {"resource": "configmaps", "namespace": "prod", "name": "registry", "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": 200},
            "requestObject": {**body, "data": {f"k{n}": str(number) for n in range(40)}},
            "responseObject": {**body, "data": {f"k{n}": str(number) for n in range(40)}},
            "requestReceivedTimestamp": "2026-11-02T10:00:00.000000Z", "stageTimestamp": f"2026-11-02T10:{number // 60 % 60:02}:{number % 60:02}.000000Z",
        }  # fmt: skip
        lines.append(json.dumps(event, separators=(",", ":")).encode())
    block = b"\n".join(lines) + b"\n"
    with path.open("wb") as handle:
        for number in range(LOG_BYTES // len(block) + 1):  # an hour later each, since copies are put in order by one process
            hour = datetime.datetime(2026, 11, 2, 10) + datetime.timedelta(hours=number)
            handle.write(
                block.replace(b"2026-11-02T10:", f"{hour:%Y-%m-%dT%H:}".encode()).replace(b"-4000-8000-", b"-4000-%04d-" % number)
            )
    yield path
    path.unlink()


def children(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in task.read_text().split():
            found |= {int(word), *children(int(word))}
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds: object, what: str) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.01)


def started(program: Program, temporary: Path, *words: str) -> tuple[subprocess.Popen[str], set[int]]:
    """A command that has helpers at work."""
    temporary.mkdir(exist_ok=True)
    running = subprocess.Popen(
        [sys.executable, "-m", "ghostkey", *words], env=program.environment() | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: set[int] = set()

    def has_helpers() -> bool:
        assert running.poll() is None, f"it ended before it had helpers: {running.communicate()}"
        found.update(children(running.pid))
        return bool(found)

    wait_until(has_helpers, "helpers start")
    return running, found


@pytest.mark.whole(but=["2", "9"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_helpers_and_temporary_folders_of_a_story_go_with_it(
    files_program: Program, log: Path, tmp_path: Path, number: signal.Signals
) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: there are no helpers")
    temporary = tmp_path / "tmp"
    words = ("explain", "cm/registry", "-n", "prod", "--from", str(log))
    running, helpers = started(files_program, temporary, *words)
    assert list(temporary.glob("ghostkey-history-*"))
    running.send_signal(number)
    _, err = running.communicate(timeout=HANG_SECONDS)
    assert "Traceback" not in err, err
    assert running.returncode == (-number if number == signal.SIGKILL else 128 + number), err
    wait_until(lambda: not any(map(is_alive, helpers)), "helpers end with the command")
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []
    # after a kill the next one cleans up
    small = tmp_path / "small.log"
    with log.open("rb") as handle:
        small.write_bytes(b"".join(handle.readline() for _ in range(3)))
    done = files_program("explain", "cm/registry", "-n", "prod", "--from", str(small), env={"TMPDIR": str(temporary)})
    assert done.code == 0, done.err
    assert list(temporary.iterdir()) == []


@pytest.mark.whole(but=["2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_import_that_is_ended_leaves_nothing(files_program: Program, log: Path, tmp_path: Path, number: signal.Signals) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: there are no helpers")
    store = tmp_path / "store"
    running, helpers = started(files_program, tmp_path / "tmp", "history", "import", str(log), "--store", str(store))
    running.send_signal(number)
    running.communicate(timeout=HANG_SECONDS)
    wait_until(lambda: not any(map(is_alive, helpers)), "helpers end with the command")
    assert files_program("history", "list", "--store", str(store)).out == ""
    small = tmp_path / "small.log"
    with log.open("rb") as handle:
        small.write_bytes(b"".join(handle.readline() for _ in range(3)))
    assert files_program("history", "import", str(small), "--store", str(store)).code == 0
    assert len(list((store / "parts").iterdir())) == 1


@pytest.mark.whole
def test_folder_that_somebody_works_in_is_left_alone(files_program: Program, log: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    running, _ = started(files_program, temporary, "explain", "cm/registry", "-n", "prod", "--from", str(log))
    (folder,) = temporary.glob("ghostkey-history-*")
    small = tmp_path / "small.log"
    with log.open("rb") as handle:
        small.write_bytes(handle.readline())
    assert files_program("explain", "cm/registry", "-n", "prod", "--from", str(small), env={"TMPDIR": str(temporary)}).code == 0
    assert folder.is_dir()
    running.terminate()
    running.communicate(timeout=HANG_SECONDS)
    assert not folder.exists()


def test_standard_input_is_spooled_and_removed(files_program: Program, log: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with log.open("rb") as handle:
        lines = b"".join(handle.readline() for _ in range(3))
    words = ("explain", "cm/registry", "-n", "prod", "--from", "-", "--source", "audit")
    assert files_program(*words, stdin=lines, env={"TMPDIR": str(temporary)}).code == 0
    assert list(temporary.iterdir()) == []
