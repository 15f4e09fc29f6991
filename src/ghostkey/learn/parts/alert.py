"""The alert: rules for Prometheus on the metrics of `ghostkey watch`, with their test, both run by promtool.

On the API server's own metrics there is one rule alone: that the guard refuses a write, which nothing else tells.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from ghostkey.guard.caps import Cap
from ghostkey.guard.objects import POLICY
from ghostkey.learn.incident import Incident
from ghostkey.learn.parts import FAILED, HELD, NONE, UNTRIED, Part
from ghostkey.model import metrics
from ghostkey.model.counts import counted

NAME, RULES, TESTS = "alert", "alert.rules.yaml", "alert.test.yaml"
REFUSED = "apiserver_validating_admission_policy_check_total"  # Source: k8s.io/apiserver v0.37 admission/plugin/policy/validating/metrics
REFUSING = f'{REFUSED}{{policy="{POLICY}",enforcement_action="deny"}}'  # by the guard
SECONDS = 120
WEEK = 7 * 24 * 3600


def rules(incident: Incident, cap: int | None) -> dict[str, Any]:
    """The rule file. Without a cap only ghosts are watched, and that somebody looks at all."""
    labels = f'{{{metrics.NAMESPACE}="{incident.namespace}",{metrics.MAP}="{incident.map}"}}'
    about = f"{incident.namespace}/{incident.map}"
    found = [
        rule("GhostkeyGhostKeys", f"{metrics.GHOST_KEYS}{labels} > 0", "15m", "warning",
              f"{about} has keys that outlive their subject, as in incident {incident.id}"),
        rule("GhostkeyGhostsRise", f"delta({metrics.GHOST_KEYS}{labels}[1h]) > 0", "15m", "warning",
              f"{about} has gained ghost keys within an hour: the leak of incident {incident.id} is back"),
        # where nobody looks, no ghost is seen either
        rule("GhostkeyDoesNotLook", f"absent({metrics.MAP_KEYS}{labels})", "30m", "warning",
              f"no ghostkey watch tells of {about}"),
    ]  # fmt: skip
    if cap is not None:
        found += [
            rule("GhostkeyMapNearsItsCap", f"predict_linear({metrics.MAP_KEYS}{labels}[6h], {WEEK}) > {cap}", "1h", "warning",
                  f"{about} meets its cap of {counted(cap, 'key')} within a week"),
            rule("GhostkeyGuardRefuses", f"sum(increase({REFUSING}[10m])) > 0", "0m",
                  "critical", "the guard refuses writes: an operator may be retrying one; ghostkey guard report says whose"),
        ]  # fmt: skip
    return {"groups": [{"name": f"ghostkey-{incident.id}", "rules": found}]}


def rule(name: str, expression: str, lasting: str, severity: str, summary: str) -> dict[str, Any]:
    """An alert as a rule file has it; `lasting` is a duration of Prometheus."""
    return {
        "alert": name, "expr": expression, "for": lasting, "labels": {"severity": severity}, "annotations": {"summary": summary},
    }  # fmt: skip


def tests(incident: Incident, rule_file: dict[str, Any], cap: int | None) -> dict[str, Any]:
    """The test of the rules: what leaks fires each, and what is well fires none."""
    labels = f'{{{metrics.NAMESPACE}="{incident.namespace}",{metrics.MAP}="{incident.map}"}}'
    by_name = {rule["alert"]: rule for rule in rule_file["groups"][0]["rules"]}
    top = cap if cap is not None else 100
    counter = REFUSING
    leaking = [
        _series(f"{metrics.GHOST_KEYS}{labels}", "0+1x240"),
        _series(f"{metrics.MAP_KEYS}{labels}", f"{max(top - 100, 0)}+1x240"),
    ]
    well = [_series(f"{metrics.GHOST_KEYS}{labels}", "0x240"), _series(f"{metrics.MAP_KEYS}{labels}", f"{max(top // 2, 0)}x240")]
    refusing = [*leaking, *([_series(counter, "0+1x240")] if cap is not None else [])]
    silent = [*well, *([_series(counter, "7x240")] if cap is not None else [])]
    fired = [name for name in by_name if name != "GhostkeyDoesNotLook"]
    checks = [
        {"interval": "1m", "input_series": refusing, "alert_rule_test": [_fires(name, by_name[name], labels) for name in fired]},
        {"interval": "1m", "input_series": silent, "alert_rule_test": [_is_silent(name) for name in by_name]},
        {"interval": "1m", "input_series": [_series("up", "1x240")], "alert_rule_test": [_fires("GhostkeyDoesNotLook", by_name["GhostkeyDoesNotLook"], labels)]},
    ]  # fmt: skip
    return {"rule_files": [RULES], "evaluation_interval": "1m", "tests": checks}


def _series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


def _fires(name: str, rule: dict[str, Any], labels: str) -> dict[str, Any]:
    own = dict(part.split("=", 1) for part in labels.strip("{}").split(",")) if name != "GhostkeyGuardRefuses" else {}
    expected = {**{key: value.strip('"') for key, value in own.items()}, **rule["labels"]}
    return {
        "eval_time": "4h",
        "alertname": name,
        "exp_alerts": [{"exp_labels": expected, "exp_annotations": rule["annotations"]}],
    }


def _is_silent(name: str) -> dict[str, Any]:
    return {"eval_time": "4h", "alertname": name, "exp_alerts": []}


def part(incident: Incident, cap: Cap | str, metrics_text: str) -> Part:
    """The alert; `metrics_text` is what an API server with the guard tells of itself, empty where none was asked."""
    if not incident.kind:
        return Part(NAME, NONE, "it is not about a map of the API, of which ghostkey watch has metrics")
    number = None if isinstance(cap, str) else cap.cap
    rule_file = rules(incident, number)
    if number is not None and metrics_text and REFUSED not in metrics_text:
        rule_file["groups"][0]["rules"] = [one for one in rule_file["groups"][0]["rules"] if REFUSED not in one["expr"]]
    test_file = tests(incident, rule_file, number)
    files = {
        RULES: _yaml(f"# incident {incident.id}", rule_file),
        TESTS: _yaml(f"# promtool test rules {TESTS}", test_file),
    }
    program = promtool()
    if not program.startswith("/"):
        return Part(NAME, UNTRIED, program, files)
    said = tried(program, files, rule_file)
    return Part(NAME, FAILED, said) if said else Part(NAME, HELD, "promtool took the rules, their test passed, and failed on rules that never fire", files)  # fmt: skip


def promtool() -> str:
    """Where promtool is, from the PATH or built once; or why there is none."""
    if found := shutil.which("promtool"):
        return found
    try:
        from ghostkey.testing import binary

        return str(binary("promtool"))
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return f"there is no promtool: {str(error).splitlines()[0][:200]}"


def tried(program: str, files: dict[str, str], rule_file: dict[str, Any]) -> str:
    """What promtool says against the rules or their test, empty where nothing; the test has to fail on rules that never fire."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, text in files.items():
            (folder / name).write_text(text)
        for words in (("check", "rules", RULES), ("test", "rules", TESTS)):
            done = _run(program, words, folder)
            if done.returncode:
                return f"promtool {' '.join(words)}: {(done.stdout + done.stderr).strip()[-600:]}"
        dead = copy.deepcopy(rule_file)
        for rule in dead["groups"][0]["rules"]:
            rule["expr"] = f"({rule['expr']}) and vector(0) > 1"
        (folder / RULES).write_text(_yaml("#", dead))
        if _run(program, ("test", "rules", TESTS), folder).returncode == 0:
            return "its test passes on rules that never fire"
    return ""


def _run(program: str, words: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
    )


def _yaml(head: str, document: dict[str, Any]) -> str:
    return f"{head}\n" + yaml.safe_dump(document, sort_keys=False, width=160)
