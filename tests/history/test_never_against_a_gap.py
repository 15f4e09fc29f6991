"""Random histories with random holes and levels: no class is told that could not be known, by a model of twenty lines."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.states import KeyedHash
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from tests.history.lines import LogWriter

MAPS, SECONDS, STEP = 40, 600, 2
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"]


def history(seed: int, folder: Path) -> tuple[list[Path], dict[str, tuple[str, ...]]]:
    """Files with holes between them, and for each key that stays after its subject the classes that may be told."""
    rng, log = random.Random(seed), LogWriter()
    steps: list[tuple[float, bytes]] = [
        (s, log.patch(s, "noise", "clock", {"tick": str(s)})) for s in range(0, SECONDS + 1, STEP)
    ]
    ends: dict[str, tuple[float, str]] = {}  # key → (end of its subject, what was tried and is in the log)
    hidden: dict[str, list[float]] = {}  # key → times of writes that the level hides
    begins = sorted(rng.sample(range(60, SECONDS - 60), rng.randrange(3)))
    holes = [(begin, begin + rng.randint(25, 80)) for begin in begins]

    def is_lost(second: float) -> bool:
        return any(begin <= second <= end for begin, end in holes)

    for number in range(MAPS):
        space, name = f"ns-{number}", f"map-{number}"
        level = rng.choice(["RequestResponse", "RequestResponse", "Metadata"])
        second, change = rng.uniform(1, 20), rng.uniform(100, SECONDS)  # the policy becomes another one now and then
        subjects = [f"{word}-{rng.randrange(10**6)}" for word in WORDS]
        for subject in subjects:
            steps.append((second, log.subject(second, "create", space, subject)))
            steps.append((second + 0.1, log.patch(second + 0.1, space, name, {f"{space}.{subject}": "v"})))
            second += 1
        for subject in rng.sample(subjects, 3):
            second = max(second + 1, rng.uniform(second, SECONDS - 30))
            key, tried = (
                f"{space}.{subject}",
                rng.choice(["no-delete", "no-delete", "wrong-key-name", "delete-failed", "removed"]),
            )
            now = "Metadata" if level == "Metadata" and second > change else "RequestResponse"
            steps.append((second, log.subject(second, "delete", space, subject)))
            after = second + rng.uniform(0.1, 3)
            if tried == "wrong-key-name":
                steps.append((after, log.patch(after, space, name, {subject: None}, level=now)))
            elif tried == "delete-failed":
                steps.append((after, log.patch(after, space, name, {key: None}, level=now, code=403)))
            elif tried == "removed":
                steps.append((after, log.patch(after, space, name, {key: None}, level=now)))
            if tried != "no-delete" and now == "Metadata" and tried != "delete-failed":
                hidden.setdefault(space, []).append(after)
            is_told = tried != "no-delete" and now != "Metadata" and not is_lost(after)
            if not is_lost(second) and not (tried == "removed" and is_told):
                ends[key] = (second, tried if is_told else "")
    # the model: where all was seen nobody tried; else only what was seen may be told
    may: dict[str, tuple[str, ...]] = {}
    for key, (second, told) in ends.items():
        blind = any(end >= second for _, end in holes) or any(at >= second for at in hidden.get(key.partition(".")[0], ()))
        # a write that was lost before is noticed by the next one, and when it was nobody knows
        may[key] = (told,) if told else ("unknown",) if blind else ("no-delete", "unknown") if holes else ("no-delete",)
    files: list[list[bytes]] = [[] for _ in range(len(holes) + 1)]
    for second, line in sorted(steps):
        if not is_lost(second):
            files[sum(second > end for _, end in holes)].append(line)
    paths = [folder / f"{rng.randrange(10**9)}-{number}.log" for number, _ in enumerate(files)]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(b"".join(lines))
    return paths, may


@pytest.mark.parametrize("batch", range(4))
def test_no_class_is_told_against_a_gap(tmp_path: Path, batch: int, scale: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(batch * 100, batch * 100 + (3 if scale == 1 else 63)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths, may = history(seed, folder)
        store = History(folder / "store")
        store.add("log", "audit", "log", AuditLog(paths, KeyedHash(b"k")).events())
        engine = DuckEngine(store)
        story.prepare(engine)
        rows = engine.rows("SELECT key, class, confidence FROM missed_deletion")
        for row in rows:
            assert row["class"] in may[row["key"]], (seed, row, may[row["key"]])
            assert (row["confidence"] == "none") == (row["class"] == "unknown")
        told.update(row["class"] for row in rows)
    # and where it can be known it is said
    assert min(told[name] for name in ("unknown", "no-delete", "wrong-key-name", "delete-failed")) > 5, told
