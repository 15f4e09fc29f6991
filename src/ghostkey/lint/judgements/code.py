"""Code that runs nowhere for long: generated, fakes, tests, tools that end."""

from __future__ import annotations

import posixpath
import re

from ghostkey.lint.facts import FileFacts

_FOLDER = re.compile(
    r"(?:^|/)(?:fakes?|mocks?|testing|testutils?|test|tests|e2e|conformance|generated|applyconfiguration|hack)(?:/|$)"
)
_FILE = re.compile(r"fake|mock|_fuzz|conversion|test_?util|testing|^zz_generated")
_ENDS = re.compile(
    r"(?:^|/)(?:cli|kubectl[\w-]*|clusterctl|kubeseal|importer|plugin|cmd/[\w-]*ctl|dryrun|conformance|hack|examples?|tools?|flags?|printers?|cmd/util)(?:/|$)"
)


def is_aside(facts: FileFacts) -> bool:
    """Whether a file is no part of a program that runs for long."""
    folder = posixpath.dirname(facts.path)
    return facts.is_generated or any((_FOLDER.search(folder), _ENDS.search(folder), _FILE.search(posixpath.basename(facts.path))))
