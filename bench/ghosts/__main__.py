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

from bench.ghosts.cluster import Cluster, Truth
from bench.ghosts.clusters import generate
from bench.ghosts.surroundings import MODES
from ghostkey import api

PRECISION, RECALL = 0.999, 0.95
GHOST_ANALYSES = {"ghost-key", "tombstone"}


def scan(cluster: Cluster, directory: Path) -> tuple[set[Truth], set[Truth]]:
    """The ghosts that ghostkey reports in a cluster, read from a file as a user would give it; and what it only suspects."""
    path = directory / f"{cluster.seed}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": cluster.objects}))
    snapshot = api.collect(api.manifests([str(path)]))
    path.unlink()
    told: dict[str, set[Truth]] = {"found": set(), "suspect": set()}
    for finding in api.analyse(snapshot):
        if finding.analysis in GHOST_ANALYSES and finding.state in told:
            key = finding.key
            told[finding.state].add((key.holder.namespace, key.holder.name, key.path, key.key))
    return told["found"], told["suspect"]


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
    right = wrong = missed = undecided = keys = ghosts = in_legitimate = suspected = maps = false_maps = 0
    by_sort = {"custom": [0, 0], "built_in": [0, 0]}  # found, and decided by the dump
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.clusters):
            cluster = generate(seed, chosen.mode)
            found, suspects = scan(cluster, Path(directory))
            decidable = cluster.ghosts - cluster.undecidable
            false = found - cluster.ghosts
            lost = decidable - found
            suspected += len(suspects)
            maps += sum(one["kind"] == "ConfigMap" for one in cluster.objects)
            false_maps += len({truth[:2] for truth in false})
            for truth in decidable:
                counts = by_sort["built_in" if truth[:2] in cluster.built_in else "custom"]
                counts[0] += truth in found
                counts[1] += 1
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
        "suspects": suspected, "in_legitimate_maps": in_legitimate, "maps": maps, "maps_with_false_ghosts": false_maps,
        **{f"recall_{sort}": round(found / decided, 5) for sort, (found, decided) in by_sort.items() if decided}, "precision": round(precision, 5), "recall": round(recall, 5),
        "recall_with_undecidable": round(overall, 5), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    print(json.dumps(record))
    good = precision >= PRECISION and recall >= RECALL and in_legitimate == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
