"""What a file is that has not one record in each line: JSON over several lines, a table, or YAML; told by how it begins."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from ghostkey.sources.history.audit.documents import split_values
from ghostkey.sources.history.audit.tables import table_of
from ghostkey.sources.history.audit.ways import BARE
from ghostkey.sources.history.audit.yaml_events import is_yaml, split_yaml


class Form(NamedTuple):
    """How such a file is cut into records of JSON, and how that is said."""

    words: str
    split: Callable[[BinaryIO, Callable[[], None], int], Iterator[bytes]]


def form_of(head: bytes) -> Form | None:
    """What a file is that begins so; None when each of its lines is a record."""
    head = head.removeprefix(codecs.BOM_UTF8)
    if _is_document(head):
        return Form("in an array or over several lines", split_values)
    if is_yaml(head):
        return Form("in YAML", split_yaml)
    table = table_of(head)
    return Form("in a table", table.split) if table is not None else None


def _is_document(head: bytes) -> bool:
    """Whether JSON begins that goes on over several lines, or an array of objects."""
    text = head.lstrip()
    if text[:1] == b"[":
        return text[1:].lstrip()[:1] in (b"{", b"[")
    line, newline, rest = text.partition(b"\n")
    if text[:1] != b"{" or not newline or line.rstrip().endswith(b"}"):
        return False
    # the line after one that was cut begins as each does
    return not rest.startswith(b'{"') and not line.startswith(BARE)
