"""Whether a request has put a finalizer on a subject, where it does not say of which version it was made, and others may be as fast.

Another instance of the same program writes the same under the same name, and the request changes nothing then: its answer looks the same.
So it is asked on condition that the object is as it was seen, without the finalizer; the operator hears of none of that.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ghostkey.churn.fault import Answer
from ghostkey.churn.proxy.finalizers import OPERATIONS, Request, Shown, applied_in, finalizers_of, metadata_of, parsed
from ghostkey.churn.tokens import tokens_in, words_in

CONFLICT, OK = 409, 200
TRIES = 3  # of an object that others write all the time
# Source: k8s.io/apiserver/pkg/registry/generic/registry OptimisticLockErrorMsg; an apply may be in conflict about fields, too
_MODIFIED = b"the object has been modified"
Ask = Callable[[str, bytes], Awaitable[Answer]]  # method and body


def is_uncertain(request: Request, before: Shown) -> bool:
    """Whether it would put a finalizer on a subject, and does not say of which version it was made."""
    call = request.call
    # a whole object without a version is refused, or takes the place of whatever is there
    if call.verb != "patch" or call.subresource or request.of_type == OPERATIONS:
        return False
    document = parsed(request.body) if b"finalizers" in request.body and tokens_in(call.name.encode()) else {}
    return bool(finalizers_of(document) - before.finalizers) and not metadata_of(document).get("resourceVersion")


async def ask_certainly(request: Request, method: str, before: Shown, ask: Ask) -> tuple[Answer, Shown]:
    """The answer, and what was there before. Where that cannot be known, what it names was there: it is not said to have put it."""
    document = parsed(request.body)
    wanted = finalizers_of(document)
    for _ in range(TRIES):
        if not before.version:
            seen = await ask("GET", b"")
            if seen.status != OK:
                break
            before = _shown(seen.body, request)
        if wanted <= before.finalizers:
            break
        metadata = {**metadata_of(document), "resourceVersion": before.version}
        answer = await ask(method, json.dumps({**document, "metadata": metadata}).encode())
        if answer.status != CONFLICT or _MODIFIED not in answer.body:
            return answer, before
        before = replace(before, version="")
    return await ask(method, request.body), replace(before, finalizers=before.finalizers | wanted)


def _shown(content: bytes, request: Request) -> Shown:
    document = parsed(content)
    metadata, finalizers = metadata_of(document), finalizers_of(document)
    version = str(metadata.get("resourceVersion") or "")
    return Shown(
        str(metadata.get("uid") or ""), frozenset(words_in(content, request.call.resource)), finalizers, {version: finalizers},
        applied_in(document), version,
    )  # fmt: skip
