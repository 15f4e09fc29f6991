"""What several threads decode has a decoder that was made when its module was."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ghostkey

SOURCE = Path(ghostkey.__file__).parent
# msgspec fills a struct's description as it is first asked for: a second thread that comes by meanwhile reads half of it, and the
# process ends by SIGSEGV. These rooms are run by threads, or by whoever uses the library from some.
ROOMS = ("foreign", "kube", "sources", "store", "inference", "watch")


def _decoding_by_type(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of `decode(…, type=…)` whose type is a class of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decode":
            given = next((word.value for word in node.keywords if word.arg == "type"), None)
            if isinstance(given, ast.Name):
                yield node


@pytest.mark.parametrize("room", ROOMS)
def test_no_type_is_described_while_threads_run(room: str) -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{call.lineno}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for call in _decoding_by_type(ast.parse(path.read_text()))
    ]
    assert not found
