"""YAML as ghostkey writes it, by libyaml where PyYAML has it. What others wrote is read by `ghostkey.foreign`."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes what stands in two places twice: people read it, and nobody writes `&id001` by hand."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def dump_yaml(value: Any, *, is_ascii: bool = False) -> str:
    """The value as a YAML document, keys in their order; with `is_ascii` all other characters as YAML escapes."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=not is_ascii))
