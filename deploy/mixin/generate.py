"""Writes the alerts, their test and the dashboard of `ghostkey watch`, with the metric names of the program itself.

    python deploy/mixin/generate.py [--check]

Plain YAML and JSON rather than jsonnet: there is nothing here that another language would say more shortly, and the names come
from `ghostkey.model.metrics`, so that no alert can be about a metric that there is not. --check writes nothing and exits 1 when a
file is not what would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from ghostkey.learn.parts.alert import REFUSING, WEEK, rule
from ghostkey.model import metrics as m

HERE = Path(__file__).parent
ABOUT = f"{{{{ $labels.{m.NAMESPACE} }}}}/{{{{ $labels.{m.MAP} }}}}"
# a map that is a third full, so that a few bytes more in a nearly empty one are no forecast
FILLING = f"{m.BYTES} > 0.33 * {m.LIMIT_BYTES}"


def rules() -> dict[str, Any]:
    """The rule file."""
    alerts = [
        rule("GhostkeyMapFullWithinAWeek", f"(predict_linear({m.BYTES}[6h], {WEEK}) > {m.LIMIT_BYTES}) and ({FILLING})", "1h", "warning",
               f"{ABOUT} meets its limit within a week"),
        rule("GhostkeyMapFullByItsHistory", f"{m.SECONDS_UNTIL_FULL} < {WEEK}", "15m", "warning",
               f"{ABOUT} is full within a week at the rate of its history"),
        rule("GhostkeyMapNearlyFull", f"{m.BYTES} / {m.LIMIT_BYTES} > 0.95", "5m", "critical",
               f"{ABOUT} is at 95 % of its limit: writes are about to be refused"),
        rule("GhostkeyGhostsRise", f"delta({m.GHOST_KEYS}[1h]) > 0", "15m", "warning",
               f"{ABOUT} has gained ghost keys within an hour: something does not clean up"),
        # trimmed to none, and not none any more
        rule("GhostkeyTrimmedKeyBack", f"({m.GHOST_KEYS} > 0) and (min_over_time({m.GHOST_KEYS}[1d]) == 0) and (max_over_time({m.GHOST_KEYS}[1d] offset 1d) > 0)",
               "15m", "warning", f"{ABOUT} was rid of its ghost keys and has some again"),
        rule("GhostkeyGuardRefuses", f"sum(increase({REFUSING}[10m])) > 0", "0m", "critical",
               "the guard refuses writes: an operator may be retrying one; ghostkey guard report says whose"),
        rule("GhostkeyDoesNotSee", f"{m.GAPS} > 0 or {m.WATCHES_BROKEN} > 0", "30m", "info",
               "ghostkey watch cannot see everything: its log says what"),
        rule("GhostkeyDoesNotLook", f"time() - {m.LOOKED_AT} > 3600 or absent({m.LOOKED_AT})", "15m", "warning",
               "ghostkey watch has not looked for ghosts for an hour"),
        rule("GhostkeyCannotNotify", f"increase({m.NOTIFICATIONS_FAILED_TOTAL}[1h]) > 0", "0m", "warning",
               "notifications of ghostkey watch do not arrive"),
    ]  # fmt: skip
    return {"groups": [{"name": "ghostkey", "rules": alerts}]}


def tests() -> dict[str, Any]:
    """The test of the rules: what is wrong fires each, what is well none."""
    labels = f'{{{m.NAMESPACE}="prod",{m.MAP}="configmaps/registry"}}'
    own = {m.NAMESPACE: "prod", m.MAP: "configmaps/registry"}
    limit = _series(f"{m.LIMIT_BYTES}{labels}", f"{1 << 20}x4000")
    looks = _series(m.LOOKED_AT, "0+60x4000")
    said = {rule["alert"]: rule for rule in rules()["groups"][0]["rules"]}

    def fires(name: str, at: str, by: dict[str, str] | None = None) -> dict[str, Any]:
        rule = said[name]
        summary = rule["annotations"]["summary"].replace(ABOUT, f"{own[m.NAMESPACE]}/{own[m.MAP]}")
        return {
            "eval_time": at,
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": {**(own if by is None else by), **rule["labels"]}, "exp_annotations": {"summary": summary}}
            ],
        }

    def silent(name: str, at: str) -> dict[str, Any]:
        return {"eval_time": at, "alertname": name, "exp_alerts": []}

    def case(series: list[dict[str, str]], checks: list[dict[str, Any]]) -> dict[str, Any]:
        return {"interval": "1m", "input_series": series, "alert_rule_test": checks}

    # 400 KiB and 100 bytes more each minute: 1 MiB in 4.7 days
    filling = _series(f"{m.BYTES}{labels}", "409600+100x600")
    steady = [_series(f"{m.BYTES}{labels}", "409600x600"), _series(f"{m.GHOST_KEYS}{labels}", "3x600"), _series(m.GAPS, "0x600"),
              _series(REFUSING, "7x600"), _series(m.NOTIFICATIONS_FAILED_TOTAL, "2x600")]  # fmt: skip
    cases = [
        case([limit, looks, filling], [fires("GhostkeyMapFullWithinAWeek", "8h"), silent("GhostkeyMapNearlyFull", "8h")]),
        case([limit, looks, _series(f"{m.BYTES}{labels}", "1000+100x600")], [silent("GhostkeyMapFullWithinAWeek", "8h")]),
        case([limit, looks, _series(f"{m.BYTES}{labels}", f"{1020 << 10}x600")], [fires("GhostkeyMapNearlyFull", "1h")]),
        case([looks, _series(f"{m.SECONDS_UNTIL_FULL}{labels}", "500000x60")], [fires("GhostkeyMapFullByItsHistory", "1h")]),
        case([looks, _series(f"{m.SECONDS_UNTIL_FULL}{labels}", "700000x60")], [silent("GhostkeyMapFullByItsHistory", "1h")]),
        case([looks, _series(f"{m.GHOST_KEYS}{labels}", "0+1x300")], [fires("GhostkeyGhostsRise", "4h")]),
        case([looks, _series(f"{m.GHOST_KEYS}{labels}", "5x1500 0x1600 2x60")],
             [fires("GhostkeyTrimmedKeyBack", "52h20m"), silent("GhostkeyTrimmedKeyBack", "51h")]),
        case([looks, _series(f"{m.GHOST_KEYS}{labels}", "0x3000 2x60")], [silent("GhostkeyTrimmedKeyBack", "50h45m")]),
        case([looks, _series(REFUSING, "0+1x60")], [fires("GhostkeyGuardRefuses", "30m", {})]),
        case([looks, _series(m.GAPS, "1x60")], [fires("GhostkeyDoesNotSee", "1h", {})]),
        case([_series(m.LOOKED_AT, "0x200")], [fires("GhostkeyDoesNotLook", "2h", {})]),
        case([_series("up", "1x200")], [fires("GhostkeyDoesNotLook", "2h", {})]),
        case([looks, _series(m.NOTIFICATIONS_FAILED_TOTAL, "0+1x60")], [fires("GhostkeyCannotNotify", "30m", {})]),
        case([limit, looks, *steady], [silent(name, "9h") for name in said]),
    ]  # fmt: skip
    return {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": cases}


def _series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


def dashboard() -> dict[str, Any]:
    """The dashboard, as Grafana imports it."""
    chosen = f'{{{m.NAMESPACE}=~"$namespace"}}'
    top = f"topk(20, {m.BYTES}{chosen} / {m.LIMIT_BYTES}{chosen})"
    panels = [
        _panel("stat", "Ghost keys", 0, 0, 6, 4, [(f"sum({m.GHOST_KEYS}{chosen})", "")]),
        _panel("stat", "Suspects", 6, 0, 6, 4, [(f"sum({m.SUSPECT_KEYS}{chosen})", "")]),
        _panel("stat", "Gaps", 12, 0, 6, 4, [(f"max({m.GAPS})", "")]),
        _panel("stat", "Since the last look", 18, 0, 6, 4, [(f"time() - max({m.LOOKED_AT})", "")], unit="s"),
        _panel("timeseries", "Ghost keys by map", 0, 4, 12, 9, [(f"topk(20, {m.GHOST_KEYS}{chosen} > 0)", _LEGEND)]),
        _panel("timeseries", "Share of the limit, the twenty fullest maps", 12, 4, 12, 9, [(top, _LEGEND)], unit="percentunit"),
        _panel("timeseries", "Keys, the twenty largest maps", 0, 13, 12, 9, [(f"topk(20, {m.MAP_KEYS}{chosen})", _LEGEND)]),
        _panel("timeseries", "Time until full, by history", 12, 13, 12, 9, [(f"{m.SECONDS_UNTIL_FULL}{chosen}", _LEGEND)], unit="s"),
        _panel("timeseries", "Writes that the guard refused", 0, 22, 12, 7, [(f"sum(rate({REFUSING}[5m]))", "refused a second")]),
        _panel("timeseries", "Length of looks", 12, 22, 12, 7, [(m.LOOK_SECONDS, "{{instance}}")], unit="s"),
    ]  # fmt: skip
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "current": {}, "hide": 0},
        {"name": "namespace", "type": "query", "datasource": source, "query": f"label_values({m.MAP_KEYS}, {m.NAMESPACE})",
         "label": "Namespace", "includeAll": True, "multi": True, "allValue": ".*", "refresh": 2, "sort": 1, "current": {}, "hide": 0},
    ]  # fmt: skip
    return {
        "title": "ghostkey", "uid": "ghostkey", "tags": ["ghostkey", "kubernetes"], "schemaVersion": 39, "version": 1, "editable": True,
        "time": {"from": "now-24h", "to": "now"}, "refresh": "1m", "timezone": "browser", "annotations": {"list": []}, "links": [],
        "templating": {"list": variables}, "panels": panels,
    }  # fmt: skip


_LEGEND = f"{{{{{m.NAMESPACE}}}}}/{{{{{m.MAP}}}}}"


def _panel(
    kind: str, title: str, x: int, y: int, width: int, height: int, queries: list[tuple[str, str]], unit: str = "short"
) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    targets = [
        {"refId": chr(ord("A") + number), "datasource": source, "expr": expression, "legendFormat": legend}
        for number, (expression, legend) in enumerate(queries)
    ]
    return {
        "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": width, "h": height}, "datasource": source, "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {},
    }  # fmt: skip


def files() -> dict[str, str]:
    """Name → text."""
    head = "# Written by deploy/mixin/generate.py\n"
    return {
        "alerts.yaml": head + yaml.safe_dump(rules(), sort_keys=False, width=160),
        "alerts.test.yaml": head + yaml.safe_dump(tests(), sort_keys=False, width=160),
        "dashboard.json": json.dumps(dashboard(), indent=1) + "\n",
    }


def main() -> int:
    """Writes, or checks."""
    stale = [name for name, text in files().items() if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if "--check" in sys.argv:
        for name in stale:
            print(f"{name} is not what generate.py writes", file=sys.stderr)
        return int(bool(stale))
    for name in stale:
        (HERE / name).write_text(files()[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
