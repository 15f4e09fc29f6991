"""A rate-limited queue gets keys again and again, and nothing tells it to forget one.

*What it finds.* A `workqueue.RateLimitingInterface` (or `TypedRateLimitingInterface`) that is asked to `AddRateLimited` and never to
`Forget`, and that is handed to nobody else who might. Also a helper that tells a queue to forget a key where its error is nil, and that
is called only where there is an error.

*Why it matters.* The queue's rate limiter counts the failures of each key until it is told to forget it: a key that worked at last keeps
its count for as long as the process, and is retried slowly ever after.

*When it is wrong.* The queue has a rate limiter of its own that keeps nothing. Where the package makes queues with another one than the
default, it is told with `--level B`.

Bad:

    c := &Controller{queue: workqueue.NewRateLimitingQueue(workqueue.DefaultControllerRateLimiter())}
    …
    if err := c.sync(ctx, key); err != nil {
        c.queue.AddRateLimited(key) // want "never told to forget"
        return
    }

Good:

    if err := c.sync(ctx, key); err != nil {
        c.queue.AddRateLimited(key)
        return
    }
    c.queue.Forget(key)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.reach import callers

_QUEUE = re.compile(r"workqueue\.\w*RateLimit\w*")
_WORD = re.compile(r"\.(\w+)\b(?![.(])")  # a field as a whole
_IS_NIL = re.compile(r"(\w+)\s*==\s*nil")
_MAKES = re.compile(r"New\w*RateLimitingQueue\w*$")
# Source: k8s.io/client-go v0.31 util/workqueue/default_rate_limiters.go
_KEEPS = re.compile(r"Default\w*RateLimiter|ItemExponentialFailure|ItemFastSlow")


def _find(look: Look) -> Iterator[Finding]:
    yield from _forgets_what_failed_alone(look)
    module = look.module
    asked: dict[Symbol, tuple[Spot, Call]] = {}
    spots = {id(spot.function) for spot in look.spots()}
    for spot, call in module.callers.get("AddRateLimited", ()):
        if call.receiver is None or id(spot.function) not in spots:
            continue
        for symbol in module.symbols(spot, call.receiver):
            if _QUEUE.search(module.type_of(symbol)):
                asked.setdefault(symbol, (spot, call))
    if not asked:
        return
    names = {symbol.name for symbol in asked}
    told = {
        call.receiver.fields[-1:] or (call.receiver.root,)
        for _, call in module.callers.get("Forget", ())
        if call.receiver is not None
    }
    handed = {
        place.fields[-1] if place.fields else place.root
        for spot in module.spots()
        for call in spot.function.calls
        for place in call.arguments
        if place is not None and (place.fields[-1] if place.fields else place.root) in names
    }
    # a getter gives it to whoever asks
    handed |= {
        word for spot in module.spots() for one in spot.function.returns for word in _WORD.findall(one.text) if word in names
    }
    for symbol, (spot, call) in asked.items():
        if (symbol.name,) not in told and symbol.name not in handed:
            yield Finding.at(
                ("queue-never-forgets", "A" if _counts(module, symbol) else "B"), spot, call.line, symbol, call.texts[0] if call.texts else "",
                f"{symbol} is never told to forget a key: its rate limiter keeps a count for each that failed once",
            )  # fmt: skip


def _forgets_what_failed_alone(look: Look) -> Iterator[Finding]:
    """Helpers whose `if err == nil { queue.Forget(key) }` no caller comes to, as each asks for an error first."""
    for spot, call in look.module.callers.get("Forget", ()):
        errors = {name: at for at, (name, kind) in enumerate(spot.function.params) if kind == "error"}
        asked = [found[1] for one in call.branches if one.kind == "if" and (found := _IS_NIL.fullmatch(one.text.strip()))]
        at = next((errors[name] for name in asked if name in errors), None)
        if at is None or is_aside(spot.file):
            continue
        calls = [(caller, one) for caller, one in callers(look.module, spot) if at < len(one.texts)]
        if calls and all(_is_of_error(one, one.texts[at]) for _, one in calls):
            caller, one = calls[0]
            yield Finding(
                "queue-never-forgets", "B", spot.file.path, call.line, call.qualifier, spot.function.full_name, call.texts[0] if call.texts else "",
                f"{call.qualifier} is told to forget a key that worked in {spot.function.full_name} alone, which is called only where there is an error",
                (Witness.at(caller, one.line, "called here, where there is an error"),),
            )  # fmt: skip


def _is_of_error(call: Call, given: str) -> bool:
    """Whether a call stands where the error that it is given is one."""
    is_one = re.compile(rf"(?:^|[;\s(]){re.escape(given)}\s*!=\s*nil$")
    return any(one.kind == "if" and is_one.search(one.text.strip()) for one in call.branches)


def _counts(module: Module, symbol: Symbol) -> bool:
    """Whether the package of a queue makes such with limiters that keep a count for each key."""
    package = module.packages[symbol.folder]
    made = [
        call.texts[0]
        for facts in package.files
        for function in facts.functions
        for call in function.calls
        if _MAKES.match(call.name) and call.texts
    ]
    return bool(made) and all(_KEEPS.search(text) for text in made)


RULE = Rule("A", "a rate-limited queue that forgets nothing", _find)
