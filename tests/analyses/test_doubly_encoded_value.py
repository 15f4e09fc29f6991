"""Values that somebody encoded once too often."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.helpers import analyse, config_map, keys, secret

CREDENTIALS = json.dumps({"user": "shop", "password": "correct horse battery staple"})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_base64_in_a_secret_and_json_in_a_json_string(tmp_path: Path) -> None:
    objects = [
        secret({"twice": encoded(CREDENTIALS), "once": CREDENTIALS}),
        config_map({"quoted": json.dumps(CREDENTIALS), "plain": CREDENTIALS}),
    ]
    found = analyse(tmp_path, objects, only="doubly-encoded-value")
    assert keys(found) == {"twice", "quoted"}
    assert all("horse" not in "".join((f.message, *f.evidence)) for f in found)


def test_one_encoding_is_right_and_short_or_random_values_are_not_judged(tmp_path: Path) -> None:
    hashes = {"hash": "$2b$12$" + "a" * 53, "token": "ZXlK", "key": base64.b64encode(bytes(range(200, 248))).decode()}
    objects = [secret(hashes), config_map({"base64": encoded(CREDENTIALS), "sentence": '"quoted"', "number": "12345678"})]
    assert keys(analyse(tmp_path, objects, only="doubly-encoded-value")) == set()


PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUBMHA\n-----END CERTIFICATE-----\n"


def test_base64_within_a_document_is_encoded_once(tmp_path: Path) -> None:
    """Argo CD's cluster Secrets, docker configs and values.yaml: all flagged once, and all right."""
    cluster = {
        "bearerToken": "abc",
        "tlsClientConfig": {"caData": encoded(PEM), "certData": encoded(PEM), "keyData": encoded(PEM)},
    }
    docker = {"auths": {f"registry-{n}.example.com": {"auth": encoded(f"robot-{n}:correct-horse-battery")} for n in range(4)}}
    values = "\n".join(f"secret{n}: {encoded(CREDENTIALS)}" for n in range(5))
    nested = json.dumps({f"entry-{n}": json.dumps(CREDENTIALS) for n in range(5)})
    objects = [
        secret({"name": "in-cluster", "server": "https://10.0.0.1", "config": json.dumps(cluster)}, "argo-cluster"),
        secret({".dockerconfigjson": json.dumps(docker)}, "pull", type="kubernetes.io/dockerconfigjson"),
        secret({"values.yaml": values}, "helm-values"),
        config_map({"values.yaml": values, "nested.json": nested}, "values"),
        config_map({}, "binary", binaryData={"values.yaml": encoded(values), "nested.json": encoded(nested)}),
    ]
    assert analyse(tmp_path, objects, only="doubly-encoded-value") == []


def test_a_value_that_is_meant_to_be_base64_is_info_and_says_why(tmp_path: Path) -> None:
    meant = {
        "key.json.b64": CREDENTIALS, "GOOGLE_CREDENTIALS_BASE64": CREDENTIALS, "certificate-authority-data": PEM, "caData": PEM,
        "auth": "robot:correct-horse-battery", "userData": "#cloud-config\nusers: []\n",
        "basic": "robot:correct-horse-battery", "cookie-secret": "0123456789abcdef0123456789abcdef", "signing.key": CREDENTIALS,
    }  # fmt: skip
    wrong = {"authority": CREDENTIALS, "data": CREDENTIALS, "password": "correct horse battery", "b64ata": CREDENTIALS}
    objects = [secret({key: encoded(value) for key, value in {**meant, **wrong}.items()})]
    found = analyse(tmp_path, objects, only="doubly-encoded-value")
    by_severity = {str(f.severity): {g.key.key for g in found if g.severity == f.severity} for f in found}
    assert by_severity == {"info": set(meant), "warning": set(wrong)}
    for finding in found:
        said = "meant so, it seems: " if finding.key.key in meant else "nothing tells that its reader wants it so"
        assert said in finding.evidence[-1]
