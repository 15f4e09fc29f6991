"""Text for narrow places: numbers, paths and lengths over time in so many columns."""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey.report.text import BARS
from ghostkey.report.visible import safe

_STEPS = ("", "k", "M", "G", "T", "P")


def short(number: int) -> str:
    """A number in at most seven characters: `12,345`, `123k`, `12.3M`."""
    return f"{number:,}" if abs(number) < 100_000 else _scaled(number, "")


def size(count: int) -> str:
    """Bytes in at most eight characters: `984 B`, `58.5 MB`."""
    return f"{count} B" if count < 1000 else f"{_scaled(count, ' ')}B"


def _scaled(number: int, between: str) -> str:
    amount, step = float(number), 0
    while abs(amount) >= 999.5 and step < len(_STEPS) - 1:
        amount, step = amount / 1000, step + 1
    return f"{amount:.{0 if abs(amount) >= 99.95 else 1}f}{between}{_STEPS[step]}"


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
