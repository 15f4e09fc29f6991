"""What a story is told in: the classes, times, and gaps in words."""

from __future__ import annotations

from typing import Any

from ghostkey.model.history import rfc3339
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind

DAY = 86_400_000_000  # microseconds
CLASSES = {
    "no-delete": "nobody tried to remove it",
    "wrong-key-name": "what was removed is a key of another spelling, which was not there",
    "delete-failed": "the API server refused the removal",
    "written-again": "it was removed, and written again",
    "ownership-stuck": "its manager gave it up, and another manager still owns it",
    "tombstone": "its value was emptied, and the key stayed",
    "retention": "keys of this map go some time after their subject, and its time has not come",
    "unknown": "the sources would not have shown whether anybody tried",
}


def kind_of(qualified: str, *, namespaced: bool) -> Kind:
    """The kind that a qualified resource stands for; its CamelCase name is made up of the plural, which is all that is known."""
    if qualified == "configmaps":
        return CONFIG_MAPS
    if qualified == "secrets":
        return SECRETS
    resource, _, group = qualified.partition(".")
    single = resource[:-3] + "y" if resource.endswith("ies") else resource.removesuffix("s")
    return Kind(group, "v1", single.capitalize(), resource, namespaced)


def kind_name(qualified: str) -> str:
    """`Tenant` for `tenants.demo.example.com`."""
    return kind_of(qualified, namespaced=True).kind


def when(at: int | None) -> str:
    """A time for people, RFC 3339 in UTC; `?` where it is not known."""
    return rfc3339(at) if at is not None else "?"


def due(at: int | None, low: int | None, high: int | None) -> str:
    """When something is expected, with its 80 % interval: to the second where that is short, by the day where it is not."""
    is_short = low is not None and high is not None and high - low < 2 * DAY
    middle, first, last = (when(one) if is_short else when(one).partition("T")[0] for one in (at, low, high))
    return f"{middle} (80 %: {first} to {last})"


def gap_line(row: dict[str, Any]) -> str:
    """One row of the coverage in words: `audit: not seen from … to …: …`."""
    if row["since_revision"] is not None and row["since"] is None:
        begin, end = (f"{value:,}" if value is not None else "?" for value in (row["since_revision"], row["until_revision"]))
        span = f"between revisions {begin} and {end}" + (f", until {when(row['until'])}" if row["until"] is not None else "")
    elif row["since"] is not None or row["until"] is not None:
        span = f"from {when(row['since'])} to {when(row['until'])}"
    elif row["until_revision"] is not None:
        span = f"between revisions ? and {row['until_revision']:,}"
    else:
        span = "at some time"
    about = "" if row["kind"] == "*" else f"{row['kind']} " + (f"in {row['namespace']} " if row["namespace"] != "*" else "")
    if row["is_gap"]:
        return f"{row['origin']}: {about}not seen {span}: {row['why']}"
    return f"{row['origin']}: {about}seen {span}" + (f": {row['why']}" if row["why"] else "")
