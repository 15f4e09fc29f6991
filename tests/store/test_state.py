"""What is kept on disk: private, never through somebody else's link, the same in all processes, and said where it cannot be."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ghostkey.model.errors import SourceDamaged
from ghostkey.store.state import StateUnsafe, create_private, digest_key, read_private, write_private
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, read_data

TWO = {"keep": "1", "old": "2"}
SHOW_KEY = "from ghostkey.store.state import digest_key; print(digest_key().key.hex())"


def test_processes_that_start_at_once_have_one_digest_key(tmp_path: Path) -> None:
    for round_ in range(6):
        environment = os.environ | {"GHOSTKEY_STATE": str(tmp_path / str(round_))}
        started = [
            subprocess.Popen([sys.executable, "-c", SHOW_KEY], env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert len({process.communicate()[0] for process in started}) == 1
        assert [path.name for path in (tmp_path / str(round_)).iterdir()] == ["digest.key"]


def test_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"as it was")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    (folder / "digest.key").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        digest_key(folder)
    with pytest.raises(FileExistsError):
        create_private(folder / "digest.key", b"new")
    write_private(folder / "digest.key", b"k" * 32)
    assert victim.read_bytes() == b"as it was"


def test_folder_or_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    digest_key(folder)
    (folder / "digest.key").chmod(0o622)
    with pytest.raises(StateUnsafe, match="may be written by others"):
        digest_key(folder)
    (folder / "digest.key").chmod(0o600)
    folder.chmod(0o777)
    with pytest.raises(StateUnsafe, match=r"chmod go-w|may be written by others"):
        digest_key(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    digest_key(folder)
    os.chown(folder / "digest.key", 12345, 12345)
    with pytest.raises(StateUnsafe, match="belongs to another user"):
        digest_key(folder)


def test_pipe_in_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.mkfifo(tmp_path / "digest.key", 0o600)
    with pytest.raises(SourceDamaged, match="is no file"):
        digest_key(tmp_path)


@pytest.mark.parametrize("content", [b"short", b"k" * 33])
def test_damaged_key_is_one_error_and_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "digest.key").write_bytes(content)
    (tmp_path / "digest.key").chmod(0o600)
    with pytest.raises(SourceDamaged, match=f"holds {len(content)} bytes"):
        digest_key(tmp_path)
    assert (tmp_path / "digest.key").read_bytes() == content


def test_large_file_is_not_read(tmp_path: Path) -> None:
    write_private(tmp_path / "state" / "large", b"x" * 1001)
    with pytest.raises(SourceDamaged, match="more than 1,000"):
        read_private(tmp_path / "state" / "large", 1000)


@pytest.mark.parametrize("state", ["/proc/ghostkey", "{tmp}/file/below"])
def test_state_folder_that_cannot_be_made_leaves_the_map_as_it_is(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, state: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    make_map(control_plane, namespace, "registry", TWO)
    program = Program(Path(state.format(tmp=tmp_path)), control_plane.kubeconfig)
    planned = program("trim", "cm/registry", "-n", namespace, "--key", "old", "-o", "json")
    assert planned.code == 0, "a plan needs no state folder"
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 5
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert str(program.state) in errors[0]
    assert errors[0].endswith("nothing was changed")
    assert read_data(control_plane, namespace, "registry") == TWO


def test_plan_makes_no_state_folder(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    assert program("trim", "cm/registry", "-n", namespace, "--key", "old").code == 0
    assert not program.state.exists()


def test_full_disk_leaves_the_map_as_it_is(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """A limit on file sizes imitates the full disk: the write of the receipt fails half way."""
    make_map(control_plane, namespace, "registry", {**TWO, "old": "x" * 9000})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "keep", "-o", "json").code == 0  # makes the key
    words = ["trim", "cm/registry", "-n", namespace, "--key", "old", "--apply"]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "ghostkey", *words],
        env=program.environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 5
    assert "cannot keep the receipt" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(read_data(control_plane, namespace, "registry")["old"]) == 9000
    assert not list((program.state / "receipts").iterdir()), "no half receipt stays behind"


def test_receipt_that_cannot_be_marked_is_said_and_is_as_good(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    from ghostkey import api
    from ghostkey.kube.client import ApiClient
    from ghostkey.kube.config import load_config
    from ghostkey.model.plans import Receipt
    from ghostkey.model.refs import CONFIG_MAPS

    class Hiding(api.FileReceipts):
        """The folder goes away between receipt and outcome, as a network folder does."""

        def save(self, receipt: Receipt) -> str:
            kept = super().save(receipt)
            self.directory.rename(tmp_path / "away")
            return kept

    make_map(control_plane, namespace, "registry", TWO)
    client, key = ApiClient(load_config(str(control_plane.kubeconfig))), digest_key(program.state)
    plan = api.plan(api.read_map(client, CONFIG_MAPS, namespace, "registry"), CONFIG_MAPS, [api.Wanted("data", "old")], key)
    outcome = api.apply(client, plan, Hiding(tmp_path / "receipts", key), key)
    assert any("could not be marked as applied" in note for note in outcome.notes)
    moved = api.FileReceipts(tmp_path / "away", key)
    receipt = api.Candidates(client, moved).latest()
    assert receipt is not None
    assert receipt.state == "pending"
    assert api.undo(client, receipt, moved).restored == 1
    assert read_data(control_plane, namespace, "registry") == TWO
