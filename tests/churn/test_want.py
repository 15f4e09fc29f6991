"""What is held against an operator, and what it could not do for want of something: by what a 404 says is not there."""

from __future__ import annotations

import json

import pytest

from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.proxy.denied import is_in_want
from ghostkey.testing import ControlPlane

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gkaaaaaabx"}}


@pytest.mark.parametrize(
    ("method", "path", "of_type", "is_wanting"),
    [
        ("POST", "/api/v1/namespaces/gk-none/configmaps", "application/json", True),
        ("PATCH", "/api/v1/namespaces/gk-none/configmaps/gkaaaaaabx?fieldManager=a", APPLY, True),
        ("POST", "/apis/none.ghostkey.dev/v1/namespaces/default/things", "application/json", True),
        ("PATCH", "/apis/none.ghostkey.dev/v1/namespaces/default/things/gkaaaaaabx", MERGE, True),
        ("PATCH", "/apis/demo.ghostkey.dev/v1/namespaces/default/none/gkaaaaaabx", MERGE, True),
        ("PATCH", "/api/v1/namespaces/default/configmaps/gkaaaaaabx", MERGE, False),
        ("DELETE", "/api/v1/namespaces/default/configmaps/gkaaaaaabx", "application/json", False),
        ("GET", "/api/v1/namespaces/gkaaaaaabx", "application/json", False),
        ("PATCH", "/api/v1/namespaces/gkaaaaaabx", MERGE, False),
    ],
)
def test_answer_tells_a_want_from_an_object_that_is_not_there(
    cluster: ControlPlane, method: str, path: str, of_type: str, is_wanting: bool
) -> None:
    sent = json.dumps(BODY).encode()
    status, answer = cluster.raw(method, path, None if method in {"GET", "DELETE"} else sent, of_type)
    assert status == 404, answer
    assert is_in_want(call_of(method, path, sent), status, answer) is is_wanting, answer
