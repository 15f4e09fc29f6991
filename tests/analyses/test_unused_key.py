"""Keys beside those that Pods name, by every way the API knows to name one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, keys, secret, thing

CONTAINER = {"name": "c", "image": "i"}


def env(name: str, key: str, ref: str = "configMapKeyRef") -> dict[str, Any]:
    return {"name": "V", "valueFrom": {ref: {"name": name, "key": key}}}


def items(key: str) -> list[dict[str, str]]:
    return [{"key": key, "path": "p"}]


def pod(**spec: Any) -> dict[str, Any]:
    return thing("Pod", "p", api_version="v1", spec={"containers": [CONTAINER], **spec})


NAMES_USED = {
    "env": pod(containers=[{**CONTAINER, "env": [env("registry", "used")]}]),
    "init": pod(initContainers=[{**CONTAINER, "env": [env("registry", "used")]}]),
    "ephemeral": pod(ephemeralContainers=[{**CONTAINER, "env": [env("registry", "used")]}]),
    "volume-items": pod(volumes=[{"name": "v", "configMap": {"name": "registry", "items": items("used")}}]),
    "projected": pod(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "registry", "items": items("used")}}]}}]),
    "deployment": thing("Deployment", "d", api_version="apps/v1", spec={"template": {"spec": {"containers": [{**CONTAINER, "env": [env("registry", "used")]}]}}}),
    "cronjob": thing("CronJob", "j", api_version="batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [{**CONTAINER, "env": [env("registry", "used")]}]}}}}}),
}  # fmt: skip
TAKES_ALL = {
    "envFrom": pod(containers=[{**CONTAINER, "env": [env("registry", "used")], "envFrom": [{"configMapRef": {"name": "registry"}}]}]),
    "volume": pod(containers=[{**CONTAINER, "env": [env("registry", "used")]}], volumes=[{"name": "v", "configMap": {"name": "registry"}}]),
    "projected": pod(containers=[{**CONTAINER, "env": [env("registry", "used")]}], volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "registry"}}]}}]),
}  # fmt: skip


@pytest.mark.parametrize("how", sorted(NAMES_USED))
def test_key_beside_a_named_one_is_unused(tmp_path: Path, how: str) -> None:
    # a Pod must be in the dump, else nobody knows whether any uses it
    bystander = thing("Pod", "bystander", api_version="v1", spec={"containers": [CONTAINER]})
    found = analyse(tmp_path, [NAMES_USED[how], bystander, config_map({"used": "1", "old": "2"})], only="unused-key")
    assert keys(found) == {"old"}


@pytest.mark.parametrize("how", sorted(TAKES_ALL))
def test_map_taken_whole_has_no_unused_key(tmp_path: Path, how: str) -> None:
    assert keys(analyse(tmp_path, [TAKES_ALL[how], config_map({"used": "1", "old": "2"})], only="unused-key")) == set()


def test_secret_of_the_same_name_is_another_map(tmp_path: Path) -> None:
    uses_secret = pod(containers=[{**CONTAINER, "env": [env("registry", "used", "secretKeyRef")]}])
    objects = [uses_secret, config_map({"used": "1", "old": "2"}), secret({"used": "1", "old": "2"})]
    found = analyse(tmp_path, objects, only="unused-key")
    assert {f.key.holder.kind.kind for f in found} == {"Secret"}


def test_map_nobody_names_and_dump_without_pods_say_nothing(tmp_path: Path) -> None:
    assert analyse(tmp_path, [pod(), config_map({"a": "1"})], only="unused-key") == []
    assert analyse(tmp_path, [NAMES_USED["deployment"], config_map({"used": "1", "old": "2"})], only="unused-key") == []
