"""What a word that nobody knows may have been meant for."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known words that look most like it, as `did you mean trim?`; empty where none does."""
    import difflib

    found = difflib.get_close_matches(word.lower(), list(dict.fromkeys(known)), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else ""
