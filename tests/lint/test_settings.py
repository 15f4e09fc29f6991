"""A lint configuration: which rule holds in which package, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import Program

SOURCE = """package shops

type Reconciler struct{ seen map[string]bool }

func (r *Reconciler) Reconcile(name string) { r.seen[name] = true }
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("a", "b"):
        (tmp_path / "code" / folder).mkdir(parents=True)
        (tmp_path / "code" / folder / "r.go").write_text(SOURCE)
    return tmp_path / "code"


def config(tmp_path: Path, *, rule: str = "map-never-deleted", package: str = "a") -> str:
    path = tmp_path / "lint.yaml"
    path.write_text(f"kind: LintConfig\nrules:\n- {{rule: {rule}, package: {package}, why: it leaked in May}}\n")
    return str(path)


def test_only_the_rule_in_its_package_and_why(tree: Path, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", None)
    everything = program("lint", str(tree), "-o", "json").json["findings"]
    assert {one["path"] for one in everything} == {"a/r.go", "b/r.go"}
    done = program("lint", str(tree), "--config", config(tmp_path), "-o", "json")
    assert done.code == 1
    (one,) = done.json["findings"]
    assert one["path"] == "a/r.go"
    assert one["message"].endswith("(it leaked in May)")
    assert program("lint", str(tree), "--config", config(tmp_path, package="c")).code == 0


def test_configuration_that_is_none_is_one_clear_error(tree: Path, tmp_path: Path) -> None:
    program = Program(tmp_path / "state", None)
    unknown = program("lint", str(tree), "--config", config(tmp_path, rule="no-such-rule"))
    assert unknown.code == 2
    assert "no rule is named 'no-such-rule'" in unknown.err
    for text in ("", "a: [", "kind: LintConfig", "kind: LintConfig\nrules: [{rule: map-never-deleted}]"):
        (tmp_path / "bad.yaml").write_text(text)
        assert program("lint", str(tree), "--config", str(tmp_path / "bad.yaml")).code == 2, text
    assert program("lint", str(tree), "--config", str(tmp_path / "none.yaml")).code == 2
    other = program("lint", str(tree), "--config", config(tmp_path), "--rule", "return-before-delete")
    assert other.code == 2
