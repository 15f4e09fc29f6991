"""A webhook for what is new: JSON with `text`, as Slack and what is compatible with it take. Its address is a secret."""

from __future__ import annotations

import http.client
import ipaddress
import json
import queue
import threading
import time
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus

from ghostkey.model.errors import UsageError

PAUSES_SECONDS = (0.0, 1.0, 5.0, 20.0)
REQUEST_SECONDS = 10.0
WAITING_MOST = 200  # messages; beyond them one is given up
RETRIED = {HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)}


def parse_webhook(url: str, *, may_be_plain: bool = False) -> urllib.parse.SplitResult:
    """The parts of a webhook's address. Raises UsageError for one that would carry messages in the open."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise UsageError("--notify is no URL", "write https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not host or parts.username:
        raise UsageError("--notify is no URL of a webhook", "write https://HOST/PATH")
    if parts.scheme == "http" and not may_be_plain and not _is_loopback(host):
        raise UsageError(f"--notify goes to {host} without TLS", "use https, or add --notify-insecure")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def escaped(text: str) -> str:
    """Text that Slack shows as it is: no link, no mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Notifier:
    """Sends in a thread of its own; a message is tried four times and then given up, and that is counted."""

    def __init__(self, parts: urllib.parse.SplitResult, on_end: Callable[[bool], None]) -> None:
        """`on_end` is told whether a message has arrived."""
        self._parts, self._on_end = parts, on_end
        self._waiting: queue.Queue[str] = queue.Queue(WAITING_MOST)
        self._ends = threading.Event()
        threading.Thread(target=self._run, name="notify", daemon=True).start()

    def send(self, text: str) -> None:
        """Has a message sent; returns at once."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._on_end(False)

    def close(self, seconds: float) -> None:
        """Gives what waits so many seconds to go out."""
        until = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            self._ends.wait(0.05)
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.is_set():
            text = self._waiting.get()
            self._on_end(self._tried(text))
            self._waiting.task_done()

    def _tried(self, text: str) -> bool:
        body = json.dumps({"text": text}).encode()
        for pause in PAUSES_SECONDS:
            if self._ends.wait(pause):
                return False
            try:
                status = self._post(body)
            except (OSError, http.client.HTTPException):
                continue
            if status not in RETRIED:
                return status < HTTPStatus.MULTIPLE_CHOICES  # a redirect is not followed: it would take the message elsewhere
        return False

    def _post(self, body: bytes) -> int:
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=REQUEST_SECONDS)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", "User-Agent": "ghostkey"})
            return connection.getresponse().status
        finally:
            connection.close()
