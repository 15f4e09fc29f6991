"""Records of OpenTelemetry whose body was taken apart: lists of keys and values, each value under the name of its type.

Source: opentelemetry-proto v1.9 opentelemetry/proto/common/v1/common.proto (AnyValue); its JSON encoding writes 64-bit integers as text
"""

from __future__ import annotations

import re
from typing import Any

DEPTH = 64  # of values in values; an audit event of the deepest object that the API server takes is not half as deep


_INTEGER = re.compile(r"-?[0-9]{1,19}")


def plain(value: Any, depth: int = 0) -> Any:
    """An AnyValue as what it stands for; None for what is none, or nested too deep."""
    if not isinstance(value, dict) or depth > DEPTH:
        return None
    for name, held in value.items():
        if name == "kvlistValue":
            return {str(pair.get("key")): plain(pair.get("value"), depth + 1) for pair in _values(held) if isinstance(pair, dict)}
        if name == "arrayValue":
            return [plain(item, depth + 1) for item in _values(held)]
        if name == "intValue":
            return int(held) if isinstance(held, (int, str)) and _INTEGER.fullmatch(str(held)) else None
        if name in {"stringValue", "boolValue", "doubleValue", "bytesValue"}:
            return held
    return None


def _values(held: Any) -> list[Any]:
    found = held.get("values") if isinstance(held, dict) else None
    return found if isinstance(found, list) else []
