"""The Git history of a registry and its subjects among six hundred other manifests: how long it takes to import.

    python -m bench.commits [--quick]

Goal: 3,000 commits, nine in ten of which write the registry or what it is about, within 60 s. Prints one JSON line; exit code 1
when it takes longer.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMITS, OTHERS, GOAL_SECONDS = 3_000, 600, 60.0
BEGIN = 1_770_000_000


def manifest(version: str, kind: str, name: str, rest: str) -> str:
    """A manifest in namespace prod, as text: thousands of them are written."""
    return f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: prod\n{rest}"


def registry(keys: list[str]) -> str:
    lines = [f"""  {key}: '{{"plan": "gold", "shard": {len(key) % 7}}}'\n""" for key in keys]
    return manifest("v1", "ConfigMap", "registry", f"data:{'' if lines else ' {}'}\n{''.join(lines)}")


def tenant(name: str) -> str:
    return manifest("demo.ghostkey.dev/v1", "Tenant", name, "spec:\n  plan: gold\n")


def other(number: int, replicas: int) -> str:
    return manifest("apps/v1", "Deployment", f"app-{number}", f"spec:\n  replicas: {replicas}\n")


def make(folder: Path, commits: int) -> set[str]:
    """A repository of so many commits; the keys that outlive their subjects."""
    rng = random.Random(commits)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    keys: list[str] = []
    live: list[str] = []
    with subprocess.Popen(["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE) as importing:
        assert importing.stdin is not None
        for number in range(commits):
            files = {f"apps/{n}.yaml": other(n, 1) for n in range(OTHERS)} if number == 0 else {}
            gone = ""
            chance = rng.random()
            if chance < 0.8 or len(live) < 4:
                live.append(f"shop-{number}")
                keys.append(f"prod.shop-{number}")
                files |= {f"tenants/shop-{number}.yaml": tenant(live[-1]), "registry.yaml": registry(keys)}
            elif chance < 0.9:
                name = live.pop(rng.randrange(len(live)))
                gone = f"D tenants/{name}.yaml\n"
                if rng.random() < 0.5:
                    keys.remove(f"prod.{name}")
                    files["registry.yaml"] = registry(keys)
            else:
                files[f"apps/{number % OTHERS}.yaml"] = other(number % OTHERS, number)
            lines = [f"commit refs/heads/main\ncommitter ann <ann@example.com> {BEGIN + 3_600 * number} +0000\ndata 1\nc\n{gone}"]
            lines += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
            importing.stdin.write("".join(lines).encode())
    subprocess.run(["git", "-C", str(folder), "checkout", "-qf", "main"], check=True)
    return set(keys) - {f"prod.{name}" for name in live}


def measure(folder: Path, store: Path) -> float:
    """Seconds that an import of the history takes."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "ghostkey", "history", "import", str(folder), "--store", str(store)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Makes a repository and imports its history."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    commits = 300 if parser.parse_args().quick else COMMITS
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "tree", commits)
        seconds = measure(Path(folder) / "tree", Path(folder) / "store")
        registry_bytes = (Path(folder) / "tree" / "registry.yaml").stat().st_size
    print(json.dumps({"bench": "commits", "commits": commits, "registry_bytes": registry_bytes, "seconds": round(seconds, 2),
                      "goal": GOAL_SECONDS, "meets": seconds <= GOAL_SECONDS}))  # fmt: skip
    return 0 if seconds <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
