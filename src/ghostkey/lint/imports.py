"""Which folder of a tree an import means, by the end of its path: no go.mod is asked, and a folder of several modules is linted, too."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping

LONG_TAIL = 3  # folders at the end of a path that two modules do not have by chance


class Imports:
    """The folders of a tree that are packages, by the ends of their paths."""

    def __init__(self, packages: Mapping[str, str]) -> None:
        """`packages`: folder, from the root and with slashes → the package's name."""
        self._known: dict[str, str | None] = {}
        self._by_tail: dict[str, set[str]] = collections.defaultdict(set)
        for folder in packages:
            # the module of a folder below the root may be called as that is
            for tail in list(_tails(folder))[1:]:
                if tail.count("/") + 1 >= LONG_TAIL:
                    self._by_tail[tail].add(folder)
        whole: dict[str, set[str]] = collections.defaultdict(set)
        for folder, name in packages.items():
            # below a `src`, as in GOPATH and staging, stand whole paths; the root is known by its name alone
            whole[f"/{folder}".rpartition("/src/")[2].strip("/") or name].add(folder)
        self._by_tail |= whole

    def has(self, path: str) -> bool:
        """Whether a path may be a package of this tree: also where several folders end alike."""
        return self.folder_of(path) is not None or any(self._by_tail.get(tail) for tail in _tails(path))

    def folder_of(self, path: str) -> str | None:
        """The folder with which the path ends, the longest there is; None for packages of others."""
        if path not in self._known:
            found = (self._by_tail.get(tail, set()) for tail in _tails(path))
            self._known[path] = next((next(iter(folders)) for folders in found if len(folders) == 1), None)
        return self._known[path]


def _tails(path: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c`."""
    while path:
        yield path
        path = path.partition("/")[2]
