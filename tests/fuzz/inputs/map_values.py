"""Values in ConfigMaps and Secrets, as a scan and a trim look into them."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path

from ghostkey.actions import documents
from ghostkey.kube.objects import MapMetadata, MapObject
from ghostkey.model.errors import Refused
from ghostkey.model.refs import CONFIG_MAPS, SECRETS
from ghostkey.sources._maps import MapReader
from tests.fuzz.engine import no_bug

CUT_BYTES = 8_000  # the marks that cutting needs come from a parser in Python, at 30 kB a second
RECORDS = {f"shop-{n}": {"uid": f"12345678-1234-1234-1234-{n:012}", "plan": "s", "n": n} for n in range(6)}


def seeds() -> list[bytes]:
    """JSON, YAML, quoted JSON, base64, text."""
    yaml = "# shops\nshops:\n" + "".join(
        f"  shop-{n}: {{plan: s}}\n  shop-{n}x:\n    port: {n}\n    at: 2026-01-0{n}\n" for n in range(1, 6)
    )
    whole = json.dumps(RECORDS)
    return [
        whole.encode(), json.dumps(whole).encode(), yaml.encode(), base64.b64encode(whole.encode()), b"a: 1\nb: 2\nc: 3\nd: &x [1]\ne: *x\n",
        json.dumps({"shops": RECORDS}, indent=2).encode(), b"plain words", b'{"a":1,"b":[1,2,3],"c":{"d":{"e":{"f":1}}}}', b"[1, 2, 3]",
    ]  # fmt: skip


def read(raw: bytes, folder: Path) -> None:
    """Reads it as data, as binaryData and as a Secret's, and cuts an entry out where it is a document."""
    reader = MapReader(keep_writers=True)
    text, encoded = raw.decode("utf-8", "surrogateescape"), base64.b64encode(raw).decode()
    metadata = MapMetadata(name="m", namespace="n", uid="u")
    reader.read(CONFIG_MAPS, MapObject(metadata, {"k": text, "plain": "x"}, {"b": encoded}))
    batches = reader.read(SECRETS, MapObject(metadata, {"k": encoded}))
    assert batches
    no_bug(gap.why for gap in reader.gaps())
    if len(raw) > CUT_BYTES:
        return
    with contextlib.suppress(KeyError, Refused):
        found = documents.entries_at(text, ())
        key = next((key for key in found if isinstance(key, str)), "")
        documents.entry_text(text, (), key)
        documents.without_entries(text, (), [key])
