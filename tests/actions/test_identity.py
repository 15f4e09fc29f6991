"""undo(apply(plan)) = identity, against the real API server, for maps and plans that hypothesis makes up."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.store.state import digest_key
from ghostkey.testing import ControlPlane
from tests.helpers import make_map

_numbers = itertools.count()
KEYS = st.text("abcXYZ019-_.", min_size=1, max_size=12).filter(lambda key: key != "." and not key.startswith(".."))
# what JSON can say and the API server stores: anything but lone surrogates
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
BINARIES = st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode())
ENTRIES = st.dictionaries(TEXTS.filter(lambda key: "/" not in key), st.one_of(TEXTS, st.integers(), st.none()), max_size=5)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": "\t"}])
DOCUMENTS = st.builds(lambda entries, layout: json.dumps({"entries": entries, "v": 1}, **layout), ENTRIES, LAYOUTS)


@st.composite
def config_maps(draw: st.DrawFn) -> tuple[dict[str, Any], list[api.Wanted]]:
    """A ConfigMap's content, and some of its keys and of its documents' entries."""
    data = draw(st.dictionaries(KEYS, st.one_of(TEXTS, DOCUMENTS), max_size=8))
    binary = {k: v for k, v in draw(st.dictionaries(KEYS, BINARIES, max_size=3)).items() if k not in data}
    wanted: list[api.Wanted] = []
    for key, value in data.items():
        entries = _entries(value)
        if entries and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(sorted(entries)), unique=True))
            wanted += [api.Wanted("data", entry, (key, "entries")) for entry in chosen]
        elif draw(st.booleans()):
            wanted.append(api.Wanted("data", key))
    wanted += [api.Wanted("binaryData", key) for key in binary if draw(st.booleans())]
    return {"data": data, "binaryData": binary}, wanted


def _entries(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)["entries"]
    except (ValueError, TypeError, KeyError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def content(control_plane: ControlPlane, path: str) -> dict[str, Any]:
    found = control_plane.request("GET", path)
    return {field: found.get(field) or {} for field in ("data", "binaryData")}


def there_and_back(
    control_plane: ControlPlane, client: ApiClient, namespace: str, folder: Path, kind: Kind, before: dict[str, Any],
    wanted: list[api.Wanted],
) -> None:  # fmt: skip
    name = f"m-{next(_numbers)}"
    path = kind.path(namespace, name)
    make_map(control_plane, namespace, name, kind=kind.resource, **before)
    receipts, secret = api.FileReceipts(folder), digest_key(folder)
    plan = api.plan(api.read_map(client, kind, namespace, name), kind, wanted, secret)
    if not plan.changes:
        return
    outcome = api.apply(client, plan, receipts, secret, check_pods=False)
    trimmed = content(control_plane, path)
    for item in wanted:
        assert item.path or item.key not in trimmed[item.field]
        assert not item.path or item.key not in _entries(trimmed["data"][item.path[0]])
    touched = {item.path[0] if item.path else item.key for item in wanted}
    for field, values in content(control_plane, path).items():
        assert {k: v for k, v in values.items() if k not in touched} == {
            k: v for k, v in before.get(field, {}).items() if k not in touched
        }
    undone = api.undo(client, receipts.load(outcome.receipt.id), receipts)
    assert undone.restored
    assert content(control_plane, path) == {"data": {}, "binaryData": {}, **before}
    assert api.undo(client, outcome.receipt, receipts).restored == 0


RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.whole
def test_undo_of_a_trimmed_config_map_is_identity(
    control_plane: ControlPlane, client: ApiClient, namespace: str, tmp_path: Path
) -> None:
    @RELAXED
    @given(config_maps())
    def check(case: tuple[dict[str, Any], list[api.Wanted]]) -> None:
        there_and_back(control_plane, client, namespace, tmp_path, CONFIG_MAPS, *case)

    check()


@pytest.mark.whole
def test_undo_of_a_trimmed_secret_is_identity(
    control_plane: ControlPlane, client: ApiClient, namespace: str, tmp_path: Path
) -> None:
    @RELAXED
    @given(st.dictionaries(KEYS, BINARIES, min_size=1, max_size=8), st.data())
    def check(values: dict[str, str], data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(values)), unique=True))
        wanted = [api.Wanted("data", key) for key in chosen]
        there_and_back(control_plane, client, namespace, tmp_path, SECRETS, {"data": values}, wanted)

    check()
