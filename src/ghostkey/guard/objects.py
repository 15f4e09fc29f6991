"""The guard's objects in a cluster: a kind of its own for caps, one policy, one binding, and one `KeyCaps` for each namespace.

One object of caps for each namespace and not for each map: a binding evaluates every parameter that it selects on every write, which
at 300 maps costs 11 ms. Caps are by `size()` alone: iterating over a big map in CEL is quadratic, and its cost limit does not see it.
Source: Kubernetes 1.30 admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy.
"""

from __future__ import annotations

from typing import Any

from ghostkey.model.admission import GUARD_POLICY

GROUP, VERSION, KIND, PLURAL = "guard.ghostkey.dev", "v1", "KeyCaps", "keycaps"
DEFINITION = f"{PLURAL}.{GROUP}"
NAME = "ghostkey"  # of a namespace's caps
POLICY = GUARD_POLICY
MODES = {"audit": ["Audit"], "warn": ["Warn", "Audit"], "deny": ["Deny", "Audit"]}
NAMED = 2_000  # keys of a map above which a message counts keys and names none
NAMES = 1_000  # characters of names in a message: of one above 5 KiB the API server says none of it; a key has 253 at most
NOTED_NAMES = 8_000  # of names in an audit annotation, which it cuts at 10 KiB, in the middle of one
CAPS, KEPT_OUT = 1_000, 100  # maps of a namespace, and keys of a map that are kept out: CEL's loop over these is short

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICY_PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDING_PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

_LABELS = {"app.kubernetes.io/managed-by": "ghostkey", "app.kubernetes.io/part-of": "ghostkey-guard"}


def caps_path(namespace: str) -> str:
    """Where the caps of a namespace are."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"


def definition() -> dict[str, Any]:
    """The kind of caps: `spec.caps` {MAP: N}, why each is what it is, and keys that are kept out for a time."""
    texts = {"type": "object", "maxProperties": CAPS, "additionalProperties": {"type": "string", "maxLength": 1_000}}
    kept_out = {
        "type": "object",
        "required": ["keys", "until"],
        "properties": {
            "keys": {"type": "array", "maxItems": KEPT_OUT, "items": {"type": "string", "minLength": 1, "maxLength": 253}},
            "until": {"type": "string", "format": "date-time"},
            "receipt": {"type": "string", "maxLength": 253},
        },
    }
    spec = {
        "type": "object",
        "required": ["caps"],
        "properties": {
            "caps": {
                "type": "object",
                "maxProperties": CAPS,
                "additionalProperties": {"type": "integer", "format": "int64", "minimum": 0},
            },
            "reasons": texts,
            "keepOut": {"type": "object", "maxProperties": CAPS, "additionalProperties": kept_out},
        },
    }
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    version = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION, "labels": _LABELS},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "plural": PLURAL, "singular": "keycaps", "listKind": f"{KIND}List"},
            "versions": [version],
        },
    }


def _size(thing: str) -> str:
    """How many keys an object has; a Secret has no binaryData, and either may be absent."""
    return f"(has({thing}.data) ? size({thing}.data) : 0) + (has({thing}.binaryData) ? size({thing}.binaryData) : 0)"


def _held(thing: str) -> str:
    """Whether an object has the key `k`, in whichever field."""
    return f"(has({thing}.data) && k in {thing}.data || has({thing}.binaryData) && k in {thing}.binaryData)"


def _some(joined: str, most: int, more: str = "") -> str:
    """As many of the names in a text, joined by commas, as have room; whole ones."""
    cut = f"{joined}.substring(0, {joined}.substring(0, {most}).lastIndexOf(',')) + '{more}'"
    return f"(size({joined}) > {most} ? {cut} : {joined})"


_GREW = f"({_size('object')}) > (oldObject == null ? 0 : ({_size('oldObject')}))"
_MAP = "request.resource.resource + '/' + object.metadata.name"
_OUT = "has(params.spec.keepOut) && variables.map in params.spec.keepOut"
# keys are the names of things, and those in a Secret are nobody's business
_ARE_NAMED = f"request.resource.resource == 'configmaps' && variables.new <= {NAMED}"
# CEL knows no clock. A writer's own entry in managedFields has the time of this very write
_LASTS = (
    "!(has(object.metadata.managedFields) && object.metadata.managedFields.exists(f, has(f.time) && "
    "timestamp(f.time) > timestamp(params.spec.keepOut[variables.map].until)))"
)


def policy() -> dict[str, Any]:
    """The ratchet. An expression that fails lets the write pass: a guard must not be what stops a cluster.

    Messages are evaluated for every write, whatever becomes of it: what costs stands behind a condition.
    """
    is_new = f"(oldObject == null || !{_held('oldObject')})"
    added = " + ".join(f"(has(object.{one}) ? object.{one}.filter(k, {is_new}) : [])" for one in ("data", "binaryData"))
    variables = {
        "map": _MAP,
        "new": _size("object"),
        "old": f"oldObject == null ? 0 : ({_size('oldObject')})",
        "capped": "variables.map in params.spec.caps",
        "exceeds": "variables.capped && variables.new > variables.old && variables.new > params.spec.caps[variables.map]",
        "kept": _OUT,
        "back": f"params.spec.keepOut[variables.map].keys.filter(k, {_held('object')} && {is_new})",
        "added": f"variables.exceeds && ({_ARE_NAMED}) ? {added} : []",
        "joined": "variables.added.join(',')",
        "names": f"size(variables.added) > 0 ? '; new: ' + {_some('variables.joined', NAMES, ',…')} : ''",
        "joined_back": "variables.back.join(',')",
    }
    would = "variables.map + ' would hold ' + string(variables.new) + ' keys, cap ' + string(params.spec.caps[variables.map])"
    matched = f"({_MAP}) in params.spec.caps && {_GREW} || has(params.spec.keepOut) && ({_MAP}) in params.spec.keepOut"
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps", "secrets"]}
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY, "labels": _LABELS},
        "spec": {
            "failurePolicy": "Ignore",
            "paramKind": {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND},
            "matchConstraints": {"resourceRules": rules},
            "matchConditions": [{"name": "grows-or-has-keys-kept-out", "expression": matched}],
            "variables": [{"name": name, "expression": text} for name, text in variables.items()],
            "validations": [
                {"expression": "!variables.exceeds", "messageExpression": f"variables.exceeds ? {would} + variables.names : ''"},
                {
                    "expression": f"!variables.kept || size(variables.back) == 0 || !({_LASTS})",
                    "messageExpression": "!variables.kept ? '' : variables.map + ' gets back ' + string(size(variables.back)) + ' trimmed keys that are "
                    "kept out until ' + params.spec.keepOut[variables.map].until + "
                    f"(request.resource.resource == 'configmaps' ? ': ' + {_some('variables.joined_back', NAMES, ',…')} : '')",
                },
            ],
            "auditAnnotations": [
                {"key": "map", "valueExpression": "variables.exceeds ? variables.map : ''"},
                {"key": "added-keys", "valueExpression": f"variables.exceeds ? {_some('variables.joined', NOTED_NAMES)} : ''"},
            ],
        },
    }


def binding(mode: str) -> dict[str, Any]:
    """What the policy does to a write past a cap; a namespace without caps is left alone."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY, "labels": _LABELS},
        "spec": {
            "policyName": POLICY,
            "paramRef": {"name": NAME, "parameterNotFoundAction": "Allow"},
            "validationActions": MODES[mode],
        },
    }


def caps_object(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The caps of a namespace."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": NAME, "namespace": namespace, "labels": _LABELS},
        "spec": spec,
    }
