"""Learns what each piece of evidence weighs, over generated clusters with a known truth, and writes `weights.json`.

    python -m bench.calibrate [--clusters 400] [--first-seed 10001]

A case (a template over the maps of one name) with lost keys is right when they are ghosts, and wrong when they are settings, or
somebody's who lives. The weights are those of a logistic regression over the levels (counting each by itself would weigh twice
what two pieces say alike), in bits, drawn towards zero where there are few cases. Seeds are others than the bench's.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import multiprocessing
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.ghosts.clusters import Cluster, generate
from bench.ghosts.surroundings import MODES
from ghostkey import api
from ghostkey.inference import evidence
from ghostkey.inference.evidence import Case, Verdict
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer

EPOCHS, STEP, RIDGE = 400, 0.5, 0.5
WRONG_AT_MOST = 0.012  # of the cases above the threshold, most of which later rules still spare
CALIBRATED = [*MODES, "small", "small", "small"]  # small maps are where weighing matters
WEIGHTS = Path(evidence.__file__).parent / "weights.json"


def cases(cluster: Cluster, directory: Path) -> Iterator[tuple[Case, bool]]:
    """Every case of a cluster that was weighed, and whether it is right."""
    path = directory / f"{cluster.seed}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": cluster.objects}))
    snapshot = api.collect(api.manifests([str(path)]))
    path.unlink()
    seen: list[Case] = []

    def watch(case: Case, _: Verdict) -> None:
        seen.append(case)

    infer(snapshot, (), SubjectIndex(snapshot.subjects), None, watch)
    for case in seen:
        lost = {
            (held.holder.namespace, held.holder.name, held.path, key)
            for held in case.maps
            for key in held.keys
            if (core := case.template.core_of(key)) is not None and core not in case.live
        }
        place = {(held.holder.namespace, held.holder.name) for held in case.maps}
        right = len(lost & cluster.ghosts)
        if lost and right == 0:
            yield case, False
        elif lost and right >= 0.9 * len(lost) and not place & cluster.legitimate:
            yield case, True


def levels(seed: int) -> list[tuple[list[tuple[str, str]], bool]]:
    """What each piece of evidence says of each case of a seed's cluster, and whether the case is right."""
    with tempfile.TemporaryDirectory() as directory:
        return [
            ([(name, seen.level) for name, seen in evidence.look_at(case).items()], is_right)
            for case, is_right in cases(generate(seed, CALIBRATED[seed % len(CALIBRATED)]), Path(directory))
        ]


def learn(found: list[tuple[list[tuple[str, str]], bool]]) -> tuple[float, dict[tuple[str, str], float]]:
    """Prior and weight of each level, in bits, by gradient descent with steps that shrink (AdaGrad)."""
    weights: dict[tuple[str, str], float] = collections.defaultdict(float)
    squares: dict[tuple[str, str], float] = collections.defaultdict(lambda: 1e-8)
    prior = ("", "prior")
    for _ in range(EPOCHS):
        gradient: dict[tuple[str, str], float] = collections.defaultdict(float)
        for levels, is_right in found:
            active = [prior, *levels]
            off = 1 / (1 + math.exp(-max(-40.0, min(40.0, sum(weights[level] for level in active))))) - is_right
            for level in active:
                gradient[level] += off
        for level, slope in gradient.items():
            step = slope + RIDGE * weights[level] * (level != prior)
            squares[level] += step * step
            weights[level] -= STEP * step / math.sqrt(squares[level])
    return weights[prior] / math.log(2), {level: weight / math.log(2) for level, weight in weights.items() if level != prior}


def threshold(scores: list[tuple[float, bool]]) -> float:
    """The fewest bits, in tenths, above which hardly any case is wrong."""
    for tenths in range(200):
        above = [is_right for score, is_right in scores if score >= tenths / 10]
        if above.count(False) <= WRONG_AT_MOST * above.count(True):
            break
    return tenths / 10


def main() -> None:
    """Collects cases, learns, and writes the weights with what they were learnt from."""
    options = argparse.ArgumentParser()
    options.add_argument("--clusters", type=int, default=400)
    options.add_argument("--first-seed", type=int, default=10_001)
    chosen = options.parse_args()
    found: list[tuple[list[tuple[str, str]], bool]] = []
    with multiprocessing.Pool() as pool:
        for some in pool.imap_unordered(levels, range(chosen.first_seed, chosen.first_seed + chosen.clusters)):
            found += some
    found.sort()  # the order of adding up is part of the result
    prior, weights = learn(found)
    bits: dict[str, dict[str, float]] = {}
    for (name, level), weight in sorted(weights.items()):
        bits.setdefault(name, {})[level] = round(weight, 2)
    scores = [(prior + sum(weights[level] for level in levels), is_right) for levels, is_right in found]
    right = sum(is_right for _, is_right in found)
    proven = threshold(scores)
    record = {
        "learnt_from": {
            "seeds": [chosen.first_seed, chosen.first_seed + chosen.clusters - 1], "right": right, "wrong": len(found) - right,
            "wrong_above_threshold": sum(score >= proven and not is_right for score, is_right in scores),
            "right_above_threshold": sum(score >= proven and is_right for score, is_right in scores),
        },
        "prior": round(prior, 2),
        "proven": proven,
        "bits": bits,
    }  # fmt: skip
    WEIGHTS.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))
    wrong = sorted((score for score, is_right in scores if not is_right), reverse=True)[:12]
    print("highest of the wrong ones:", [round(score, 1) for score in wrong])


if __name__ == "__main__":
    main()
