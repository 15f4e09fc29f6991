"""Code that runs nowhere for long: generated, fakes, tests, tools that end."""

from __future__ import annotations

import functools
import posixpath
import re

from ghostkey.lint.facts import FileFacts
from ghostkey.lint.module import Module, Package

_FOLDER = re.compile(
    r"(?:^|/)(?:fakes?|mocks?|dummy|testing|testutils?|testsuites?|(?!latest|attest|contest)[a-z]*test|tests|e2e|conformance|generated|"
    r"applyconfiguration|hack)(?:/|$)"
)
_FILE = re.compile(r"fake|mock|must-?gather|_fuzz|conversion|test_?util|testing|^zz_generated")
_ENDS = re.compile(
    r"(?:^|/)(?:(?:[\w-]+-)?cli|must-?gather|kubectl[\w-]*|clusterctl|kubeseal|importer|plugin|cmd/[\w-]*ctl|dryrun|conformance|hack|examples?|docs|tutorials?|simulators?|samples?|demos?|tools?|flags?|printers?|cmd/util)(?:/|$)"
)


_VERSION = re.compile(r"(?:^|/)v\d+(?:(?:alpha|beta)\d+)?$")
_STAND_IN = re.compile(r"^(?:[Ff]ake|[Mm]ock|[Ss]tub)(?:[A-Z]|$)")


def is_stand_in(type_name: str) -> bool:
    """Whether a type takes the place of another one in tests, wherever it is declared."""
    return _STAND_IN.match(type_name) is not None


def is_aside(facts: FileFacts) -> bool:
    """Whether a file is no part of a program that runs for long."""
    return facts.is_generated or _is_aside_by_name(facts.path)


@functools.lru_cache(maxsize=1 << 16)
def _is_aside_by_name(path: str) -> bool:
    folder, name = posixpath.split(path)
    return any((_FOLDER.search(folder), _ENDS.search(folder), _FILE.search(name)))


def has_program(module: Module) -> bool:
    """Whether a tree has a program that runs, and is not only there for others to call."""
    return any(one.file.package == "main" and not is_aside(one.file) for one in module.functions.get("main", ()))


def is_kind(package: Package, owner: str) -> bool:
    """Whether a struct is a kind of the API, of which the scheme is given one at the start, or a part of one, in the package of a version."""
    struct = package.structs.get(owner)
    if struct is None or not any(any(map(_is_type_meta, one.embedded)) for one in package.structs.values()):
        return False
    return any(map(_is_type_meta, struct.embedded)) or _VERSION.search(package.folder) is not None


def _is_type_meta(embedded: str) -> bool:
    return embedded.rpartition(".")[2] == "TypeMeta"
