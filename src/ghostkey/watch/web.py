"""The page: one file without any data in it, and one address that has the data. Nothing can be written through either.

On loopback whoever is on this machine may ask, by a name of this machine: a page of elsewhere whose name was turned to this address
has another. Elsewhere a token is asked for, by the page as well, which keeps it for as long as it is open.
Source: Content Security Policy level 3; Trusted Types; DNS rebinding: OWASP, "Testing for DNS rebinding".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.resources
import ipaddress
import re
import urllib.parse
from http import HTTPStatus

from ghostkey.model.errors import UsageError
from ghostkey.watch.board import Board
from ghostkey.watch.server import Answer, Answers, Asked, parse_listen
from ghostkey.watch.stories import Stories

DEFAULT = "127.0.0.1:9465"
TOKEN_LEAST = 16
JSON = "application/json; charset=utf-8"
QUERY_MOST = 600  # characters; a namespace and a name have 63 and 253
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def parse_web(text: str, token: str) -> tuple[str, int]:
    """Host and port of the page. Raises UsageError where it would be open to a network without a token."""
    host, port = parse_listen(text, "--web")
    if token and len(token) < TOKEN_LEAST:
        raise UsageError(f"the token of --web has fewer than {TOKEN_LEAST} characters", "openssl rand -hex 16 makes one")
    if not token and not ipaddress.ip_address(host).is_loopback:
        hint = "set GHOSTKEY_WEB_TOKEN, or stay on loopback and use kubectl port-forward"
        raise UsageError(f"--web {text} is open to a network and has no token", hint)
    return host, port


class Web:
    """Answers for the page; `token` is empty where none is asked for."""

    def __init__(self, board: Board, token: str = "", stories: Stories | None = None) -> None:
        self._board, self._token, self._stories = board, token, stories
        self._page = importlib.resources.files("ghostkey.watch").joinpath("page.html").read_bytes()
        self._policy = policy(self._page)

    @property
    def answers(self) -> Answers:
        """What the server is to answer."""
        return {"/": self._show, "/watch.json": self._tell, "/story": self._tell_story}

    def _show(self, asked: Asked) -> Answer:
        if not self._is_ours(asked.host):
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, "this is not served under that name")
        return Answer(
            HTTPStatus.OK, self._page, "text/html; charset=utf-8", (*_ALWAYS, ("Content-Security-Policy", self._policy))
        )

    def _tell(self, asked: Asked) -> Answer:
        """`?q=TEXT` for maps with a text, `?map=NAMESPACE/configmaps/NAME` for the findings of one."""
        if not self._is_ours(asked.host):
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, "this is not served under that name")
        if self._token and not hmac.compare_digest(
            # headers come as latin-1, whatever was sent
            asked.authorization.encode("latin-1", "replace"),
            f"Bearer {self._token}".encode("utf-8", "surrogateescape"),
        ):
            return _refused(HTTPStatus.UNAUTHORIZED, "a token is asked for")
        if len(asked.query) > QUERY_MOST * 3:  # each character may be written as three
            return _refused(HTTPStatus.REQUEST_URI_TOO_LONG, "that is longer than any name")
        words = dict(urllib.parse.parse_qsl(asked.query))
        if "map" not in words:
            return Answer(HTTPStatus.OK, self._board.overview(words.get("q", "")), JSON, _ALWAYS)
        spot = words["map"]
        link = self._stories.link(spot) if self._stories is not None and self._board.has(spot) else None
        story = None if link is None else f"story?{urllib.parse.urlencode(link)}"
        body = self._board.findings(spot, story)
        return (
            _refused(HTTPStatus.NOT_FOUND, "there is no such map") if body is None else Answer(HTTPStatus.OK, body, JSON, _ALWAYS)
        )

    def _tell_story(self, asked: Asked) -> Answer:
        """`?map=NAMESPACE/configmaps/NAME` for the story of a map, `&key=KEY` for that of one key; with a token, by a link alone."""
        if not self._is_ours(asked.host):
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, "this is not served under that name")
        if self._stories is None:
            return _refused(HTTPStatus.NOT_FOUND, "there is no history: ghostkey watch --record DIR, or --store")
        if len(asked.query) > QUERY_MOST * 4:
            return _refused(HTTPStatus.REQUEST_URI_TOO_LONG, "that is longer than any name")
        words = dict(urllib.parse.parse_qsl(asked.query))
        if not self._stories.may_see(words):
            return _refused(HTTPStatus.UNAUTHORIZED, "that link was good for a while: open the story from the page of maps again")
        spot = words.get("map", "")
        if not self._board.has(spot):
            return _refused(HTTPStatus.NOT_FOUND, "there is no such map")
        key = words.get("key", "")
        if "\0" in key:
            return _refused(HTTPStatus.NOT_FOUND, "no key has such a name")
        status, body = self._stories.page(spot, key)
        if status != HTTPStatus.OK:
            return Answer(status, body, headers=_ALWAYS)
        headers = (*_ALWAYS, ("Content-Security-Policy", policy(body)))
        return Answer(HTTPStatus.OK, body, "text/html; charset=utf-8", headers)

    def _is_ours(self, host: str) -> bool:
        if self._token:
            return True
        name = ""
        try:
            name = (urllib.parse.urlsplit(f"//{host}").hostname or "") if _HOST.fullmatch(host) else ""
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


_HOST = re.compile(r"(?:[a-zA-Z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?")


def policy(page: bytes) -> str:
    """The Content-Security-Policy of a page: its own script and style by their hashes, its own data, and nothing else."""
    allowed = {
        name: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
            for text in re.findall(rb"<%s>(.*?)</%s>" % (name.encode(), name.encode()), page, re.DOTALL)
        )
        for name in ("script", "style")
    }
    return (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _refused(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode(), headers=_ALWAYS)
