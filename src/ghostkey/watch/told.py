"""What has been told already, small enough for an annotation: nothing is told twice, whoever tells it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping

import msgspec

TEXT_BYTES = 150_000  # of the 256 KiB that all annotations of an object may have
RAW_BYTES = 4 << 20  # of what a stranger may have put there instead
MANY = "*"  # of a map with more than would fit: nothing more is told of it until it is clean


class Told:
    """Fingerprints that were told, by map; of maps that have very many, only that."""

    def __init__(self, text: str = "") -> None:
        """Reads what `text` made; what cannot be read is nothing, and then everything is told once more."""
        self._ids: dict[str, set[str]] = {}
        try:
            decoder = zlib.decompressobj()
            raw = decoder.decompress(base64.b64decode(text, validate=True), RAW_BYTES) if text else b"{}"
            found = msgspec.json.decode(raw, type=dict[str, str])
        except (ValueError, zlib.error, msgspec.DecodeError):
            return
        self._ids = {
            place: {MANY} if ids == MANY else {ids[at : at + 12] for at in range(0, len(ids), 12)} for place, ids in found.items()
        }

    def new(self, spot: str, ids: Iterable[str]) -> set[str]:
        """Those of a map's findings that were not told."""
        known = self._ids.get(_short(spot), set())
        return set() if MANY in known else set(ids) - known

    def tell(self, spot: str, ids: Iterable[str]) -> None:
        """Notes findings of a map as told."""
        self._ids.setdefault(_short(spot), set()).update(ids)

    def forget(self, present: Mapping[str, set[str]]) -> bool:
        """Forgets what is found no more, of all maps; when it comes back, it is new. Whether there was any."""
        by_place = {_short(spot): ids for spot, ids in present.items()}
        changed = False
        for place, known in list(self._ids.items()):
            still = known & by_place.get(place, set()) if MANY not in known else known if place in by_place else set()
            changed |= still != known
            if still:
                self._ids[place] = still
            else:
                del self._ids[place]
        return changed

    @property
    def text(self) -> str:
        """The annotation. The maps with the most give way where it would be too large."""
        while True:
            plain = {place: MANY if MANY in ids else "".join(sorted(ids)) for place, ids in self._ids.items()}
            packed = base64.b64encode(zlib.compress(msgspec.json.encode(plain))).decode()
            if len(packed) <= TEXT_BYTES:
                return packed
            for place in sorted(self._ids, key=lambda place: -len(self._ids[place]))[: max(1, len(self._ids) // 20)]:
                self._ids[place] = {MANY}
            if all(MANY in ids for ids in self._ids.values()):
                return base64.b64encode(zlib.compress(b"{}")).decode()


def _short(spot: str) -> str:
    # names of maps are nobody's business who may read leases
    return hashlib.sha256(spot.encode("utf-8", "surrogatepass")).hexdigest()[:10]
