"""Generates clusters, scans each as a dump of manifests, and compares findings with what is known to be gone.

python -m bench.ghosts [--clusters 200] [--first-seed 1] [--verbose]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.ghosts.clusters import Cluster, Truth, generate
from bench.ghosts.surroundings import MODES
from ghostkey import api

PRECISION, RECALL = 0.995, 0.95
GHOST_ANALYSES = {"ghost-key", "tombstone"}


def scan(cluster: Cluster, directory: Path) -> set[Truth]:
    """The ghosts that ghostkey reports in a cluster, read from a file as a user would give it."""
    path = directory / f"{cluster.seed}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": cluster.objects}))
    snapshot = api.collect(api.manifests([str(path)]))
    path.unlink()
    return {
        (finding.key.holder.namespace, finding.key.holder.name, finding.key.path, finding.key.key)
        for finding in api.analyse(snapshot)
        if finding.analysis in GHOST_ANALYSES and finding.state == "found"
    }


def main() -> int:
    """Prints one line a cluster that went wrong, and the totals; exit code 1 when a goal is missed."""
    options = argparse.ArgumentParser()
    options.add_argument("--clusters", type=int, default=200)
    options.add_argument("--first-seed", type=int, default=1)
    options.add_argument("--verbose", action="store_true")
    options.add_argument("--mode", default="", choices=MODES, help="what stands beside the maps")
    options.add_argument("--quick", action="store_true", help="fewer clusters")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.clusters = min(chosen.clusters, 60)
    began = time.monotonic()
    right = wrong = missed = undecided = keys = ghosts = in_legitimate = 0
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.clusters):
            cluster = generate(seed, chosen.mode)
            found = scan(cluster, Path(directory))
            decidable = cluster.ghosts - cluster.undecidable
            false = found - cluster.ghosts
            lost = decidable - found
            right += len(found & cluster.ghosts)
            wrong += len(false)
            missed += len(lost)
            undecided += len(cluster.undecidable - found)
            ghosts += len(cluster.ghosts)
            keys += cluster.keys
            alarms = {truth for truth in found if truth[:2] in cluster.legitimate}
            in_legitimate += len(alarms)
            if (false or lost) and chosen.verbose:
                print(f"seed {seed}: {len(false)} false {sorted(false)[:3]}, {len(lost)} missed {sorted(lost)[:3]}")
                for note in cluster.notes:
                    print("   ", note)
    precision = right / max(1, right + wrong)
    recall = right / max(1, right + missed)
    overall = right / max(1, ghosts)
    record = {
        "bench": "ghosts", "mode": chosen.mode, "seeds": [chosen.first_seed, chosen.first_seed + chosen.clusters - 1], "keys": keys,
        "ghosts": ghosts, "found": right, "false": wrong, "missed": missed, "undecidable_not_found": undecided,
        "in_legitimate_maps": in_legitimate, "precision": round(precision, 5), "recall": round(recall, 5),
        "recall_with_undecidable": round(overall, 5), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    print(json.dumps(record))
    good = precision >= PRECISION and recall >= RECALL and in_legitimate == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
