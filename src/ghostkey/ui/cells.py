"""Text for narrow places: numbers, paths and lengths over time in so many columns."""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey.report.text import BARS
from ghostkey.report.visible import safe

_UNITS = ("B", "kB", "MB", "GB", "TB")


def short(number: int) -> str:
    """A number in at most seven characters: `12,345`, `1,235k`, `12.3M`."""
    if abs(number) < 100_000:
        return f"{number:,}"
    if abs(number) < 10_000_000:
        return f"{number / 1000:,.0f}k"
    return f"{number / 1e6:,.0f}M" if abs(number) >= 1e8 else f"{number / 1e6:.1f}M"


def size(count: int) -> str:
    """Bytes in at most eight characters: `58.5 MB`."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 99.95 else f"{amount:.1f} {_UNITS[unit]}"


def end_of(text: str, width: int) -> str:
    """The text, or its end where it is too long: of a path the end says most."""
    shown = safe(text)
    return shown if len(shown) <= width else "…" + shown[len(shown) - width + 1 :]


def start_of(text: str, width: int) -> str:
    """The text, or its beginning where it is too long."""
    shown = safe(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def sparkline(numbers: Sequence[int | None], width: int) -> str:
    """The last numbers as bars, between the least and the most of them; a gap is a space, no change a low line."""
    last = list(numbers)[-width:]
    known = [number for number in last if number is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(" " if n is None else BARS[(n - low) * (len(BARS) - 1) // span if span else 0] for n in last)
