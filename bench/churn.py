"""Churn, measured on operators that nobody here wrote, built from their Go modules: signatures found, seconds, flips.

    python -m bench.churn [--repeat 3] [--only NAME]

Prints JSON lines; exit code 1 when an operator is judged otherwise than is known of it, or otherwise from run to run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from bench.operators import OPERATORS, Operator, built, write_pair
from ghostkey.churn import bed as beds
from ghostkey.churn.campaign import Campaign, Wanted
from ghostkey.churn.lane import Lane, Setting
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import Weaver
from ghostkey.churn.probing import Probe
from ghostkey.churn.run import Request, run
from ghostkey.testing import binary, testbed_directory

ROUNDS = 3
CRD = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-system"}}
SAMPLE = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"plan": "gold"}}
PACE_SECONDS = 20.0
POINTS_SECONDS, KILL_SECONDS = 30.0, 1.5  # of all fault points of a subject at most; of each kill point
PACES = ((3, 4, 250.0), (50, 3, 45.0))  # subjects, lanes, trials a minute at least


def measure(operator: Operator) -> dict[str, object]:
    """One run: series that each subject leaves behind, by family, beside what is known of it."""
    program, source = built(operator)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pem = json.dumps(write_pair(folder))
        for word, documents in (("sample", operator.samples), ("setup", operator.setup)):
            text = yaml.safe_dump_all(documents).replace("'{{pem}}'", pem)
            (folder / f"{word}.yaml").write_text(text)
        began = time.monotonic()
        outcome = run(Request(
            f"{program} {operator.flags.replace('{folder}', name)}", [str(source / operator.crds)] if operator.crds else [], [f"{name}/sample.yaml"],
            [f"{name}/setup.yaml"], operator.environment, ROUNDS, operator.subjects, None, operator.patience,
            life=operator.life,
        ))  # fmt: skip
    total: Counter[str] = Counter()
    for verdict in outcome.findings:
        if verdict.signature.source == "metrics":
            total[verdict.signature.place.partition("{")[0]] += verdict.series
    dead = ROUNDS * operator.subjects
    left = {family: round(series / dead) for family, series in sorted(total.items())}
    others = sorted(str(v.signature) for v in outcome.findings if v.signature.source != "metrics")
    return {
        "bench": "churn", "operator": operator.name, "seconds": round(time.monotonic() - began, 1), "leaves": left,
        "others": others, "inconclusive": outcome.inconclusive, "as_known": left == operator.leaves and len(others) == operator.maps and not outcome.inconclusive,
    }  # fmt: skip


def pace(subjects: int, lanes: int, least: float) -> dict[str, object]:
    """Trials a minute of the tenant operator with a mistake, side by side; each one has to show every subject's key."""
    argv = [str(binary("tenant-operator")), "--mistake=wrong-delete-key"]
    with beds.made([CRD], [SYSTEM]) as bed, ThreadPoolExecutor(lanes) as pool:
        # each its own registry, or a trial would have to read what all the others have left
        made = [
            Lane(bed.control_plane, Setting([*argv, f"--registry-name=lane-{n}"], bed.samples([SAMPLE], [CRD])), n)
            for n in range(lanes)
        ]
        try:
            for lane in made:
                lane.narrow()
            list(pool.map(Lane.start, made))
            until = time.monotonic() + PACE_SECONDS
            counts = list(pool.map(lambda lane: _trials(bed.beside(), lane, subjects, until), made))
        finally:
            for lane in made:
                lane.close()
    minute = sum(right for right, _ in counts) * 60 / PACE_SECONDS
    wrong = sum(wrong for _, wrong in counts)
    return {
        "bench": "churn-pace", "subjects": subjects, "lanes": lanes, "trials_a_minute": round(minute), "goal": least, "wrong": wrong,
        "as_known": minute >= least and not wrong,
    }  # fmt: skip


def fault_points() -> dict[str, object]:
    """Seconds of all fault points of a subject of the correct tenant operator, and of each kill point; none may convict it."""
    with beds.made([CRD], [SYSTEM]) as bed:
        campaign = Campaign(bed, Setting([str(binary("tenant-operator"))], bed.samples([SAMPLE], [CRD])), Wanted(faults=()))
        lane = campaign.lane()
        lanes = [lane]
        try:
            lane.start()
            probe = Probe(bed, lane, campaign.metrics, campaign.account, lambda _: None)
            probe.learn(())
            began = time.monotonic()
            lanes += campaign.lanes_beside(lane)
            probe.points_at_once(lanes[1:])
            seconds, points, struck = time.monotonic() - began, probe.tried, probe.fired
            wrong = len(probe.verdicts(set(), 5.0))
            began = time.monotonic()
            probe.kills(float("inf"))
            each = (time.monotonic() - began) / (probe.tried - points)
            wrong += len(probe.verdicts(set(), 5.0))
        finally:
            for one in lanes:
                one.close()
    return {
        "bench": "churn-faults", "points": points, "struck": struck, "seconds": round(seconds, 1), "goal": POINTS_SECONDS,
        "kill_points": probe.tried - points, "seconds_each": round(each, 2), "goal_each": KILL_SECONDS, "wrong": wrong,
        "as_known": seconds <= POINTS_SECONDS and each <= KILL_SECONDS and not wrong,
    }  # fmt: skip


def _trials(bed: beds.Bed, lane: Lane, subjects: int, until: float) -> tuple[int, int]:
    """Trials (subjects come, and go; what is left is read) whose verdict was right, and wrong, until a time."""
    right = wrong = 0
    metrics = Metrics()
    while time.monotonic() < until:
        weaver = Weaver()
        weaver.delete(weaver.create(subjects))
        trial = lane.run(weaver.plan())
        found = bed.traces(lane, trial.subjects, metrics)
        keys = {token for signature, trace in found.items() if "(key)" in signature.place for token in trace.tokens}
        is_right = keys == {subject.token for subject in trial.subjects}
        right, wrong = right + is_right, wrong + (not is_right)
    return right, wrong


def main() -> int:
    """Every operator, as often as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    is_good = True
    for subjects, lanes, least in PACES if asked.only in {"", "pace"} else ():
        row = pace(subjects, lanes, least)
        print(json.dumps(row), flush=True)
        is_good = is_good and bool(row["as_known"])
    if asked.only in {"", "faults"}:
        row = fault_points()
        print(json.dumps(row), flush=True)
        is_good = is_good and bool(row["as_known"])
    for operator in OPERATORS:
        if asked.only not in operator.name:
            continue
        rows = [measure(operator) for _ in range(asked.repeat)]
        for row in rows:
            print(json.dumps(row), flush=True)
        flips = len({json.dumps([row["leaves"], row["others"]]) for row in rows}) - 1
        is_good = is_good and not flips and all(row["as_known"] for row in rows)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
