"""Requests to one API server over kept connections: one for each thread, typed errors, pages, watches."""

from __future__ import annotations

import http.client
import re
import selectors
import ssl
import string
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, BinaryIO

import msgspec

import ghostkey
from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.kube.answers import TooLargeError, decode_event, decode_named, is_large, read_body, read_line
from ghostkey.kube.config import ClientConfig
from ghostkey.kube.connect import Dialer
from ghostkey.kube.credentials import Credentials
from ghostkey.kube.deadline import limited
from ghostkey.kube.failures import TOO_LARGE, Failures, answer_lost, is_redirect, is_refusal, is_status, words_of
from ghostkey.kube.proxies import ProxyFailedError
from ghostkey.kube.telling import told
from ghostkey.kube.waiting import Waiting
from ghostkey.model.errors import ApiFailed, NotAsked

PAGE = 500  # objects of a first page, as kubectl
# Later pages have what fits PAGE_BYTES: fewer pages cost the server less, and small ones bound the memory of large objects.
PAGE_LEAST, PAGE_MOST, PAGE_BYTES = 50, 1_000, 3 << 20
EMPTY_PAGES = 20  # in a row, that promise more
FIELD_MANAGER = "ghostkey"
NOT_FOUND = "NotFound"  # the reason of the API server's own 404; that of a gateway has none
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
# metadata of any kind without its spec and status; Source: Kubernetes API concepts, "Metadata-only fetches"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
RETRY_PAUSES_SECONDS = (0.1, 0.4, 1.2)
RETRIED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
# what asking again would not mend: a certificate, a proxy that says no, a limit on time or size
FINAL = (ssl.SSLError, ProxyFailedError, TimeoutError, TooLargeError)
# the list's own metadata comes first; a page's continue token is in its first bytes
_CONTINUE = re.compile(rb'"continue"\s*:\s*"([^"]*)"')
_EMPTY = re.compile(rb'"items"\s*+:\s*+(?:\[\s*+\]|null)')
_HEAD_BYTES = 2000


class ApiClient:
    """Talks to one API server as one user. Safe to use from several threads; each keeps a connection of its own."""

    def __init__(self, config: ClientConfig, on_waiting: Callable[[str], None] | None = None) -> None:
        """`on_waiting` is told the server's address when an answer takes long, and "" when there is one."""
        self.config = config
        self._dialer = Dialer(config)
        self._where = f"{self._dialer.host}:{self._dialer.port}"
        self._prefix = self._dialer.prefix + self._dialer.path
        self._failures = Failures(config, self._dialer, self._where)
        self._waiting = Waiting(self._where, on_waiting)
        self._local = threading.local()
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    # requests

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> bytes:
        """The body of a GET. Raises AccessDenied or ApiFailed with the server's words."""
        return self._request("GET", path, params, None, {"Accept": accept})

    def get_object(self, path: str) -> dict[str, Any] | None:
        """The decoded object, or None when the API server itself says 404; what somebody in between says of it is no answer."""
        try:
            body = self.get(path)
        except ApiFailed as error:
            if error.status == HTTPStatus.NOT_FOUND and error.reason == NOT_FOUND:
                return None
            raise
        return decode_named(path, body)

    def write(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str = JSON,
        *,
        dry_run: bool = False,
        field_manager: str = FIELD_MANAGER,
    ) -> dict[str, Any]:
        """The object as the server has it after a POST, PUT or PATCH.

        Sent again only where the first cannot have arrived: no connection, 429, or 401 and other credentials at hand.
        Raises AccessDenied or ApiFailed where the server says that it refused, and AnswerLost where nothing says what became
        of it: no answer, half of one, one of somebody in between, or an error that may have come after the write.
        """
        params = {"fieldManager": field_manager} | ({"dryRun": "All"} if dry_run else {})
        answer = self._request(method, path, params, body, {"Content-Type": content_type, "Accept": JSON})
        try:
            decoded: dict[str, Any] = decode_json(answer)
            # what a dry run would create has no version
            if decoded["metadata"]["uid"] and (dry_run or decoded["metadata"]["resourceVersion"]):
                return decoded
        except (UnreadableError, LookupError, TypeError):
            pass
        raise answer_lost(method, path, "the answer is not the object that was written")

    def delete(self, path: str, uid: str, resource_version: str) -> None:
        """Deletes the object of this uid at this version, and no other. Raises as `write` does, and ApiFailed 409 for another."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = msgspec.json.encode({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions})
        self._request("DELETE", path, None, body, {"Content-Type": JSON, "Accept": JSON})

    def list_pages(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        accept: str | Callable[[], str] = JSON,
        limit: int | None = None,
    ) -> Iterator[bytes]:
        """Bodies of a paged LIST; the next page is fetched while the caller works on this one.

        Pages have `limit` objects, or when it is None about PAGE_BYTES. `accept` may differ from page to page: then it is asked.

        When the token of a long LIST has expired (410), goes on from the token the server offers instead: later pages
        are then newer than the first, which is said by nobody but cannot lose an object.
        """
        query = {**(params or {}), "limit": str(limit or PAGE)}
        accepted = accept if callable(accept) else lambda: accept
        body = self._page(path, query, accepted())
        if not self._continue_token(body):
            yield body
            return
        with ThreadPoolExecutor(1) as pool:
            before, empty = "", 0
            while True:
                token = self._continue_token(body)
                if token and token == before:
                    raise NotAsked(f"the server answers the pages of {path} with the same one again and again")
                before = token
                empty = empty + 1 if _is_empty(body) else 0
                if token and empty >= EMPTY_PAGES:
                    raise NotAsked(f"the server answers {path} with {empty} pages that hold nothing, and promises more")
                if limit is None:
                    fitting = int(query["limit"]) * PAGE_BYTES // len(body)
                    query["limit"] = str(min(PAGE_MOST, max(PAGE_LEAST, fitting)))
                following = pool.submit(self._page, path, {**query, "continue": token}, accepted()) if token else None
                yield body
                if following is None:
                    return
                body = following.result()

    def _page(self, path: str, query: dict[str, str], accept: str) -> bytes:
        try:
            body = self.get(path, query, accept)
            if is_large(body):
                raise ApiFailed(f"the answer to {path} has more in it than is read at once", reason=TOO_LARGE)
            return body
        except ApiFailed as error:
            if error.reason == TOO_LARGE and (limit := int(query["limit"])) > 1:
                # a page of the largest objects there can be: fewer of them fit
                query["limit"] = str(limit // 8 or 1)
                return self._page(path, query, accept)
            if error.status != HTTPStatus.GONE or not error.reason:
                raise
            return self.get(path, {**query, "continue": error.reason}, accept)

    @staticmethod
    def _continue_token(body: bytes) -> str:
        head, has_items, _ = body[:_HEAD_BYTES].partition(b'"items"')
        if not has_items or b'"metadata"' not in head:
            # lists of custom resources, and of some aggregated API servers, have the metadata last
            try:
                return str(_decode_head(body).metadata.token or "")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return ""  # it is no list, which whoever decodes it will say
        found = _CONTINUE.search(head)
        try:
            return str(decode_json(b'"' + found[1] + b'"')) if found else ""
        except UnreadableError:
            return ""

    def watch(self, path: str, params: Mapping[str, str], seconds: float, accept: str = JSON) -> Iterator[dict[str, Any]]:
        """Decoded watch events until the server ends the watch or `seconds` have passed."""
        deadline = time.monotonic() + seconds
        whole = max(1, int(seconds) + 1)
        query = {**params, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(whole)}
        try:
            with self._waiting:
                connection = self._open()
        except (OSError, http.client.HTTPException) as error:
            raise self._failures.unreachable("watch", path, error) from None
        sock = connection.sock
        try:
            with self._waiting, limited(sock, time.monotonic(), self.config.request_timeout):
                connection.request("GET", self._url(path, query), headers=self._headers({"Accept": accept}))
                response = connection.getresponse()
            told("GET", f"{self.config.server}{self._url(path, query).removeprefix(self._prefix)}", response.status, 0.0)
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise self._failures.of_answer("GET", path, response.status, _answer(response), self._sent)
            while (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    line = read_line(response)
                except TimeoutError:
                    return
                if not line:
                    return
                yield decode_event(path, line)
        except (OSError, http.client.HTTPException) as error:
            raise self._failures.unreachable("watch", path, error) from None
        finally:
            connection.close()

    def upgrade(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> tuple[Any, BinaryIO]:
        """A connection that speaks another protocol from here on, and where to read from it. Raises AccessDenied or ApiFailed."""
        url = f"{self._prefix}{path}?{urllib.parse.urlencode(query)}"
        try:
            with self._waiting:
                connection = self._open()
            with self._waiting, limited(connection.sock, time.monotonic(), self.config.request_timeout):
                connection.request("GET", url, headers=self._headers(headers))
                response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._failures.unreachable("GET", path, error) from None
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            failure = self._failures.of_answer("GET", path, response.status, _answer(response), self._sent)
            connection.close()
            raise failure
        return connection, response.fp

    def close(self) -> None:
        """Closes this thread's connection."""
        if (connection := getattr(self._local, "connection", None)) is not None:
            connection.close()
            self._local.connection = None

    # one request

    def _request(
        self, method: str, path: str, params: Mapping[str, str] | None, body: bytes | None, headers: dict[str, str]
    ) -> bytes:
        url = self._url(path, params)
        is_write = method != "GET"
        renewed = False
        pauses = iter(RETRY_PAUSES_SECONDS)
        while True:
            try:
                with self._waiting:
                    status, answer, retry_after = self._send(method, url, body, headers)
            except _NotSentError as error:
                self.close()
                pause = None if isinstance(error.cause, FINAL) else next(pauses, None)
                if pause is None:
                    raise self._failures.unreachable(method, path, error.cause) from None
                time.sleep(pause)
                continue
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_write:
                    raise answer_lost(method, path, words_of(error)) from None
                pause = None if isinstance(error, FINAL) else next(pauses, None)
                if pause is None:
                    raise self._failures.unreachable(method, path, error) from None
                time.sleep(pause)
                continue
            if status < HTTPStatus.MULTIPLE_CHOICES:
                return answer
            if status == HTTPStatus.UNAUTHORIZED and not renewed and self.config.can_renew():
                renewed = True
                self.close()
                with self._lock:
                    self.config.credentials(renew=True)
                    self._context = None
                continue
            retried = status == HTTPStatus.TOO_MANY_REQUESTS or (status in RETRIED and not is_write)
            if retried and (pause := next(pauses, None)) is not None:
                time.sleep(min(float(retry_after or 0) or pause, 5.0))
                continue
            failure = self._failures.of_answer(method, path, status, answer, self._sent)
            if is_write and not is_refusal(status, answer):
                lost = answer_lost(method, path, str(failure))
                lost.is_final = is_status(answer) and status != HTTPStatus.GATEWAY_TIMEOUT
                raise lost
            raise failure

    def _send(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes, str]:
        began = time.monotonic()
        connection = getattr(self._local, "connection", None)
        if connection is not None and (connection.sock is None or (method != "GET" and _has_ended(connection))):
            # a write down a connection that the server has closed meanwhile would be one that nobody answers
            self.close()
            connection = None
        if connection is None:
            try:
                connection = self._open()
            except (OSError, http.client.HTTPException) as error:
                raise _NotSentError(error) from error
            self._local.connection = connection
        with limited(connection.sock, began, self.config.request_timeout) as head_is_there:
            connection.request(method, url, body, self._headers(headers))
            response = connection.getresponse()
            head_is_there()
            answer = _answer(response)
        told(method, f"{self.config.server}{url.removeprefix(self._prefix)}", response.status, time.monotonic() - began)
        retry_after = response.getheader("Retry-After") or ""
        return response.status, answer, retry_after if retry_after.isascii() and retry_after.isdigit() else ""

    @property
    def _sent(self) -> Credentials:
        """What this thread's last request said of its user."""
        return getattr(self._local, "credentials", None) or Credentials()

    def _url(self, path: str, params: Mapping[str, str] | None) -> str:
        # a namespace or name that no object has, of a slip of the pen or a kubeconfig: the server says so, in its own words
        asked = urllib.parse.quote(path, safe=string.punctuation)
        return self._prefix + asked + ("?" + urllib.parse.urlencode(params) if params else "")

    def _headers(self, headers: Mapping[str, str]) -> Any:
        message = http.client.HTTPMessage()
        message["User-Agent"] = f"ghostkey/{ghostkey.__version__}"
        for name, value in (*headers.items(), *self._dialer.headers.items(), *self.config.headers):
            message[name] = value  # appends: Impersonate-Group may come several times
        credentials = self._local.credentials = self.config.credentials()
        if credentials.token:
            message["Authorization"] = f"Bearer {credentials.token}"
        elif credentials.basic:
            message["Authorization"] = f"Basic {credentials.basic}"
        return message

    # connections

    def _open(self) -> http.client.HTTPConnection:
        return self._dialer.open(self._tls_context() if self._dialer.needs_tls else None, self.config.request_timeout)

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self.config.ssl_context()
            return self._context


class _NotSentError(Exception):
    """There was no connection to send a request down."""

    def __init__(self, cause: OSError | http.client.HTTPException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Token(msgspec.Struct):
    token: str | None = msgspec.field(name="continue", default=None)


class _ListHead(msgspec.Struct):
    metadata: _Token = msgspec.field(default_factory=_Token)


# lists are read by several threads: see `foreign`
_decode_head = msgspec.json.Decoder(_ListHead).decode


def _is_empty(page: bytes) -> bool:
    # the objects of a page may have empty `items` of their own; with one of them there are four maps
    return page.count(b"{") < 4 and _EMPTY.search(page) is not None


def _answer(response: http.client.HTTPResponse) -> bytes:
    body = read_body(response)
    if not is_redirect(response.status):
        return body
    # where to is all that a redirect says, and following it would take the credentials there; its path may hold others
    try:
        to = urllib.parse.urlsplit(response.getheader("Location") or "")
        return f"{to.scheme}://{to.hostname}".encode() if to.scheme and to.hostname else b""
    except ValueError:
        return b""


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed a kept connection, or sent what nobody asked for."""
    if connection.sock is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))
