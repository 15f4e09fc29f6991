"""Logs and stores in a real S3 server: the Versity S3 Gateway, over a folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.testing import binary
from tests.helpers import Program

CASES = Path(__file__).parents[1] / "cases" / "history"
SERVER = "versitygw"
BEGIN_SECONDS = 30


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bucket `logs`; the environment leads to its server."""
    try:
        program = str(binary(SERVER))
    except RuntimeError as error:
        pytest.skip(f"{SERVER} could not be built: {error}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    root = tmp_path / "root"
    (root / "logs").mkdir(parents=True)
    server = subprocess.Popen(
        [program, "--port", address, "--access", "ghost", "--secret", "keykeykey1", "posix", str(root)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        host, _, port = address.partition(":")
        deadline = time.monotonic() + BEGIN_SECONDS
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, f"{SERVER} has ended"
                assert time.monotonic() < deadline, f"{SERVER} does not listen"
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "ghost"),
            ("AWS_SECRET_ACCESS_KEY", "keykeykey1"),
            ("AWS_ENDPOINT_URL", f"http://{address}"),
        ):
            monkeypatch.setenv(name, value)
        yield root / "logs"
    finally:
        server.terminate()
        server.wait()


def test_logs_and_stores_are_read_from_s3(bucket: Path, files_program: Program, tmp_path: Path) -> None:
    (bucket / "ha").mkdir()
    for name in ("ha-a.log", "ha-b.log"):
        shutil.copy(CASES / name, bucket / "ha" / name)

    def writers(*words: str) -> dict[str, str]:
        rows = files_program("blame", "cm/m", "-n", "shop", *words, "-o", "json").json["keys"]
        return {row["key"]: row["writer"] for row in rows}

    everybody = {"base": "alice", "k2": "bob", "k3": "op1", "k4": "op1"}
    assert writers("--from", "s3://logs/ha/") == everybody
    assert writers("--from", "s3://logs/ha/ha-a.log", "--from", "s3://logs/ha/ha-b.log") == everybody
    store = tmp_path / "store"
    assert files_program("history", "import", "--store", str(store), "s3://logs/ha/").code == 0
    shutil.copytree(store, bucket / "store")
    assert writers("--store", "s3://logs/store") == everybody
    missing = files_program("blame", "cm/m", "-n", "shop", "--from", "s3://logs/nowhere")
    assert (missing.code, "s3://logs/nowhere does not exist" in missing.err) == (2, True)
