"""What was not seen is unknown: for each kind in each namespace, from what objects came together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import Program, config_map, found, secret, thing

LIVE, GONE = ("acme", "bolt", "cove", "dune"), ("echo", "flux")
GROUP = "demo.ghostkey.dev"
GHOSTS = {("ghost-key", "ops", "registry", f"prod.{name}") for name in GONE}


def spaces(*names: str) -> list[dict[str, Any]]:
    return [thing("Namespace", name, "", api_version="v1") for name in names]


def roots(*names: str) -> list[dict[str, Any]]:
    """What every namespace has."""
    return [config_map({"ca.crt": "-----BEGIN"}, "kube-root-ca.crt", name) for name in names]


def tenants(*names: str, namespace: str = "prod", **fields: Any) -> list[dict[str, Any]]:
    return [thing("Tenant", name, namespace, **fields) for name in names]


def registry(*more: str, form: str = "prod.{}") -> dict[str, Any]:
    return config_map({form.format(name): "{}" for name in LIVE + GONE} | dict.fromkeys(more, "{}"), "registry", "ops")


def as_list(*items: dict[str, Any], kind: str = "List", version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "items": list(items)}


def write(folder: Path, **files: Any) -> str:
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            path = path.with_suffix(".yaml")
            path.write_text(yaml.safe_dump_all(content))
        else:
            path.write_text(json.dumps(content))
    return str(folder)


def unknown(report: Any) -> set[str]:
    return {key for _, _, _, key in found(report, "unknown")}


EVERYWHERE = [*spaces("default", "kube-system", "ops", "prod"), *roots("default", "kube-system", "ops", "prod")]


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("page", {"continue": "eyJ2IjoibWV0YSJ9", "remainingItemCount": 12}),
        ("selector", {}),
    ],
)
def test_list_that_was_cut_hides_the_rest(files_program: Program, tmp_path: Path, why: str, words: dict[str, Any]) -> None:
    labels = {"metadata": {"labels": {"team": "blue", "size": "s"}}} if why == "selector" else {}
    cut = as_list(*[thing("Tenant", name, **labels) for name in LIVE], **words)
    report = files_program.scan("--from", write(tmp_path, rest=as_list(*EVERYWHERE, registry()), tenants=cut))
    assert not found(report)
    assert unknown(report) == {f"prod.{name}" for name in GONE}
    steps = [step for step in report["findings"][0]["evidence"] if "unknown: " in step]
    assert "in namespace prod were not seen" in steps[0]
    assert ("one page of several" if why == "page" else "label") in steps[0]


def test_labels_of_makers_are_no_selector(files_program: Program, tmp_path: Path) -> None:
    labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "tenants-1.0"}}}
    listed = as_list(*[thing("Tenant", name, **labels) for name in LIVE])
    assert found(files_program.scan("--from", write(tmp_path, rest=as_list(*EVERYWHERE, registry()), tenants=listed))) == GHOSTS


def test_everything_with_one_label_was_selected(files_program: Program, tmp_path: Path) -> None:
    """`kubectl get tenants,cm -A -l app=shop`: even a maker's label is a selector's trace when several kinds share it."""
    items = [*tenants(*LIVE), registry(), *tenants("other", namespace="ops")]
    for item in items:
        item["metadata"]["labels"] = {"app.kubernetes.io/part-of": "shop"}
    report = files_program.scan("--from", write(tmp_path, all=as_list(*items)))
    assert not found(report)
    assert unknown(report) >= {f"prod.{name}" for name in GONE}


def test_namespace_of_which_nothing_was_collected_is_unknown(files_program: Program, tmp_path: Path) -> None:
    items = [*EVERYWHERE, *spaces("stage"), *tenants(*LIVE), registry("stage.blue")]
    report = files_program.scan("--from", write(tmp_path, all=as_list(*items)))
    assert (found(report), unknown(report)) == (GHOSTS, {"stage.blue"})


def test_list_of_one_kind_in_all_namespaces_covers_those_where_nothing_is(files_program: Program, tmp_path: Path) -> None:
    rest = as_list(*EVERYWHERE, *spaces("stage"), registry("stage.blue"))
    listed = as_list(*tenants(*LIVE), *tenants("x", namespace="ops"))
    report = files_program.scan("--from", write(tmp_path, rest=rest, tenants=listed))
    assert found(report) == {*GHOSTS, ("ghost-key", "ops", "registry", "stage.blue")}


def test_nothing_lives_in_a_namespace_that_is_not_in_the_list(files_program: Program, tmp_path: Path) -> None:
    """Tenants were listed in prod alone: of stage they are unknown, of old-1 they are gone with it."""
    rest = as_list(*EVERYWHERE, *spaces("stage"), *roots("stage"), registry("stage.blue", "old-1.blue"))
    report = files_program.scan("--from", write(tmp_path, rest=rest, tenants=as_list(*tenants(*LIVE))))
    assert found(report) == {*GHOSTS, ("ghost-key", "ops", "registry", "old-1.blue")}
    assert unknown(report) == {"stage.blue"}
    steps = [step for finding in report["findings"] if finding["key"] == "old-1.blue" for step in finding["evidence"]]
    assert any("namespace old-1 is not in the list of namespaces" in step for step in steps)


@pytest.mark.parametrize("names", [("prod",), ("ops", "prod")])
def test_single_namespaces_are_no_list_of_all(files_program: Program, tmp_path: Path, names: tuple[str, ...]) -> None:
    rest = as_list(*spaces(*names), *roots("ops", "prod"), registry("old-1.blue"))
    report = files_program.scan("--from", write(tmp_path, rest=rest, tenants=as_list(*tenants(*LIVE))))
    assert ("ghost-key", "ops", "registry", "old-1.blue") not in found(report)


def test_list_of_namespaces_that_lacks_one_is_not_whole(files_program: Program, tmp_path: Path) -> None:
    rest = as_list(*spaces("default", "kube-system", "ops"), *roots("ops", "prod"), registry("old-1.blue"))
    report = files_program.scan("--from", write(tmp_path, rest=rest, tenants=as_list(*tenants(*LIVE))))
    assert ("ghost-key", "ops", "registry", "old-1.blue") not in found(report)


@pytest.mark.parametrize("items", [[], None], ids=["none", "null"])
def test_empty_list_of_a_kind_says_that_none_is_left(files_program: Program, tmp_path: Path, items: list[Any] | None) -> None:
    """The key could be a Tenant's or a Site's; of Sites there is none."""
    empty = {"apiVersion": f"{GROUP}/v1", "kind": "SiteList", "metadata": {}, "items": items}
    spec = {"group": GROUP, "scope": "Namespaced", "names": {"kind": "Site", "plural": "sites"}, "versions": [{"name": "v1"}]}
    crd = thing("CustomResourceDefinition", f"sites.{GROUP}", "", api_version="apiextensions.k8s.io/v1", spec=spec)
    rest = as_list(*EVERYWHERE, *tenants(*LIVE), crd, registry())
    done = files_program("scan", "--from", write(tmp_path, rest=rest, sites=empty), "-o", "json")
    assert (found(done.json), done.json["gaps"]) == (GHOSTS, [])


def test_kind_of_which_the_definition_alone_is_there_hides_what_built_in_kinds_tell(
    files_program: Program, tmp_path: Path
) -> None:
    names = ("ada-7f2k", "bob-9x4m", "cyd-3k8p", "dan-5t2w")
    nodes = [thing("Node", name, "", api_version="v1") for name in names]
    spec = {"group": GROUP, "scope": "Namespaced", "names": {"kind": "Robot", "plural": "robots"}, "versions": [{"name": "v1"}]}
    crd = thing("CustomResourceDefinition", f"robots.{GROUP}", "", api_version="apiextensions.k8s.io/v1", spec=spec)
    keys = config_map(dict.fromkeys([*names, "eve-4h6j"], "{}"), "registry", "ops")
    without = files_program.scan("--from", write(tmp_path / "a", all=as_list(*EVERYWHERE, *nodes, keys)))
    assert found(without) == {("ghost-key", "ops", "registry", "eve-4h6j")}
    beside = files_program.scan("--from", write(tmp_path / "b", all=as_list(*EVERYWHERE, *nodes, crd, keys)))
    assert (found(beside), unknown(beside)) == (set(), {"eve-4h6j"})


def test_documents_of_one_file_cover_the_namespaces_they_are_in(files_program: Program, tmp_path: Path) -> None:
    report = files_program.scan("--from", write(tmp_path, all=[*tenants(*LIVE), registry()]))
    assert found(report) == GHOSTS


def test_dumps_of_namespaces_side_by_side_are_no_dump_of_all(files_program: Program, tmp_path: Path) -> None:
    """Keys of names alone: the Tenant may be in a namespace that nobody dumped."""
    ops = as_list(registry(form="{}"), *tenants("acme", "bolt", namespace="ops"))
    prod = as_list(*tenants("cove", "dune"), *roots("prod"))
    report = files_program.scan("--from", write(tmp_path, ops=ops, prod=prod))
    assert not found(report)
    assert unknown(report) <= set(GONE)


@pytest.mark.parametrize("way", ["documents", "single"])
def test_files_of_namespaces_side_by_side_are_no_dump_of_all(files_program: Program, tmp_path: Path, way: str) -> None:
    """As documents of a file for each namespace, or a file for each object: of a third namespace nothing is known."""
    a = [*tenants("acme", "bolt", "cove", namespace="shop-a")]
    b = [*tenants("acme", "bolt", "cove", namespace="shop-b")]
    keys = {f"shop-{space}.{name}": "x" for space in "abc" for name in ("acme", "bolt", "cove")}
    a.append(config_map(keys, "registry", "shop-a"))
    if way == "documents":
        where = write(tmp_path, a=a, b=b)
    else:
        where = write(
            tmp_path, **{f"{space}__{n}": [item] for space, items in {"a": a, "b": b}.items() for n, item in enumerate(items)}
        )
    report = files_program.scan("--from", where)
    assert not found(report)
    assert unknown(report) == {"shop-c.acme", "shop-c.bolt", "shop-c.cove"}


def test_namespace_of_a_tree_in_which_a_kind_was_not_seen_is_unknown(files_program: Program, tmp_path: Path) -> None:
    """must-gather-half without the layout of a tool: of namespace b there is something, and no Tenant."""
    where = write(
        tmp_path,
        a=[*tenants(*LIVE), registry("ops.blue")],
        b=[thing("Pod", "p", "ops", api_version="v1", spec={"containers": []})],
    )
    report = files_program.scan("--from", where)
    assert (found(report), unknown(report)) == (GHOSTS, {"ops.blue"})


# owners


def child(name: str, owner: dict[str, Any], namespace: str = "prod", **metadata: Any) -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return secret({"a": "b"}, name, namespace, metadata={"ownerReferences": [reference], **metadata})


def test_owner_of_another_uid_is_not_the_owner(files_program: Program, tmp_path: Path) -> None:
    owner, again = thing("Tenant", "acme", uid="u-1"), thing("Tenant", "acme", uid="u-2")
    report = files_program.scan("--from", write(tmp_path, all=as_list(*EVERYWHERE, again, child("c", owner))))
    assert found(report) == {("orphaned-child", "prod", "c", "c")}


def test_owner_in_a_tree_of_manifests_is_not_looked_for(files_program: Program, tmp_path: Path) -> None:
    """Git holds what somebody put there: that an owner is not among it says nothing."""
    loose = child("c", thing("Tenant", "gone"))
    del loose["metadata"]["uid"]
    other = thing("Tenant", "acme")
    del other["metadata"]["uid"]
    cm = registry()
    del cm["metadata"]["uid"]
    assert not found(files_program.scan("--from", write(tmp_path, all=[loose, other, cm])))


def test_owner_of_a_kind_whose_definition_is_gone_is_never_collected(files_program: Program, tmp_path: Path) -> None:
    def crd(group: str, plural: str, kind: str) -> dict[str, Any]:
        spec = {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [{"name": "v1"}]}
        return thing("CustomResourceDefinition", f"{plural}.{group}", "", api_version="apiextensions.k8s.io/v1", spec=spec)

    owner = thing("Widget", "w", api_version="widgets.example.com/v1")
    dump = as_list(*EVERYWHERE, crd(GROUP, "tenants", "Tenant"), crd("x.example.com", "xs", "X"), child("c", owner))
    report = files_program.scan("--from", write(tmp_path / "a", all=dump))
    assert found(report) == {("orphaned-child", "prod", "c", "c")}
    assert "garbage collection never takes it" in report["findings"][0]["message"]
    # without any definition nobody knows what is served
    assert not found(files_program.scan("--from", write(tmp_path / "b", all=as_list(*EVERYWHERE, child("c", owner)))))
    # its definition is there, its objects were not collected
    defined = as_list(*EVERYWHERE, crd("widgets.example.com", "widgets", "Widget"), child("c", owner))
    assert not found(files_program.scan("--from", write(tmp_path / "c", all=defined)))
