"""Fills maps on a real API server until it refuses, and asks the forecast for the limit when they were an eighth full.

    python -m bench.fills [--ways apply,put …] [--value-bytes 5 …]

A way is how the map is written, a fill a way with values of one size. Asked: in every fill the limit that binds is the one by which
the server refused, within 5 % of where it did. Prints one JSON line for each fill; exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ghostkey import story
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story.limits import limits
from ghostkey.testing import ControlPlane
from ghostkey.testing.binaries import binary

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
VALUE_BYTES = (5, 20, 60, 200)
NEAR = 0.05
POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "RequestResponse", "resources": [{"group": "", "resources": ["configmaps"]}]},
              {"level": "None"}],
}  # fmt: skip


class RefusedError(Exception):
    """The API server took a map of so many keys no longer; the text is its own."""


def keys_of(count: int) -> list[str]:
    return [f"team-{n:05d}.tenant-number-{n:08d}" for n in range(count)]


class Filler:
    """Writes the map `name` as a whole, with so many keys, in one way."""

    def __init__(self, control_plane: ControlPlane, name: str, value_bytes: int) -> None:
        self.control_plane, self.name, self.value = control_plane, name, "v" * value_bytes
        control_plane.request("POST", MAPS, {"metadata": {"name": name}, "data": {}})

    def body(self, count: int) -> dict[str, object]:
        data = dict.fromkeys(keys_of(count), self.value)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.name, "namespace": "default"}, "data": data}

    def send(self, method: str, body: object, kind: str = "application/json", query: str = "") -> None:
        status, answer = self.control_plane.raw(method, f"{MAPS}/{self.name}{query}", json.dumps(body).encode(), kind)
        if status >= 400:
            raise RefusedError(json.loads(answer).get("message", answer.decode()))

    def put(self, count: int) -> None:
        self.send("PUT", self.body(count))

    def merge(self, count: int) -> None:
        self.send("PATCH", {"data": self.body(count)["data"]}, MERGE)

    def apply(self, count: int, managers: Sequence[str] = ("operator",)) -> None:
        for manager in managers:
            self.send("PATCH", self.body(count), APPLY, f"?fieldManager={manager}&force=true")

    def apply_by_two(self, count: int) -> None:
        self.apply(count, ("gitops", "operator"))

    def kubectl_apply(self, count: int) -> None:
        words = [str(binary("kubectl")), f"--kubeconfig={self.control_plane.kubeconfig}", "apply", "-f", "-"]
        done = subprocess.run(words, input=json.dumps(self.body(count)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefusedError(done.stderr.strip())


WAYS: dict[str, Callable[[Filler, int], None]] = {
    "put": Filler.put, "merge-patch": Filler.merge, "apply-by-one": Filler.apply, "apply-by-two": Filler.apply_by_two,
    "kubectl-apply": Filler.kubectl_apply,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fill:
    """How many keys a map had when the server refused more, by what, and what the forecast had told."""

    way: str
    value_bytes: int
    keys: int
    refused: str
    told: str
    told_keys: int

    @property
    def error(self) -> float:
        """How much too late the forecast was, as a share; negative: too early."""
        return self.told_keys / self.keys - 1

    @property
    def is_right(self) -> bool:
        """Whether the limit is the one that the server named, and where it was met."""
        return abs(self.error) <= NEAR and self.told in named_by(self.refused)


def named_by(message: str) -> tuple[str, ...]:
    """The limits that the server's words may mean: etcd's is the same with and without managedFields."""
    if "annotations" in message:
        return ("annotation of kubectl apply/256 KiB",)
    if "request is too large" in message:
        return "stored object/1.5 MiB", "stored object with managedFields/1.5 MiB"
    return ("values/1 MiB",)


def fill(control_plane: ControlPlane, way: str, value_bytes: int, folder: Path) -> Fill:
    """Fills one map by halving steps until one more percent of it is refused."""
    filler = Filler(control_plane, f"full-{way}-{value_bytes}", value_bytes)
    begin = control_plane.audit_log.stat().st_size
    held, step, marks, refused = 0, 250, [], ""
    while step > max(10, held // 200):
        try:
            WAYS[way](filler, held + step)
        except RefusedError as error:
            refused = str(error)
            step //= 2
            continue
        held += step
        control_plane.wait_until(lambda: control_plane.audit_log.read_bytes()[-1:] == b"\n", "the log has whole lines")
        marks.append((held, control_plane.audit_log.stat().st_size))
        step = step if refused else max(250, held // 4)
    early = next(size for count, size in marks if count >= held // 8)
    log = folder / f"{way}-{value_bytes}.log"
    with control_plane.audit_log.open("rb") as handle:
        handle.seek(begin)
        log.write_bytes(handle.read(early - begin))
    told = limits_told(log, filler.name, folder / f"store-{way}-{value_bytes}")
    binding = min(told, key=told.__getitem__)
    return Fill(way, value_bytes, held, refused, binding, int(told[binding] / (len(keys_of(1)[0]) + value_bytes)))


def limits_told(log: Path, name: str, folder: Path) -> dict[str, float]:
    """What the story of a log says of the limits of a map."""
    store = History(folder)
    story.import_paths(store, [log])
    engine = DuckEngine(store)
    holder = ("configmaps", "default", name)
    story.prepare(engine, only=holder)
    told = story.story_of(engine, *holder)
    present = [row for row in told.keys if row["is_present"]]
    return limits([row["key"] for row in present], [row["value_bytes"] for row in present], told.size)


def main() -> int:
    """Fills maps in every way that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--value-bytes", nargs="*", type=int, default=list(VALUE_BYTES))
    asked = parser.parse_args()
    missed = 0
    with (
        ControlPlane(audit_policy=POLICY, apiserver_flags=["--audit-log-maxsize=4000"]) as control_plane,
        tempfile.TemporaryDirectory() as folder,
    ):
        for way in asked.ways:
            for value_bytes in asked.value_bytes:
                found = fill(control_plane, way, value_bytes, Path(folder))
                missed += not found.is_right
                print(json.dumps({"way": way, "value_bytes": value_bytes, "keys": found.keys, "told_keys": found.told_keys,
                                  "error": round(found.error, 4), "limit": found.told, "refused": found.refused[-160:],
                                  "is_right": found.is_right}), flush=True)  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
