"""More API servers on the etcd of a control plane, as in every cluster whose control plane is highly available."""

from __future__ import annotations

import datetime
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

from ghostkey.testing import ControlPlane
from ghostkey.testing.control_plane import _free_ports

_TIME = re.compile(rb'"(requestReceivedTimestamp|stageTimestamp)":"([^"]+)Z"')
_FORMAT = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass(frozen=True)
class Server:
    """One of several API servers: its process, port, and where its audit log is."""

    control_plane: ControlPlane
    process: str
    port: int
    audit_log: Path

    def connect(self) -> HTTPSConnection:
        """A connection to it, as the administrator."""
        context = ssl.create_default_context(cafile=str(self.control_plane.directory / "ca.crt"))
        context.load_cert_chain(self.control_plane.directory / "admin.pem")
        return HTTPSConnection("127.0.0.1", self.port, context=context, timeout=300)

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads to it."""
        text = self.control_plane.kubeconfig.read_text()
        path = folder / f"{self.process}.kubeconfig"
        path.write_text(text.replace(self.control_plane.url, f"https://127.0.0.1:{self.port}"))
        return path

    def answers(self, path: str = "/readyz") -> bool:
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def has_logged(self, text: str) -> bool:
        """Whether the end of its log has a text."""
        raw = self.audit_log.read_bytes()
        return text.encode() in raw[-20_000:]


def servers(control_plane: ControlPlane, count: int) -> list[Server]:
    """The API server of a control plane and as many more as make `count`; each answers."""
    argv, env = control_plane._started["kube-apiserver"]
    port = int(control_plane.url.rpartition(":")[2])
    found = [Server(control_plane, "kube-apiserver", port, control_plane.audit_log)]
    for number, port in enumerate(_free_ports(count - 1), 2):
        server = Server(control_plane, f"kube-apiserver-{number}", port, control_plane.directory / f"audit-{number}.log")
        changed = {"--secure-port": str(port), "--audit-log-path": str(server.audit_log)}
        words = [f"{name}={changed[name]}" if (name := word.partition("=")[0]) in changed else word for word in argv]
        control_plane.start(server.process, words, env)
        found.append(server)
    for server in found:
        control_plane.wait_until(server.answers, f"{server.process} answers")
    return found


def stop(control_plane: ControlPlane, found: Sequence[Server]) -> None:
    """Ends the servers, then etcd, so that their files are whole."""
    for server in found:
        control_plane.processes[server.process].stop()
    control_plane.processes["etcd"].stop()


def with_clock(log: Path, seconds: float, target: Path) -> Path:
    """The log of a server as it would be if its clock were so many seconds ahead."""
    delta = datetime.timedelta(seconds=seconds)

    def moved(match: re.Match[bytes]) -> bytes:
        at = datetime.datetime.strptime(match[2].decode(), _FORMAT).replace(tzinfo=datetime.UTC) + delta
        return b'"%b":"%bZ"' % (match[1], at.strftime(_FORMAT).encode())

    with log.open("rb") as lines, target.open("wb") as moved_lines:
        for line in lines:
            place = line.rfind(b',"requestReceivedTimestamp"')
            moved_lines.write(line[:place] + _TIME.sub(moved, line[place:]))
    return target
