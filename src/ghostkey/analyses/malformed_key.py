"""Keys that the API server refuses, or that trip their readers.

What it finds
    In manifests: empty keys, keys longer than 253 bytes, with characters other than letters, digits, `-`, `_` and `.`,
    or beginning with `..`: the API server refuses them. Everywhere: keys that differ only in case (`URL` and `url`).
Why it matters
    The first make `kubectl apply` fail as a whole; the second become one environment variable on case-blind readers.
When it is wrong
    Case twins may be meant. They are info only, as is a leading dot, which hides the file in a mounted volume.
Example
    `"tenant/acme": …` in a ConfigMap manifest.
Source
    k8s.io/apimachinery v0.37 util/validation: IsConfigMapKey
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.model.findings import Finding, Severity

LONGEST = 253
_ALLOWED = re.compile(r"[-._a-zA-Z0-9]+")
_PLAIN = b"-._abcdefghijklmnopqrstuvwxyz0123456789\n"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# dotted by convention: the types of Kubernetes' own Secrets
_DOTTED = {".dockerconfigjson", ".dockercfg"}


def _run(view: View) -> Iterator[Finding]:
    for seen in view.snapshot.maps:
        if seen.path or seen.field not in {"data", "binaryData"}:
            continue
        if _are_plain(seen.keys):
            continue
        folded: dict[str, str] = {}
        for i, key in enumerate(seen.keys):
            said = _fault(key)
            twin = folded.setdefault(key.lower(), key) if said is None else key
            if said is None and twin != key:
                said = (Severity.INFO, f"differs from {twin!r} in case alone")
            if said is not None:
                severity, message = said
                evidence = (f"key {key!r}, {len(key.encode('utf-8', 'surrogatepass'))} bytes", message)
                yield Finding("malformed-key", key_ref(seen, i), severity, message, evidence, value_bytes=seen.sizes[i])


def _are_plain(keys: list[str]) -> bool:
    """Whether nothing can be wrong with any of these keys; most maps end here, at the speed of one search."""
    if not keys:
        return True
    joined = "\n".join(keys)
    if (
        joined.encode("utf-8", "surrogatepass").translate(None, _PLAIN)
        or joined[0] == "."
        or "\n." in joined
        or joined.count("\n") != len(keys) - 1
    ):
        return False
    return "" not in keys and max(map(len, keys)) <= LONGEST


def _fault(key: str) -> tuple[Severity, str] | None:
    if not key:
        return Severity.WARNING, "the key is empty: the API server refuses it"
    if len(key.encode("utf-8", "surrogatepass")) > LONGEST:
        return Severity.WARNING, f"the key is longer than {LONGEST} bytes: the API server refuses it"
    if _CONTROL.search(key):
        return Severity.WARNING, "the key has control characters: the API server refuses it"
    if not _ALLOWED.fullmatch(key):
        return Severity.WARNING, "the key has characters other than letters, digits, -, _ and .: the API server refuses it"
    if key in {".", ".."} or key.startswith(".."):
        return Severity.WARNING, "the key begins with ..: the API server refuses it"
    if key.startswith(".") and key not in _DOTTED:
        return Severity.INFO, "the key begins with a dot: a mounted volume hides it"
    return None


ANALYSIS = Analysis(Severity.WARNING, _run)
