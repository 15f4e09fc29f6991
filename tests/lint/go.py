"""Go texts for tests: `// want "words"` stands where a finding is expected whose message has these words."""

from __future__ import annotations

import re

from ghostkey.lint.findings import Finding
from ghostkey.lint.run import lint_files

_WANT = re.compile(r'// want "([^"]*)"')
_WANTED = re.compile(r' // want "[^"]*"')


def found(*texts: str, level: str = "A", rule: str = "") -> list[Finding]:
    """The findings of files of one package, called a.go, b.go …; those with tests in them, a_test.go and so on."""
    files = [(_path(number, text), text.encode()) for number, text in enumerate(texts)]
    return lint_files(files, level=level, rules=[rule] if rule else ()).findings


def _path(number: int, text: str) -> str:
    return f"pkg/thing/{chr(97 + number)}{'_test' if 'testing.T' in text else ''}.go"


def check(*texts: str, level: str = "A", rule: str = "") -> None:
    """Raises AssertionError unless findings stand just where they are wanted."""
    wanted = {
        (_path(number, text), line, want[1])
        for number, text in enumerate(texts)
        for line, words in enumerate(text.split("\n"), 1)
        for want in _WANT.finditer(words)
    }
    told = found(*texts, level=level, rule=rule)
    unwanted = [f for f in told if not any((f.path, f.line) == (p, n) and words in f.message for p, n, words in wanted)]
    missing = [w for w in wanted if not any((f.path, f.line) == w[:2] and w[2] in f.message for f in told)]
    assert not unwanted, [f"{f.path}:{f.line} {f.rule}: {f.message}" for f in unwanted]
    assert not missing


HEAD = """package thing

import (
\t"context"
\t"sync"
\t"time"

\tcorev1 "k8s.io/api/core/v1"
\tctrl "sigs.k8s.io/controller-runtime"
)
"""


def unwanted(text: str) -> str:
    """A text without its wants, to be changed into one in which nothing is found."""
    return _WANTED.sub("", text)
