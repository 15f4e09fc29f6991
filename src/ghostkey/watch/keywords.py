"""What an operator's log says that matters for its maps: panics, requests too large, conflicts, refusals of webhooks and policies.

Source: k8s.io/apimachinery v0.37 util/runtime HandleCrash, api/errors; k8s.io/apiserver v0.37 admission/plugin/webhook and
policy/validating; go.etcd.io/etcd v3.6 api/v3rpc/rpctypes; Go 1.26 runtime/panic.go, runtime/traceback.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LINE_MOST = 16_384  # characters of a line that are looked at
CALL_MOST = 2000  # of a line of a stack
SHOWN_MOST = 300  # characters of a line that are shown
STACK_LINES = 60


@dataclass(frozen=True, slots=True)
class Keyword:
    """One class of lines. `told_from`: so many within the patience of an alert are worth one; a conflict now and then is none."""

    name: str
    pattern: re.Pattern[str]
    told_from: int = 1


KEYWORDS = (
    Keyword("panic", re.compile(r"\bpanic: |[Oo]bserved a panic|^fatal error: |\bruntime error: ")),
    Keyword(
        "too-large",
        re.compile(
            r"request is too large|[Rr]equest entity too large|trying to send message larger than max"
            r"|Too long: (?:must have at most|may not be more than) \d+ bytes|metadata\.annotations: Too long"
        ),
    ),
    Keyword(
        "refused", re.compile(r"admission webhook \S+ denied the request|failed calling webhook|denied request: ", re.ASCII), 5
    ),
    Keyword("conflict", re.compile(r"Operation cannot be fulfilled on |the object has been modified; please apply"), 50),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One line that has a keyword, fit to be shown, and the functions that a panic went through, innermost first."""

    keyword: Keyword
    line: str
    stack: tuple[str, ...] = ()


def hits(lines: Iterable[str]) -> Iterator[Hit]:
    """What is to be told of these lines, in their order. A panic takes the lines of its stack with it."""
    panic: Hit | None = None
    stack: list[str] = []
    for raw in lines:
        line = raw[:LINE_MOST]
        if panic is not None and len(stack) < STACK_LINES and _is_of_stack(line):
            stack.append(line[:CALL_MOST])
            continue
        if panic is not None:
            yield _with_stack(panic, stack)
            panic, stack = None, []
        keyword = next((one for one in KEYWORDS if one.pattern.search(line)), None)
        if keyword is None:
            continue
        hit = Hit(keyword, shown(line))
        if keyword is not KEYWORDS[0]:
            yield hit
        elif inside := _JSON_STACK.search(line):
            yield _with_stack(hit, inside[1].replace("\\t", "\t").split("\\n"))
        else:
            panic = hit
    if panic is not None:
        yield _with_stack(panic, stack)


def open_panic(lines: Sequence[str]) -> int:
    """Where a panic begins whose stack reaches to the last of these lines, and may go on; their number where none does."""
    at = len(lines)
    while at > max(0, len(lines) - STACK_LINES) and _is_of_stack(lines[at - 1]):
        at -= 1
    first = max(0, at - 1)
    return next((place for place in range(first, len(lines)) if KEYWORDS[0].pattern.search(lines[place][:LINE_MOST])), len(lines))


# what follows a panic: nothing, the goroutine, calls and where they are, and a panic in a panic
_STACK = re.compile(r"\s*$|\t|goroutine \d+ |created by |\[signal |\[recovered\]|\s*panic: |\.\.\.additional frames")


def _is_of_stack(line: str) -> bool:
    is_call = line.endswith(")") and " " not in line.partition("(")[0] and line[:1].isalpha()
    return is_call or _STACK.match(line) is not None


_JSON_STACK = re.compile(r'"stack(?:trace)?":"((?:[^"\\]|\\.)*)"?')
_CALL = re.compile(r"(?:created by )?([\w.\-/()*\[\]{}·]+?)(?:\([^()]*\))?(?: in goroutine \d+)?$")
_PLACE = re.compile(r"\s+(?:\S*/)?([\w.\-]+\.go:\d+)")
_RUNTIME = (
    "runtime.",
    "panic",
    "k8s.io/apimachinery/pkg/util/runtime.",
    "sigs.k8s.io/controller-runtime/pkg/internal/",
    "goroutine ",
)


def _with_stack(hit: Hit, lines: list[str]) -> Hit:
    """Functions and places without arguments: what they hold is nobody's business."""
    found: list[str] = []
    for at, line in enumerate(lines):
        place = _PLACE.match(line)
        if place is None or not at:
            continue
        call = _CALL.match(lines[at - 1].strip())
        name = call[1] if call else ""
        if name and not name.startswith(_RUNTIME):
            found.append(f"{name} {place[1]}")
    return Hit(hit.keyword, hit.line, tuple(found))


# what looks like a credential: its name says so, or it is long and of no words
_NAMED = r"(?:password|passwd|secret|token|authorization|api[-_]?key)"
_CREDENTIAL = re.compile(
    rf"(?i)((?:--[\w-]*{_NAMED}\s+|{_NAMED}[\\\"']*\s*[=:]\s*)[\\\"']*(?:(?:bearer|basic)\s+)?)[^\s\"',;\\]+"
)
_USER = re.compile(r"(://[^\s/@:]*:)[^\s/@]+@")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{48,}")


def shown(line: str) -> str:
    """A line as it may be told: cut, without its own JSON stack, and without what looks like a credential."""
    text = _CREDENTIAL.sub(r"\1…", _JSON_STACK.sub('"stack":"…"', line))
    text = _USER.sub(r"\1…@", text)
    text = _LONG.sub("…", text).strip()
    return text if len(text) <= SHOWN_MOST else text[: SHOWN_MOST - 1] + "…"
