"""Objects from the schemas of CRDs that nobody here wrote: how many of them the API server takes.

    python -m bench.generator

One JSON line for each CRD: of objects at four fills and several seeds, how many were valid as first made, and after repair, and the
milliseconds that one took. Goals: all of the CRDs without rules in CEL, and nine in ten of the one with. Exit code 1 when one is missed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ghostkey.churn import bed as beds
from ghostkey.churn.generator import FILLS, candidate, generated, is_valid, schema_of
from ghostkey.churn.subjects import Document, crd_resources, read_documents

SEEDS = 15
GOAL, GOAL_OF_RULES = 1.0, 0.9


@dataclass(frozen=True)
class Source:
    """A CRD in a Go module: the kind, where its file is, and whether it has rules in CEL."""

    kind: str
    module: str
    path: str
    has_rules: bool = False


SOURCES = (
    Source("IPAddressPool", "go.universe.tf/metallb@v0.15.2", "config/crd/bases/*.yaml"),
    Source("Rollout", "github.com/argoproj/argo-rollouts@v1.8.3", "manifests/crds/*.yaml"),
    Source("Certificate", "github.com/cert-manager/cert-manager@v1.18.2", "deploy/crds/*.yaml"),
    Source("ScaledObject", "github.com/kedacore/keda/v2@v2.17.2", "config/crd/bases/*.yaml"),
    Source(
        "ServiceMonitor", "github.com/prometheus-operator/prometheus-operator@v0.84.0", "example/prometheus-operator-crd/*.yaml"
    ),
    Source("Bundle", "github.com/cert-manager/trust-manager@v0.25.0", "deploy/crds/*.yaml", has_rules=True),
)


def crd_of(source: Source) -> Document:
    """The CRD as its module has it. Raises LookupError when it is not there."""
    with tempfile.TemporaryDirectory() as empty:
        Path(empty, "go.mod").write_text("module bench\n\ngo 1.24.0\n")
        words = ["go", "mod", "download", "-json", source.module]
        said = subprocess.run(words, cwd=empty, capture_output=True, text=True, check=True)
    for file in sorted(Path(json.loads(said.stdout)["Dir"]).glob(source.path)):
        for document in read_documents([str(file)]):
            if ((document.get("spec") or {}).get("names") or {}).get("kind") == source.kind:
                # labels may be a chart's templates
                return {**document, "metadata": {"name": document["metadata"]["name"]}}
    raise LookupError(f"{source.module} has no {source.kind} in {source.path}")


def measure(bed: beds.Bed, source: Source, crd: Document) -> dict[str, object]:
    """How many of the objects of one CRD are taken."""
    (resource,) = crd_resources([crd])
    first = repaired = 0
    began = time.monotonic()
    for fill in FILLS:
        for seed in range(SEEDS):
            made = candidate(schema_of(crd), resource, random.Random(seed), fill)
            first += is_valid(made, resource, bed.api)
            repaired += generated(crd, resource, bed.api, seed=seed, fill=fill) is not None
    count = SEEDS * len(FILLS)
    least = GOAL_OF_RULES if source.has_rules else GOAL
    return {
        "bench": "generator", "kind": source.kind, "module": source.module, "objects": count, "valid_at_once": first,
        "valid_after_repair": repaired, "milliseconds": round(1000 * (time.monotonic() - began) / count, 1), "goal": least,
        "is_met": repaired >= least * count,
    }  # fmt: skip


def main() -> int:
    """Every CRD, on one control plane."""
    crds = {source.kind: crd_of(source) for source in SOURCES}
    with beds.made(list(crds.values()), []) as bed:
        rows = [measure(bed, source, crds[source.kind]) for source in SOURCES]
    for row in rows:
        print(json.dumps(row), flush=True)
    return 0 if all(row["is_met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
