"""Google's Cloud Audit Logs of a cluster (GKE), as audit events of the API server.

What is lacking in them is a gap: entries whose objects were too long have neither request nor response and are of level
Metadata here; values of Secrets are never in them. In BigQuery the payload has another name, and the objects are text.
Source: google.cloud.audit.AuditLog (audit_log.proto); google.rpc.Code; the schema of tables that Cloud Logging exports to BigQuery
"""

from __future__ import annotations

import re
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json

PAYLOADS = ("protoPayload", "protopayload_auditlog")
# google.rpc.Code → HTTP
_CODES = {0: 200, 3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 409, 10: 409, 11: 422, 16: 401}
_TIME_OF_BIGQUERY = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) UTC")
_VERBS = {"create", "update", "patch", "delete", "deletecollection", "get", "list", "watch"}


def event_of_google(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The audit event of a log entry with a protoPayload; None when it is none of a cluster's API server."""
    payload = next((entry[name] for name in PAYLOADS if name in entry), None)
    if not isinstance(payload, dict):
        return None
    method, place = str(payload.get("methodName") or ""), str(payload.get("resourceName") or "")
    verb = method.rpartition(".")[2]
    if verb not in _VERBS or not (payload.get("serviceName") == "k8s.io" or method.startswith("io.k8s.")):
        return None
    reference = _reference(place)
    if reference is None:
        return None
    request, response = (_object(payload.get(name) or _decoded(payload.get(f"{name}Json"))) for name in ("request", "response"))
    if _mapping(entry.get("split")).get("totalSplits"):
        request = response = None  # it was too long, and a part of each is in each of several entries
    status, caller, who = (_mapping(payload.get(name)) for name in ("status", "requestMetadata", "authenticationInfo"))
    code = status.get("code", 0)
    code = _CODES.get(code, 500) if isinstance(code, int) else 500
    if code < 400 and _mapping(response).get("kind") == "Status" and isinstance(refusal := response.get("code"), int):
        code = refusal
    operation = _mapping(entry.get("operation"))
    # of what has more than one entry, the first says that it came in
    stage = "RequestReceived" if operation.get("first") is True and operation.get("last") is not True else "ResponseComplete"
    event: dict[str, Any] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse" if response else "Request" if request else "Metadata",
        "auditID": str(operation.get("id") or entry.get("insertId") or ""), "stage": stage,
        "requestURI": "/" + place, "verb": verb, "user": {"username": str(who.get("principalEmail") or "")},
        "sourceIPs": [str(caller["callerIp"])] if caller.get("callerIp") else [],
        "userAgent": str(caller.get("callerSuppliedUserAgent") or ""), "objectRef": reference,
        "responseStatus": {"code": code, "message": str(status.get("message") or "")},
    }  # fmt: skip
    if request:
        event["requestObject"] = request
    if response:
        event["responseObject"] = response
    event["requestReceivedTimestamp"] = _time(str(entry.get("timestamp") or entry.get("receiveTimestamp") or ""))
    return event


def _reference(place: str) -> dict[str, str] | None:
    """The objectRef of `core/v1/namespaces/shop/configmaps/m/status`."""
    parts = place.strip("/").split("/")
    if len(parts) < 3:
        return None
    group, rest = parts[0], parts[2:]
    found = {"apiGroup": "" if group == "core" else group, "apiVersion": parts[1]}
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        found["namespace"] = rest[1]
        rest = rest[2:]
    elif rest[0] == "namespaces" and len(rest) > 1:
        found["namespace"] = rest[1]
    found["resource"] = rest[0]
    if len(rest) > 1:
        found["name"] = rest[1]
    if len(rest) > 2:
        found["subresource"] = rest[2]
    return {name: value for name, value in found.items() if value}


def _object(found: object) -> Any:
    """A request or response without the name of its type; what a patch of a list holds may lie in a field of its own."""
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        return None
    rest = {name: value for name, value in found.items() if name != "@type"}
    if "@type" in found and rest.keys() == {"value"} and isinstance(rest["value"], dict | list):
        return rest["value"]  # as types of protobuf's own are written
    return rest or None


def _decoded(text: object) -> Any:
    try:
        return decode_json(text) if isinstance(text, str) and text else None
    except UnreadableError:
        return None  # it was too long, and was cut


def _time(text: str) -> str:
    """A time as BigQuery writes it as others do."""
    found = _TIME_OF_BIGQUERY.fullmatch(text)
    return f"{found[1]}T{found[2]}Z" if found else text


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
