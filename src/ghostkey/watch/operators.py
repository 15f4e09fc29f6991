"""Operators whose logs are followed: which Pods they have, and when their image changed last.

Source: Kubernetes API v1.37, label selectors; apps/v1 Deployment and its ReplicaSets, annotation deployment.kubernetes.io/revision
"""

from __future__ import annotations

import itertools
import re
import time
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ghostkey.kube.answers import decode_object
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import GhostkeyError, NotFound, UsageError

PODS_LISTED = 200
PODS_MOST = 20  # of one operator; there are few that have more than three
SELECTOR_SECONDS = 60.0  # until a workload is asked again which Pods are its own
_WORKLOADS = {
    "deploy": "deployments", "deployment": "deployments", "deployments": "deployments", "sts": "statefulsets",
    "statefulset": "statefulsets", "statefulsets": "statefulsets", "ds": "daemonsets", "daemonset": "daemonsets", "daemonsets": "daemonsets",
}  # fmt: skip
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SELECTOR = re.compile(r"[\w./=!,() \-]{1,500}")


@dataclass
class Operator:
    """One operator as it was named, and what has been seen of its images."""

    namespace: str
    workload: tuple[str, str] | None
    selector: str
    label: str
    _asked_at: float = field(default=-SELECTOR_SECONDS, repr=False)
    _images: tuple[str, ...] = ()
    _changed: tuple[float, tuple[str, ...]] | None = None
    names: set[str] = field(default_factory=set)

    def pods(self, client: ApiClient) -> tuple[list[dict[str, Any]], bool]:
        """Its Pods now, those that run and the newest first, and whether they are all. Raises AccessDenied, ApiFailed, NotFound."""
        if self.workload is not None and time.monotonic() - self._asked_at > SELECTOR_SECONDS:
            resource, name = self.workload
            found = client.get_object(f"/apis/apps/v1/namespaces/{self.namespace}/{resource}/{name}")
            if found is None:
                raise NotFound(f"there is no {resource[:-1]} {name} in namespace {self.namespace}")
            self.selector = selector_of(found["spec"].get("selector") or {})
            self._asked_at = time.monotonic()
        params = {"labelSelector": self.selector, "limit": str(PODS_LISTED)}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        found = decode_object(path, client.get(path, params))
        items, metadata = found.get("items"), found.get("metadata")
        pods = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        # those that were evicted lie about by the hundred
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        pods.sort(key=lambda pod: (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"))
        are_all = len(pods) <= PODS_MOST and not (isinstance(metadata, dict) and metadata.get("continue"))
        self._note_images(pods[:PODS_MOST])
        return pods[:PODS_MOST], are_all

    def _note_images(self, pods: Iterable[dict[str, Any]]) -> None:
        containers = [one for pod in pods for one in pod["spec"]["containers"]]
        images = tuple(sorted({str(one.get("image")) for one in containers}))
        self.names |= {str(one.get("name")) for one in containers} | {_base(image) for image in images}
        if self.workload is not None:
            self.names.add(self.workload[1])
        # while two are rolled out there are both for a while: the change is over when one is left
        if images and images != self._images:
            if self._images and len(images) <= len(self._images):
                self._changed = time.time(), self._images
            self._images = images

    def image_words(self, client: ApiClient) -> str:
        """What its image is and when it changed last, as far as anybody can tell."""
        now = ", ".join(self._images) or "unknown"
        if self._changed is not None:
            at, before = self._changed
            return f"its image changed {_ago(at)}, from {', '.join(before)} to {now}"
        try:
            changed = self._change_of_replica_sets(client)
        except GhostkeyError:
            changed = None  # it is a help, not the news
        return f"its image changed {changed}, to {now}" if changed else f"its image is {now}"

    def _change_of_replica_sets(self, client: ApiClient) -> str | None:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"
        found = decode_object(path, client.get(path, {"labelSelector": self.selector, "limit": "100"})).get("items")
        rows = []
        for item in found if isinstance(found, list) else []:
            revision = str((item["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision") or "")
            images = sorted(str(one.get("image")) for one in item["spec"]["template"]["spec"]["containers"])
            if revision.isdigit():
                rows.append((int(revision), images, str(item["metadata"].get("creationTimestamp"))))
        rows.sort()
        for (_, before, _), (_, after, at) in reversed(list(itertools.pairwise(rows))):
            if before != after:
                return f"at {at}, from {', '.join(before)}"
        return None


def parse_operator(text: str) -> Operator:
    """`NAMESPACE/deploy/NAME`, or `NAMESPACE/SELECTOR` as `kubectl -l` takes it. Raises UsageError."""
    namespace, _, rest = text.partition("/")
    kind, _, name = rest.partition("/")
    if not _NAME.fullmatch(namespace) or not _SELECTOR.fullmatch(rest):
        raise UsageError(f"--logs {text!r} names no Pods", "write NAMESPACE/deploy/NAME or NAMESPACE/app=NAME")
    if kind in _WORKLOADS and _NAME.fullmatch(name):
        return Operator(namespace, (_WORKLOADS[kind], name), "", f"{_WORKLOADS[kind]}/{name}")
    if "=" not in rest:
        raise UsageError(f"--logs {text!r} names no Pods", "write NAMESPACE/deploy/NAME or NAMESPACE/app=NAME")
    return Operator(namespace, None, rest, rest)


def selector_of(selector: dict[str, Any]) -> str:
    """A selector of a workload as the API takes it in a query."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], ",".join(one.get("values") or ())
        parts.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}[operator]
        )
    return ",".join(parts)


def log_path(pod: dict[str, Any]) -> str:
    """Where the API has the log of a Pod."""
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{urllib.parse.quote(metadata['name'])}/log"


def _base(image: str) -> str:
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _ago(at: float) -> str:
    minutes = (time.time() - at) / 60
    return f"{minutes:.0f} min before" if minutes >= 2 else f"{minutes * 60:.0f} s before"
