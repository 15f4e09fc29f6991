"""The story of a map, where a store of history is at hand: the page that `ghostkey explain --html` writes, made when it is asked for.

It is made by a program of its own: what a query takes is given back as it ends, and metrics do not wait for it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
import threading
import time
from http import HTTPStatus

from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.store.engines import MEMORY
from ghostkey.store.scratch import scratch_directory

SECONDS = 60.0
ENGINE_MEMORY = "256MB"
PAGE_BYTES = 32 << 20
TICKET_SECONDS = 600.0  # the page of maps makes new ones every few seconds
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "GHOSTKEY_STATE", "XDG_STATE_HOME", "LD_LIBRARY_PATH", "PYTHONPATH")


class Stories:
    """Makes pages of what a store has of a map, one at a time. A `token` makes the links to them good for a while, and no others."""

    def __init__(self, store: str, token: str = "") -> None:
        self._store, self._token = store, token
        self._free = threading.Lock()

    def link(self, spot: str) -> dict[str, str] | None:
        """What a link to the story of `NAMESPACE/configmaps/NAME` asks for; None of a Secret, whose keys are not named."""
        if spot.split("/")[1] != CONFIG_MAPS.qualified:
            return None
        if not self._token:
            return {"map": spot}
        until = str(int(time.time() + TICKET_SECONDS))
        return {"map": spot, "until": until, "ticket": self._ticket(spot, until)}

    def may_see(self, asked: dict[str, str]) -> bool:
        """Whether these are the words of a link that was made for who has the token."""
        if not self._token:
            return True
        spot, until, ticket = (asked.get(word, "") for word in ("map", "until", "ticket"))
        if not until.isascii() or not until.isdigit() or not time.time() <= int(until[:12]):
            return False
        return hmac.compare_digest(ticket.encode("utf-8", "replace"), self._ticket(spot, until).encode())

    def _ticket(self, spot: str, until: str) -> str:
        said = f"{until}\0{spot}".encode("utf-8", "surrogatepass")
        return hmac.new(self._token.encode("utf-8", "surrogateescape"), said, hashlib.sha256).hexdigest()

    def page(self, spot: str, key: str = "") -> tuple[int, bytes]:
        """Status and page of a map, or of one key of it; where there is none, status and why, in a line."""
        namespace, kind, name = spot.split("/")
        if kind != CONFIG_MAPS.qualified:
            return HTTPStatus.NOT_FOUND, b"of a Secret no story is told here\n"
        if not self._free.acquire(timeout=SECONDS / 10):
            return HTTPStatus.SERVICE_UNAVAILABLE, b"another story is being told; ask again\n"
        try:
            with scratch_directory("watch-story") as folder:
                file = folder / "story.html"
                words = [
                    "--store",
                    self._store,
                    "--html",
                    str(file),
                    "-n",
                    namespace,
                    "--",
                    f"cm/{name}",
                    *([key] if key else []),
                ]
                # of this process's environment what a program needs, and no token
                environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {MEMORY: ENGINE_MEMORY}
                done = subprocess.run(
                    [sys.executable, "-m", "ghostkey", "explain", *words], env=environment, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS, check=False,
                )  # fmt: skip
                if file.is_file() and file.stat().st_size <= PAGE_BYTES:
                    return HTTPStatus.OK, file.read_bytes()
                said = next(
                    (line for line in done.stderr.splitlines() if line.startswith(b"error: ")), b"error: no page was made"
                )
                return HTTPStatus.NOT_FOUND, b"no story: " + said.removeprefix(b"error: ")[:1000] + b"\n"
        except subprocess.TimeoutExpired:
            return HTTPStatus.GATEWAY_TIMEOUT, b"the story takes too long; ghostkey explain has the time\n"
        finally:
            self._free.release()
