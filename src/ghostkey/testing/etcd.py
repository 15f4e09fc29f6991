"""The etcd of a control plane, asked past the API server: its revision, its compaction, everything that is stored."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Etcd:
    """One etcd by the URL of its clients, without TLS."""

    url: str

    def revision(self) -> int:
        """The revision of the last write."""
        return int(self._ask("/v3/kv/range", {"key": _base64(b"any")})["header"]["revision"])

    def compact(self) -> int:
        """Has it forget all revisions before the present one, which it gives back."""
        revision = self.revision()
        self._ask("/v3/kv/compaction", {"revision": revision, "physical": True})
        return revision

    def stored(self, page: int = 2000) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of everything that the API server has stored, as of one revision."""
        start, revision = b"/", 0
        while True:
            asked = {
                "key": _base64(start),
                "range_end": _base64(b"0"),
                "limit": page,
                **({"revision": revision} if revision else {}),
            }
            answer = self._ask("/v3/kv/range", asked)
            revision = revision or int(answer["header"]["revision"])
            pairs = [(base64.b64decode(kv["key"]), base64.b64decode(kv.get("value", ""))) for kv in answer.get("kvs", [])]
            yield from pairs
            if not answer.get("more"):
                return
            start = pairs[-1][0] + b"\0"

    def empty(self, namespace: str) -> int:
        """Deletes a namespace with everything in it, past finalizers and whoever would have to take them away; how many objects.

        The API server sees it as it sees every deletion, and tells its watchers.
        """
        everything = self._ask("/v3/kv/range", {"key": _base64(b"/"), "range_end": _base64(b"0"), "keys_only": True})
        keys = [base64.b64decode(kv["key"]).decode() for kv in everything.get("kvs", [])]
        gone = [key for key in keys if key.split("/")[-2] == namespace or key.endswith(f"/namespaces/{namespace}")]
        for key in gone:
            self._ask("/v3/kv/deleterange", {"key": _base64(key.encode())})
        return len(gone)

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=300) as answer:
            return dict(json.load(answer))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
