"""Fetches one document from an address that a person named, such as a program's own port."""

from __future__ import annotations

import http.client
import urllib.parse

from ghostkey.model.errors import ApiFailed, UsageError

TIMEOUT_SECONDS = 60.0  # a heap profile with gc=1 waits for a collection
QUOTED = 200  # characters of an answer that is an error


def fetch(url: str, most_bytes: int, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """What a GET of the URL gives. No proxy, no redirect: an address beside us is asked, and nobody else.

    Raises UsageError for what is no URL, ApiFailed when there is no answer, or an error, or one of more than `most_bytes`.
    """
    parts = urllib.parse.urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"{url!r} is no address", "write http://HOST:PORT/debug/pprof/heap")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return answer(connect(host, port, timeout=timeout), url, most_bytes)


def answer(connection: http.client.HTTPConnection, url: str, most_bytes: int) -> bytes:
    """What a GET of the URL's path gives over a connection, which is closed. Raises ApiFailed."""
    parts = urllib.parse.urlsplit(url)
    try:
        connection.request("GET", urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")))
        response = connection.getresponse()
        content = response.read(most_bytes + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ApiFailed(f"no answer from {url}: {error}", "is the port right, and pprof served there?") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        said = content[:QUOTED].decode("utf-8", "replace").strip()
        raise ApiFailed(
            f"{url}: {response.status} {response.reason}: {said}",
            'is pprof served there? import _ "net/http/pprof"',
            response.status,
        )
    if len(content) > most_bytes:
        raise ApiFailed(f"{url} gives more than {most_bytes >> 20} MiB")
    return content
