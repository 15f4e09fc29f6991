"""Operators that nobody here wrote, what each is tested with, and what is known of it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.testing import binary, go_program
from ghostkey.testing.binaries import cache_directory

Documents = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Operator:
    """A program of a Go module, or where none is named of the testbed, or of a folder beside this file, which is its `package`.

    `leaves`: metric family → how many series of it each subject leaves behind, as is known; `maps`: how many maps in memory keep it.
    `{folder}` in `flags` is a folder with a key pair for its webhook. `patience` in seconds: longer than its own delayed cleanups.
    """

    name: str
    module: str
    version: str
    package: str
    flags: str
    crds: str
    samples: Documents
    setup: Documents = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, int] = field(default_factory=dict)
    maps: int = 0
    patience: float = 5.0
    subjects: int = 6
    life: float = 0.0


POOL = {
    "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "pool"},
    "spec": {"addresses": ["10.{{n}}.0.0/28"], "autoAssign": True},
}  # fmt: skip
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "pool", "annotations": {"metallb.universe.tf/address-pool": "pool"}},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
}  # fmt: skip
SYSTEM = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "metallb-memberlist", "namespace": "metallb-system"}},
)
METALLB = "--port 17472 --namespace metallb-system --webhook-mode disabled --disable-cert-rotation"
MEMBERLIST = {"METALLB_ML_SECRET_NAME": "metallb-memberlist", "METALLB_DEPLOYMENT": "controller"}
POOLS = (
    "addresses_in_use_total", "ipv4_addresses_in_use_total", "ipv4_addresses_total", "ipv6_addresses_in_use_total",
    "ipv6_addresses_total",
)  # fmt: skip

ROLLOUT = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
    "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "shop"}}, "strategy": {"canary": {}},
        "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "main", "image": "example.com/none:1"}]}},
    },
}  # fmt: skip
EVENTS = {"rollout_events_total": 4, "rollout_reconcile": 1, "rollout_reconcile_error": 1}  # a histogram is one series
REQUESTS = "controller_clientset_k8s_request_total"
ROLLOUTS = "--loglevel error --leader-elect=false --metricsport 18090 --healthzPort 18080"

# an authority that nobody has: trust-manager takes the text as it is, once it parses
BUNDLE = {
    "apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "metadata": {"name": "roots"},
    "spec": {"sources": [{"inLine": "{{pem}}"}], "target": {"configMap": {"key": "roots.pem"}}},
}  # fmt: skip
TRUST = "--leader-elect=false --metrics-port 19402 --readiness-probe-port 16060 --webhook-port 16443 --webhook-certificate-dir {folder}"
CERT_MANAGER = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cert-manager"}},)

BALANCED = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
}  # fmt: skip
NODE_LIFECYCLE = " ".join([
    *(f"--{word}kubeconfig={{kubeconfig}}" for word in ("", "authentication-", "authorization-")),
    "--leader-elect=false", "--secure-port=0", "--controllers=node-lifecycle-controller",
])  # fmt: skip

OPERATORS = (
    Operator(
        "metallb-0.14.8", "go.universe.tf/metallb", "v0.14.8", "./controller", METALLB, "config/crd/bases", (POOL, SERVICE), SYSTEM,
        MEMBERLIST, {f"metallb_allocator_{word}": 1 for word in POOLS}, maps=3,
    ),
    Operator(
        "metallb-0.15.2", "go.universe.tf/metallb", "v0.15.2", "./controller", METALLB, "config/crd/bases", (POOL, SERVICE), SYSTEM,
        MEMBERLIST, maps=3,
    ),
    *(
        Operator(
            f"argo-rollouts-{version}", "github.com/argoproj/argo-rollouts", f"v{version}", "./cmd/rollouts-controller", ROLLOUTS,
            "manifests/crds", (ROLLOUT,), leaves=leaves, patience=90.0, subjects=5,
        )
        for version, leaves in (("1.2.2", EVENTS), ("1.4.1", {REQUESTS: 12}), ("1.8.5", {REQUESTS: 3}))
    ),
    Operator(
        "trust-manager-0.25.0", "github.com/cert-manager/trust-manager", "v0.25.0", "./cmd/trust-manager", TRUST, "deploy/crds",
        (BUNDLE,), CERT_MANAGER,
    ),
    # its pass over all Nodes comes every 5 seconds
    Operator("kube-controller-manager", "", "", "", NODE_LIFECYCLE, "", ({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}},),
             maps=1, subjects=10, life=7.0),
    # k8s.io/cloud-provider is a library: the wiring that every cloud has, with the fake cloud of the same module
    Operator("service-controller-0.37.2", "", "", "service-controller", "--kubeconfig {kubeconfig}", "", (BALANCED,), maps=1, subjects=10),
)  # fmt: skip


def built(operator: Operator) -> tuple[Path, Path]:
    """The program and its module's folder; built once, which takes minutes."""
    if operator.package and not operator.module:
        return go_program(Path(__file__).with_name(operator.package)), Path()
    if not operator.module:
        return binary(operator.name), Path()
    with tempfile.TemporaryDirectory() as empty:
        Path(empty, "go.mod").write_text("module bench\n\ngo 1.24.0\n")
        words = ["go", "mod", "download", "-json", f"{operator.module}@{operator.version}"]
        said = subprocess.run(words, cwd=empty, capture_output=True, text=True, check=True)
    source = Path(json.loads(said.stdout)["Dir"])
    target = cache_directory() / "bench" / operator.name / "operator"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        print(f"building {operator.name} (minutes, once) …", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "source")
            shutil.copytree(source, copy)
            # the cache of modules is read-only, and go.sum may need a line
            subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)
            environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
            words = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), operator.package]
            subprocess.run(words, cwd=copy, env=environment, check=True)
    return target, source


def write_pair(folder: Path) -> str:
    """A certificate of its own making, as tls.crt and tls.key; its text."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    (folder / "tls.crt").write_text(text)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    (folder / "tls.key").write_bytes(private)
    return text
