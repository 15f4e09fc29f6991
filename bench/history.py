"""Readers of history beside their peers, on files that this makes with a real API server; and the analyses on large stores.

    python -m bench.history [--quick] [--keep DIR]

Goals: audit logs with whole maps ≥ 15 × jq and ≥ 0.4 × `wc -l`; small events ≥ 5 × jq at ≤ 150 MB; 5 % relevant ≥ 0.25 ×
grep; a snapshot, every revision of it, ≥ 0.2 × walking its pages and copying its values; a WAL ≥ 500 MB/s with its CRCs;
20 M events: each analysis ≤ 8 s, and within 1 GB of memory. Prints one JSON line for each; 1 when a goal is missed.
Readers run in processes of their own, and their time is that of reading: the events are made and dropped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.measure import best
from ghostkey.testing import ControlPlane

POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "RequestResponse"}],
}  # fmt: skip
MERGE = "application/merge-patch+json"
JQ = 'select(.objectRef.resource == "configmaps") | [.auditID, (.responseObject.data // {} | keys)]'


def say(record: dict[str, object]) -> None:
    """One line."""
    print(json.dumps({"bench": "history", **record}), flush=True)


def make(folder: Path, *, quick: bool) -> None:
    """Audit logs (whole maps, small events, few relevant ones), and the etcd data behind them."""
    whole, small, noise = (150, 4_000, 20_000) if quick else (900, 40_000, 60_000)
    with ControlPlane(audit_policy=POLICY, apiserver_flags=["--audit-log-maxsize=4000"]) as control_plane:
        maps = "/api/v1/namespaces/default/configmaps"
        connection = control_plane.connect()

        def send(method: str, path: str, body: object, kind: str = "application/json") -> None:
            connection.request(method, path, json.dumps(body), {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
            assert response.status < 300, answer[:300]

        def cut(name: str, begin: int) -> int:
            """Copies what the log has gained, once its last line is whole."""
            end = control_plane.audit_log.stat().st_size
            with control_plane.audit_log.open("rb") as source, (folder / name).open("wb") as target:
                source.seek(begin)
                target.write(source.read(end - begin).rpartition(b"\n")[0] + b"\n")
            return end

        place = control_plane.audit_log.stat().st_size
        data = {f"team-{n % 50}.tenant-{n:06d}": json.dumps({"plan": "gold", "shard": n % 8}) for n in range(3_000)}
        send("POST", maps, {"metadata": {"name": "registry"}, "data": data})
        for number in range(whole):
            change = {
                f"team-{number % 50}.tenant-{3_000 + number:06d}": '{"plan":"gold"}',
                f"team-{number % 50}.tenant-{number:06d}": None,
            }
            send("PATCH", f"{maps}/registry", {"data": change}, MERGE)
        place = cut("whole.log", place)
        for number in range(20):
            send("POST", maps, {"metadata": {"name": f"small-{number}"}, "data": {}})
        for number in range(small):
            send("PATCH", f"{maps}/small-{number % 20}", {"data": {f"key-{number % 40}": str(number)}}, MERGE)
        place = cut("small.log", place)
        leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        send("POST", leases, {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}})
        for number in range(noise):
            if number % 20 == 0:
                send("PATCH", f"{maps}/small-{number % 7}", {"data": {f"key-{number % 40}": str(number)}}, MERGE)
            else:
                send("PATCH", f"{leases}/leader", {"spec": {"holderIdentity": f"holder-{number}"}}, MERGE)
        cut("few.log", place)
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        shutil.copytree(control_plane.directory / "etcd" / "member", folder / "member")


def read(sort: str, path: str) -> None:
    """Reads one source and prints how long that took and what came out."""
    import gc

    from ghostkey.sources._open import open_source
    from ghostkey.sources._states import keyed_hash

    gc.disable()
    began = time.perf_counter()
    count = sum(1 for _ in open_source([Path(path)], sort, keyed_hash(b"bench")).events())
    print(json.dumps({"seconds": time.perf_counter() - began, "events": count}))


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


def audits(folder: Path) -> bool:
    """The three sorts of audit log beside jq, wc and grep."""
    good = True
    if shutil.which("jq") is None:
        print("skipped: jq is not on this machine", file=sys.stderr)
        return False
    for name, against in (("whole", ("jq", "wc")), ("small", ("jq",)), ("few", ("grep",))):
        path = str(folder / f"{name}.log")
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


def etcd(folder: Path) -> bool:
    """Snapshot and WAL."""
    snapshot = str(folder / "member" / "snap" / "db")
    ours, peak = inner("read", "snapshot", snapshot)
    least, _ = inner("walk", snapshot)
    ratio = float(least["seconds"]) / float(ours["seconds"])
    say(
        {
            "what": "snapshot, every revision", "mb": round(Path(snapshot).stat().st_size / 1e6, 1), "events": ours["events"],
            "seconds": round(float(ours["seconds"]), 3), "walk_and_copy_seconds": round(float(least["seconds"]), 3),
            "x_walk": round(ratio, 3), "goal": 0.2, "peak_rss_mb": peak >> 20,
        }
    )  # fmt: skip
    wal = folder / "member" / "wal"
    mega = sum(len(path.read_bytes().rstrip(b"\0")) for path in wal.glob("*.wal")) / 1e6
    ours, peak = inner("read", "wal", str(wal))
    rate = mega / float(ours["seconds"])
    say(
        {
            "what": "WAL, with CRC", "mb": round(mega, 1), "events": ours["events"], "seconds": round(float(ours["seconds"]), 3),
            "mb_per_second": round(rate), "goal": 500, "peak_rss_mb": peak >> 20,
        }
    )  # fmt: skip
    return ratio >= 0.2 and rate >= 500


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
        if not (folder / "member").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            make(folder, quick=chosen.quick)
        good = audits(folder)
        good &= etcd(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
