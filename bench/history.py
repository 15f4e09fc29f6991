"""Readers of history beside their peers, on files that this makes with a real API server; and the analyses on large stores.

    python -m bench.history [--quick] [--keep DIR]

Goals: audit logs with whole maps ≥ 15 × jq and ≥ 0.4 × `wc -l`; small events ≥ 5 × jq at ≤ 150 MB; 5 % relevant ≥ 0.25 ×
grep; each of these in another record ≥ 0.5 × bare, bytes a second; a snapshot, every revision of it, ≥ 0.2 × walking its pages and copying its values; a WAL ≥ 500 MB/s with its CRCs;
20 M events: each analysis ≤ 8 s, and within 1 GB of memory. Prints one JSON line for each; 1 when a goal is missed.
Readers run in processes of their own, and their time is that of reading: the events are made and dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measure import best
from ghostkey.store.history import Parts
from ghostkey.testing import ControlPlane

POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "RequestResponse"}],
}  # fmt: skip
JQ = 'select(.objectRef.resource == "configmaps") | [.auditID, (.responseObject.data // {} | keys)]'


def say(record: dict[str, object]) -> None:
    """One line."""
    print(json.dumps({"bench": "history", **record}), flush=True)


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[tuple[Callable[..., None], Callable[[str], None]]]:
    """A control plane whose etcd data end up in `folder`/member; yields `send` a request and `cut` what the log gained."""
    # nothing may be compacted while the history is made
    flags = ["--audit-log-maxsize=4000", "--etcd-compaction-interval=0s"]
    with ControlPlane(audit_policy=POLICY, apiserver_flags=flags) as control_plane:
        connection = control_plane.connect()
        begin = control_plane.audit_log.stat().st_size

        def send(method: str, path: str, body: object, kind: str = "application/json") -> None:
            connection.request(method, path, json.dumps(body), {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
            assert response.status < 300, answer[:300]

        def cut(name: str) -> None:
            nonlocal begin
            end = control_plane.audit_log.stat().st_size
            with control_plane.audit_log.open("rb") as source, (folder / name).open("wb") as target:
                source.seek(begin)
                target.write(source.read(end - begin).rpartition(b"\n")[0] + b"\n")
            begin = end

        yield send, cut
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        shutil.copytree(control_plane.directory / "etcd" / "member", folder / "member")


MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def make_grown(folder: Path, *, quick: bool) -> None:
    """Maps that do not stop growing, by every sort of write: an audit log of whole maps, and the etcd data behind it."""
    scale = 10 if quick else 1
    with _server(folder) as (send, cut):
        data = {f"team-{n % 50}.tenant-{n:06d}": json.dumps({"plan": "gold", "shard": n % 8}) for n in range(500)}
        for name in ("leak", "whole", "applied"):
            send("POST", MAPS, {"metadata": {"name": name}, "data": data})
        for number in range(2_800 // scale):
            key = f"team-{number % 50}.tenant-{500 + number:06d}"
            send("PATCH", f"{MAPS}/leak", {"data": {key: '{"plan":"gold"}'}}, "application/merge-patch+json")
            if number % 10 == 9:
                remove = [{"op": "remove", "path": f"/data/{key}"}]
                send("PATCH", f"{MAPS}/leak", remove, "application/json-patch+json")
        for number in range(1_400 // scale):
            data[f"team-{number % 50}.tenant-{500 + number:06d}"] = '{"plan":"silver"}'
            send("PUT", f"{MAPS}/whole", {"metadata": {"name": "whole"}, "data": data})
        for number in range(250 // scale):
            mine = {f"applied-{n:04d}": "yes" for n in range(number + 1)}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": mine}
            send("PATCH", f"{MAPS}/applied?fieldManager=bench", body, "application/apply-patch+yaml")
        cut("whole.log")
        for number in range(1_000 // scale):
            values = {f"setting-{n}": f"value {n} of {number}" for n in range(20)}
            send("POST", MAPS, {"metadata": {"name": f"settings-{number}"}, "data": values})


def make_small(folder: Path, *, quick: bool) -> None:
    """Small maps written often, then the same among twenty times as much that is no map."""
    small, noise = (6_000, 20_000) if quick else (120_000, 100_000)
    with _server(folder) as (send, cut):
        for number in range(20):
            send("POST", MAPS, {"metadata": {"name": f"small-{number}"}, "data": {}})
        for number in range(small):
            change = {"data": {f"key-{number % 40}": str(number)}}
            send("PATCH", f"{MAPS}/small-{number % 20}", change, "application/merge-patch+json")
        cut("small.log")
        send("POST", LEASES, {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}})
        for number in range(noise):
            if number % 20 == 0:
                change = {"data": {f"key-{number % 40}": str(number)}}
                send("PATCH", f"{MAPS}/small-{number % 7}", change, "application/merge-patch+json")
            else:
                change = {"spec": {"holderIdentity": f"holder-{number}"}}
                send("PATCH", f"{LEASES}/leader", change, "application/merge-patch+json")
        cut("few.log")


class Counted(Parts):
    """Counts the events of a helper and drops them."""

    @contextlib.contextmanager
    def writer(self, number: int) -> Iterator[Callable[[object], None]]:
        """Takes events."""
        count = 0

        def add(_: object) -> None:
            nonlocal count
            count += 1

        yield add
        (self.directory / f"{number}.count").write_text(str(count))

    def count(self, table: str = "") -> int:
        """Events that helpers read."""
        return sum(int(path.read_text()) for path in self.directory.glob("*.count"))


def read(sort: str, path: str) -> None:
    """Reads one source as an import does, and prints how long that took and what came out."""
    import gc

    from ghostkey.sources.history.audit.log import AuditLog
    from ghostkey.sources.history.facts import KeyedHash
    from ghostkey.sources.history.open import open_source

    gc.disable()
    source = open_source([Path(path)], sort, KeyedHash(b"bench"))
    with tempfile.TemporaryDirectory(prefix="ghostkey-bench-") as temporary:
        parts = Counted(Path(temporary))
        began = time.perf_counter()
        processes = len(os.sched_getaffinity(0))
        events = source.events(parts, processes) if isinstance(source, AuditLog) else source.events()
        count = sum(1 for _ in events)
        print(json.dumps({"seconds": time.perf_counter() - began, "events": count + parts.count()}))


def walk(path: str) -> None:
    """The least that anybody does to a snapshot: walks its leaves and copies each value."""
    import mmap

    began = time.perf_counter()
    total = 0
    with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = struct.unpack_from("<I", data, 16 + 8)[0]
        for page in range(2, len(data) // size):
            number, flags, count, _ = struct.unpack_from("<QHHI", data, page * size)
            if number != page or flags != 2:
                continue
            for place in range(page * size + 16, page * size + 16 + 16 * count, 16):
                _, offset, key_bytes, value_bytes = struct.unpack_from("<IIII", data, place)
                begin = place + offset
                if key_bytes in (17, 18):
                    total += len(bytes(data[begin + key_bytes : begin + key_bytes + value_bytes]))
    print(json.dumps({"seconds": time.perf_counter() - began, "bytes": total}))


def inner(*words: str, runs: int = 3) -> tuple[dict[str, float], int]:
    """The fastest of several runs of one of the above, and the least peak of memory."""
    command = [sys.executable, "-m", "bench.history", *words]
    outs = [json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(runs)]
    return min(outs, key=lambda out: float(out["seconds"])), best(command, runs=1).peak_rss_bytes


def peer(command: Sequence[str]) -> float:
    """Seconds of the fastest of three runs."""
    return best(command).seconds


AUDITS = (("grown", "whole", ("jq", "wc")), ("small", "small", ("jq",)), ("small", "few", ("grep",)))


def audits(folder: Path) -> bool:
    """The three sorts of audit log beside jq, wc and grep."""
    good = True
    if shutil.which("jq") is None:
        print("skipped: jq is not on this machine", file=sys.stderr)
        return False
    for where, name, against in AUDITS:
        path = str(folder / where / f"{name}.log")
        mega = Path(path).stat().st_size / 1e6
        ours, peak = inner("read", "audit", path)
        seconds = float(ours["seconds"])
        record: dict[str, object] = {
            "what": f"audit, {name}", "mb": round(mega, 1), "events": ours["events"], "seconds": round(seconds, 3),
            "mb_per_second": round(mega / seconds), "peak_rss_mb": peak >> 20,
        }  # fmt: skip
        commands = {
            "jq": ["jq", "-c", JQ, path],
            "wc": ["wc", "-l", path],
            "grep": ["grep", "-c", '"resource":"configmaps"', path],
        }
        goals = {"jq": 15.0 if name == "whole" else 5.0, "wc": 0.4, "grep": 0.25}
        for tool in against:
            ratio = peer(commands[tool]) / seconds
            record |= {f"x_{tool}": round(ratio, 2), f"goal_{tool}": goals[tool]}
            good &= ratio >= goals[tool]
        if name == "small":
            good &= peak <= 150 << 20
        say(record)
    return good


STAMP = "2026-11-27T15:00:00.123456789Z"
WRAPPINGS: dict[str, Callable[[str], str]] = {
    "CRI": lambda event: f"{STAMP} stdout F {event}",
    "docker": lambda event: json.dumps({"log": event + "\n", "stream": "stdout", "time": STAMP}, separators=(",", ":")),
    "AKS": lambda event: json.dumps({"time": STAMP, "category": "kube-audit", "properties": {"log": event, "pod": "a"}}),
}


def wrapped(folder: Path) -> bool:
    """The same logs as others export them, against the bare ones."""
    good = True
    for where, name, _ in AUDITS:
        path = folder / where / f"{name}.log"
        rate = path.stat().st_size / float(inner("read", "audit", str(path))[0]["seconds"])
        ratios = {}
        for words, wrap in WRAPPINGS.items():
            copy = folder / "wrapped.log"
            with path.open() as source, copy.open("w") as target:
                target.writelines(wrap(line.rstrip("\n")) + "\n" for line in source)
            ratios[words] = copy.stat().st_size / float(inner("read", "audit", str(copy))[0]["seconds"]) / rate
            copy.unlink()
        good &= min(ratios.values()) >= 0.5
        say({"what": f"audit, {name}, wrapped", "goal": 0.5, **{words: round(ratio, 2) for words, ratio in ratios.items()}})
    return good


def etcd(folder: Path) -> bool:
    """Snapshot and WAL; the goals are for maps that grew, and small maps are shown beside them."""
    good = True
    for where in ("grown", "small"):
        snapshot = str(folder / where / "member" / "snap" / "db")
        ours, peak = inner("read", "snapshot", snapshot)
        least, _ = inner("walk", snapshot)
        ratio = float(least["seconds"]) / float(ours["seconds"])
        say(
            {
                "what": f"snapshot, every revision, {where}", "mb": round(Path(snapshot).stat().st_size / 1e6, 1),
                "events": ours["events"], "seconds": round(float(ours["seconds"]), 3),
                "walk_and_copy_seconds": round(float(least["seconds"]), 3), "x_walk": round(ratio, 3),
                "peak_rss_mb": peak >> 20, **({"goal": 0.2} if where == "grown" else {}),
            }
        )  # fmt: skip
        wal = folder / where / "member" / "wal"
        mega = sum(len(path.read_bytes().rstrip(b"\0")) for path in wal.glob("*.wal")) / 1e6
        ours, peak = inner("read", "wal", str(wal))
        rate = mega / float(ours["seconds"])
        say(
            {
                "what": f"WAL, with CRC, {where}", "mb": round(mega, 1), "events": ours["events"],
                "seconds": round(float(ours["seconds"]), 3), "mb_per_second": round(rate), "peak_rss_mb": peak >> 20,
                **({"goal": 500} if where == "grown" else {}),
            }
        )  # fmt: skip
        good &= where != "grown" or (ratio >= 0.2 and rate >= 500)
    return good


def main() -> int:
    """Runs everything, or one of the readers for the above."""
    match sys.argv[1:]:
        case ["read", sort, path]:
            read(sort, path)
            return 0
        case ["walk", path]:
            walk(path)
            return 0
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    options.add_argument("--keep", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ghostkey-bench-") as temporary:
        folder = chosen.keep or Path(temporary)
        for name, make in (("grown", make_grown), ("small", make_small)):
            if not (folder / name / "member").is_dir():
                (folder / name).mkdir(parents=True, exist_ok=True)
                make(folder / name, quick=chosen.quick)
        good = all([audits(folder), wrapped(folder), etcd(folder)])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
