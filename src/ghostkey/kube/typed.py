"""Entries of a kubeconfig by type, as client-go insists: a text where a bool is wanted is an error, never a guess.

No error shows a value, which may be a secret: only the field's name and where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ghostkey.kube.credentials import ConfigError

_WORDS = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a map"}


class Entry:
    """One mapping of a kubeconfig; `whose` names it: `user 'me' in FILE`. What is absent or null is empty."""

    def __init__(self, fields: object, whose: str) -> None:
        if fields is not None and not isinstance(fields, Mapping):
            raise ConfigError(f"{whose} is {_kind(fields)}, not a map")
        self.fields: Mapping[str, Any] = fields or {}
        self.whose = whose

    def __contains__(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def text(self, name: str) -> str:
        """A text."""
        found = self.fields.get(name)
        if found is None or isinstance(found, str):
            return found or ""
        raise self._wrong(name, found, "a text")

    def flag(self, name: str) -> bool:
        """True or false. The text "false" is taken for what it says, since nothing is opened by it; no other text is."""
        found = self.fields.get(name)
        if found is None or found == "false":
            return False
        if isinstance(found, bool):
            return found
        raise self._wrong(name, found, "true or false")

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        found = self.fields.get(name)
        if found is None:
            return []
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return found
        raise self._wrong(name, found, "a list of texts")

    def entry(self, name: str) -> Entry:
        """A mapping."""
        found = self.fields.get(name)
        if found is not None and not isinstance(found, Mapping):
            raise self._wrong(name, found, "a map")
        return Entry(found, self.whose)

    def entries(self, name: str) -> list[Entry]:
        """A list of mappings."""
        found = self.fields.get(name)
        if found is None:
            return []
        if isinstance(found, list) and all(isinstance(item, Mapping) for item in found):
            return [Entry(item, self.whose) for item in found]
        raise self._wrong(name, found, "a list of maps")

    def _wrong(self, name: str, found: object, wanted: str) -> ConfigError:
        inner = " of other things" if isinstance(found, list) and wanted.startswith("a list") else ""
        hint = "write it in quotes" if wanted == "a text" and not isinstance(found, list | dict) else ""
        return ConfigError(f"{name} of {self.whose} is {_kind(found)}{inner}, not {wanted}", hint)


def _kind(found: object) -> str:
    return next((words for kind, words in _WORDS.items() if isinstance(found, kind)), "nothing known")
