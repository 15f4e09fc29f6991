"""From what leaks to the lines of the operator's source that write it and forget it, as lint sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ghostkey.churn.judge import Verdict
from ghostkey.churn.traces import Signature
from ghostkey.lint.about import About, Code, Sought
from ghostkey.lint.cache import default_folder
from ghostkey.lint.source import files_of_folder

_KEY = re.compile(r"^(?:configmaps|secrets) [^ ]*?([^ /]+) (?:data|binaryData|stringData)\[(.+)\] \(key\)$")
_MEMORY = re.compile(r"(\(\*?[\w./-]+\)\.\w+)")
_PLACEHOLDER = re.compile(r"<\w+>")


def sought(signature: Signature) -> Sought | None:
    """What to look for in the source: a key of a ConfigMap or Secret, a map in memory, or a metric; None for other traces."""
    if signature.source == "api" and (found := _KEY.match(signature.place)):
        return Sought(key=_PLACEHOLDER.sub("x", found[2]), map_name=found[1])
    if signature.source == "memory" and (held := _MEMORY.findall(signature.place)):
        return Sought.of_words(held[-1])
    if signature.source == "metrics":
        return Sought(metric=signature.place.partition("{")[0])
    return None


def code_of(verdicts: Iterable[Verdict], folder: Path) -> dict[Signature, About]:
    """The code behind each verdict of which some is known. Raises UsageError where the folder or the extra `source` is not there."""
    code = Code(files_of_folder(folder), default_folder())
    found = {}
    for verdict in verdicts:
        wanted = sought(verdict.signature)
        told = code.about(wanted) if wanted is not None else None
        if told is not None and told.inserts:
            found[verdict.signature] = told
    return found
