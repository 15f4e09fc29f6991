"""Which kinds an API server serves: aggregated discovery in two requests, or group by group on old servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ghostkey.kube.answers import decode_object, not_asked
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import AccessDenied, ApiFailed, NotFound, UsageError
from ghostkey.model.events import Gap
from ghostkey.model.nearest import nearest
from ghostkey.model.refs import Kind

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
# views computed on request: no key is written for one, their lists are long, and their servers are often down
COMPUTED_GROUPS = {"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"}


@dataclass(frozen=True, slots=True)
class Discovered:
    """Listable kinds, one version each (the group's preferred one), and what could not be learnt."""

    kinds: tuple[Kind, ...]
    gaps: tuple[Gap, ...]


def discover(client: ApiClient) -> Discovered:
    """The kinds that can be listed, without those of COMPUTED_GROUPS. A group that does not answer is a gap, as is one whose answer is stale."""
    kinds: list[Kind] = []
    gaps: list[Gap] = []
    wanted = "the kinds that it serves"
    for root in ("/api", "/apis"):
        body = client.get(root, accept=AGGREGATED)
        answer = decode_object(root, body, wanted)
        try:
            if answer.get("kind") == "APIGroupDiscoveryList":
                for group in answer["items"]:
                    if (group.get("metadata") or {}).get("name") not in COMPUTED_GROUPS:
                        _read_aggregated(group, kinds, gaps)
            elif root == "/api" and answer.get("kind") == "APIVersions":
                _read_version(client, "", "v1", kinds, gaps)
            elif answer.get("kind") == "APIGroupList":
                for group in answer["groups"]:
                    if group["name"] not in COMPUTED_GROUPS:
                        _read_version(client, str(group["name"]), str(group["preferredVersion"]["version"]), kinds, gaps)
            else:
                raise not_asked(root, body, wanted)
        except (AttributeError, LookupError, TypeError):
            raise not_asked(root, body, wanted) from None
    return Discovered(tuple(kinds), tuple(gaps))


def _read_aggregated(group: dict[str, Any], kinds: list[Kind], gaps: list[Gap]) -> None:
    name = str((group.get("metadata") or {}).get("name") or "")
    seen: set[str] = set()
    for version in group.get("versions") or ():
        if version.get("freshness") == "Stale":
            gaps.append(_unknown_group(name, str(version["version"]), "its API service does not answer (stale)"))
        for entry in version.get("resources") or ():
            resource = str(entry["resource"])
            # versions come in order of preference
            if resource in seen or "list" not in (entry.get("verbs") or ()):
                continue
            seen.add(resource)
            response = entry.get("responseKind") or {}
            kinds.append(
                Kind(
                    group=name,
                    version=str(version["version"]),
                    kind=str(response.get("kind") or resource),
                    resource=resource,
                    namespaced=entry.get("scope") == "Namespaced",
                    short_names=tuple(entry.get("shortNames") or ()),
                    singular=str(entry.get("singularResource") or ""),
                )
            )


def _read_version(client: ApiClient, group: str, version: str, kinds: list[Kind], gaps: list[Gap]) -> None:
    try:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        answer = decode_object(path, client.get(path), "the kinds that it serves")
        if answer.get("kind") != "APIResourceList":
            raise ApiFailed(f"the answer to {path} is no APIResourceList")
    except (AccessDenied, ApiFailed) as error:
        gaps.append(_unknown_group(group, version, str(error)))
        return
    for entry in answer.get("resources") or ():
        if "/" in entry["name"] or "list" not in (entry.get("verbs") or ()):
            continue
        kinds.append(
            Kind(
                group=group,
                version=version,
                kind=str(entry["kind"]),
                resource=str(entry["name"]),
                namespaced=bool(entry.get("namespaced")),
                short_names=tuple(entry.get("shortNames") or ()),
                singular=str(entry.get("singularName") or ""),
            )
        )


def _unknown_group(group: str, version: str, why: str) -> Gap:
    return Gap(f"kinds of {group}/{version} are not known", why, "*", f"kubectl get apiservice {version}.{group}")


def resolve(word: str, kinds: tuple[Kind, ...]) -> Kind:
    """The kind a user's word means. Raises NotFound when none, and UsageError when several are meant."""
    found = [kind for kind in kinds if kind.answers_to(word)]
    if len(found) > 1:
        # as kubectl: the core group and the built-in groups win over others of the same name
        core = [kind for kind in found if not kind.group or "." not in kind.group]
        found = core if len(core) == 1 else found
    if len(found) == 1:
        return found[0]
    if not found:
        meant = nearest(word, [name for kind in kinds for name in (kind.resource, kind.qualified, *kind.short_names)])
        raise NotFound(f"the server serves no kind {word!r}", f"{meant} kubectl api-resources lists them".strip())
    choices = ", ".join(kind.qualified for kind in found)
    raise UsageError(f"{word!r} may be any of {choices}", "write the one you mean")
