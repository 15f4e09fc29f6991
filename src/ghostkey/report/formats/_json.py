"""JSON as all formats print it: indented, in UTF-8, all its characters visible."""

from __future__ import annotations

from typing import Any

import msgspec

from ghostkey.report.visible import json_safe


def json_bytes(document: Any) -> bytes:
    """The document as JSON for people and programs."""
    return json_safe(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)) + b"\n"
