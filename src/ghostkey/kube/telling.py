"""Who is told of each request, where anybody is: `-v 6`. Bodies are never told, as they hold values."""

from __future__ import annotations

from collections.abc import Callable

tell: Callable[[str], None] | None = None
"""Takes one line for each request: method, URL, status, milliseconds."""


def told(method: str, url: str, status: int, seconds: float) -> None:
    """Tells of a request that was answered."""
    if tell is not None:
        tell(f"{method} {url} {status} in {seconds * 1000:.0f} ms")
