"""Logs in real servers of object stores: the Versity S3 Gateway over a folder, Google's API by fake-gcs-server, Azure's by Azurite."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from ghostkey.testing import binaries, binary
from tests.helpers import HANG_SECONDS, Program

CASES = Path(__file__).parents[1] / "cases" / "history"
EVERYBODY = {"base": "alice", "k2": "bob", "k3": "op1", "k4": "op1"}
ACCOUNT, KEY = "ghost", base64.b64encode(b"a key that opens nothing else").decode()


def built(name: str) -> str:
    """A program of the testbed."""
    try:
        return str(binary(name))
    except RuntimeError as error:
        pytest.skip(f"{name} could not be built: {error}")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextlib.contextmanager
def serving(port: str, *words: str) -> Iterator[None]:
    """A server that listens at a port for as long as this lasts."""
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, f"{words[0]} has ended"
                assert time.monotonic() < deadline, f"{words[0]} does not listen"
        yield
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bucket `logs`; the environment leads to its server."""
    program, port, root = built("versitygw"), free_port(), tmp_path / "root"
    (root / "logs").mkdir(parents=True)
    words = ("--port", f"127.0.0.1:{port}", "--access", "ghost", "--secret", "keykeykey1", "posix", str(root))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ghost")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "keykeykey1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with serving(port, program, *words):
        yield root / "logs"


def writers(program: Program, *words: str) -> dict[str, str]:
    rows = program("blame", "cm/m", "-n", "shop", *words, "-o", "json").json["keys"]
    return {row["key"]: row["writer"] for row in rows}


def check(program: Program, folder: str) -> None:
    """A folder and its files are read; what is not there is said."""
    assert writers(program, "--from", f"{folder}/") == EVERYBODY
    assert writers(program, "--from", f"{folder}/ha-a.log", "--from", f"{folder}/ha-b.log") == EVERYBODY
    missing = program("blame", "cm/m", "-n", "shop", "--from", f"{folder}/nowhere")
    assert (missing.code, f"{folder}/nowhere does not exist" in missing.err) == (2, True)


def test_logs_and_stores_are_read_from_s3(bucket: Path, files_program: Program, tmp_path: Path) -> None:
    (bucket / "ha").mkdir()
    for name in ("ha-a.log", "ha-b.log"):
        shutil.copy(CASES / name, bucket / "ha" / name)
    check(files_program, "s3://logs/ha")
    store = tmp_path / "store"
    assert files_program("history", "import", "--store", str(store), "s3://logs/ha/").code == 0
    shutil.copytree(store, bucket / "store")
    assert writers(files_program, "--store", "s3://logs/store") == EVERYBODY


def test_logs_are_read_from_google_cloud_storage(files_program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, port, data = built("fake-gcs-server"), free_port(), tmp_path / "data"
    (data / "logs" / "ha").mkdir(parents=True)
    for name in ("ha-a.log", "ha-b.log"):
        shutil.copy(CASES / name, data / "logs" / "ha" / name)
    words = ("-backend", "memory", "-data", str(data), "-scheme", "http", "-host", "127.0.0.1", "-port", port)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with serving(port, program, *words, "-public-host", f"127.0.0.1:{port}"):
        check(files_program, "gs://logs/ha")


def azurite() -> Path:
    """The folder in which Azurite is installed, as its lock says."""
    source, npm = binaries.testbed_directory() / "azurite", shutil.which("npm")
    lock = (source / "package-lock.json").read_bytes()
    folder = binaries.cache_directory() / "testbed" / f"azurite-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "done").exists():
        assert npm is not None, "Azurite is a program for Node.js: its npm has to be on this machine"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr[-300:]
        (folder / "done").touch()
    return folder


@pytest.mark.whole
def test_logs_are_read_from_azure(files_program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, port = azurite() / "node_modules" / ".bin" / "azurite-blob", free_port()
    named = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": ACCOUNT,
        "AccountKey": KEY,
        "BlobEndpoint": f"http://127.0.0.1:{port}/{ACCOUNT}",
    }
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", ";".join(f"{name}={value}" for name, value in named.items()))
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"{ACCOUNT}:{KEY}")
    words = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", port)
    with serving(port, str(program), *words, "--location", str(tmp_path / "data")):
        where = dict.fromkeys(("blob_storage_authority", "dfs_storage_authority"), f"127.0.0.1:{port}")
        where |= dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), "http")
        store = fs.AzureFileSystem(ACCOUNT, account_key=KEY, **where)
        store.create_dir("logs")
        for name in ("ha-a.log", "ha-b.log"):
            with store.open_output_stream(f"logs/ha/{name}") as handle:
                handle.write((CASES / name).read_bytes())
        check(files_program, "az://logs/ha")
        check(files_program, f"abfs://logs@{ACCOUNT}.dfs.core.windows.net/ha")
