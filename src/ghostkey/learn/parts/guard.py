"""The guard: manifests of the admission policy with the map's cap, tried on an API server of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from ghostkey.guard import objects
from ghostkey.guard.caps import Cap
from ghostkey.kube.client import MERGE_PATCH
from ghostkey.learn.incident import Incident
from ghostkey.learn.parts import FAILED, HELD, NONE, Part
from ghostkey.model.counts import counted

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

NAME, FILE = "guard", "guard.yaml"
MOST = 20_000  # keys of a map that a trial fills to its cap: one of more, with their owners, meets another limit first
SECONDS = 60.0
HEAD = """# {title}
# A map may shrink and change, and may not grow past its cap. It begins as audit, which refuses nothing: see ghostkey guard report.
# kubectl apply -f {file}, once more when its kind is served; or ghostkey guard apply, which keeps a receipt for its undo.
"""


def manifests(incident: Incident, cap: Cap) -> str:
    """The guard's objects as YAML, in the order in which they are applied. Keys that were trimmed are kept out by the cap alone."""
    spec = {"caps": {cap.map: cap.cap}, "reasons": {cap.map: cap.reason}}
    documents = [
        objects.definition(),
        objects.policy(),
        objects.binding("audit"),
        objects.caps_object(cap.namespace, spec),
    ]
    head = HEAD.format(title=f"guard of {cap.namespace}/{cap.map}", file=FILE)
    return head + "---\n".join(yaml.safe_dump(document, sort_keys=False, width=160) for document in documents)


def part(incident: Incident, cap: Cap | str, plane: ControlPlane | str) -> Part:
    """The guard. `cap` and `plane` are the words why there is none, where there is none."""
    if isinstance(cap, str):
        return Part(NAME, NONE, cap)
    text = manifests(incident, cap)
    if isinstance(plane, str):
        return Part(NAME, "not tried", plane, {FILE: text})
    said = tried(text, cap, plane)
    if said:
        return Part(NAME, FAILED, said)
    return Part(
        NAME, HELD,
        f"cap {cap.cap:,} ({cap.reason}); on a real API server audit let a key more pass, deny refused it with 422, and a trim, an edit "
        "and a label passed", {FILE: text},
    )  # fmt: skip


def tried(text: str, cap: Cap, plane: ControlPlane) -> str:
    """What does not hold of the manifests, in words; empty where all does. They are put into the API server as they are written."""
    if cap.cap > MOST:
        return f"its cap of {cap.cap:,} keys is more than a trial can fill: {MOST:,}"
    secret = cap.map.startswith("secrets/")
    plane.raw("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": cap.namespace}}).encode())
    collection = f"/api/v1/namespaces/{cap.namespace}/{cap.kind.resource}"
    value = "eA==" if secret else "x"
    body = {"metadata": {"name": cap.name}, "data": {f"k{number}": value for number in range(cap.cap)}}
    code, answer = plane.raw("POST", collection, json.dumps(body).encode())
    if code != 201:
        return f"a map of {counted(cap.cap, 'key')} could not be made: {code} {_message(answer)}"
    for document in yaml.safe_load_all(text):
        if said := _put(plane, document):
            return said
    path = f"{collection}/{cap.name}"

    def patched(change: dict[str, Any]) -> int:
        return plane.raw("PATCH", f"{path}?dryRun=All", json.dumps(change).encode(), MERGE_PATCH)[0]

    more = {"data": {"one-more": value}}
    if (code := patched(more)) != 200:
        return f"in audit mode a key more was answered with {code}"
    deny = json.dumps({"spec": {"validationActions": objects.MODES["deny"]}}).encode()
    plane.raw("PATCH", f"{objects.BINDING_PATH}/{objects.POLICY}", deny, MERGE_PATCH)
    try:
        plane.wait_until(lambda: patched(more) == 422, "a key more is refused", SECONDS)
    except (TimeoutError, AssertionError, RuntimeError):
        return f"a key more than its cap of {cap.cap:,} is not refused"
    passes: dict[str, dict[str, Any]] = {"a label": {"metadata": {"labels": {"a": "b"}}}}
    if cap.cap:
        passes |= {"a trim": {"data": {"k0": None}}, "an edit": {"data": {"k0": "eQ==" if secret else "y"}}}
    for what, change in passes.items():
        if (code := patched(change)) != 200:
            return f"{what} was answered with {code}"
    return ""


def _put(plane: ControlPlane, document: dict[str, Any]) -> str:
    """Makes one object; empty, or why it could not be made. What its kind or policy is not known for yet is tried again."""
    kinds = {
        "CustomResourceDefinition": objects.CRD_PATH,
        "ValidatingAdmissionPolicy": objects.POLICY_PATH,
        "ValidatingAdmissionPolicyBinding": objects.BINDING_PATH,
        objects.KIND: objects.caps_path(str(document["metadata"].get("namespace"))),
    }
    last: list[Any] = []

    def is_made() -> bool:
        last[:] = plane.raw("POST", kinds[document["kind"]], json.dumps(document).encode())[:2]
        return last[0] in {201, 409}

    try:
        plane.wait_until(is_made, f"{document['kind']} is made", SECONDS)
    except (TimeoutError, AssertionError, RuntimeError):
        return f"the API server does not take {document['kind']}: {last[0]} {_message(last[1])}"
    return ""


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer).get("message", ""))[:300]
    except (ValueError, AttributeError):
        return ""


__all__ = ["FILE", "manifests", "part", "tried"]
