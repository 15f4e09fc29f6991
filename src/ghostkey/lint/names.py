"""What functions are called that take something away: the words, in one place for all rules."""

from __future__ import annotations

import re

_TAKES_OUT = ("remove", "delete", "forget", "drop", "unregister")  # a key, or one thing, out of what holds it
_CLEANS_UP = ("clean", "finali[sz]e", "unset", "evict")  # all that belongs to a thing
_LETS_GO = ("release", "stop", "teardown")  # a thing as a whole, and its keys with it

REMOVES = "|".join(_TAKES_OUT)
CLEANS_UP = "|".join((*_TAKES_OUT, *_CLEANS_UP))
LETS_GO = "|".join((*_TAKES_OUT, *_CLEANS_UP, *_LETS_GO))


def begins_with(words: str) -> re.Pattern[str]:
    """Names that begin with one of the words, in any letters: `removeKey`, `Remove`, `DELETE_ALL`."""
    return re.compile(rf"(?i)^(?:{words})")


def own_verb(words: str) -> re.Pattern[str]:
    """Names of functions that no other package can call, whose first word is one of them: `removeKey`, and not `removedKeys`."""
    return re.compile(rf"^(?:{words})(?:[A-Z]|$)")
