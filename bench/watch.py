"""What `ghostkey watch` costs beside a cluster of 10,000 maps and 1,000,000 keys with 50 changes a second, and how old its metrics are.

    python -m bench.watch [--quick] [--family] [--record] [SECONDS]

Goals: at most 300 MB, 0.3 of a core, metrics at most 1 s old after a burst of changes, and no ghost, since there is none. Prints one JSON
line; exit code 1 when a goal is missed. The age is that of keys and bytes; ghosts are as old as the last look, whose age and length are told beside it.
With `--family` all maps of a namespace are registries of its tenants, and of one family; with `--record` history is recorded beside it.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

from ghostkey.testing import ControlPlane, testbed_directory

NAMESPACES, MAPS, KEYS = 100, 100, 100  # each namespace has 100 tenants
REGISTRIES = 10  # of a namespace's maps have a key for each of its tenants; in the others no name stands
CHANGES = 50  # a second
RSS_GOAL, CORE_GOAL, AGE_GOAL = 300 << 20, 0.3, 1.0
MERGE = "application/merge-patch+json"
TICKS = os.sysconf("SC_CLK_TCK")


def fill(plane: ControlPlane, namespaces: int, registries: int) -> None:
    """Tenants, maps with a key for each tenant of their namespace, and maps of settings."""
    crd = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
    plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    tenants = "/apis/demo.ghostkey.dev/v1"
    plane.wait_until(lambda: plane.raw("GET", f"{tenants}/tenants")[0] == 200, "the Tenant CRD is served")
    names = [f"team-{number}" for number in range(namespaces)]
    plane.create_many([("/api/v1/namespaces", {"metadata": {"name": name}}) for name in names])
    head = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "spec": {"plan": "gold"}}
    plane.create_many(
        [
            (f"{tenants}/namespaces/{name}/tenants", {**head, "metadata": {"name": f"tenant-{name}-{number}"}})
            for name in names
            for number in range(KEYS)
        ]
    )
    maps = []
    for name in names:
        for number in range(MAPS):
            keys = [f"{name}.tenant-{name}-{key}" for key in range(KEYS)] if number < registries else settings(number)
            maps.append(
                (
                    f"/api/v1/namespaces/{name}/configmaps",
                    {"metadata": {"name": map_name(number, registries)}, "data": dict.fromkeys(keys, "gold")},
                )
            )
    plane.create_many(maps)


def settings(number: int) -> list[str]:
    """Keys of a map in which no name stands, as most are."""
    return [f"option-{number}-{key}" for key in range(KEYS)]


def map_name(number: int, registries: int = REGISTRIES) -> str:
    """The names of a namespace's maps; the first of them are of registries, which are all of one family where all are."""
    if registries == MAPS:
        return f"registry-{number}"
    return f"registry-of-{'abcdefghij'[number]}" if number < registries else f"settings-{number}"


class Watched:
    """The watcher's process."""

    def __init__(self, kubeconfig: Path, state: str, *words: str) -> None:
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "GHOSTKEY_STATE": state}
        command = [sys.executable, "-m", "ghostkey", "watch", "--listen", "127.0.0.1:0", *words]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        while not (found := re.search(r"(http://\S+)/metrics", self.process.stderr.readline())):
            assert self.process.poll() is None
        self.url = found[1]

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, name: str) -> int:
        return int(re.findall(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())[0]) << 10

    def keys(self) -> dict[str, str]:
        return dict(
            re.findall(
                r'^ghostkey_map_keys\{namespace="([^"]+",map="configmaps/[-a-z0-9]+)"\} (\d+)$', self.get("/metrics"), re.M
            )
        )


def change(plane: ControlPlane, place: tuple[int, str], key: str, value: str | None) -> None:
    """Sets or takes away one key of a map."""
    path = f"/api/v1/namespaces/team-{place[0]}/configmaps/{place[1]}"
    status, answer = plane.raw("PATCH", path, json.dumps({"data": {key: value}}).encode(), MERGE)
    assert status == 200, answer


def main() -> int:
    """Prints the line."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    namespaces = 10 if "--quick" in sys.argv else NAMESPACES
    seconds = numbers[0] if numbers else 60
    chance = random.Random(15)
    registries = MAPS if "--family" in sys.argv else REGISTRIES
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as state:
        fill(plane, namespaces, registries)
        began = time.monotonic()
        words = ("--record", f"{state}/store", "--record-every", "30s") if "--record" in sys.argv else ()
        watched = Watched(plane.kubeconfig, state, *words)
        plane.wait_until(lambda: watched.get("/readyz") == "ok\n", "the watcher has looked")
        record: dict[str, object] = {
            "bench": "watch",
            "maps": namespaces * MAPS,
            "keys": namespaces * MAPS * KEYS,
            "registries": namespaces * registries,
            "is_recorded": bool(words),
            "cpus": os.cpu_count(),
        }
        record |= {"ready_seconds": round(time.monotonic() - began, 1), "ready_rss_mb": watched.memory("VmRSS") >> 20}
        places = [(a, map_name(b, registries)) for a in range(namespaces) for b in range(MAPS)]

        # steady changes, a scrape every 15 s as Prometheus does
        began, cpu, done, next_scrape = time.monotonic(), watched.cpu_seconds(), 0, 0.0
        while (now := time.monotonic() - began) < seconds:
            if now >= next_scrape:
                watched.get("/metrics")
                next_scrape += 15
            if done < now * CHANGES:
                change(plane, chance.choice(places), f"x-{done % 7}", None if done % 3 == 0 else "gold")
                done += 1
            else:
                time.sleep(done / CHANGES - now if done / CHANGES > now else 0)
        took = time.monotonic() - began
        cores = (watched.cpu_seconds() - cpu) / took
        text = watched.get("/metrics")
        ghosts = sum(map(float, re.findall(r"^ghostkey_(?:ghost|suspect)_keys\{[^}]*\} (\S+)", text, re.M)))
        look = float(re.findall(r"^ghostkey_look_seconds (\S+)", text, re.M)[0])
        record |= {
            "seconds": round(took),
            "changes_per_second": round(done / took, 1),
            "cores": round(cores, 3),
            "look_seconds": round(look, 2),
            "ghosts": int(ghosts),
        }
        record["ghosts_age_seconds"] = round(
            time.time() - float(re.findall(r"^ghostkey_last_look_timestamp_seconds (\S+)", text, re.M)[0]), 1
        )

        # bursts: how long until every change of one is in the metrics
        ages = []
        for burst in range(5):
            before = watched.keys()
            chosen = chance.sample(places, CHANGES)
            for place in chosen:
                change(plane, place, f"burst-{burst}", "gold")
            wrote = time.monotonic()
            wanted = {f'team-{a}",map="configmaps/{b}' for a, b in chosen}
            while True:
                after = watched.keys()
                age = time.monotonic() - wrote
                if all(int(after[name]) == int(before[name]) + 1 for name in wanted):
                    break
                assert age < 120, "a change was lost"
            ages.append(age)
        record |= {
            "oldest_after_burst_seconds": round(max(ages), 2),
            "rss_mb": watched.memory("VmRSS") >> 20,
            "peak_rss_mb": watched.memory("VmHWM") >> 20,
        }
        record |= {"rss_goal_mb": RSS_GOAL >> 20, "cores_goal": CORE_GOAL, "age_goal_seconds": AGE_GOAL}
        print(json.dumps(record), flush=True)
        missed = ghosts or watched.memory("VmHWM") > RSS_GOAL or cores > CORE_GOAL or max(ages) > AGE_GOAL
        watched.process.terminate()
        watched.process.wait(60)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
