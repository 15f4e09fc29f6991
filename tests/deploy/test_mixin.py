"""The alerts fire on what is wrong and on nothing else, and alerts and dashboard are about metrics that there are."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ghostkey.model import metrics
from ghostkey.testing import binary

MIXIN = Path(__file__).parents[2] / "deploy" / "mixin"
NAMES = {value for name, value in vars(metrics).items() if name.isupper() and str(value).startswith("ghostkey_")}
KNOWN = NAMES | {"apiserver_validating_admission_policy_check_total"}


def promtool(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(binary("promtool")), *words], cwd=folder, capture_output=True, text=True, check=False)


def test_the_files_are_those_of_the_generator() -> None:
    done = subprocess.run([sys.executable, str(MIXIN / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.whole
def test_each_alert_fires_on_what_it_is_about_and_its_test_can_fail(tmp_path: Path) -> None:
    rules = yaml.safe_load((MIXIN / "alerts.yaml").read_text())
    tests = (MIXIN / "alerts.test.yaml").read_text()
    (tmp_path / "alerts.test.yaml").write_text(tests)

    def tried(expression: Callable[[str], str]) -> tuple[int, str]:
        changed = copy.deepcopy(rules)
        for rule in changed["groups"][0]["rules"]:
            rule["expr"] = expression(rule["expr"])
        (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(changed))
        assert promtool(tmp_path, "check", "rules", "alerts.yaml").returncode == 0
        done = promtool(tmp_path, "test", "rules", "alerts.test.yaml")
        return done.returncode, done.stdout + done.stderr

    code, said = tried(lambda text: text)
    assert code == 0, said
    for broken in (lambda text: f"({text}) and vector(0) > 1", lambda text: "vector(1)"):
        code, said = tried(broken)
        assert code != 0
        for rule in rules["groups"][0]["rules"]:
            assert rule["alert"] in said, f"its test passes as {broken(rule['expr'])}"


def test_dashboard_is_whole_and_its_queries_are_of_metrics_that_there_are(tmp_path: Path) -> None:
    board = json.loads((MIXIN / "dashboard.json").read_text())
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= board.keys()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    variables = {variable["name"] for variable in board["templating"]["list"]}
    expressions = []
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        expressions += [target["expr"] for target in panel["targets"]]
    assert set(re.findall(r"\$\{?(\w+)\}?", json.dumps(panels))) <= variables
    recorded = [
        {"record": f"panel:{number}", "expr": text.replace("$namespace", ".*")} for number, text in enumerate(expressions)
    ]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = promtool(tmp_path, "check", "rules", "panels.yaml")
    assert done.returncode == 0, done.stderr
    rules = yaml.safe_load((MIXIN / "alerts.yaml").read_text())["groups"][0]["rules"]
    for text in [*expressions, *(rule["expr"] for rule in rules)]:
        assert set(re.findall(r"\b((?:ghostkey|apiserver)_\w+)", text)) <= KNOWN, text
