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
