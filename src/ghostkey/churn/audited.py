"""What the audit log of the run's own control plane tells of traces that are no keys: objects, fields of objects, metrics, memory.

Of one dead subject: when it came and went, what was written about it meanwhile, and what was tried afterwards. A metric or a map is no
object, so that its story ends with what the operator last did about the subject.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostkey.churn.judge import Verdict
from ghostkey.churn.proxy.calls import NOISE, WRITES
from ghostkey.churn.proxy.client import WRITES_OF_SECRETS
from ghostkey.churn.tokens import LONG_TAIL, tokens_in

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

LINE_MOST = 8 << 20  # bytes of one event; what is longer is passed over
WRITES_TOLD = 3
_OBJECT = re.compile(r"^/apis?/(?:[^/]+/)?[^/]+/(?:namespaces/([^/]+)/)?([^/ ]+)/([^/ ]+)(?: .+)?$")


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as the audit log has it. `at`: RFC 3339 as it stands there."""

    at: str
    who: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    said: str
    tokens: frozenset[str]

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.namespace, self.name)))
        refused = f": {self.code} {self.said}" if self.code >= 400 else ""
        return f"{self.at} {self.who} {self.verb} {self.resource} {place}{refused}"


@dataclass(frozen=True, slots=True)
class Told:
    """A story in lines, and its class of `ghostkey explain`; "" where a class would say more than is known."""

    cls: str
    lines: tuple[str, ...]
    place: tuple[str, str, str] = ("", "", "")  # resource, namespace and name of the object; of a metric and a map none


class WritesOfSecret:
    """Whom the writes of one Secret named. The audit log has no bodies of Secrets; the proxies have noted which names were in them."""

    def __init__(self, control_plane: ControlPlane, namespace: str, name: str) -> None:
        """Raises OSError."""
        seen = []
        for file in sorted(control_plane.directory.glob(f"*{WRITES_OF_SECRETS}")):
            records = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
            seen += [record for record in records if (record["namespace"], record["name"]) == (namespace, name)]
        with control_plane.audit_log.open("rb") as lines:
            audited = sum(_is_write_of(line, namespace, name) for line in lines if b'"secrets"' in line)
        self._seen = [(int(record["at"]), frozenset(record["tokens"])) for record in seen]
        # else somebody wrote past the proxies; what was refused, by the server, a fault or the guard, wrote nothing
        self._are_all = sum(_is_done(record.get("code")) for record in seen) >= audited

    def left_alone(self, token: str, since: int) -> bool:
        """Whether every write since a time (microseconds) named subjects, and never this one."""
        return self._are_all and all(tokens and token not in tokens for at, tokens in self._seen if at >= since)


def _is_done(code: object) -> bool:
    return isinstance(code, int) and 200 <= code < 300


def _is_write_of(line: bytes, namespace: str, name: str) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False  # the last line may be half written
    target = event.get("objectRef") or {}
    # a create makes the map: it removes nothing
    is_write = event.get("verb") in WRITES - {"create"} and _is_done((event.get("responseStatus") or {}).get("code"))
    return is_write and (target.get("resource"), target.get("namespace"), target.get("name")) == ("secrets", namespace, name)


def writes_in(log: Path, tokens: Iterable[str]) -> list[Write]:
    """All writes that name one of these tokens, in order. Raises OSError."""
    chosen = frozenset(tokens)
    wanted = {token.encode() for token in chosen}
    found: list[Write] = []
    with log.open("rb") as lines:
        for line in lines:
            if len(line) > LINE_MOST or not any(token in line for token in wanted):
                continue
            try:
                found += (write for write in _writes(json.loads(line)) if write.tokens & chosen)
            except (ValueError, TypeError, AttributeError):
                continue  # the last line may be half written
    return sorted(found, key=lambda write: write.at)


def _writes(event: Mapping[str, Any]) -> Iterator[Write]:
    target = event.get("objectRef") or {}
    status = event.get("responseStatus") or {}
    if event.get("verb") not in WRITES or target.get("resource") in NOISE:
        return
    user = str((event.get("user") or {}).get("username") or "?")
    # the answer may name whoever else is in the same map
    asked = [event.get("requestURI"), target.get("name"), event.get("requestObject")]
    # whoever has many programs under one name is told apart by the program
    program = str(event.get("userAgent") or "").partition("/")[0]
    place = f"{target.get('resource')}/{target['subresource']}" if target.get("subresource") else str(target.get("resource"))
    yield Write(
        str(event.get("requestReceivedTimestamp")), f"{user} ({program})" if program else user, str(event["verb"]), place,
        str(target.get("namespace") or ""), str(target.get("name") or ""), int(status.get("code") or 0),
        str(status.get("message") or ""), frozenset(tokens_in(json.dumps(asked).encode())),
    )  # fmt: skip


def stories_of(verdicts: Sequence[Verdict], log: Path) -> dict[Verdict, Told]:
    """The story behind each verdict whose example, or whose dead, name a subject. Reads the log once. Raises OSError."""
    chosen = {verdict: token for verdict in verdicts if (token := _token_of(verdict))}
    writes = writes_in(log, chosen.values())
    return {verdict: told for verdict, token in chosen.items() if (told := _story(verdict, token, writes)) is not None}


def _token_of(verdict: Verdict) -> str:
    return next(iter(sorted(tokens_in(verdict.example.encode()))), "") or verdict.one


def _story(verdict: Verdict, token: str, writes: Sequence[Write]) -> Told | None:
    own = {token, token + LONG_TAIL}
    about = [write for write in writes if token in write.tokens]
    came = next((w for w in about if w.verb == "create" and w.name in own and w.code < 400), None)
    went = next((w for w in about if w.verb == "delete" and w.name in own and w.code < 400), None)
    if came is None or went is None:
        return None
    subject = f"{came.resource} {'/'.join(filter(None, (came.namespace, came.name)))}"
    others = [w for w in about if w.name not in own or w.who != came.who]
    lines = [f"for example {subject}, which came {came.at} and went {went.at}"]
    found = _OBJECT.match(verdict.example) if verdict.signature.source == "api" else None
    if found is None:
        lines += _last(others, went, "nothing was written about it but itself")
        return Told("", tuple(lines))
    namespace, resource, name = found[1] or "", found[2], found[3]
    of_place = [w for w in others if (w.resource.partition("/")[0], w.namespace, w.name) == (resource, namespace, name)]
    first = next((w for w in of_place if w.code < 400 and w.verb != "delete"), None)
    if first is None:
        return None
    lines.append(f"written first: {first}")
    after = [w for w in of_place if w.at > went.at]
    cls = _class(after) if token in name else "no-delete" if not after else "unknown"
    lines += _last(after, went, f"nobody wrote {resource} {name} for it after that", is_after=True)
    return Told(cls, tuple(lines), (resource, namespace, name))


def _last(writes: Sequence[Write], went: Write, nothing: str, *, is_after: bool = False) -> list[str]:
    if not writes:
        return [nothing]
    before, after = [w for w in writes if w.at <= went.at], [w for w in writes if w.at > went.at]
    told = [] if is_after or not before else [f"written about it while it lived: {len(before)}, the last: {before[-1]}"]
    told += [f"and after it went: {write}" for write in after[:WRITES_TOLD]] or ["and nothing after it went"]
    return told + ([f"and {len(after) - WRITES_TOLD} more"] if len(after) > WRITES_TOLD else [])


def _class(after: Sequence[Write]) -> str:
    """Of an object that is one subject's: what became of the deletions."""
    deletions = [w for w in after if w.verb == "delete"]
    if not deletions:
        return "no-delete"
    if all(w.code >= 400 for w in deletions):
        return "delete-failed"
    return "written-again" if any(w.verb == "create" and w.code < 400 and w.at > deletions[0].at for w in after) else "unknown"
