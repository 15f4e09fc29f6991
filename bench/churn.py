"""Churn, measured on operators that nobody here wrote, built from their Go modules: signatures found, seconds, flips.

    python -m bench.churn [--repeat 3] [--only NAME]

Prints JSON lines; exit code 1 when an operator is judged otherwise than is known of it, or otherwise from run to run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from ghostkey.churn import bed as beds
from ghostkey.churn.lane import Lane, Setting
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import Weaver
from ghostkey.churn.run import Request, run
from ghostkey.testing import binary, testbed_directory
from ghostkey.testing.binaries import cache_directory

POOL = {
    "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "pool"},
    "spec": {"addresses": ["10.{{n}}.0.0/28"], "autoAssign": True},
}  # fmt: skip
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "pool", "annotations": {"metallb.universe.tf/address-pool": "pool"}},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
}  # fmt: skip
SYSTEM = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "metallb-memberlist", "namespace": "metallb-system"}},
]
METALLB = "--port 17472 --namespace metallb-system --webhook-mode disabled --disable-cert-rotation"
USED, SPLIT = (
    "metallb_allocator_addresses_in_use_total",
    ("ipv4_addresses_in_use", "ipv4_addresses", "ipv6_addresses_in_use", "ipv6_addresses"),
)


PACE_SECONDS = 20.0
PACES = ((3, 4, 250.0), (50, 3, 45.0))  # subjects, lanes, trials a minute at least


@dataclass(frozen=True)
class Operator:
    """A program of a Go module, what it is tested with, and the metric families that it is known to leave behind."""

    name: str
    module: str
    version: str
    package: str
    flags: str
    crds: str
    families: frozenset[str]


OPERATORS = (
    Operator(
        "metallb-0.14.8", "go.universe.tf/metallb", "v0.14.8", "./controller", METALLB, "config/crd/bases",
        frozenset({USED, *(f"metallb_allocator_{word}_total" for word in SPLIT)}),
    ),
    Operator("metallb-0.15.2", "go.universe.tf/metallb", "v0.15.2", "./controller", METALLB, "config/crd/bases", frozenset()),
)  # fmt: skip


def built(operator: Operator) -> tuple[Path, Path]:
    """The program and its module's folder; built once, which takes minutes."""
    with tempfile.TemporaryDirectory() as empty:
        Path(empty, "go.mod").write_text("module bench\n\ngo 1.24.0\n")
        words = ["go", "mod", "download", "-json", f"{operator.module}@{operator.version}"]
        said = subprocess.run(words, cwd=empty, capture_output=True, text=True, check=True)
    source = Path(json.loads(said.stdout)["Dir"])
    target = cache_directory() / "bench" / operator.name / "operator"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        print(f"building {operator.name} (minutes, once) …", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "source")
            shutil.copytree(source, copy)
            # the cache of modules is read-only, and go.sum may need a line
            subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)
            environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
            words = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), operator.package]
            subprocess.run(words, cwd=copy, env=environment, check=True)
    return target, source


def measure(operator: Operator) -> dict[str, object]:
    """One run."""
    program, source = built(operator)
    with tempfile.TemporaryDirectory() as folder:
        for name, documents in (("sample", [POOL, SERVICE]), ("setup", SYSTEM)):
            Path(folder, f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
        environment = {"METALLB_ML_SECRET_NAME": "metallb-memberlist", "METALLB_DEPLOYMENT": "controller"}
        began = time.monotonic()
        outcome = run(Request(
            f"{program} {operator.flags}", [str(source / operator.crds)], [f"{folder}/sample.yaml"], [f"{folder}/setup.yaml"],
            environment, 3, 6, None, 5.0,
        ))  # fmt: skip
    families = sorted({v.signature.place.partition("{")[0] for v in outcome.findings if v.signature.source == "metrics"})
    others = sorted(str(v.signature) for v in outcome.findings if v.signature.source != "metrics")
    return {
        "bench": "churn", "operator": operator.name, "seconds": round(time.monotonic() - began, 1), "families": families,
        "others": others, "inconclusive": outcome.inconclusive, "as_known": set(families) == set(operator.families) and not outcome.inconclusive,
    }  # fmt: skip


def pace(subjects: int, lanes: int, least: float) -> dict[str, object]:
    """Trials a minute of the tenant operator with a mistake, side by side; each one has to show every subject's key."""
    crd = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-system"}}
    sample = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"plan": "gold"}}
    argv = [str(binary("tenant-operator")), "--mistake=wrong-delete-key"]
    with beds.made([crd], [system]) as bed, ThreadPoolExecutor(lanes) as pool:
        # each its own registry, or a trial would have to read what all the others have left
        made = [
            Lane(bed.control_plane, Setting([*argv, f"--registry-name=lane-{n}"], bed.samples([sample], [crd])), n)
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
    for operator in OPERATORS:
        if asked.only not in operator.name:
            continue
        rows = [measure(operator) for _ in range(asked.repeat)]
        for row in rows:
            print(json.dumps(row), flush=True)
        flips = len({json.dumps(row["families"]) for row in rows}) - 1
        is_good = is_good and not flips and all(row["as_known"] for row in rows)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
