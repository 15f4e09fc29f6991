"""Learns what each piece of evidence weighs, over generated clusters with a known truth, and writes `weights.json`.

    python -m bench.calibrate [--clusters 2400] [--first-seed 10001]

A case (a template over the maps of one name) with lost keys is right when they are ghosts, and wrong when they are settings, or
somebody's who lives. The weights are those of a logistic regression over the levels (counting each by itself would weigh twice
what two pieces say alike), in bits, drawn towards zero where there are few cases. Seeds are others than the bench's.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import math
import multiprocessing
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.ghosts.cluster import Cluster
from bench.ghosts.clusters import generate
from bench.ghosts.surroundings import MODES
from ghostkey import api
from ghostkey.inference import evidence
from ghostkey.inference.evidence import Case, Verdict
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer

EPOCHS, STEP, RIDGE = 300, 0.5, 0.5
RIDGE_TOGETHER = 6.0  # what parts say together beyond each: drawn towards zero so hard that it takes many cases
WRONG_AT_MOST = 0.012  # of the cases above the threshold, most of which later rules still spare
CALIBRATED = [*MODES, "small", "small", "small"]  # small maps are where weighing matters
# what would be against all sense is noise, or our generator's habit: the weights of these never fall as the number rises (or rise)
RISING = {("others-alike", "alike"), ("keys-with-an-object", ""), ("family", "")}
FALLING = {("others-alike", "settings"), ("vocabulary", "")}
Feature = tuple[str, str]  # (piece, part) or (piece, parts together)
Observed = tuple[tuple[Feature, ...], bool]
_BUCKET = re.compile(r"(<|>=)?([\d.]+)(?:-[\d.]+)?")
PRIOR: Feature = ("", "prior")
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


def observed(seed: int) -> list[Observed]:
    """What each piece of evidence says of each case of a seed's cluster, and whether the case is right."""
    with tempfile.TemporaryDirectory() as directory:
        return [
            (tuple(f for name, seen in evidence.look_at(case).items() for f in evidence.features(name, seen)), is_right)
            for case, is_right in cases(generate(seed, CALIBRATED[seed % len(CALIBRATED)]), Path(directory))
        ]


def learn(found: list[Observed]) -> dict[Feature, float]:
    """The weight of each feature, and of the prior, in bits, by gradient descent with steps that shrink (AdaGrad)."""
    numbers: dict[Feature, int] = {PRIOR: 0}
    rows = collections.Counter(
        (tuple(numbers.setdefault(f, len(numbers)) for f in (PRIOR, *features) if _ridge(f) < math.inf), is_right)
        for features, is_right in found
    )
    weights, squares = [0.0] * len(numbers), [1e-8] * len(numbers)
    ridges = [_ridge(feature) for feature in numbers]
    scales = _scales(numbers)
    for _ in range(EPOCHS):
        gradient = [ridge * weight for ridge, weight in zip(ridges, weights, strict=True)]
        for (active, is_right), count in rows.items():
            bits = sum([weights[i] for i in active])
            off = count * (1 / (1 + math.exp(-max(-40.0, min(40.0, bits)))) - is_right)
            for i in active:
                gradient[i] += off
        for i, slope in enumerate(gradient):
            squares[i] += slope * slope
            weights[i] -= STEP * slope / math.sqrt(squares[i])
        for scale in scales:
            for i, weight in zip(scale, _never_falling([weights[i] for i in scale]), strict=True):
                weights[i] = weight
    return {feature: weight / math.log(2) for feature, weight in zip(numbers, weights, strict=True)}


def _ridge(feature: Feature) -> float:
    name, text = feature
    if feature == PRIOR:
        return 0.0
    if evidence.TOGETHER not in text:
        return RIDGE
    return math.inf if any(name == piece for piece, _ in RISING | FALLING) else RIDGE_TOGETHER


def _scales(numbers: dict[Feature, int]) -> list[list[int]]:
    """The features of each scale in the order in which their weights may rise."""
    scales: dict[Feature, list[tuple[float, int]]] = collections.defaultdict(list)
    for (name, text), i in numbers.items():
        words, _, figure = text.rpartition(" ")
        if (name, words) in RISING | FALLING and (lower := _BUCKET.fullmatch(figure)):
            number = -1.0 if lower[1] == "<" else float(lower[2])
            scales[name, words].append((number if (name, words) in RISING else -number, i))
    return [[i for _, i in sorted(scale)] for scale in scales.values()]


def _never_falling(weights: list[float]) -> list[float]:
    """The nearest weights that do not fall: neighbours that do are made one, as isotonic regression does."""
    pools: list[tuple[float, int]] = []
    for weight in weights:
        total, count = weight, 1
        while pools and pools[-1][0] > total / count * pools[-1][1]:
            before, many = pools.pop()
            total, count = total + before, count + many
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]


def score(weights: dict[Feature, float], found: list[Observed]) -> list[tuple[float, bool]]:
    """The bits of each case, and whether it is right."""
    return [(weights[PRIOR] + sum(weights.get(f, 0.0) for f in features), is_right) for features, is_right in found]


def threshold(scores: list[tuple[float, bool]]) -> float:
    """The fewest bits, in tenths, above which hardly any case is wrong."""
    for tenths in range(200):
        above = [is_right for score, is_right in scores if score >= tenths / 10]
        if above.count(False) <= WRONG_AT_MOST * above.count(True):
            break
    return tenths / 10


def main() -> None:
    """Collects cases, learns, and writes the weights with what they were learnt from.

    Each half of the clusters is also judged by the weights of the other half: the threshold is where those are seldom wrong.
    """
    options = argparse.ArgumentParser()
    options.add_argument("--clusters", type=int, default=2400)
    options.add_argument("--first-seed", type=int, default=10_001)
    chosen = options.parse_args()
    halves: list[list[Observed]] = [[], []]
    with multiprocessing.Pool() as pool:
        seeds = range(chosen.first_seed, chosen.first_seed + chosen.clusters)
        for place, some in enumerate(pool.imap(observed, seeds, chunksize=8)):
            halves[place // len(CALIBRATED) % 2] += some
        found = sorted(itertools.chain(*halves))  # the order of adding up is part of the result
        weights, *by_half = pool.map(learn, [found, *map(sorted, halves)], chunksize=1)
    prior = weights.pop(PRIOR)
    bits: dict[str, dict[str, float]] = {}
    for (name, text), weight in sorted(weights.items()):
        bits.setdefault(name, {})[text] = round(weight, 2) + 0.0  # no minus zero
    scores = score(by_half[0], halves[1]) + score(by_half[1], halves[0])
    proven = threshold(scores)
    above = [is_right for bits_of, is_right in scores if bits_of >= proven]
    record = {
        "learnt_from": {
            "seeds": [seeds[0], seeds[-1]], "right": sum(is_right for _, is_right in found),
            "wrong": sum(not is_right for _, is_right in found),
            "wrong_above_threshold": above.count(False), "right_above_threshold": above.count(True),
        },
        "prior": round(prior, 2),
        "proven": proven,
        "bits": bits,
    }  # fmt: skip
    WEIGHTS.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["learnt_from"]), "prior", record["prior"], "proven", proven)
    wrong = sorted((bits_of for bits_of, is_right in scores if not is_right), reverse=True)[:12]
    print("highest of the wrong ones:", [round(bits_of, 1) for bits_of in wrong])


if __name__ == "__main__":
    main()
