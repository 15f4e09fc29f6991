"""Files in the folder of receipts: one that is none, or was cut off, or has just gone, stands in nobody's way."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostkey.churn.campaign import Wanted
from ghostkey.churn.given import Given
from ghostkey.churn.given_receipt import MARK, Receipt, clean_up, receipts_in
from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.proxy.guard import Guard
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane
from tests.churn.helpers import namespaces
from tests.helpers import Program

SERVER = "https://somewhere"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "churn"
    made.mkdir(mode=0o700)
    return made


def line(**fields: object) -> str:
    return json.dumps({"server": SERVER, "namespace": "gk-a", "mark": "m", **fields}) + "\n"


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def linked(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_text(line())
    path.symlink_to(other)


BAD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "sparse": sparse,
    "link": linked,
    "folder": Path.mkdir,
    "empty": Path.touch,
    "nested": lambda path: path.write_text("[" * 100_000),
    "nested later": lambda path: path.write_text(line() + "[" * 300 + "]" * 300 + "\n"),
    "no mapping": lambda path: path.write_text("[]\n"),
    "no server": lambda path: path.write_text(line(server=None)),
    "crooked namespace": lambda path: path.write_text(line(namespace="../nodes")),
    "uid of nothing": lambda path: path.write_text(line() + '{"uid":null}\n'),
    "uids of numbers": lambda path: path.write_text(line() + '{"subjects":{"/a":1}}\n'),
    "managers": lambda path: path.write_text(line() + '{"manager":["a"]}\n'),
    "list": lambda path: path.write_text(line() + "[1]\n"),
}


@pytest.mark.parametrize("bad", BAD)
def test_file_that_is_no_receipt_is_told_and_the_others_stand(folder: Path, bad: str) -> None:
    BAD[bad](folder / "gk-0.json")
    (folder / "gk-a.json").write_text(line())
    told: list[str] = []
    assert [receipt.namespace for receipt, _ in receipts_in(folder, SERVER, told.append)] == ["gk-a"]
    (text,) = told
    assert f"{folder / 'gk-0.json'} is no receipt of a run" in text


@pytest.mark.parametrize("cut", ['{"subjects": {"/a": "b"}', '{"uid": "', "{"])
def test_line_that_was_cut_off_is_dropped_and_what_follows_it_is_read(folder: Path, cut: str) -> None:
    path = folder / "gk-a.json"
    path.write_text(line() + '{"uid":"u"}\n' + cut)
    guard = Guard(frozenset({"ours"}), noted_in=path)
    target = "/api/v1/namespaces/ours/configmaps/c?fieldManager=registry"
    assert guard.answer(call_of("PATCH", target), "PATCH", target) is None
    told: list[str] = []
    ((receipt, is_in_use),) = receipts_in(folder, SERVER, told.append)
    assert (receipt.uid, receipt.managers, is_in_use, told) == ("u", {"registry"}, False, [])


def test_guard_makes_no_receipt_that_was_removed(folder: Path) -> None:
    guard = Guard(frozenset({"ours"}), noted_in=folder / "gk-a.json")
    target = "/api/v1/namespaces/ours/configmaps/c?fieldManager=registry"
    assert guard.answer(call_of("PATCH", target), "PATCH", target) is None
    assert guard.managers == {"registry"}
    assert not list(folder.iterdir())


def test_receipt_that_goes_while_the_folder_is_read_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gk-a.json").write_text(line())
    listed = [folder / "gk-0.json", folder / "gk-a.json"]  # as a run that ended in this moment leaves the list behind
    monkeypatch.setattr(Path, "glob", lambda _, __: iter(listed))
    told: list[str] = []
    assert [receipt.path for receipt, _ in receipts_in(folder, SERVER, told.append)] == listed[1:]
    assert not told


def test_run_is_in_use_from_the_first_moment_and_two_that_look_do_not_take_each_other_for_it(folder: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    receipt = Receipt(folder / "gk-a.json", SERVER, "gk-a", "m")
    seen: set[bool] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.update(is_in_use for _, is_in_use in receipts_in(folder, SERVER, lambda _: None))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        with receipt.written():
            while not seen:
                assert looking.is_alive()
            is_over.set()
            looking.join()
    finally:
        is_over.set()
        looking.join()
    assert seen == {True}
    with receipt.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # as another look does
        assert not receipt.is_in_use()


@pytest.mark.whole
def test_receipt_of_another_cluster_at_the_same_address_is_kept_and_the_others_are_cleaned_up(
    cluster: ControlPlane, files_program: Program
) -> None:
    folder = files_program.state / "churn"
    folder.mkdir(parents=True, mode=0o700)
    files_program.state.chmod(0o700)
    (folder / "gk-0.json").write_text(line(server=cluster.url, namespace="gk-elsewhere", cluster="uid-of-another", mark="m1"))
    (folder / "gk-1.json").write_text("nothing")
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "gk-last", "annotations": {MARK: "m1"}}})
    here = cluster.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    (folder / "gk-2.json").write_text(line(server=cluster.url, namespace="gk-last", cluster=here, mark="m1"))
    done = files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 5, done.err
    assert "is another cluster than when namespace gk-elsewhere was made there" in done.err
    assert "gk-1.json is no receipt of a run" in done.err
    assert "1 of 2 runs" in done.err
    assert sorted(path.name for path in folder.iterdir()) == ["gk-0.json", "gk-1.json"]
    assert "gk-last" not in namespaces(cluster)
    (folder / "gk-0.json").unlink()
    done = files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
    assert done.code == 3, "whose run the file is of cannot be seen"


def test_error_of_one_receipt_does_not_end_the_others(cluster: ControlPlane, files_program: Program) -> None:
    folder = files_program.state / "churn"
    folder.mkdir(parents=True, mode=0o700)
    files_program.state.chmod(0o700)
    path = "/api/v1/namespaces/gk-refused"
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "gk-refused", "annotations": {MARK: "m1"}}})
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "gk-second", "annotations": {MARK: "m1"}}})
    try:
        # a path that the API server refuses to look at
        crooked = {"/apis/nobody.example.com/v1/namespaces/gk-refused/things/%zz": ""}
        first = line(server=cluster.url, namespace="gk-refused", mark="m1") + json.dumps({"subjects": crooked}) + "\n"
        (folder / "gk-1.json").write_text(first)
        (folder / "gk-2.json").write_text(line(server=cluster.url, namespace="gk-second", mark="m1"))
        done = files_program("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
        assert done.code == 5, done.err
        assert "namespace gk-refused could not be removed: " in done.err
        assert "1 of 2 runs" in done.err
        assert [one.name for one in folder.iterdir()] == ["gk-1.json"]
    finally:
        cluster.raw("DELETE", path)


@pytest.mark.whole
def test_receipt_that_does_not_say_of_which_cluster_it_is_is_kept_where_its_namespace_is_not_there(
    cluster: ControlPlane, files_program: Program
) -> None:
    folder = files_program.state / "churn"
    folder.mkdir(parents=True, mode=0o700)
    files_program.state.chmod(0o700)
    (folder / "gk-old.json").write_text(line(server=cluster.url, namespace="gk-old", mark="m1"))
    words = ("churn", "--clean-up", "--yes", f"--kubeconfig={cluster.kubeconfig}")
    done = files_program(*words)
    assert done.code == 5, done.err
    assert f"{folder / 'gk-old.json'} does not say of which cluster it is, so that {cluster.url} may be another one" in done.err
    assert "is kept; remove it once you know that the namespace is gone" in done.err
    assert [one.name for one in folder.iterdir()] == ["gk-old.json"]
    # where it is there, with its mark, it is that of the run
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "gk-old", "annotations": {MARK: "m1"}}})
    assert files_program(*words).code == 0
    assert not list(folder.iterdir())
    assert "gk-old" not in namespaces(cluster)


def test_receipt_says_of_which_cluster_it_is(folder: Path, cluster: ControlPlane) -> None:
    receipt = Receipt(folder / "gk-a.json", cluster.url, "gk-never-made", "m", cluster="uid-of-another")
    with receipt.written():
        assert json.loads(receipt.path.read_text())["cluster"] == "uid-of-another"
    client = ApiClient(load_config(str(cluster.kubeconfig), None, None, None, ()))
    assert "is kept" in clean_up(client, receipt).why
    assert receipt.path.exists()


def test_namespace_that_stays_behind_is_a_doubt(folder: Path, cluster: ControlPlane) -> None:
    client = ApiClient(load_config(str(cluster.kubeconfig), None, None, None, ()))
    run = Given(client, "gk-", Wanted(), folder)
    receipt = Receipt(folder / "default.json", cluster.url, "default", "m")
    with receipt.written():
        run._clean_up(receipt)
    (why,) = run.outcome.inconclusive
    assert "namespace default does not bear the mark" in why
    assert run.outcome.result == "inconclusive"


def test_run_notes_of_which_cluster_it_is(folder: Path, cluster: ControlPlane) -> None:
    client = ApiClient(load_config(str(cluster.kubeconfig), None, None, None, ()))
    here = cluster.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert Given(client, "gk-", Wanted(), folder)._receipt().cluster == here
