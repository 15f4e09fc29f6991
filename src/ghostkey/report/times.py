"""Times for people: RFC 3339 in UTC with a Z, ages in tables, and with `--local` the time of this machine."""

from __future__ import annotations

import datetime
import re

# a whole word of a line, so that no part of a name is taken for a time
_TIME = re.compile(r"(?<![^\s(\[])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z(?![^\s,;:.)\]])")

_FRACTION = re.compile(r"(?<=:\d\d)\.\d+(?=Z$)")


def age(created_at: str, now: datetime.datetime | None = None) -> str:
    """`45s`, `12m`, `3h`, `9d`, as kubectl writes ages; `?` for what is no time."""
    try:
        since = datetime.datetime.fromisoformat(created_at)
        seconds = int(((now or datetime.datetime.now(datetime.UTC)) - since).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return "?"
    for size, unit, most in ((1, "s", 120), (60, "m", 7200), (3600, "h", 172_800)):
        if seconds < most:
            return f"{max(0, seconds) // size}{unit}"
    return f"{seconds // 86_400}d"


def local(text: str) -> str:
    """An RFC 3339 time as this machine's clock shows it, with its offset; what is no time stays as it is."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return text


def to_second(text: str) -> str:
    """An RFC 3339 time without its fraction of a second."""
    return _FRACTION.sub("", text)


def localised(line: str) -> str:
    """A line with every time in it as this machine's clock shows it."""
    return _TIME.sub(lambda found: local(found[0]), line)


def in_table(text: str, *, is_local: bool) -> str:
    """A time in a cell: its age, or with `is_local` the time itself."""
    return local(text) if is_local else age(text)
