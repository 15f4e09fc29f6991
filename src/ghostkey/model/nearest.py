"""What a word that nobody knows may have been meant for."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known words that look most like it, as `did you mean trim?`; empty where none does."""
    import difflib

    spelt = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), list(spelt), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(spelt[one] for one in found)}?" if found else ""


def meant_map(name: str, here: Iterable[str], elsewhere: Iterable[str]) -> str:
    """What may have been meant by a name that no map of the namespace has; `elsewhere` are the namespaces that have one."""
    spaces = sorted(set(elsewhere))
    if spaces:
        more = f" and {len(spaces) - 5} more" if len(spaces) > 5 else ""
        return f"there is one of that name in {', '.join(spaces[:5])}{more}: name it with -n"
    return nearest(name, here)
