"""`python -m ghostkey.churn.proxy SETTINGS.json`: one proxy, told what to do by JSON lines on stdin, until stdin ends.

The first line on stdout says where it listens: {"port": n}. Requests: {"do": "state"} · {"do": "rules", "rules": […]} · {"do": "pid"}
· {"do": "expect", "versions": {…}, "gone": […]} · {"do": "touched", "tokens": […]} · {"do": "narrow"} · {"do": "forget"} · {"do": "log"} · {"do": "wants"}
· {"do": "cut-watches"} · {"do": "expire-watches"} · {"do": "freeze"} · {"do": "thaw"} · {"do": "own-leases", "suffix": "-2",
"namespace": ""} · {"do": "leases"} · {"do": "guard", "namespaces": […], "noted_in": path} · {"do": "refused"} · {"do": "authors"} · {"do": "credentials",
"token": …, "basic": …, "certificate": path, "is_answer": true}. What is written to `renewal`, a file descriptor, asks for other credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ghostkey.churn.proxy.authors import Record
from ghostkey.churn.proxy.guard import Guard
from ghostkey.churn.proxy.http1 import LINE_MOST
from ghostkey.churn.proxy.renewal import Renewal
from ghostkey.churn.proxy.server import Proxy, Upstream
from ghostkey.model.errors import GhostkeyError
from ghostkey.store.state import append_private


async def answer(proxy: Proxy, request: dict[str, Any]) -> dict[str, Any]:
    """Does one thing, and says what came of it."""
    activity = proxy.activity
    match request.get("do"):
        case "state":
            return activity.state(proxy.watched())
        case "touched":
            tokens = request["tokens"]
            return {"touched": {t: activity.touched[t] for t in tokens}, "asked": {t: activity.asked[t] for t in tokens}}
        case "rules":
            proxy.rules.replace(request["rules"])
        case "fired":
            return {"fired": proxy.rules.fired}
        case "expect":
            activity.expect(request.get("versions", {}), [(str(r), str(n)) for r, n in request.get("gone", [])])
        case "pid":
            proxy.pid = int(request["pid"])
        case "narrow":
            proxy.narrow = (frozenset(request["resources"]), request["namespace"]) if request.get("resources") else None
        case "guard":
            receipt = Path(request["noted_in"]) if request.get("noted_in") else None
            proxy.guard = Guard(frozenset(request["namespaces"]), noted_in=receipt)
            if receipt is not None:
                proxy.authors.note = noter(receipt)
        case "authors":
            return {"authors": proxy.authors.told(), "taken": proxy.authors.taken()}
        case "refused":
            guard = proxy.guard or Guard(frozenset())
            return {
                "refused": sorted([*call, times] for call, times in guard.refused.items()),
                "denied": proxy.denied.told(),
                "leases": sorted(guard.leases | proxy.denied.leases),
                "managers": sorted(guard.managers),
            }
        case "credentials":
            proxy.upstream.take(
                str(request["token"]), str(request["basic"]), str(request.get("certificate") or ""),
                is_answer=bool(request.get("is_answer")),
            )  # fmt: skip
        case "own-leases":
            proxy.lease_suffix, proxy.lease_namespace = str(request["suffix"]), str(request.get("namespace") or "")
        case "leases":
            return {"leases": sorted(proxy.leases)}
        case "forget":
            activity.forget()
        case "log":
            lines = list(activity.log)
            activity.log.clear()
            return {"log": lines}
        case "wants":
            return {"wants": activity.wants.told()}
        case "cut-watches":
            proxy.cut_watches()
        case "expire-watches":
            await proxy.expire_watches()
        case "freeze" | "thaw" as word:
            proxy.freeze(word == "freeze")
        case other:
            return {"error": f"unknown request {other!r}"}
    return {}


def noter(path: Path) -> Callable[[Record], None]:
    """Notes what the operator has put where in the receipt, a line each; what cannot be noted is not known."""

    def note(record: Record) -> None:
        with contextlib.suppress(OSError, GhostkeyError):
            append_private(path, json.dumps(record).encode() + b"\n")

    return note


async def run(settings: dict[str, Any]) -> None:
    """Serves until stdin ends."""
    upward = ssl.create_default_context(cafile=settings.get("ca") or None)
    # CAs of clusters are often older than RFC 5280 strictness, which Python 3.13 turned on by default
    upward.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if settings.get("insecure"):
        upward.check_hostname, upward.verify_mode = False, ssl.CERT_NONE
    upward.set_alpn_protocols(["http/1.1"])
    if settings.get("certificate"):
        upward.load_cert_chain(settings["certificate"])
    # open until the process ends
    writes = Path(settings["writes_of_secrets"]).open("a") if settings.get("writes_of_secrets") else None  # noqa: SIM115
    proxy = Proxy(Upstream(
        settings["host"], settings["port"], upward, server_name=settings.get("server_name") or None,
        prefix=settings.get("prefix", ""), headers=[(name, value) for name, value in settings.get("headers", ())],
        own_headers=[(name, value) for name, value in settings.get("own_headers", ())],
        renewal=Renewal(int(settings.get("renewal", -1))),
    ), settings["token"], writes)  # fmt: skip
    if settings.get("finalizers"):
        finalizers = Path(settings["finalizers"]).open("a")  # noqa: SIM115 (open until the process ends)
        proxy.authors.note = lambda record: print(json.dumps(record), file=finalizers, flush=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings["server_certificate"], settings["server_key"])
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context, limit=LINE_MOST)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    loop = asyncio.get_running_loop()
    control = asyncio.StreamReader(limit=LINE_MOST)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(control), sys.stdin)
    while line := await control.readline():
        try:
            reply = await answer(proxy, json.loads(line))
        except (ValueError, KeyError, TypeError, OSError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    server.close()


def main() -> None:
    """Runs until stdin ends; what is still open then ends with the process."""
    import os

    asyncio.run(_until_end(json.loads(Path(sys.argv[1]).read_text())))
    os._exit(0)


async def _until_end(settings: dict[str, Any]) -> None:
    import os

    await run(settings)
    # connections of the operator are still open: nothing is owed to them
    os._exit(0)


if __name__ == "__main__":
    main()
