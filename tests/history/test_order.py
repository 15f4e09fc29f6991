"""Events that a collector put into one file, or that somebody put one behind the other, tell what the servers' own logs tell."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.history import KeyEvent
from ghostkey.sources.history.audit.files import SAMPLES, TAIL_BYTES, probe
from ghostkey.sources.history.audit.forms import form_of
from ghostkey.sources.history.audit.order import Order
from tests.history.lines import LogWriter, at
from tests.history.shop import Shop, events, gaps, told


def story_lines() -> list[bytes]:
    """Each key is written, its subject goes, and another spelling of it is removed, all within seconds."""
    log = Shop()
    lines = log.begin()
    for number, name in enumerate(log.names[:5]):
        second = 20 + 0.2 * number
        lines += [
            log.subject(second, "delete", "t1", name),
            log.patch(second + 0.05, "shop", "m", {name: None}),
            log.patch(second + 0.1, "shop", "m", {f"new-{number}": "v"}),
        ]
    return [*lines, log.patch(40, "shop", "m", {"last": "1"})]


def moved(line: bytes, seconds: float) -> bytes:
    event = json.loads(line)
    base = (int(event["requestReceivedTimestamp"][17:19]) + 60 * int(event["requestReceivedTimestamp"][14:16])) + float(
        "0" + event["requestReceivedTimestamp"][19:-1]
    )
    event |= {"requestReceivedTimestamp": at(base + seconds), "stageTimestamp": at(base + seconds + 0.002)}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def time_of(line: bytes) -> str:
    return str(json.loads(line)["stageTimestamp"])


def of_collector(lines: list[bytes], seed: int) -> list[bytes]:
    """The lines of three servers, whose clocks differ, by their times."""
    rng = random.Random(seed)
    clocks = [rng.uniform(-0.45, 0.45) for _ in range(3)]
    return sorted((moved(line, rng.choice(clocks)) for line in lines), key=time_of)


PUT_TOGETHER: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "twice": lambda lines: [*lines, *lines],
    "overlapping": lambda lines: [*lines[:25], *lines[10:]],
    "the later one first": lambda lines: [*lines[20:], *lines[:20]],
    "two servers, one behind the other": lambda lines: [*lines[::2], *lines[1::2]],
    "a collector's": lambda lines: of_collector(lines, 1),
    "another collector's": lambda lines: of_collector(lines, 2),
}


def classes(folder: Path, lines: list[bytes]) -> tuple[dict[str, tuple[str, str]], dict[tuple[str, str], int]]:
    folder.mkdir()
    story = told(folder, lines)
    return (
        {row["key"]: (row["class"], row["confidence"]) for row in story.ghosts},
        {(row["user"], row["op"]): row["events"] for row in story.writers},
    )


@pytest.mark.whole(but=["bare-twice", "wrapped-twice"])
@pytest.mark.parametrize("how", PUT_TOGETHER)
@pytest.mark.parametrize("form", ["bare", "wrapped"])
def test_one_file_of_several_logs_tells_what_they_tell(tmp_path: Path, how: str, form: str) -> None:
    lines = story_lines()
    together = PUT_TOGETHER[how](lines)
    if form == "wrapped":
        together = [json.dumps({"properties": {"log": line.decode()}}).encode() + b"\n" for line in together]
    right = classes(tmp_path / "right", lines)
    assert len(right[0]) == 5
    assert set(right[0].values()) == {("wrong-key-name", "high")}
    assert classes(tmp_path / "made", together) == right


def test_copies_far_behind_the_beginning_are_found(tmp_path: Path) -> None:
    log = LogWriter()
    lines = [log.patch(second / 10, "shop", "m", {"a": "x" * 2_000 + str(second)}) for second in range(3_000)]
    path = tmp_path / "all.log"
    path.write_bytes(b"".join(lines + lines[1_500:]))
    assert path.stat().st_size > SAMPLES * TAIL_BYTES
    assert not probe(path).is_ordered  # type: ignore[union-attr]
    path.write_bytes(b"".join(lines))
    file: Any = probe(path)
    assert (file.is_ordered, file.is_mixed, file.can_divide) == (True, False, True)


def test_a_few_older_events_at_the_end_are_found(tmp_path: Path) -> None:
    """Behind what is looked at of a file's beginning, in a small one and in a large one."""
    log = LogWriter()
    path = tmp_path / "all.log"
    for size in (10, 2_000):
        lines = [log.patch(second / 10, "shop", "m", {"a": "x" * size + str(second)}) for second in range(1_200)]
        path.write_bytes(b"".join(lines))
        assert probe(path).is_ordered  # type: ignore[union-attr]
        path.write_bytes(b"".join(lines + lines[1_000:1_010]))
        file: Any = probe(path)
        assert file.is_mixed or not file.is_ordered, path.stat().st_size


@pytest.mark.parametrize("said", ["see auditID: 5", "- auditID: x", "a,b\tauditID: x"])
@pytest.mark.parametrize("form", ["bare", "wrapped"])
def test_what_a_value_says_makes_no_yaml_of_a_log(tmp_path: Path, said: str, form: str) -> None:
    log = Shop()
    right = [*log.begin(), log.patch(20, "shop", "m", {"note": "v"}), log.patch(30, "shop", "m", {"note": None})]
    log = Shop()
    lines = [*log.begin(), log.patch(20, "shop", "m", {"note": said}), log.patch(30, "shop", "m", {"note": None})]
    if form == "wrapped":
        lines = [json.dumps({"properties": {"log": line.decode()}}).encode() + b"\n" for line in lines]
    lines.append(b"auditID: what a person wrote below\n")
    assert form_of(b"".join(lines)) is None
    (tmp_path / "right").mkdir()
    (tmp_path / "made").mkdir()
    changes = [
        [(one.op, one.key) for one in events(tmp_path / where, made) if isinstance(one, KeyEvent)]
        for where, made in (("right", right), ("made", lines))
    ]
    assert changes[0]
    assert changes[0] == changes[1]


def test_writes_that_one_server_answered_at_one_moment_are_no_other_servers(tmp_path: Path) -> None:
    log = LogWriter()
    lines = [log.patch(second, "shop", "m", {"a": str(second)}) for second in range(4)]
    lines[1:3] = [moved(lines[2], -0.995), lines[1]]
    order = Order()
    for line in lines:
        order.add(line)
    assert (order.is_mixed, order.is_ordered) == (False, True)


def test_creation_that_comes_late_takes_nothing_back(tmp_path: Path) -> None:
    log = LogWriter()
    made = log.patch(0, "shop", "m", {"a": "1"})
    event = json.loads(made) | {"verb": "create", "requestObject": {"data": {"a": "1"}}}
    later = [log.patch(0.001 * number, "shop", "m", {f"k{number}": "v"}) for number in range(3)]
    found = events(
        tmp_path, [*later, json.dumps(event, separators=(",", ":")).encode() + b"\n", log.patch(9, "shop", "m", {"b": "1"})]
    )
    assert [(one.op, one.key) for one in found if isinstance(one, KeyEvent) and one.op == "delete"] == []
    assert gaps(found) == []
