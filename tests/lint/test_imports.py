"""Which folder an import means."""

from __future__ import annotations

import pytest

from ghostkey.lint.imports import Imports

FOLDERS = {
    "api": "api",
    "websrc/api": "api",
    "staging/src/k8s.io/x/api": "api",
    "": "root",
    "src/twice/b": "b",
    "lib/src/twice/b": "b",
}


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("example.org/x/api", "api"),
        ("example.org/x/websrc/api", "websrc/api"),
        ("k8s.io/x/api", "staging/src/k8s.io/x/api"),
        ("example.org/root", ""),
        ("twice/b", None),
        ("strings", None),
    ],
)
def test_import_means_the_folder_that_its_path_ends_with(path: str, folder: str | None) -> None:
    assert Imports(FOLDERS).folder_of(path) == folder
