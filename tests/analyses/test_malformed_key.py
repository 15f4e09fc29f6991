"""Keys that the API server refuses, and keys that trip their readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostkey.model.findings import Severity
from ghostkey.testing import ControlPlane
from tests.helpers import analyse, config_map, keys

REFUSED = ["", "x" * 254, "a/b", "a b", "a\x07b", "a\nb", "..", "..data", "\u00fcber", "."]
TAKEN = ["x" * 253, ".hidden", "A.b-c_9", "...x"[2:], "a..b"]


@pytest.mark.parametrize("key", REFUSED, ids=repr)
def test_key_that_the_api_refuses_is_found_in_a_manifest(
    tmp_path: Path, control_plane: ControlPlane, namespace: str, key: str
) -> None:
    body = {"metadata": {"name": "m"}, "data": {key: "v"}}
    with pytest.raises(RuntimeError, match="422"):
        control_plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)
    (found,) = analyse(tmp_path, [config_map({key: "v", "good": "v"})], only="malformed-key")
    assert (found.key.key, found.severity) == (key, Severity.WARNING)


def test_keys_that_the_api_takes_are_no_warning(tmp_path: Path, control_plane: ControlPlane, namespace: str) -> None:
    body = {"metadata": {"name": "m"}, "data": dict.fromkeys(TAKEN, "v")}
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)
    found = analyse(tmp_path, [config_map(dict.fromkeys(TAKEN, "v"))], only="malformed-key")
    assert {f.severity for f in found} <= {Severity.INFO}
    assert keys(found) == {".hidden", ".x"}


def test_case_twins_are_named_with_each_other(tmp_path: Path) -> None:
    (found,) = analyse(tmp_path, [config_map({"url": "1", "URL": "2", "other": "3"})], only="malformed-key")
    assert (found.key.key, found.severity) == ("URL", Severity.INFO)
    assert "'url'" in found.message
