"""Hands requests on to the API server, and lets faults meet them."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from ghostkey.churn.fault import EXPIRED_EVENT, Answer, HangUpError, refusal
from ghostkey.churn.proxy.activity import Activity
from ghostkey.churn.proxy.authors import Authors
from ghostkey.churn.proxy.calls import Call, call_of, narrowed
from ghostkey.churn.proxy.certain import ask_certainly, is_uncertain
from ghostkey.churn.proxy.denied import UNAUTHORIZED, Denied, is_in_want
from ghostkey.churn.proxy.finalizers import Request
from ghostkey.churn.proxy.guard import Guard
from ghostkey.churn.proxy.http1 import (
    LAST_CHUNK,
    LINE_MOST,
    Headers,
    chunk,
    head,
    iter_chunks,
    read_body,
    read_head,
    value_of,
    without,
)  # fmt: skip
from ghostkey.churn.proxy.leases import is_own, own_lease
from ghostkey.churn.proxy.renewal import Renewal
from ghostkey.churn.proxy.rules import Rules
from ghostkey.churn.tokens import tokens_in

ENDED = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, TimeoutError, ValueError)
# an event of a large object is one line
EVENT_MOST = 16 << 20


@dataclass(slots=True)
class Upstream:
    """Where the API server is, and as whom."""

    host: str
    port: int
    context: ssl.SSLContext
    token: str = ""
    basic: str = ""
    server_name: str | None = None  # that the certificate is to be for, where it is not the host
    prefix: str = ""  # of every path, where several API servers have one address
    headers: Headers = field(default_factory=list)  # as whom it is asked, beside the credentials
    own_headers: Headers = field(default_factory=list)  # the same, of what is the run's own
    renewal: Renewal = field(default_factory=Renewal)
    _kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection(
            self.host, self.port, ssl=self.context, server_hostname=self.server_name, limit=LINE_MOST
        )

    def take(self, token: str, basic: str, certificate: str = "", *, is_answer: bool = False) -> None:
        """Goes on with these credentials; `certificate`: a file with certificate and key, where it is another one. Raises OSError.

        `is_answer`: to what was asked for by `renewal`; whoever waits for that goes on whatever comes.
        """
        are_others = False
        try:
            if certificate:
                self.context.load_cert_chain(certificate)
                while self._kept:
                    self._kept.pop()[1].close()  # they are known by the certificate that they began with
            are_others = (token, basic) != (self.token, self.basic) or bool(certificate)
            self.token, self.basic = token, basic
        finally:
            self.renewal.given(are_others=are_others, is_answer=is_answer)

    def request(self, method: str, target: str, headers: Headers, body: bytes, *, is_own: bool = False) -> bytes:
        """The bytes of a request: as JSON where a choice is given, unpacked, as this proxy's user."""
        as_whom = self.own_headers if is_own else self.headers
        kept = [(name, _json_only(value) if name.lower() == "accept" else value) for name, value in headers]
        kept = without(kept, "accept-encoding", "authorization")
        if as_whom or is_own:
            kept = [(name, value) for name, value in kept if not name.lower().startswith("impersonate-")] + as_whom
        kept += [("Host", f"{self.host}:{self.port}")]
        if self.token or self.basic:
            kept += [("Authorization", f"Bearer {self.token}" if self.token else f"Basic {self.basic}")]
        if body or method in {"POST", "PUT", "PATCH"}:
            kept.append(("Content-Length", str(len(body))))
        return head(f"{method} {self.prefix}{target} HTTP/1.1", kept) + body

    async def ask(self, method: str, target: str, headers: Headers, body: bytes, *, is_own: bool = False) -> Answer:
        """The whole answer; asked again, once, where the credentials had run out and there are others."""
        number = self.renewal.number
        answer = await self._ask(self.request(method, target, headers, body, is_own=is_own), method)
        if answer.status != UNAUTHORIZED:
            self.renewal.are_taken()
            return answer
        if not await self.renewal.other_than(number):
            return answer
        return await self._ask(self.request(method, target, headers, body, is_own=is_own), method)

    async def _ask(self, request: bytes, method: str) -> Answer:
        """The answer over a kept connection where there is one."""
        while self._kept:
            reader, writer = self._kept.pop()
            if writer.is_closing() or reader.at_eof():
                writer.close()
                continue
            # the server may have closed it in this moment: nothing was carried out then, for nothing was answered at all
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return await self._exchange(reader, writer, request, method)
        reader, writer = await self.connect()
        return await self._exchange(reader, writer, request, method)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, method: str) -> Answer:
        writer.write(request)
        first, headers = await read_head(reader)
        status = int(first.split(" ")[1])
        body = b"" if method == "HEAD" or status in {204, 304} else await read_body(reader, headers)
        if value_of(headers, "connection").lower() == "close":
            writer.close()
        else:
            self._kept.append((reader, writer))
        return Answer(status, tuple(without(headers)), body)


@dataclass(slots=True)
class _Exchange:
    call: Call
    body: bytes
    _forward: Callable[[bytes], asyncio.Future[Answer]]
    _kill: Callable[[], None]

    async def forward(self) -> Answer:
        return await self._forward(self.body)

    def kill(self) -> None:
        self._kill()


class Watch:
    """One open watch of the operator."""

    def __init__(self, call: Call, writer: asyncio.StreamWriter, activity: Activity) -> None:
        self.call, self._writer, self._activity = call, writer, activity
        self.thawed = asyncio.Event()
        self.thawed.set()

    async def send(self, event: bytes) -> None:
        """Gives an event to the operator, when the stream is not frozen."""
        await self.thawed.wait()
        self._writer.write(chunk(event))
        await self._writer.drain()
        self._activity.deliver(self.call, event)

    async def expire(self) -> None:
        """410 Gone, and the end. Raises HangUpError."""
        self._writer.write(chunk(EXPIRED_EVENT) + LAST_CHUNK)
        await self._writer.drain()
        raise HangUpError

    def cut(self) -> None:
        """The end, now."""
        self.thawed.set()
        self._writer.close()


class Proxy:
    """One proxy of one operator."""

    def __init__(self, upstream: Upstream, token: str, writes_of_secrets: TextIO | None = None) -> None:
        """`token`: that the operator has to show; whoever else is on this machine could ask as the kubeconfig's user without."""
        self.upstream, self._bearer = upstream, f"Bearer {token}".encode()
        self.activity, self.rules = Activity(writes_of_secrets), Rules()
        self.watches: set[Watch] = set()
        self.narrow: tuple[frozenset[str], str] | None = None  # (resources, namespace)
        self.guard: Guard | None = None
        self.pid = 0
        self.is_frozen = False
        self.lease_suffix = ""
        self.lease_namespace = ""  # where its Leases are kept; "" for where it asks for them
        self.leases: set[str] = set()  # paths of those that the operator asks for
        self.denied = Denied()  # by the API server
        self.authors = Authors()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the operator, until either side ends it."""
        try:
            while True:
                first, headers = await read_head(reader)
                method, target, _ = first.split(" ", 2)
                # before the body: a stranger's is not even held
                if not hmac.compare_digest(value_of(headers, "authorization").encode("latin1"), self._bearer):
                    await _give(
                        writer, refusal(UNAUTHORIZED, "Unauthorized", "this proxy is the operator's that ghostkey churn tests")
                    )
                    return
                body = await read_body(reader, headers)
                if self.narrow is not None:
                    target = narrowed(target, *self.narrow)
                target, body, lease = own_lease(method, target, body, self.lease_suffix, self.lease_namespace)
                self.leases |= {lease} - {""}
                call = call_of(method, target, body)
                if call.verb == "watch" and (refused := self._guarded(call, method, target, headers)) is not None:
                    await _give(writer, refused)
                    continue
                if call.verb == "watch":
                    await self._watch(call, method, target, headers, writer)
                    return
                await self._exchange(call, method, target, headers, body, writer)
        except ENDED:
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    async def _exchange(
        self, call: Call, method: str, target: str, headers: Headers, body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        status, lacks = 0, False
        # looked up before `begin`, which takes debts away: a fault that strikes makes a new one
        self.activity.begin(call)
        try:
            if (refused := self._guarded(call, method, target, headers)) is not None:
                status = refused.status
                await _give(writer, refused)
                return
            rule = self.rules.for_call(call)
            if rule is None or rule.fault.on_request is None:
                answer = await self._asked(call, method, target, headers, body)
            else:
                if rule.fault.asks_again:
                    self.activity.owe(call, rule.token)

                def forward(changed: bytes) -> asyncio.Future[Answer]:
                    return asyncio.ensure_future(self._asked(call, method, target, headers, changed))

                answer = await rule.fault.on_request(_Exchange(call, body, forward, self.kill))
            status, lacks = answer.status, is_in_want(call, answer.status, answer.body)
            if call.verb == "list" and status == 200:
                self._relisted(call, answer.body)
            length = [] if method == "HEAD" else [("Content-Length", str(len(answer.body)))]
            writer.write(head(f"HTTP/1.1 {status} .", [*answer.headers, *length]) + answer.body)
            await writer.drain()
        finally:
            self.activity.end(call, status, lacks=lacks, body=body)

    def _guarded(self, call: Call, method: str, target: str, headers: Headers) -> Answer | None:
        return self.guard.answer(call, method, target, value_of(headers, "user-agent")) if self.guard is not None else None

    async def _asked(self, call: Call, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        async def ask(method: str, body: bytes) -> Answer:
            path = target.partition("?")[0] if method == "GET" else target
            return await self.upstream.ask(method, path, headers, body, is_own=is_own(target, self.lease_namespace))

        request = Request(call, target, body, value_of(headers, "content-type").partition(";")[0].strip().lower())
        with self.authors.handing_on(call) as shown:
            before = shown
            # on a control plane of ours nobody else writes the same
            if self.guard is not None and is_uncertain(request, shown):
                answer, before = await ask_certainly(request, method, shown, ask)
            else:
                answer = await self.upstream.ask(method, target, headers, body, is_own=is_own(target, self.lease_namespace))
            self.authors.answered(request, answer.status, answer.body, before)
        self.denied.note(call, answer.status, answer.body)
        return answer

    def _relisted(self, call: Call, body: bytes) -> None:
        start = body.find(b'"resourceVersion":"', 0, 2000)
        digits = body[start + 19 : start + 40].partition(b'"')[0]
        if start >= 0 and digits.isdigit():
            self.activity.relist(call, int(digits), body)

    def kill(self) -> None:
        """Ends the operator."""
        if self.pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _watch(self, call: Call, method: str, target: str, headers: Headers, writer: asyncio.StreamWriter) -> None:
        watch = Watch(call, writer, self.activity)
        source, sink, first, answered = await self._opened(method, target, headers)
        try:
            if " 200 " not in first + " ":
                body = await read_body(source, answered)
                self.denied.note(call, int(first.split(" ")[1]), body)
                writer.write(head(first, [*without(answered), ("Content-Length", str(len(body)))]) + body)
                await writer.drain()
                return
            writer.write(head(first, [*without(answered), ("Transfer-Encoding", "chunked")]))
            await writer.drain()
            if self.is_frozen:
                watch.thawed.clear()
            self.watches.add(watch)
            rest = b""
            async for piece in iter_chunks(source):
                *events, rest = (rest + piece).split(b"\n")
                if len(rest) > EVENT_MOST:
                    return
                for event in events:
                    await self._event(watch, event + b"\n")
            writer.write(LAST_CHUNK)
            await writer.drain()
        finally:
            self.watches.discard(watch)
            sink.close()

    async def _opened(
        self, method: str, target: str, headers: Headers
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str, Headers]:
        """The stream of a watch, and how its answer begins; asked again, once, where the credentials had run out."""
        for is_last in (False, True):
            number = self.upstream.renewal.number
            source, sink = await self.upstream.connect()
            try:
                sink.write(self.upstream.request(method, target, headers, b""))
                first, answered = await read_head(source)
                is_out = f" {UNAUTHORIZED} " in first + " "
                if not is_out:
                    self.upstream.renewal.are_taken()
                if is_last or not is_out or not await self.upstream.renewal.other_than(number):
                    return source, sink, first, answered
            except BaseException:
                sink.close()
                raise
            sink.close()
        raise AssertionError("unreachable")

    async def _event(self, watch: Watch, event: bytes) -> None:
        if b'"BOOKMARK"' not in event[:40]:
            tokens = tokens_in(event)
            self.authors.event(watch.call, event, tokens)
            rule = self.rules.for_event(watch.call, tokens)
            if rule is not None and rule.fault.on_watch_event is not None:
                await rule.fault.on_watch_event(watch, event)
                return
        await watch.send(event)

    # what is done to all watches at once

    def cut_watches(self) -> None:
        """Ends every watch; the operator opens them again where they were."""
        for watch in list(self.watches):
            watch.cut()

    async def expire_watches(self) -> None:
        """Tells every watch that it is too old; the operator lists again."""
        for watch in list(self.watches):
            with contextlib.suppress(*ENDED):
                await watch.expire()
            watch.cut()

    def freeze(self, is_frozen: bool) -> None:
        """Holds back all events, or lets them go."""
        self.is_frozen = is_frozen
        for watch in list(self.watches):
            (watch.thawed.clear if is_frozen else watch.thawed.set)()

    def watched(self) -> set[tuple[str, str]]:
        """Resource and namespace ("" for all) of each open watch."""
        return {(watch.call.resource, watch.call.namespace) for watch in self.watches}


async def _give(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """An answer of the proxy's own."""
    writer.write(head(f"HTTP/1.1 {answer.status} .", [*answer.headers, ("Content-Length", str(len(answer.body)))]) + answer.body)
    await writer.drain()


def _json_only(accept: str) -> str:
    """What a client takes, without the forms in which nobody here could look for names."""
    return ",".join(part for part in accept.split(",") if "protobuf" not in part and "cbor" not in part) or "application/json"


def log_lines(activity: Activity) -> str:
    """The log of requests as JSON lines."""
    return "\n".join(json.dumps(line) for line in activity.log)
