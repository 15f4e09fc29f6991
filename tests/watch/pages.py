"""What tests of the watcher's page look at it with."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import KeyRef, ObjectRef
from ghostkey.report.findings import encoded
from ghostkey.watch.board import Board
from ghostkey.watch.look import Look, MapFindings
from tests.helpers import HANG_SECONDS
from tests.report import browser

LIVE, GONE = [f"live-{number}" for number in range(8)], ["gone-a", "gone-b"]


def until(condition: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "that did not come"
        time.sleep(0.05)


def text(opened: browser.Browser) -> str:
    return str(opened.value("document.body.innerText"))


def spots(opened: browser.Browser) -> list[str]:
    return list(opened.value("[...document.querySelectorAll('td button')].map(one => one.textContent)"))


def finding(holder: ObjectRef, key: str, message: str = "gone") -> Finding:
    return Finding("ghost-key", KeyRef(holder, "data", key), Severity.WARNING, message, (f"evidence of {key}",))


def board_of(*maps: tuple[ObjectRef, list[Finding]]) -> Board:
    board, found = Board("https://cluster", encoded), {}
    for holder, findings in maps:
        spot = f"{holder.namespace}/{holder.kind.qualified}/{holder.name}"
        board.set_map(spot, len(findings), 1000, 1_048_576)
        found[spot] = MapFindings(holder, ghosts=len(findings), findings=findings)
    board.take(Look(found, [], 0.1, time.time(), 0.0, 0.1))
    return board


def ask(url: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=HANG_SECONDS)
    connection.request(headers.pop("method", "GET"), path, headers=headers)
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer
