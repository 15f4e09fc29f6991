"""Kubeconfigs from strangers: one line that names the file, exit code 2, and nothing of what stands there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.foreign.test_foreign import BOMB, MERGE_BOMB
from tests.fuzz.inputs.kubeconfigs import CONFIG
from tests.helpers import Program


def changed(**parts: object) -> str:
    return json.dumps({**CONFIG, **parts})


def user(**parts: object) -> str:
    return changed(users=[{"name": "u", "user": parts}])


BAD = {
    "alias bomb": BOMB,
    "merge bomb": MERGE_BOMB,
    "itself": "a: &a [*a]",
    "brackets": "[" * 1513,
    "json brackets": '{"a":' + "[" * 1513,
    "digits": "a: " + "9" * 5000,
    "digits in json": '{"a": ' + "9" * 5000 + "}",
    "a list": "- hunter2",
    "a text": "hunter2",
    "nothing": "",
    "contexts a map": changed(contexts={"c": {"cluster": "hunter2"}}),
    "context a text": changed(contexts=["hunter2"]),
    "context's inside a list": changed(contexts=[{"name": "c", "context": ["hunter2"]}]),
    "cluster's inside a text": changed(clusters=[{"name": "k", "cluster": "hunter2"}]),
    "certificate a number": changed(
        clusters=[{"name": "k", "cluster": {"server": "https://x", "certificate-authority-data": 5}}]
    ),
    "server a list": changed(clusters=[{"name": "k", "cluster": {"server": ["https://x"]}}]),
    "port of letters": changed(clusters=[{"name": "k", "cluster": {"server": "https://x:y"}}]),
    "exec a text": user(exec="hunter2"),
    "exec args a map": user(exec={"args": {"hunter2": 1}}),
    "exec env of texts": user(exec={"env": ["hunter2"]}),
    "token file a list": user(tokenFile=["hunter2"]),
    "python": "!!python/object/apply:os.system [hunter2]",
    "cut": 'users: [{"name": "hunter2',
    "nul": "a: \0hunter2",
}


@pytest.mark.whole(
    but=[
        "alias bomb",
        "brackets",
        "digits in json",
        "nothing",
        "context's inside a list",
        "server a list",
        "exec args a map",
        "python",
    ]
)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_kubeconfig_is_one_line_that_quotes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "config").write_text(BAD[name])
    done, peak = Program(tmp_path / "state", None).measured("scan", "--kubeconfig", str(tmp_path / "config"))
    assert done.code in {2, 5}, done
    assert done.err.startswith("error: ")
    assert "config" in done.err
    assert "hunter2" not in done.err
    assert "bug" not in done.err
    assert done.err.count("\n") <= 2
    assert peak < 128 << 20


def test_an_endless_kubeconfig_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "config").open("wb") as out:
        out.truncate(1 << 34)
    done, peak = Program(tmp_path / "state", None).measured("scan", "--kubeconfig", str(tmp_path / "config"))
    assert done.code == 2
    assert "larger than" in done.err
    assert peak < 128 << 20


def test_aliases_that_stand_for_little_are_read(tmp_path: Path) -> None:
    text = """
    current-context: a
    base: &base {cluster: k, user: u}
    contexts: [{name: a, context: {<<: *base, namespace: n}}]
    clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]
    users: [{name: u, user: {}}]
    """
    (tmp_path / "config").write_text(text)
    done = Program(tmp_path / "state", None)("scan", "--kubeconfig", str(tmp_path / "config"))
    assert "127.0.0.1:1" in done.err
