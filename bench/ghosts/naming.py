"""The names of generated clusters: words, teams, components, and every way a program makes a key of its subject."""

from __future__ import annotations

import hashlib
import random
import re
import string
from collections.abc import Callable, Iterator

from bench.ghosts.cluster import Life

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "iris",
    "jade",
    "kestrel",
    "lagoon",
    "maple",
    "nectar",
    "onyx",
    "pearl",
    "quartz",
    "raven",
    "sable",
    "tundra",
    "umber",
    "violet",
    "willow",
    "xenon",
    "yarrow",
    "zephyr",
    "acorn",
    "basalt",
    "cobalt",
    "dune",
    "echo",
    "flint",
    "garnet",
    "hazel",
    "indigo",
    "juniper",
]
TEAMS = [
    "payments",
    "search",
    "billing",
    "media",
    "risk",
    "identity",
    "growth",
    "data",
    "ml",
    "core",
    "edge",
    "mobile",
    "web",
    "legal",
    "finance",
    "ops",
]
COMPONENTS = [
    "api",
    "worker",
    "gateway",
    "scheduler",
    "cache",
    "indexer",
    "mailer",
    "router",
    "proxy",
    "frontend",
    "importer",
    "exporter",
]
FIELDS = ["limit", "memory", "timeout", "max-conns", "retries", "pool.size", "cache.ttl", "log-level", "url", "weight"]
KINDS = [
    ("Tenant", "demo.example.com", True), ("Database", "db.example.org", True), ("Site", "web.example.net", False),
    ("Pipeline", "ci.example.io", True), ("Bucket", "storage.example.com", False), ("Queue", "mq.example.org", True),
]  # fmt: skip
BUILTIN = [("Deployment", "apps", True), ("Service", "", True), ("Node", "", False), ("StatefulSet", "apps", True)]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fnv(text: str) -> str:
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{state:08x}"


SCHEMES: dict[str, Callable[[Life], str]] = {
    "name": lambda s: s.name,
    "uid": lambda s: s.uid,
    "ns.name": lambda s: f"{s.namespace}.{s.name}",
    "ns-name": lambda s: f"{s.namespace}-{s.name}",
    "ns_name": lambda s: f"{s.namespace}_{s.name}",
    "ns--name": lambda s: f"{s.namespace}--{s.name}",
    "name.ns": lambda s: f"{s.name}.{s.namespace}",
    "name_ns": lambda s: f"{s.name}_{s.namespace}",
    "prefix-name": lambda s: f"registry-{s.name}",
    "prefix.ns.name": lambda s: f"entry.{s.namespace}.{s.name}",
    "name.json": lambda s: f"{s.name}.json",
    "ns.name.yaml": lambda s: f"{s.namespace}.{s.name}.yaml",
    "uid.suffix": lambda s: f"{s.uid}.state",
    "prefix-uid": lambda s: f"id-{s.uid}",
    "name-hash": lambda s: f"{s.name}-{sha(s.uid)[:8]}",
    "ns.name-hash": lambda s: f"{s.namespace}.{s.name}-{sha(s.name)[:10]}",
    "sanitised": lambda s: re.sub(r"[^a-z0-9]", "_", f"{s.namespace}/{s.name}"),
    "upper": lambda s: re.sub(r"[^A-Z0-9]", "_", f"{s.namespace}_{s.name}".upper()),
    "sha256": lambda s: sha(f"{s.namespace}/{s.name}"),
    "sha-short": lambda s: sha(s.name)[:16],
    "truncated-hash": lambda s: s.name if len(s.name) <= 20 else f"{s.name[:14]}-{sha(s.name)[:5]}",
    "opaque": lambda s: "e" + sha(s.uid)[:11],
    "kind.ns.name": lambda s: f"tenant.{s.namespace}.{s.name}",
    "ns.name.field": lambda s: f"{s.namespace}.{s.name}.host",
    "name__ns": lambda s: f"{s.name}__{s.namespace}",
    "uid-undashed": lambda s: s.uid.replace("-", ""),
    "uid-short": lambda s: s.uid[:8],
    "name-uid-short": lambda s: f"{s.name}-{s.uid[:8]}",
    "name.uid": lambda s: f"{s.name}.{s.uid}",
    "ns.uid": lambda s: f"{s.namespace}.{s.uid}",
    "fnv": lambda s: _fnv(f"{s.namespace}/{s.name}"),
    "name-fnv-ns": lambda s: f"{s.name}-{_fnv(f'{s.namespace}/{s.name}')}",
    "md5-ns": lambda s: hashlib.md5(f"{s.namespace}/{s.name}".encode(), usedforsecurity=False).hexdigest(),
    "sha256-uid": lambda s: sha(s.uid),
    "prefix-sha": lambda s: "k-" + sha(s.name)[:12],
    "cut": lambda s: s.name[:16],
    "ns.cut": lambda s: f"{s.namespace}.{s.name[:12]}",
    "ns-name-cut-hash": lambda s: f"{s.namespace}-{s.name}"[:20] + "-" + sha(s.namespace + s.name)[:6],
    "upper-name": lambda s: re.sub(r"[^A-Z0-9]", "_", s.name.upper()),
    "prefix-upper-ns": lambda s: "TENANT_" + re.sub(r"[^A-Z0-9]", "_", f"{s.namespace}_{s.name}".upper()),
    "name.properties": lambda s: f"{s.name}.properties",
    "ns..name": lambda s: f"{s.namespace}..{s.name}",
    "around.ns.name": lambda s: f"c1.{s.namespace}.{s.name}.v1",
    "underscored": lambda s: re.sub(r"[^a-z0-9]", "_", s.name),
    "ns.underscored": lambda s: f"{s.namespace}.{re.sub(r'[^a-z0-9]', '_', s.name)}",
    "around--ns--name": lambda s: f"svc--{s.namespace}--{s.name}--cfg",
    "name-index": lambda s: f"{s.name}-0",
}
NEEDS_NAMESPACE = {k for k in SCHEMES if "ns" in re.split(r"[^a-z]+", k)} | {"sanitised", "upper", "sha256", "fnv"}


def names(rng: random.Random, style: str) -> Iterator[str]:
    """Endless different names of one style."""
    number, seen = rng.randrange(100), set()
    while True:
        number += rng.randint(1, 3)
        a, b, c = rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS)
        tail = "".join(rng.choices(string.digits + "abcdef", k=5))
        name = {
            "numbered": f"tenant-{number:04d}",
            "bare-number": f"t{number}",
            "words": f"{a}-{b}-{number}",
            "hexed": f"{a}-{tail}",
            "long": f"{a}-{b}-{c}-{rng.choice(TEAMS)}-{number}",
            "dotted": f"{a}.{b}{number}.example",
        }[style]
        if name not in seen:
            seen.add(name)
            yield name
