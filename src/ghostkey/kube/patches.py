"""Patches as the API server compares them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# Go's encoder writes these so that JSON can stand inside HTML; Source: Go 1.26 src/encoding/json/encode.go, HTMLEscape
_GO_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def encode_json_patch(operations: Sequence[dict[str, Any]]) -> bytes:
    """A JSON patch in Go's spelling of strings.

    The API server's `test` compares the text of two JSON strings, not what they say: "\\u00fc" in a patch is unequal to
    "ü" in the object, and "&" to "\\u0026". All five characters occur only inside strings.
    Source: gopkg.in/evanphx/json-patch.v4 v4.13.0 patch.go, lazyNode.compare; measured on v1.37.2.
    """
    return json.dumps(operations, ensure_ascii=False).translate(_GO_ESCAPES).encode("utf-8", "surrogatepass")
