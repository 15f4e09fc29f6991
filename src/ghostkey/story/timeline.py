"""What happened to one key and its subject, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ghostkey.store.engines import Engine
from ghostkey.story.prepare import IS
from ghostkey.story.story import Story
from ghostkey.story.words import kind_name


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: when (None: not known), what in words, and the audit id or origin that shows it."""

    at: int | None
    what: str
    proof: str
    kind: str = ""  # set, delete, missed, refused, created, deleting, deleted, now


_KEY_WORDS = {
    "set": "key written", "seen": "key seen", "delete": "key removed", "missed-delete": "tried to remove",
    "refused-set": "write refused", "refused-delete": "removal refused", "released": "key given up by its manager, and kept by another",
    "sealed": "map made immutable",
}  # fmt: skip
_SUBJECT_WORDS = {
    "created": "was created{}", "seen": "was seen", "deleting": "was deleted{}, and waits for its finalizers",
    "deleted": "is gone: deleted{}",
}  # fmt: skip


def timeline(engine: Engine, story: Story, key: str, path: str = "") -> list[Moment]:
    """What happened to one key and its subject, in order; one line for what several sources saw."""
    wrong = {row["wrong_key"] for row in story.ghosts if row["key"] == key and row["wrong_key"]}
    named = [key, *sorted(wrong)]
    marks = ", ".join("?" for _ in named)
    where = IS + (" AND path IN ('', ?)" if path else "")
    events = engine.rows(
        f"SELECT * FROM key_events WHERE {where} AND (key IN ({marks}) OR (key = '' AND (op LIKE 'refused%' OR op = 'sealed')))",  # noqa: S608
        [story.kind, story.namespace, story.name, *([path] if path else []), *named],
    )
    ghost = next((row for row in story.ghosts if row["key"] == key), None)
    since = ghost["ended_at"] if ghost else None
    moments: list[tuple[Any, ...]] = []
    for row in events:
        if path and row["key"] == key and row["path"] != path:
            continue
        if row["key"] in wrong and row["key"] != key and row["op"] != "missed-delete":
            continue
        if row["op"].startswith("refused") and not row["key"] and (since is None or (row["at_us"] or 0) < since):
            continue
        what = _KEY_WORDS[row["op"]]
        what += f" `{row['key']}`, which is not there" if row["op"] == "missed-delete" else ""
        what += f" ({row['value_bytes']:,} bytes)" if row["op"] in ("set", "seen") and row["value_bytes"] >= 0 else ""
        by = _by(row)
        what += f" by {by}" if by else ""
        what += f": {row['error']}" if row["error"] else ""
        moments.append((row["revision"], row["op"], row["at_us"], what, row["audit_id"] or row["origin"], row["op"]))
    told = [(row, *story.others.get(spot, ())) for spot, row in story.links.items() if spot[2] == key]
    for link in itertools.chain.from_iterable(told):
        place = f"{link['subject_namespace']}/" if link["subject_namespace"] else ""
        about = f"{kind_name(link['subject_kind'])} {place}{link['subject_name']}"
        subject = [link["subject_kind"], link["subject_namespace"], link["subject_name"]]
        for row in engine.rows(f"SELECT * FROM subject_events WHERE {IS}", subject):  # noqa: S608
            if link["life_uid"] not in ("", row["uid"]) or (row["op"] == "seen" and row["at_us"] is None):
                continue  # of another object, which has its name now; or still there at a compaction, which is no news
            by = _by(row)
            what = f"{about} {_SUBJECT_WORDS[row['op']].format(f' by {by}' if by else '')}"
            # the revision of a deletion differs between an audit log and etcd: the object's last one, and the deletion's own
            moments.append((None if row["op"] == "deleted" else row["revision"], about + row["op"], row["at_us"], what,
                            row["audit_id"] or row["origin"], row["op"]))  # fmt: skip
    return list(_noticed_first([Moment(*moment[2:]) for moment in _once(moments)]))


def _noticed_first(moments: list[Moment]) -> Iterator[Moment]:
    """Without removals that were only noticed, of a key of which the removal was seen."""
    is_gone = False
    for moment in moments:
        if moment.kind == "delete":
            if is_gone and moment.what == _KEY_WORDS["delete"]:
                continue
            is_gone = True
        elif moment.kind in ("set", "seen"):
            is_gone = False
        yield moment


def _once(moments: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each happening once, the audit log's word first, in the order of time."""
    best: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for moment in moments:
        spot = (moment[0], moment[1]) if moment[0] is not None or moment[5] == "deleted" else moment[1:4]
        held = best.get(spot)
        if held is None or _weight(moment) > _weight(held):
            best[spot] = moment
    return sorted(best.values(), key=lambda moment: (moment[2] is None, moment[2] or 0, moment[0] or 0))


def _weight(moment: tuple[Any, ...]) -> tuple[bool, bool]:
    return "-" in moment[4] and len(moment[4]) == 36, moment[2] is not None


def _by(row: dict[str, Any]) -> str:
    names = [name for name in (row["user"], row["manager"]) if name]
    return " as ".join(dict.fromkeys(names)) + (f" from {row['source_ip']}" if row["source_ip"] else "")
