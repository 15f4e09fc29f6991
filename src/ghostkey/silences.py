"""What is known already: the annotation `ghostkey.dev/ignore` of a map, `.ghostkey.yaml`, and baseline files.

All of it is written by people and read strictly: a word that is not understood silences nothing, and is told.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json, load_yaml
from ghostkey.model.errors import Refused, UsageError
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding
from ghostkey.model.refs import ObjectRef
from ghostkey.model.silences import Heard, Silence, Silenced
from ghostkey.store.snapshot import Snapshot

ANNOTATION = "ghostkey.dev/ignore"
SETTINGS = ".ghostkey.yaml"
BASELINE_KIND = "GhostkeyBaseline"
BASELINE_DAYS = 90
_SETTINGS_BYTES, _BASELINE_BYTES = 1 << 20, 32 << 20
_FOLDERS_UP = 64
_YAML = re.compile(r"\s*(?:[{\[\"']|-\s|\w+:(?:\s|\Z))")
_RULES = 1000  # of one file: each is compared with each finding
_PLURALS = {"namespaces": "namespaces", "namespace": "namespaces", "maps": "maps", "map": "maps", "keys": "keys", "key": "keys"}
Patterns = dict[str, tuple[str, ...]]
_PLURALS |= {"analyses": "analyses", "analysis": "analyses"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a `.ghostkey.yaml` says: who is silenced, the baseline that it names, options of commands that it gives."""

    silences: tuple[Silence, ...] = ()
    baseline: Path | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


# the annotation of a map


def annotated_silences(snapshot: Snapshot) -> list[Silence]:
    """Silences that the maps themselves carry; one that cannot be understood becomes a gap, and silences nothing."""
    found: list[Silence] = []
    done: set[tuple[str, str, str]] = set()
    for seen in snapshot.maps:
        holder = seen.holder
        spot = (holder.kind.qualified, holder.namespace, holder.name)
        if seen.meta is None or ANNOTATION not in seen.meta.annotations or spot in done:
            continue
        done.add(spot)
        try:
            found += silences_of(seen.meta.annotations[ANNOTATION], str(holder).partition(" -n ")[0], holder.namespace)
        except (UsageError, UnreadableError) as error:
            hint = f"write {ANNOTATION}: '{{keys: [a, b-*], until: 2027-01-31, reason: why}}'"
            snapshot.gaps.append(Gap(_not_understood(holder), str(error), hint=hint))
    return found


def check_understood(snapshot: Snapshot, holders: Iterable[ObjectRef]) -> None:
    """Raises Refused where the word of one of these maps on what is silenced was not understood: it may be about what is to go."""
    asked = {_not_understood(holder) for holder in holders}
    for gap in snapshot.gaps:
        if gap.what in asked:
            raise Refused(f"{gap.what}, nothing was changed: {gap.why}", gap.hint)


def _not_understood(holder: ObjectRef) -> str:
    return f"annotation {ANNOTATION} of {holder} was not understood"


def silences_of(text: str, map_name: str, namespace: str) -> list[Silence]:
    """The silences of one map's annotation: patterns with commas between them, or a rule (or several) as YAML or JSON.

    Raises UsageError or UnreadableError.
    """
    # a pattern such as *.crt is no YAML
    document: Any = {"keys": [word.strip() for word in text.split(",") if word.strip()]}
    if _YAML.match(text):
        document = load_yaml(text)
    rules = document if isinstance(document, list) else [document]
    place: Patterns = {"maps": (_literal(map_name),), "namespaces": (_literal(namespace),)}
    origin = f"annotation {ANNOTATION}"
    return [_rule(rule, f"rule {number}", origin, ("keys", "analyses"), place) for number, rule in enumerate(rules, 1)]


def _literal(name: str) -> str:
    """The name as a pattern that matches nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


# .ghostkey.yaml


def find_settings(folder: Path) -> Path | None:
    """The nearest `.ghostkey.yaml`, from this folder upwards; None when there is none.

    Raises UsageError for one that somebody else has put there, who could silence what they like.
    """
    owners = {0, _owner(folder)} | ({os.getuid()} if hasattr(os, "getuid") else set())
    for place in [folder, *folder.parents][:_FOLDERS_UP]:
        path = place / SETTINGS
        if path.is_file():
            if hasattr(os, "getuid") and _owner(path) not in owners:
                raise UsageError(f"{path} belongs to another user: it is not trusted", f"name it if it is right: --config {path}")
            return path
    return None


def nearest_settings() -> Path | None:
    """`find_settings` from the current folder; None where that has gone. Raises what that does."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    return find_settings(here)


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def read_settings(path: Path) -> Settings:
    """What a settings file says. Raises UsageError naming what is wrong in it."""
    try:
        document = load_yaml(_bytes_of(path, _SETTINGS_BYTES))
    except UnreadableError as error:
        raise UsageError(f"{path} could not be read: {error}" + (f" at line {error.line}" if error.line else "")) from None
    if document is None:
        return Settings()
    if not isinstance(document, dict):
        raise UsageError(
            f"{path} holds a {_type(document)}, not settings", "it has the fields ignore, exclude-namespaces, baseline, options"
        )
    _known_fields(document, ("ignore", "exclude-namespaces", "baseline", "options"), str(path))
    rules = document.get("ignore") or []
    if not isinstance(rules, list) or len(rules) > _RULES:
        raise UsageError(f"{path}: ignore is no list of at most {_RULES:,} rules")
    fields = ("namespaces", "maps", "keys", "analyses")
    silences = [_rule(rule, f"{path}: ignore[{number}]", path.name, fields, {}) for number, rule in enumerate(rules)]
    spaces = _words(document.get("exclude-namespaces"), f"{path}: exclude-namespaces")
    silences += excluded(spaces, f"exclude-namespaces of {path.name}")
    baseline = document.get("baseline")
    if baseline is not None and not (isinstance(baseline, str) and baseline):
        raise UsageError(f"{path}: baseline is no path")
    options = _commands(document.get("options"), path)
    return Settings(tuple(silences), path.parent / baseline if baseline else None, options)


def read_options(path: Path, command: str) -> Mapping[str, Any]:
    """Command → options, for a command that takes nothing of the file: what is wrong elsewhere in it is no matter of its.

    Raises UsageError for options of this command that stand where nobody looks for them.
    """
    try:
        document = load_yaml(_bytes_of(path, _SETTINGS_BYTES))
    except (UnreadableError, UsageError):
        return {}
    if not isinstance(document, dict):
        return {}
    if command in document:
        raise UsageError(f"{path}: no field is named {command!r}", f"options: {{{command}: …}} is where a command's would stand")
    options = document.get("options")
    return _commands(options, path) if isinstance(options, dict) else {}


def _commands(found: Any, path: Path) -> dict[str, Any]:
    """Command → whatever stands there: it is looked at by `options_of` for the one command that is called."""
    if found is not None and not isinstance(found, dict):
        raise _no_options(path)
    return {str(name): options for name, options in (found or {}).items()}


def options_of(commands: Mapping[str, Any], name: str, path: Path | None) -> dict[str, Any]:
    """Option → whatever stands there, of one command; `commands` as a file at `path` has them. Raises UsageError for what is no mapping."""
    options = commands.get(name, {})
    if not isinstance(options, dict):
        raise _no_options(path)
    return {str(word): value for word, value in options.items()}


def check_option(value: Any, name: str, word: str, path: Path | None) -> None:
    """Raises UsageError for what is no text, and no list of texts."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | bool) for one in values) or len(values) > _RULES:
        raise UsageError(f"{path}: options.{name}.{word} is neither a text nor a list of texts")


def _no_options(path: Path | None) -> UsageError:
    return UsageError(f"{path}: options is no mapping of commands to their options", "options: {scan: {holders: [configmaps]}}")


def excluded(namespaces: Iterable[str], origin: str) -> list[Silence]:
    """Silences of whole namespaces."""
    return [Silence(f"{origin} {namespace}", namespaces=(namespace,)) for namespace in namespaces]


def _rule(rule: Any, where: str, origin: str, fields: tuple[str, ...], place: Patterns) -> Silence:
    if not isinstance(rule, dict):
        raise UsageError(f"{where} is a {_type(rule)}, not a rule", f"a rule has {', '.join(fields)}, until and reason")
    known = [word for word, plural in _PLURALS.items() if plural in fields]
    _known_fields(rule, (*known, "until", "reason"), where)
    patterns = dict(place)
    for word in known:
        if word in rule:
            if _PLURALS[word] in patterns:
                raise UsageError(f"{where}: {word} is there twice")
            patterns[_PLURALS[word]] = _words(rule[word], f"{where}: {word}")
            if not patterns[_PLURALS[word]]:
                raise UsageError(f"{where}: {word} names nothing", "'*' is everything")
    if not any(_PLURALS[word] in patterns for word in known):
        raise UsageError(f"{where} says nothing of what it silences", f"name {' or '.join(fields)}; '*' is everything")
    reason = rule.get("reason", "")
    if not isinstance(reason, str):
        raise UsageError(f"{where}: reason is no text")
    until = parse_until(rule["until"], where) if "until" in rule else None
    return Silence(
        origin, " ".join(reason.split()), until, str(rule.get("until", "")),
        patterns.get("namespaces", ()), patterns.get("maps", ()), patterns.get("keys", ()), patterns.get("analyses", ()),
    )  # fmt: skip


def parse_until(value: Any, where: str) -> datetime.datetime:
    """The moment at which a silence is over: a day is silent to its end, in UTC. Raises UsageError."""
    hint = "write a day, 2027-01-31, or a time, 2027-01-31T12:00:00Z"
    if not isinstance(value, str):
        raise UsageError(f"{where}: until is no day", hint)
    try:
        if len(value) == len("2027-01-31"):
            day = datetime.date.fromisoformat(value)
            return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC) + datetime.timedelta(days=1)
        at = datetime.datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise UsageError(f"{where}: until {value[:40]!r} is no day", hint) from None
    if at.tzinfo is None:
        raise UsageError(f"{where}: until {value!r} has no zone", hint)
    return at


def _words(value: Any, where: str) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        # YAML makes numbers and booleans of keys such as 8080 and on
        raise UsageError(f"{where} is no text and no list of texts: numbers, and words such as on, need quotes")
    return tuple(words)


def _known_fields(document: dict[Any, Any], known: Sequence[str], where: str) -> None:
    for field in document:
        if field not in known:
            raise UsageError(f"{where}: no field is named {str(field)[:60]!r}", f"there are {', '.join(known)}")


def _type(value: Any) -> str:
    return {"str": "text", "NoneType": "nothing", "list": "list", "dict": "mapping"}.get(
        type(value).__name__, type(value).__name__
    )


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as handle:
            content = handle.read(most + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > most:
        raise UsageError(f"{path} holds more than {most >> 20} MiB")
    return content


# baselines


def read_baseline(path: Path) -> list[Silence]:
    """The silences of a baseline file, one for each day on which some of its findings expire. Raises UsageError."""
    ids: dict[str, set[str]] = {}
    for entry in _entries(path):
        ids.setdefault(entry["until"], set()).add(entry["id"])
    origin = f"baseline {path.name}"
    return [
        Silence(origin, "", parse_until(until, f"baseline {path}"), until, ids=frozenset(found)) for until, found in ids.items()
    ]


def _entries(path: Path) -> list[dict[str, Any]]:
    """What stands in a baseline file, each with id and until. Raises UsageError."""
    again = f"write it anew: ghostkey scan --write-baseline {path}"
    try:
        document = decode_json(_bytes_of(path, _BASELINE_BYTES))
    except UnreadableError as error:
        raise UsageError(f"baseline {path} could not be read: {error}", again) from None
    if not isinstance(document, dict) or document.get("kind") != BASELINE_KIND or not isinstance(document.get("findings"), list):
        raise UsageError(f"{path} is no baseline", again)
    if document.get("schema_version") != 1:
        raise UsageError(f"baseline {path} is of another version of ghostkey", again)
    for number, entry in enumerate(document["findings"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not isinstance(entry.get("until"), str):
            raise UsageError(f"baseline {path}: findings[{number}] has no id and until", again)
    return list(document["findings"])


def gone_from(path: Path, found: Collection[str]) -> set[str]:
    """Ids of a baseline that are not among those that were found."""
    return {entry["id"] for entry in _entries(path)} - set(found)


def baseline_without(path: Path, gone: Collection[str]) -> bytes:
    """The baseline without these ids, the others as they are."""
    import msgspec

    left = [entry for entry in _entries(path) if entry["id"] not in gone]
    document = {"schema_version": 1, "kind": BASELINE_KIND, "findings": left}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def baseline_bytes(findings: Iterable[Finding], until: str, kept: Iterable[Silenced] = ()) -> bytes:
    """A baseline of these findings, known until that day; those of `kept` stay known as long as they were."""
    import msgspec

    entries = {item.finding.fingerprint: _entry(item.finding, item.silence.until_text) for item in kept}
    for finding in findings:
        entries.setdefault(finding.fingerprint, _entry(finding, until))
    document = {"schema_version": 1, "kind": BASELINE_KIND, "findings": sorted(entries.values(), key=lambda entry: entry["what"])}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _entry(finding: Finding, until: str) -> dict[str, str]:
    key = str(finding.key)
    what = f"{finding.analysis} {finding.key.holder}" + (f": {key}" if key else "")
    return {"id": finding.fingerprint, "what": what.encode("utf-8", "replace").decode(), "until": until}


def of_baselines(heard: Heard) -> list[Silenced]:
    """The silenced findings that are so by a baseline."""
    return [item for item in heard.silenced if item.silence.ids is not None]
