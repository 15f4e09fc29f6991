"""Google's Cloud Audit Logs of a cluster (GKE), as audit events of the API server.

What is lacking in them is a gap: entries whose objects were too long have neither request nor response and are of level
Metadata here; values of Secrets are never in them.
Source: google.cloud.audit.AuditLog (audit_log.proto); google.rpc.Code
"""

from __future__ import annotations

from typing import Any

# google.rpc.Code → HTTP
_CODES = {0: 200, 3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 409, 10: 409, 11: 422, 16: 401}
_VERBS = {"create", "update", "patch", "delete", "deletecollection", "get", "list", "watch"}


def event_of_google(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The audit event of a log entry with a protoPayload; None when it is none of a cluster's API server."""
    payload = entry.get("protoPayload")
    if not isinstance(payload, dict):
        return None
    method, place = str(payload.get("methodName") or ""), str(payload.get("resourceName") or "")
    verb = method.rpartition(".")[2]
    if verb not in _VERBS or not (payload.get("serviceName") == "k8s.io" or method.startswith("io.k8s.")):
        return None
    reference = _reference(place)
    if reference is None:
        return None
    request, response = _object(payload.get("request")), _object(payload.get("response"))
    status, caller, who = (_mapping(payload.get(name)) for name in ("status", "requestMetadata", "authenticationInfo"))
    code = status.get("code", 0)
    code = _CODES.get(code, 500) if isinstance(code, int) else 500
    if code < 400 and _mapping(response).get("kind") == "Status" and isinstance(refusal := response.get("code"), int):
        code = refusal
    operation = _mapping(entry.get("operation"))
    event: dict[str, Any] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse" if response else "Request" if request else "Metadata",
        "auditID": str(operation.get("id") or entry.get("insertId") or ""), "stage": "ResponseComplete",
        "requestURI": "/" + place, "verb": verb, "user": {"username": str(who.get("principalEmail") or "")},
        "sourceIPs": [str(caller["callerIp"])] if caller.get("callerIp") else [],
        "userAgent": str(caller.get("callerSuppliedUserAgent") or ""), "objectRef": reference,
        "responseStatus": {"code": code, "message": str(status.get("message") or "")},
    }  # fmt: skip
    if request:
        event["requestObject"] = request
    if response:
        event["responseObject"] = response
    event["requestReceivedTimestamp"] = str(entry.get("timestamp") or entry.get("receiveTimestamp") or "")
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
    return {name: value for name, value in found.items() if name != "@type"} or None


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
