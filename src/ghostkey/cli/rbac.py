"""`ghostkey rbac`."""

from __future__ import annotations

from typing import Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.kube.pods import POD_SPECS
from ghostkey.model.errors import UsageError

COMMANDS = ("scan", "explain", "trim", "undo", "verify", "record", "blame")


@click.command("rbac", context_settings=CONTEXT)
@click.option("--for", "purpose", type=click.Choice(COMMANDS), default="scan", show_default=True, help="Command to allow.")
@click.option("-n", "--namespace", metavar="NS", help="Namespace of the maps; without it, maps of all namespaces.")
@click.option("--map", "map_name", metavar="cm/NAME|secret/NAME", help="The one map that trim, undo or verify may touch.")
@click.option(
    "--kinds", multiple=True, metavar="KIND.GROUP", help="Kinds of subjects, by plural and group: tenants.demo.example.com."
)
@click.option("--receipts", type=click.Choice(["disk", "cluster"]), default="disk", help="Where receipts will be kept.")
@click.option("--user", metavar="USER", help="Print the binding for this user too.")
def command(
    purpose: str, namespace: str | None, map_name: str | None, kinds: tuple[str, ...], receipts: str, user: str | None
) -> None:
    """Print the ClusterRole or Roles that a command needs, and no more; pipe it into kubectl apply -f -.

    Without --kinds, scan needs to list everything, since any kind may be a subject. Secrets are only ever read where
    scan looks into them (scan --holders configmaps goes without).
    """
    from ghostkey.kube.yaml_text import dump_yaml

    documents = []
    for scope, rules in _rules(purpose, namespace, map_name, kinds, receipts).items():
        if not rules:
            continue
        role, binding = ("Role", "RoleBinding") if scope else ("ClusterRole", "ClusterRoleBinding")
        metadata = {"name": f"ghostkey-{purpose}", **({"namespace": scope} if scope else {})}
        api = "rbac.authorization.k8s.io"
        documents.append({"apiVersion": f"{api}/v1", "kind": role, "metadata": metadata, "rules": rules})
        if user:
            subject = {"kind": "User", "name": user, "apiGroup": api}
            ref = {"apiGroup": api, "kind": role, "name": metadata["name"]}
            documents.append(
                {"apiVersion": f"{api}/v1", "kind": binding, "metadata": metadata, "roleRef": ref, "subjects": [subject]}
            )
    click.echo("---\n".join(dump_yaml(document) for document in documents), nl=False)


Rules = list[dict[str, Any]]


def _rules(purpose: str, namespace: str | None, map_name: str | None, kinds: tuple[str, ...], receipts: str) -> dict[str, Rules]:
    """Rules by scope: "" for the cluster, or the namespace."""
    cluster: Rules = []
    local: Rules = []
    maps = local if namespace else cluster
    resource, names = _map(map_name)
    only = {"resourceNames": names} if names else {}
    if purpose in {"scan", "explain", "trim", "verify"}:
        # finding ghosts: every subject, everywhere, and which keys Pods name
        if kinds:
            cluster += [_rule(*_split(kind), ["list"]) for kind in kinds]
            cluster += _pod_rules()
        else:
            cluster.append(_rule("*", "*", ["list"]))
        if purpose == "scan":
            maps.append(_rule("", resource, ["get", "list"]))  # get: the second look at each finding
        elif not names:
            maps.append(_rule("", resource, ["list"]))
        if purpose == "explain":
            maps.append({**_rule("", resource, ["get"]), **only})
    if purpose in {"trim", "undo"}:
        maps.append({**_rule("", resource, ["get", "patch"]), **only})
        if receipts == "cluster":
            maps.append(_rule("", ["secrets"], ["create", "get", "list", "patch"]))
    if purpose == "verify":
        maps.append({**_rule("", resource, ["get", "watch"]), **only})
        if receipts == "cluster":
            maps.append(_rule("", ["secrets"], ["get", "list"]))
    if purpose == "record":
        maps.append(_rule("", resource, ["list", "watch"]))
        # without --kinds every custom resource is recorded, and nobody can say which there will be
        subjects = [_split(kind) for kind in kinds] or [("*", "*")]
        cluster += [_rule(group, name, ["list", "watch"]) for group, name in subjects]
    if purpose == "blame":
        maps.append({**_rule("", resource, ["get"]), **only})
    return {"": cluster, namespace or "-": local}


def _pod_rules() -> Rules:
    groups: dict[str, list[str]] = {}
    for group, resource in POD_SPECS:
        groups.setdefault(group, []).append(resource)
    return [_rule(group, resources, ["list"]) for group, resources in groups.items()]


def _map(map_name: str | None) -> tuple[list[str], list[str]]:
    if not map_name:
        return ["configmaps", "secrets"], []
    from ghostkey.cli.options import parse_holder

    kind, name = parse_holder((map_name,))[0]
    return [kind.resource], [name]


def _split(kind: str) -> tuple[str, str]:
    resource, _, group = kind.partition(".")
    if not resource:
        raise UsageError(f"{kind!r} is no kind", "write its plural and group: tenants.demo.example.com")
    return group, resource


def _rule(group: str, resource: str | list[str], verbs: list[str]) -> dict[str, Any]:
    resources = [resource] if isinstance(resource, str) else resource
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
