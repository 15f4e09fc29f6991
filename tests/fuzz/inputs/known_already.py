"""Settings, baselines and annotations that silence findings, and files whose lines are counted."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ghostkey.foreign import UnreadableError
from ghostkey.foreign._lines import object_lines
from ghostkey.model.errors import UsageError
from ghostkey.silences import read_baseline, read_settings, silences_of


def seeds() -> list[bytes]:
    """One of each."""
    rule = b"{keys: [a, 'b-*'], until: 2027-01-31, reason: why}"
    settings = b"ignore:\n- " + rule + b"\n- {namespace: x, maps: [cm/y], analysis: ghost-key}\nexclude-namespaces: ['t-*']\n"
    baseline = b'{"schema_version": 1, "kind": "GhostkeyBaseline", "findings": [{"id": "0123456789ab", "until": "2027-01-31"}]}'
    manifest = (
        b"---\napiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n  metadata: {name: a, namespace: b}\n  data:\n    k: v\n"
    )
    return [rule, b"a, b-*", settings, baseline, manifest]


def read(raw: bytes, folder: Path) -> None:
    """As scan reads them."""
    path = folder / ".ghostkey.yaml"
    path.write_bytes(raw)
    for reader in (read_settings, read_baseline):
        with contextlib.suppress(UsageError):
            reader(path)
    with contextlib.suppress(UsageError, UnreadableError):
        silences_of(raw.decode(errors="replace"), "cm/a", "b")
    list(object_lines(raw))
