"""A running watcher, asked as Prometheus and the kubelet would."""

from __future__ import annotations

import contextlib
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ghostkey.testing import ControlPlane
from tests.helpers import HANG_SECONDS, Program

LINE = re.compile(r'^(ghostkey_\w+)(?:\{namespace="([^"]*)",map="([^"]*)"\})? (\S+)$')


@dataclass
class Watching:
    """One watcher of a test."""

    process: subprocess.Popen[str]
    url: str
    said: list[str] = field(default_factory=list)
    page: str = ""

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=HANG_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[tuple[str, str, str], float]:
        """(metric, namespace, map) → value."""
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            if not line.startswith(("#", "ghostkey_log_lines_total{")):
                matched = LINE.match(line)
                assert matched, line
                found[matched[1], matched[2] or "", matched[3] or ""] = float(matched[4])
        return found

    def value(self, metric: str, namespace: str = "", map_name: str = "") -> float | None:
        return self.metrics().get((f"ghostkey_{metric}", namespace, f"configmaps/{map_name}" if map_name else ""))

    def end(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.terminate()
        _, rest = self.process.communicate(timeout=HANG_SECONDS)
        self.said += rest.splitlines()
        return self.process.returncode


@contextlib.contextmanager
def watching(program: Program, control_plane: ControlPlane, *arguments: str) -> Iterator[Watching]:
    """`ghostkey watch` on a free port, once it has looked at the cluster."""
    process = program.start("watch", "--listen", "127.0.0.1:0", *arguments)
    said: list[str] = []
    try:
        assert process.stderr is not None
        while not (matched := re.search(r"metrics at (http://\S+)/metrics", line := process.stderr.readline())):
            said.append(line)
            assert line, said
        running = Watching(process, matched[1], said)
        if any(argument.startswith("--web") for argument in arguments):
            matched = re.search(r"page at (http://\S+)/", line := process.stderr.readline())
            assert matched, line
            running.page = matched[1]
        control_plane.wait_until(lambda: process.poll() is not None or running.get("/readyz")[0] == 200, "the watcher is ready")
        assert process.poll() is None, process.communicate()
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def events_on(control_plane: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Events of the watcher in a namespace."""
    items = control_plane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    return [item for item in items if item.get("reportingController") == "ghostkey.dev/watch"]
