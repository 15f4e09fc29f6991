"""`ghostkey rbac`."""

from __future__ import annotations

import re
from typing import Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.completing import complete_holder, complete_kind
from ghostkey.kube.pods import POD_SPECS
from ghostkey.model.errors import UsageError

# of the core group, whose kinds are named without one
CORE = frozenset(
    """configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods podtemplates
    replicationcontrollers resourcequotas secrets serviceaccounts services""".split()  # noqa: SIM905
)
# groups without a dot are Kubernetes' own: a CustomResourceDefinition has to have one
SHORT_GROUPS = {
    "apps": "controllerrevisions daemonsets deployments replicasets statefulsets", "batch": "cronjobs jobs",
    "autoscaling": "horizontalpodautoscalers", "policy": "poddisruptionbudgets", "extensions": "",
}  # fmt: skip
_PLURAL = re.compile(r"[a-z][-a-z0-9]*")
_GROUP = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")

COMMANDS = (
    "scan", "explain", "trim", "undo", "verify", "record", "blame", "maps", "pprof", "guard", "learn", "schema", "churn", "watch",
)  # fmt: skip


@click.command("rbac", context_settings=CONTEXT)
@click.option("--for", "purpose", type=click.Choice(COMMANDS), default="scan", show_default=True, help="Command to allow.")
@click.option("-n", "--namespace", metavar="NS", help="Namespace of the maps; without it, maps of all namespaces.")
@click.option("--map", "map_name", metavar="cm/NAME|secret/NAME", help="The one map that trim, undo or verify may touch.")
@click.option(
    "--kinds",
    multiple=True,
    metavar="KIND.GROUP",
    shell_complete=complete_kind,
    help="Kinds of subjects, by plural and group: tenants.demo.example.com.",
)
@click.option(
    "--holders",
    multiple=True,
    metavar="KIND",
    shell_complete=complete_holder,
    help="With scan: look into configmaps or secrets only.",
)
@click.option("--receipts", type=click.Choice(["disk", "cluster"]), default="disk", help="Where receipts will be kept.")
@click.option("--secrets", is_flag=True, help="With watch: Secrets too.")
@click.option("--events", is_flag=True, help="With watch: Events and the Lease, as --events and --notify need.")
@click.option("--reports", is_flag=True, help="With watch: Reports and the Lease, as --reports needs.")
@click.option(
    "--lease-namespace",
    default="default",
    show_default=True,
    metavar="NS",
    help="With watch --events or --reports: of the Lease.",
)
@click.option("--logs", multiple=True, metavar="NS", help="With watch: logs of operators in this namespace, as --logs needs.")
@click.option("--user", metavar="USER", help="Print the binding for this user too.")
def command(
    purpose: str,
    namespace: str | None,
    map_name: str | None,
    kinds: tuple[str, ...],
    holders: tuple[str, ...],
    receipts: str,
    user: str | None,
    **watching: Any,
) -> None:
    """Print the ClusterRole or Roles that a command needs, and no more; pipe it into kubectl apply -f -.

    Without --kinds, scan needs to list everything, since any kind may be a subject. Secrets are only ever read where
    scan looks into them (scan --holders configmaps goes without), and watch --secrets.
    """
    from ghostkey.kube.yaml_text import dump_yaml

    if holders and purpose != "scan":
        raise UsageError(f"--holders is for scan, not for {purpose}", "name the one map with --map")
    if receipts == "cluster" and not namespace:
        raise UsageError("receipts in the cluster are in the namespace of their map", "name it with -n")
    if purpose == "churn" and not kinds:
        raise UsageError("nobody can say which kinds the samples have", "name them with --kinds PLURAL.GROUP")
    resources, names = _maps(map_name, holders)
    documents = []
    found = _rules(purpose, namespace, resources, names, kinds, receipts)
    if purpose == "watch":
        found = _watch_rules(namespace, kinds, **watching)
    for scope, rules in found.items():
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


def _rules(
    purpose: str, namespace: str | None, resources: list[str], names: list[str], kinds: tuple[str, ...], receipts: str
) -> dict[str, Rules]:
    """Rules by scope: "" for the cluster, or the namespace."""
    cluster: Rules = []
    local: Rules = []
    maps = local if namespace else cluster
    only = {"resourceNames": names} if names else {}
    subjects = list(dict.fromkeys(map(_placed, kinds)))
    # without --kinds everything is listed, maps among it
    unlisted = [resource for resource in resources if kinds and ("", resource) not in subjects]
    if purpose in {"scan", "explain", "trim", "verify"}:
        # finding ghosts: every subject, everywhere, and which keys Pods name
        if kinds:
            cluster += [_rule(group, name, ["list"]) for group, name in subjects if (group, name) not in POD_SPECS]
            cluster += _pod_rules()
        else:
            cluster.append(_rule("*", "*", ["list"]))
        if unlisted and (purpose == "scan" or not names):
            maps.append(_rule("", unlisted, ["list"]))
        if purpose in {"scan", "explain"}:
            maps.append(
                {**_rule("", resources, ["get"]), **(only if purpose == "explain" else {})}
            )  # the second look at each finding
    if purpose in {"trim", "undo"}:
        maps.append({**_rule("", resources, ["get", "patch"]), **only})
    if purpose == "verify":
        maps.append({**_rule("", resources, ["get", "watch"]), **only})
    if receipts == "cluster" and purpose in {"trim", "undo", "verify"}:
        maps.append(_rule("", ["secrets"], ["create"] if purpose == "trim" else ["get", "list"]))
    if purpose == "record":
        if unlisted:
            maps.append(_rule("", unlisted, ["list", "watch"]))
        # without --kinds every custom resource is recorded, and nobody can say which there will be
        cluster += [_rule(group, name, ["list", "watch"]) for group, name in subjects or [("*", "*")]]
    if purpose == "maps":
        # a process in a Pod: the Pod, one container beside it, and a command in that
        local.append(_rule("", "pods", ["get"]))
        local.append(_rule("", "pods/ephemeralcontainers", ["patch"]))
        local.append(_rule("", "pods/exec", ["create", "get"]))
    if purpose == "pprof":
        local.append(_rule("", "pods/portforward", ["create", "get"]))
    if purpose == "schema":
        # objects of the CRD's own kind, by dry run; Kubernetes knows no right to that alone
        cluster += [_rule(group, name, ["create"]) for group, name in subjects]
        cluster.append(_rule("apiextensions.k8s.io", "customresourcedefinitions", ["get", "update"]))
    # learn has the cluster try the guard by dry run, which takes the rights of the guard
    if purpose in {"guard", "learn"}:
        maps.append({**_rule("", resources, ["get"]), **only})
        cluster += _guard_rules()
    if purpose == "churn":
        # a namespace of its own, subjects in it, and a look at everything that may still name them
        cluster.append(_rule("*", "*", ["list"]))
        cluster.append(_rule("", "namespaces", ["get", "create", "delete"]))
        cluster += [_rule(group, name, ["get", "create", "delete"]) for group, name in subjects]
    if purpose == "blame":
        maps.append({**_rule("", resources, ["get"]), **only})
    return {"": cluster, namespace or "-": local}


def _watch_rules(
    namespace: str | None, kinds: tuple[str, ...], *, logs: tuple[str, ...], lease_namespace: str, **flags: bool
) -> dict[str, Rules]:
    """Rules by scope: what a scan lists, followed; Events on maps, and one Lease."""
    maps = ["configmaps", *(["secrets"] if flags["secrets"] else [])]
    subjects = [one for one in dict.fromkeys(map(_placed, kinds)) if one not in POD_SPECS]
    cluster: Rules = [_rule(group, name, ["list", "watch"]) for group, name in subjects or [("*", "*")]]
    local: Rules = []
    scoped = local if namespace else cluster
    if kinds:
        cluster += [{**rule, "verbs": ["list", "watch"]} for rule in _pod_rules()]
        scoped.append(_rule("", maps, ["list", "watch"]))
    found = {"": cluster, namespace or "-": local}
    if flags["events"]:
        scoped.append(_rule("", maps, ["get"]))  # the second look at what is told
        scoped.append(_rule("events.k8s.io", "events", ["create"]))
    if flags["reports"]:
        scoped.append(_rule("openreports.io", "reports", ["get", "list", "create", "update", "delete"]))
    if flags["events"] or flags["reports"]:
        leases = found.setdefault(lease_namespace, [])
        leases.append({**_rule("coordination.k8s.io", "leases", ["get", "update"]), "resourceNames": ["ghostkey-watch"]})
        leases.append(_rule("coordination.k8s.io", "leases", ["create"]))
    for place in dict.fromkeys(logs):
        found.setdefault(place, []).extend(
            [
                _rule("", "pods", ["list"]),
                _rule("", "pods/log", ["get"]),
                _rule("apps", ["deployments", "statefulsets", "daemonsets"], ["get"]),
                _rule("apps", "replicasets", ["list"]),  # when the image changed
            ]
        )
    return found


def _guard_rules() -> Rules:
    """Caps are in all namespaces; whoever names a kind as a policy's parameter has to be allowed to read it everywhere."""
    from ghostkey.guard.objects import DEFINITION, GROUP, PLURAL, POLICY

    admission = "admissionregistration.k8s.io"
    policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"]
    definition = _rule("apiextensions.k8s.io", "customresourcedefinitions", ["get", "update", "delete"])
    return [
        {**definition, "resourceNames": [DEFINITION]},
        _rule("apiextensions.k8s.io", "customresourcedefinitions", ["create"]),
        {**_rule(admission, policies, ["get", "update", "delete"]), "resourceNames": [POLICY]},
        _rule(admission, policies, ["create"]),
        _rule(GROUP, PLURAL, ["get", "list", "create", "update", "delete"]),
    ]


def _pod_rules() -> Rules:
    groups: dict[str, list[str]] = {}
    for group, resource in POD_SPECS:
        groups.setdefault(group, []).append(resource)
    return [_rule(group, resources, ["list"]) for group, resources in groups.items()]


def _maps(map_name: str | None, holders: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Plurals of the kinds of maps, and the names that rights are limited to."""
    if map_name:
        from ghostkey.cli.options import parse_holder

        kind, name = parse_holder((map_name,))[0]
        return [kind.resource], [name]
    if holders:
        from ghostkey.api import holder_kinds

        return [kind.resource for kind in holder_kinds(holders)], []
    return ["configmaps", "secrets"], []


def _placed(kind: str) -> tuple[str, str]:
    """Group and plural of a kind; raises UsageError where a rule for it would grant nothing."""
    resource, dot, group = kind.partition(".")
    if not dot and resource in CORE:
        return "", resource
    if _PLURAL.fullmatch(resource) and (group in SHORT_GROUPS or _GROUP.fullmatch(group)):
        return group, resource
    home = next((name for name, plurals in SHORT_GROUPS.items() if resource in plurals.split()), "")
    hint = (
        f"write {resource}.{home}"
        if home
        else "write its plural and whole group, tenants.demo.example.com: kubectl api-resources"
    )
    raise UsageError(f"nobody can say which group {kind!r} is in", hint)


def _rule(group: str, resource: str | list[str], verbs: list[str]) -> dict[str, Any]:
    resources = [resource] if isinstance(resource, str) else resource
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
