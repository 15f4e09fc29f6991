"""A real Kubernetes control plane on free ports of the loopback address, for as long as a `with` block lasts."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from ghostkey.testing._abandoned import sweep_abandoned
from ghostkey.testing._command_lines import AUDIT_POLICY, apiserver_line, controller_manager_line, etcd_line, kwok_line
from ghostkey.testing.binaries import binary
from ghostkey.testing.certificates import Authority, service_account_key
from ghostkey.testing.etcd import Etcd
from ghostkey.testing.supervised import Process, Supervised

READY_SECONDS = 300.0  # ready in four; a machine with other things to do takes longer
POLL_SECONDS = 0.02
# what a kept connection says that the server closed while it was idle
CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class ControlPlane:
    """etcd and kube-apiserver with TLS, RBAC and an audit log; kube-controller-manager and kwok on request.

    `kubeconfig` is the path of an administrator's kubeconfig, `url` the server's address, `directory` holds logs, the
    audit log (`audit_log`) and certificates and is removed at the end. Ready in about 4 s once the programs are built.
    Nothing is left behind even when the owning process is killed by SIGKILL (see `_supervisor`).
    Raises RuntimeError with the end of the failing program's log when one does not become ready in five minutes.
    """

    def __init__(
        self,
        *,
        controller_manager: bool = False,
        kwok: bool = False,
        audit_policy: Mapping[str, Any] = AUDIT_POLICY,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self._wants_controller_manager = controller_manager or kwok
        self._wants_kwok = kwok
        self._audit_policy = audit_policy
        self._apiserver_flags = list(apiserver_flags)
        self.directory = Path()
        self.url = ""
        self.kubeconfig = Path()
        self._authority: Authority | None = None
        self._supervised: Supervised | None = None
        self._connection: http.client.HTTPSConnection | None = None
        self.etcd = Etcd("")  # what the API server stores into
        self.processes: dict[str, Process] = {}  # by name; the latest of each
        self._started: dict[str, tuple[list[str], dict[str, str]]] = {}

    # life

    def __enter__(self) -> Self:
        names = ["etcd", "kube-apiserver"]
        names += ["kube-controller-manager"] * self._wants_controller_manager + ["kwok"] * self._wants_kwok
        programs = {name: str(binary(name)) for name in names}
        sweep_abandoned()
        for attempts_left in (2, 1, 0):
            try:
                self._supervise(programs)
            except RuntimeError as error:
                # between finding a free port and listening on it, somebody else may have taken it
                if "address already in use" not in str(error) or not attempts_left:
                    raise
            else:
                break
        return self

    def _supervise(self, programs: Mapping[str, str]) -> None:
        self._supervised = Supervised()
        self.directory = self._supervised.directory
        try:
            self._start(programs)
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends every process and removes the directory; harmless when nothing runs."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._supervised is not None:
            self._supervised.close()
            self._supervised = None

    def keep(self) -> int:
        """Lets everything run on after this process ends; the pid to send SIGTERM to when it shall end."""
        return self._running().keep()

    def _start(self, programs: Mapping[str, str]) -> None:
        here = self.directory
        ports = _free_ports(3)
        self._authority = authority = Authority("ghostkey-testbed")
        (here / "ca.crt").write_bytes(authority.certificate_pem)
        _write_private(here / "sa.key", service_account_key())
        certificate, key = authority.issue("kube-apiserver", server_addresses=["127.0.0.1", "localhost"])
        (here / "apiserver.crt").write_bytes(certificate)
        _write_private(here / "apiserver.key", key)
        (here / "audit-policy.json").write_text(json.dumps(self._audit_policy))
        self.url = f"https://127.0.0.1:{ports[2]}"
        self.kubeconfig = self.kubeconfig_for("ghostkey-admin", groups=["system:masters"])

        self.etcd = Etcd(f"http://127.0.0.1:{ports[0]}")
        peer_url = f"http://127.0.0.1:{ports[1]}"
        process = self.start("etcd", etcd_line(programs["etcd"], here, self.etcd.url, peer_url))
        line = apiserver_line(
            programs["kube-apiserver"], here, self.etcd.url, ports[2], has_controllers=self._wants_controller_manager
        )
        apiserver = self.start("kube-apiserver", [*line, *self._apiserver_flags])
        self.wait_until(lambda: self._is_ready(process, apiserver), "kube-apiserver is ready", log=apiserver.log)
        if self._wants_controller_manager:
            self._start_controller_manager(programs["kube-controller-manager"])
        if self._wants_kwok:
            self._start_kwok(programs["kwok"])

    def _start_controller_manager(self, program: str) -> None:
        process = self.start("kube-controller-manager", controller_manager_line(program, self.directory, self.kubeconfig))
        self.wait_until(
            lambda: self._is_alive(process) and self._exists("/api/v1/namespaces/default/serviceaccounts/default"),
            "kube-controller-manager has made the default service account",
            log=process.log,
        )

    def _start_kwok(self, program: str) -> None:
        stages = Path(__file__).with_name("kwok-stages.yaml")
        node = {"metadata": {"name": "kwok-node", "annotations": {"kwok.x-k8s.io/node": "fake"}}}
        self.request("POST", "/api/v1/nodes", node)
        process = self.start("kwok", kwok_line(program, self.kubeconfig, stages))

        def node_is_ready() -> bool:
            conditions = self.request("GET", "/api/v1/nodes/kwok-node")["status"].get("conditions", [])
            return self._is_alive(process) and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        self.wait_until(node_is_ready, "kwok has made its node ready", log=process.log)

    def _is_alive(self, *processes: Process) -> bool:
        for process in processes:
            if (code := process.returncode()) is not None:
                raise RuntimeError(f"{process.name} ended with code {code}:\n{_tail(process.log)}")
        return True

    def _is_ready(self, *processes: Process) -> bool:
        self._is_alive(*processes)
        return self._exists("/readyz") and self._exists("/api/v1/namespaces/default")

    def _exists(self, path: str) -> bool:
        try:
            return self.raw("GET", path)[0] == http.HTTPStatus.OK
        except OSError:
            return False

    # processes

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Starts a process that ends with this control plane; its output goes to `directory/NAME.log`."""
        self._started[name] = list(argv), dict(env or {})
        self.processes[name] = self._running().start(name, argv, env)
        return self.processes[name]

    def restart(self, name: str, number: int = signal.SIGKILL) -> Process:
        """Ends a process by the signal and starts it again as it was; returns once the API server is ready."""
        argv, env = self._started[name]
        self._running().ask(do="stop", name=name, signal=int(number))
        process = self.start(name, argv, env)
        self.wait_until(lambda: self._is_ready(process), f"kube-apiserver is ready after a restart of {name}", log=process.log)
        return process

    def start_operator(self, *mistakes: str, name: str = "tenant-operator", flags: Sequence[str] = ()) -> Process:
        """Starts the testbed's operator with the named mistakes (none: the correct one), after making its CRD and namespace."""
        import yaml

        from ghostkey.testing.binaries import testbed_directory

        program = str(binary("tenant-operator"))
        crd = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        if not self._exists(f"{crds}/{crd['metadata']['name']}"):
            self.request("POST", crds, crd)
        if not self._exists("/api/v1/namespaces/tenant-system"):
            self.request("POST", "/api/v1/namespaces", {"metadata": {"name": "tenant-system"}})
        self.wait_until(lambda: self._exists("/apis/demo.ghostkey.dev/v1/tenants"), "the Tenant CRD is served")
        chosen = [f"--mistake={mistake}" for mistake in mistakes]
        return self.start(name, [program, *chosen, *flags], {"KUBECONFIG": str(self.kubeconfig)})

    def _running(self) -> Supervised:
        if self._supervised is None:
            raise RuntimeError("the control plane does not run")
        return self._supervised

    # access

    def kubeconfig_for(self, user: str, groups: Sequence[str] = (), *, is_expired: bool = False) -> Path:
        """Path of a new kubeconfig with a client certificate for the user; rights come from RBAC alone."""
        if self._authority is None:
            raise RuntimeError("the control plane does not run")
        certificate, key = self._authority.issue(user, groups=groups, is_expired=is_expired)
        path = self.directory / f"kubeconfig-{user}.json"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "testbed",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": _base64(self._authority.certificate_pem),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
                }
            ],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
            "current-context": "testbed",
        }
        _write_private(path, json.dumps(config, indent=1).encode())
        return path

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, JSON lines."""
        return self.directory / "audit.log"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What the testbed's kubectl prints; raises CalledProcessError when it fails."""
        return subprocess.run(
            [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=900,
        ).stdout

    def raw(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> tuple[int, bytes]:
        """Status and body of one request as the administrator, on a kept connection."""
        for attempt in (1, 2):
            connection = self._connection or self.connect()
            try:
                connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
                response = connection.getresponse()
                answer = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._connection = None
                # an idle connection that the server closed is worth one more try
                if attempt == 2 or not isinstance(error, CLOSED):
                    raise OSError(str(error)) from error
            else:
                self._connection = connection
                return answer
        raise AssertionError("unreachable")

    def connect(self) -> http.client.HTTPSConnection:
        """A new connection as the administrator; for writers that run in threads of their own."""
        config = json.loads(self.kubeconfig.read_text())
        user = config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(_data_of(config)).decode())
        pair = self.directory / "admin.pem"
        if not pair.exists():
            _write_private(pair, base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
        host, port = self.url.removeprefix("https://").split(":")
        return http.client.HTTPSConnection(host, int(port), context=context, timeout=300)

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> dict[str, Any]:
        """The decoded answer of one request as the administrator; raises RuntimeError with the server's words."""
        status, answer = self.raw(method, path, None if body is None else json.dumps(body).encode(), content_type)
        decoded: dict[str, Any] = json.loads(answer)
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {status} {decoded.get('message', '')}")
        return decoded

    def create_many(self, objects: Sequence[tuple[str, object]], workers: int = 4) -> None:
        """POSTs (path, body) pairs over several connections, in no particular order."""

        def post(share: Sequence[tuple[str, object]]) -> None:
            connection = self.connect()
            for path, body in share:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
                if response.status not in {http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT}:
                    raise RuntimeError(f"POST {path}: {response.status} {answer[:500]!r}")
            connection.close()

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(post, [objects[start::workers] for start in range(workers)]))

    def wait_until(
        self, condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS, log: Path | None = None
    ) -> None:
        """Returns once the condition holds; raises RuntimeError saying `what` did not come true in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {seconds:.0f} s: {what}" + (f"\n{_tail(log)}" if log else ""))
            time.sleep(POLL_SECONDS)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [server.getsockname()[1] for server in held]
    finally:
        for server in held:
            server.close()


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _data_of(config: Mapping[str, Any]) -> str:
    return str(config["clusters"][0]["cluster"]["certificate-authority-data"])


def _tail(log: Path, characters: int = 3000) -> str:
    return log.read_text(errors="replace")[-characters:] if log.exists() else ""
