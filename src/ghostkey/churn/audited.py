"""What the audit log of the run's own control plane tells of traces that are no keys: objects, fields of objects, metrics, memory.

Of each dead subject the class of what was tried after it went, and of one of them all of it: when it came and went, what was written about
it meanwhile, and afterwards. A metric or a map is no object: its story ends with what the operator last did about the subject.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.proxy.calls import NOISE, WRITES
from ghostkey.churn.proxy.client import WRITES_OF_SECRETS
from ghostkey.churn.tokens import LONG_TAIL, tokens_in
from ghostkey.churn.traces import place_masked, texts_of
from ghostkey.sources.history.audit.event import Event, Status
from ghostkey.sources.history.audit.refusals import is_certain

LINE_MOST = 8 << 20  # bytes of one event; what is longer is passed over
WRITES_TOLD = 3
ANYWHERE = "*"
DELETIONS = frozenset({"delete", "deletecollection"})
HELD = "it is deleted, its finalizer holds it, and the audit log does not show why nobody has taken that away"
NO_OBJECT = "a series or a map in memory is no object, and the audit log does not show who would remove it"
OBJECT = re.compile(  # namespace, resource and name in the example of a trace
    r"^/apis?/(?:[^/]+/)?[^/]+/(?:namespaces/([^/]+)/)?([^/ ]+)/([^/ ]+)(?: .+)?$"
)


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as the audit log has it. `at`: RFC 3339 as it stands there.

    `places`: token → where in the body it stands, as traces call places; ANYWHERE where the log does not tell.
    """

    at: str
    who: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    said: str
    tokens: frozenset[str]
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_apply: bool = False
    is_certain: bool = True  # of a write that was refused: that it changed nothing

    @property
    def is_of_all(self) -> bool:
        """Whether it is a deletion of all objects of a kind, or of those that a selector chose."""
        return self.verb == "deletecollection"

    def is_at(self, place: str, token: str) -> bool:
        """Whether it may name a subject at this place."""
        return not {place, ANYWHERE}.isdisjoint(self.places.get(token, frozenset()))

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.namespace, self.name)))
        refused = f": {self.code} {self.said}" if self.code >= 400 else ""
        return f"{self.at} {self.who} {self.verb} {self.resource} {place}{refused}"


@dataclass(frozen=True, slots=True)
class Told:
    """How many subjects are of which class of `ghostkey explain`, none where a class would say more than is known; one story in lines.

    `unknown`: why there is no class.
    """

    classes: Mapping[str, int]
    lines: tuple[str, ...]
    place: tuple[str, str, str] = ("", "", "")  # resource, namespace and name of the object; of a metric and a map none
    unknown: str = ""


class WritesOfSecret:
    """Whom the writes of one Secret named. The audit log has no bodies of Secrets; the proxies have noted which names were in them."""

    def __init__(self, directory: Path, log: Path, namespace: str, name: str) -> None:
        """`directory`: where the proxies note; `log`: the audit log, all of it. Raises OSError."""
        seen = []
        for file in sorted(directory.glob(f"*{WRITES_OF_SECRETS}")):
            records = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
            seen += [record for record in records if (record["namespace"], record["name"]) == (namespace, name)]
        with log.open("rb") as lines:
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
    """All writes that name one of these tokens, in order, and those that remove what they do not name: applies, and deletions of
    collections. Raises OSError."""
    chosen = frozenset(tokens)
    found: list[Write] = []
    with log.open("rb") as lines:
        for line in lines:
            is_of_none = chosen.isdisjoint(tokens_in(line)) and b'"patch"' not in line and b'"deletecollection"' not in line
            if len(line) > LINE_MOST or is_of_none:
                continue
            try:
                found += (
                    write for write in _writes(json.loads(line)) if write.tokens & chosen or write.is_apply or write.is_of_all
                )
            except (ValueError, TypeError, AttributeError):
                continue  # the last line may be half written
    return sorted(found, key=lambda write: write.at)


def _writes(event: Mapping[str, Any]) -> Iterator[Write]:
    target = event.get("objectRef") or {}
    status = event.get("responseStatus") or {}
    body = event.get("requestObject")
    # Source: k8s.io/apimachinery pkg/apis/meta/v1/types.go: dryRun is an option of every write, and a deletion may have it in its body
    is_dry = "dryRun=" in str(event.get("requestURI") or "").partition("?")[2] or (
        event.get("verb") in DELETIONS and isinstance(body, dict) and bool(body.get("dryRun"))
    )
    if event.get("verb") not in WRITES or target.get("resource") in NOISE or is_dry:
        return
    user = str((event.get("user") or {}).get("username") or "?")
    # the answer may name whoever else is in the same map
    asked = [event.get("requestURI"), target.get("name"), body]
    # whoever has many programs under one name is told apart by the program
    program = str(event.get("userAgent") or "").partition("/")[0]
    place = f"{target.get('resource')}/{target['subresource']}" if target.get("subresource") else str(target.get("resource"))
    verb, code, said = str(event["verb"]), int(status.get("code") or 0), str(status.get("message") or "")
    yield Write(
        str(event.get("requestReceivedTimestamp")), f"{user} ({program})" if program else user, verb, place,
        str(target.get("namespace") or ""), str(target.get("name") or ""), code, said,
        frozenset(tokens_in(json.dumps(asked).encode())), _places(body),
        # Source: Kubernetes documentation, "Server-Side Apply": what is applied has kind and apiVersion; other patches need neither
        is_apply=verb == "patch" and isinstance(body, dict) and {"kind", "apiVersion"} <= body.keys(),
        is_certain=code < 400 or is_certain(Event(verb=verb, response_status=Status(code=code, message=said))),
    )  # fmt: skip


def _places(body: object) -> dict[str, frozenset[str]]:
    """Token → places in the body of a request. A JSON patch is a list, and of a Secret there is none: then it may be anywhere."""
    if not isinstance(body, dict):
        return {token: frozenset({ANYWHERE}) for token in tokens_in(json.dumps(body).encode())}
    found: dict[str, set[str]] = {}
    for place, _, text in texts_of(body, is_secret=False):
        for token in tokens_in(text):
            found.setdefault(token, set()).add(place_masked(place))
    return {token: frozenset(places) for token, places in found.items()}


def stories_of(verdicts: Sequence[Verdict], log: Path) -> dict[Verdict, Told]:
    """The story behind each verdict, or why there is none. Reads the log once. Raises OSError."""
    chosen = {verdict: _tokens_of(verdict) for verdict in verdicts}
    about: dict[str, list[Write]] = {}
    writes = writes_in(log, {token for tokens in chosen.values() for token in tokens})
    about[""] = [write for write in writes if write.is_apply or write.is_of_all]
    for write in writes:
        for token in write.tokens:
            about.setdefault(token, []).append(write)
    return {verdict: _told(verdict, tokens, about) for verdict, tokens in chosen.items()}


def _tokens_of(verdict: Verdict) -> list[str]:
    """The subjects that a trace still names, the one that its example names first."""
    first = sorted(tokens_in(verdict.example.encode())) or [verdict.one]
    return [token for token in dict.fromkeys([*first[:1], *sorted(verdict.tokens)]) if token]


def _told(verdict: Verdict, tokens: Sequence[str], about: Mapping[str, Sequence[Write]]) -> Told:
    """Every subject's class counts; the story is that of the first subject of the most frequent one."""
    told = (_story(verdict, tokens[0], token, about.get(token, ()), about[""]) for token in tokens)
    stories = [story for story in told if story is not None]
    if not stories:
        return Told({}, (), unknown=_why_untold(verdict))
    classes = Counter(cls for cls, _, _ in stories if cls)
    most = classes.most_common(1)[0][0] if classes else ""
    cls, lines, place = next(story for story in stories if story[0] == most)
    if cls and len(stories) < len(tokens):
        lines = [*lines, f"of {len(tokens) - len(stories)} more the audit log shows no write that made it"]
    return Told(
        dict(classes.most_common()), tuple(lines), place, "" if cls else HELD if verdict.kind is Kind.STUCK else NO_OBJECT
    )


def _why_untold(verdict: Verdict) -> str:
    if verdict.signature.place.startswith("secrets "):
        return "the audit log has no bodies of Secrets, and so no write that names the subject"
    return "the audit log shows no write that made it, or not when the subject came and went"


def _story(
    verdict: Verdict, first: str, token: str, about: Sequence[Write], broad: Sequence[Write]
) -> tuple[str, list[str], tuple[str, str, str]] | None:
    """Class, lines and place of the trace of one subject, as the example has that of the first; None where the log does not tell."""
    own = {token, token + LONG_TAIL}
    came = next((w for w in about if w.verb == "create" and w.name in own and w.code < 400), None)
    went = next((w for w in about if w.verb == "delete" and w.name in own and w.code < 400), None)
    if came is None or went is None:
        return None
    subject = f"{came.resource} {'/'.join(filter(None, (came.namespace, came.name)))}"
    others = [w for w in about if w.name not in own or w.who != came.who]
    lines = [f"for example {subject}, which came {came.at} and went {went.at}"]
    found = OBJECT.match(verdict.example) if verdict.signature.source == "api" else None
    if found is None:
        return "", lines + _last(others, went, "nothing was written about it but itself"), ("", "", "")
    namespace, resource = found[1] or "", found[2]
    if verdict.kind is Kind.STUCK:
        # somebody has removed it, and it is no trace of the subject but that itself
        return "", lines + _last(others, went, "nothing was written about it but itself"), (resource, came.namespace, came.name)
    is_its_own = first in found[3]
    # another subject's object is called alike, with a long name or a short one
    alike = re.compile(re.escape(found[3].replace(first + LONG_TAIL, first)).replace(first, f"{token}(?:{LONG_TAIL})?"))
    of_place = [
        w for w in others
        if (w.resource.partition("/")[0], w.name) == (resource, found[3]) or (w.resource == resource and is_its_own and alike.fullmatch(w.name))
    ]  # fmt: skip
    of_place = [w for w in of_place if w.namespace == namespace or (is_its_own and w.namespace == came.namespace)]
    # of an object that others are in, too, what counts is the place in it
    there = of_place if is_its_own else [w for w in of_place if w.is_at(verdict.example.partition(" ")[2], token)]
    made = next((w for w in there if w.code < 400 and w.verb != "delete"), None)
    if made is None:
        return None
    lines.append(f"written first: {made}")
    where = (resource, made.namespace, made.name)
    # a selector that names other subjects alone is about those
    of_all = [
        w for w in broad
        if w.is_of_all and (w.resource, w.namespace) == where[:2] and (not w.tokens or token in w.tokens)
    ]  # fmt: skip
    after = sorted((w for w in [*there, *of_all] if w.at > went.at), key=lambda w: w.at)
    silent = [
        w for w in broad
        if w.is_apply and (w.resource, w.namespace, w.name) == where and w.at > went.at and token not in w.tokens
    ]  # fmt: skip
    cls = _class(after) if is_its_own else "no-delete" if not after and not silent else "unknown"
    lines += _last(after, went, f"nobody wrote {resource} {made.name} for it there after that", is_after=True)
    elsewhere = [] if is_its_own or after else [w for w in of_place if w.at > went.at]
    lines += [f"and after it went, at other places of it: {w}" for w in elsewhere[:1]]
    lines += [f"and after it went, an apply that does not name it, as one that removes it: {w}" for w in silent[:1]]
    return cls, lines, where


def _last(writes: Sequence[Write], went: Write, nothing: str, *, is_after: bool = False) -> list[str]:
    if not writes:
        return [nothing]
    before, after = [w for w in writes if w.at <= went.at], [w for w in writes if w.at > went.at]
    told = [] if is_after or not before else [f"written about it while it lived: {len(before)}, the last: {before[-1]}"]
    told += [f"and after it went: {write}" for write in after[:WRITES_TOLD]] or ["and nothing after it went"]
    return told + ([f"and {len(after) - WRITES_TOLD} more"] if len(after) > WRITES_TOLD else [])


def _class(after: Sequence[Write]) -> str:
    """Of an object that is one subject's: what became of the deletions."""
    deletions = [w for w in after if w.verb in DELETIONS]
    if not deletions:
        return "no-delete"
    if all(w.code >= 400 for w in deletions):
        # where nobody knows whether it was done, it may have been, and the object be another one
        return "delete-failed" if all(w.is_certain for w in deletions) else "unknown"
    deleted = next((w for w in deletions if w.verb == "delete"), None)
    is_again = deleted is not None and any(w.verb == "create" and w.code < 400 and w.at > deleted.at for w in after)
    return "written-again" if is_again else "unknown"
