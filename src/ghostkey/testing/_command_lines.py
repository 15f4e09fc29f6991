"""What the programs of a control plane are started with."""

from __future__ import annotations

from pathlib import Path

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "RequestResponse"},
    ],
}


def etcd_line(program: str, here: Path, client_url: str, peer_url: str) -> list[str]:
    """One etcd for itself, its data under `here`."""
    return [
        program,
        f"--data-dir={here}/etcd",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",  # the data live as long as the test
        "--log-level=warn",
    ]


def apiserver_line(program: str, here: Path, etcd_url: str, port: int, *, has_controllers: bool) -> list[str]:
    """An API server with TLS, RBAC and an audit log, by the certificates and the policy that are in `here`."""
    return [
        program,
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={here}/apiserver.crt",
        f"--tls-private-key-file={here}/apiserver.key",
        f"--client-ca-file={here}/ca.crt",
        f"--cert-dir={here}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={here}/sa.key",
        f"--service-account-signing-key-file={here}/sa.key",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        # without a controller manager nothing makes the service accounts that Pods would need
        *([] if has_controllers else ["--disable-admission-plugins=ServiceAccount"]),
        f"--audit-policy-file={here}/audit-policy.json",
        f"--audit-log-path={here}/audit.log",
    ]


def controller_manager_line(program: str, here: Path, kubeconfig: Path) -> list[str]:
    """All controllers, as the administrator, without election and limits."""
    return [
        program,
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={here}/sa.key",
        f"--root-ca-file={here}/ca.crt",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def kwok_line(program: str, kubeconfig: Path, stages: Path) -> list[str]:
    """Nodes and Pods that become ready by themselves, as the stages say."""
    return [program, f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true", f"--config={stages}", "--server-address="]
