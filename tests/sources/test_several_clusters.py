"""Several clusters, moments or overlays in one folder: told apart, each judged by itself, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import Program, config_map, found, thing

LIVE = ("acme", "bolt", "cove", "dune")


def cluster(seed: str, *names: str, keys: tuple[str, ...] = (), with_uids: bool = True) -> dict[str, Any]:
    """A list of all namespaces; UIDs differ from seed to seed."""
    items = [thing("Namespace", name, "", api_version="v1") for name in ("default", "kube-system", "ops", "prod")]
    items += [config_map({"ca.crt": seed}, "kube-root-ca.crt", name) for name in ("default", "ops", "prod")]
    items += [thing("Tenant", name) for name in names]
    items.append(config_map({f"prod.{name}": "{}" for name in keys or names}, "registry", "ops"))
    for item in items:
        item["metadata"]["uid"] = f"{seed}-{item['metadata']['uid']}"
        if not with_uids:
            del item["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def write(folder: Path, **files: Any) -> str:
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return str(folder)


def origins(report: Any) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for finding in report["findings"]:
        told.setdefault(finding["origin"], set()).add(finding["key"])
    return told


def test_files_of_two_clusters_side_by_side(files_program: Program, tmp_path: Path) -> None:
    report = files_program.scan(
        "--from", write(tmp_path, east=cluster("e", *LIVE, "echo"), west=cluster("w", *LIVE, keys=(*LIVE, "echo")))
    )
    assert origins(report) == {"west.json": {"prod.echo"}}
    assert any("2 clusters" in note for note in report["notes"])


@pytest.mark.parametrize("form", ["{cluster}-{kind}.json", "{kind}_{cluster}.json", "{cluster}.{kind}.yaml"])
def test_files_of_two_clusters_by_kind_in_one_folder(files_program: Program, tmp_path: Path, form: str) -> None:
    east, west = cluster("e", *LIVE, "echo")["items"], cluster("w", *LIVE, keys=(*LIVE, "echo"))["items"]
    for name, objects in (("east", east), ("west", west)):
        for kind in {one["kind"] for one in objects}:
            items = [one for one in objects if one["kind"] == kind]
            path = tmp_path / form.format(cluster=name, kind=kind.lower())
            path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    report = files_program.scan("--from", str(tmp_path))
    assert origins(report) == {"west": {"prod.echo"}}
    assert any("2 clusters" in note and "east, west" in note.replace("west, east", "east, west") for note in report["notes"])


def test_folder_beside_files_that_are_called_alike_is_read(files_program: Program, tmp_path: Path) -> None:
    for name, objects in (("east", cluster("e", *LIVE)["items"]), ("west", cluster("w", *LIVE)["items"])):
        for kind in {one["kind"] for one in objects}:
            items = [one for one in objects if one["kind"] == kind]
            (tmp_path / f"{name}-{kind.lower()}.json").write_text(
                json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            )
    write(tmp_path, east__all=cluster("other", *LIVE))
    done = files_program("scan", "--from", str(tmp_path))
    assert done.code in (0, 3), done.err


def test_clusters_given_as_paths_of_their_own(files_program: Program, tmp_path: Path) -> None:
    write(tmp_path, a__all=cluster("a", *LIVE, "echo"), b__all=cluster("b", *LIVE, keys=(*LIVE, "echo")))
    report = files_program.scan("--from", str(tmp_path / "a"), "--from", str(tmp_path / "b"))
    assert origins(report) == {"b": {"prod.echo"}}


def test_same_cluster_in_two_files_is_one(files_program: Program, tmp_path: Path) -> None:
    whole = cluster("a", *LIVE, keys=(*LIVE, "echo"))
    report = files_program.scan("--from", write(tmp_path, one=whole, two__again=whole))
    assert origins(report) == {"": {"prod.echo"}}
    assert (report["notes"], report["summary"]["maps"]) == ([], 4)


@pytest.mark.parametrize(
    ("revisions", "expected", "is_said"),
    [(("101", "99"), {"prod.echo"}, True), (("99", "101"), {"prod.flux"}, True), (("7", "7"), {"prod.echo"}, False)],
)
@pytest.mark.parametrize("way", ["files", "documents"])
def test_of_one_map_at_two_times_the_newest_counts(
    files_program: Program, tmp_path: Path, way: str, revisions: tuple[str, str], expected: set[str], *, is_said: bool
) -> None:
    """As text, 99 would be newer than 101; where nothing tells, the first counts."""
    one, two = (cluster("a", *LIVE, keys=(*LIVE, gone)) for gone in ("echo", "flux"))
    for whole, revision in ((one, revisions[0]), (two, revisions[1])):
        whole["items"][-1]["metadata"]["resourceVersion"] = revision
    if way == "files":
        place = write(tmp_path, one=one, two=two)
    else:
        (tmp_path / "all.json").write_text("\n".join(json.dumps(item) for item in [*one["items"], two["items"][-1]]))
        place = str(tmp_path)
    report = files_program.scan("--from", place)
    assert origins(report) == {"": expected}
    assert any("several files as of several times" in note for note in report["notes"]) == (is_said and way == "files")


def test_pod_made_again_between_two_requests_makes_no_second_cluster(files_program: Program, tmp_path: Path) -> None:
    whole = cluster("a", *LIVE, keys=(*LIVE, "echo"))
    first, again = (thing("Pod", "web-0", api_version="v1", uid=uid, spec={"containers": []}) for uid in ("u-1", "u-2"))
    report = files_program.scan(
        "--from", write(tmp_path, all={**whole, "items": [*whole["items"], first]}, pods={"apiVersion": "v1", "kind": "List", "items": [again]})
    )  # fmt: skip
    assert origins(report) == {"": {"prod.echo"}}
    assert not report["notes"]


def test_environments_in_git_are_judged_one_by_one(files_program: Program, tmp_path: Path) -> None:
    """Without UIDs, folders that hold the same things tell: the Tenant that lives in east does not hide what west has lost."""
    east, west = cluster("e", *LIVE, "echo", with_uids=False), cluster("w", *LIVE, keys=(*LIVE, "echo"), with_uids=False)
    report = files_program.scan("--from", write(tmp_path, east__all=east, west__all=west))
    assert origins(report) == {"west": {"prod.echo"}}
    assert any("folders hold other objects of the same names" in note for note in report["notes"])


def test_every_version_of_a_map_is_looked_at(files_program: Program, tmp_path: Path) -> None:
    """Two applications happen to have a map of one name: both are counted."""
    for app in ("web", "api"):
        folder = tmp_path / app
        folder.mkdir()
        things = [thing("Service", f"{app}-{n}", api_version="v1") for n in range(4)]
        things.append(config_map({"app": app}, "settings"))
        for item in things:
            del item["metadata"]["uid"]
        (folder / "all.yaml").write_text(yaml.safe_dump_all(things))
    report = files_program.scan("--from", str(tmp_path), "--severity", "info")
    assert report["summary"]["keys"] == 2
    assert report["notes"] == []


def test_overlay_is_judged_with_its_base(files_program: Program, tmp_path: Path) -> None:
    def folder(name: str, references: list[str], *items: dict[str, Any]) -> None:
        (tmp_path / name).mkdir(parents=True)
        kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": references}
        (tmp_path / name / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        (tmp_path / name / "all.yaml").write_text(
            yaml.safe_dump_all([{**i, "metadata": {k: v for k, v in i["metadata"].items() if k != "uid"}} for i in items])
        )

    names = (*LIVE, "echo")
    folder(
        "base",
        ["all.yaml"],
        *(thing("Tenant", name) for name in LIVE[:2]),
        config_map({f"prod.{n}": "a" for n in names}, "registry", "prod"),
    )
    for overlay in ("east", "west"):
        extra = [thing("Tenant", name) for name in (*LIVE[2:], *(["echo"] if overlay == "east" else []))]
        folder(
            f"overlays/{overlay}",
            ["../../base", "all.yaml"],
            *extra,
            config_map({f"prod.{n}": overlay for n in names}, "registry", "prod"),
        )
    report = files_program.scan("--from", str(tmp_path))
    told = {origin for origin, keys in origins(report).items() if "prod.acme" in keys or "prod.bolt" in keys}
    assert not told, "the Tenants of the base live in the overlays too"
    assert not origins(report).get("overlays/east")
    assert any("overlays are not rendered: kubectl kustomize" in note for note in report["notes"])


def test_one_file_with_two_clusters_after_one_another(files_program: Program, tmp_path: Path) -> None:
    both = json.dumps(cluster("a", *LIVE, "echo")) + "\n" + json.dumps(cluster("b", *LIVE, keys=(*LIVE, "echo")))
    (tmp_path / "both.json").write_text(both)
    report = files_program.scan("--from", str(tmp_path))
    assert {key for keys in origins(report).values() for key in keys} == {"prod.echo"}
    assert any("2 clusters" in note for note in report["notes"])


def test_findings_of_clusters_have_ids_of_their_own(files_program: Program, tmp_path: Path) -> None:
    keys = (*LIVE, "echo")
    report = files_program.scan(
        "--from", write(tmp_path, a__all=cluster("a", *LIVE, keys=keys), b__all=cluster("b", *LIVE, keys=keys))
    )
    assert len({finding["id"] for finding in report["findings"]}) == len(report["findings"]) == 2
    table = files_program("scan", "--from", str(tmp_path))
    assert "FROM" in table.out
    assert table.code == 1
    assert found(report) == {("ghost-key", "ops", "registry", "prod.echo")}


def test_declared_link_holds_for_each_cluster_whatever_its_version_of_the_kind(files_program: Program, tmp_path: Path) -> None:
    east, west = cluster("e", *LIVE, keys=(*LIVE, "echo")), cluster("w", *LIVE, keys=(*LIVE, "echo"))
    for item in west["items"]:
        if item["kind"] == "Tenant":
            item["apiVersion"] = "demo.ghostkey.dev/v1beta1"
    where = write(tmp_path, east__all=east, west__all=west)
    report = files_program.scan("--from", where, "--subject", "tenants={namespace}.{name}")
    assert origins(report) == {"east": {"prod.echo"}, "west": {"prod.echo"}}


def test_kind_with_and_without_namespace_is_one_in_git(files_program: Program, tmp_path: Path) -> None:
    items = [
        *(thing("Tenant", name) for name in LIVE),
        thing("Tenant", "echo", namespace=""),
        config_map(dict.fromkeys([*LIVE, "echo", "flux"], "x")),
    ]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(items))
    report = files_program.scan("--from", str(tmp_path), "-n", "prod", "cm/registry", "--subject", "tenants={name}")
    assert "echo" not in {key for keys in origins(report).values() for key in keys}


def test_objects_of_one_name_in_one_file_are_all_looked_at(files_program: Program, tmp_path: Path) -> None:
    """`kustomize build` of several applications, without their namespaces: no gap, and not the first of them alone."""
    maps = [config_map({f"k-{n}": "a"}, "settings") for n in range(3)]
    for item in maps:
        del item["metadata"]["uid"]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(maps))
    done = files_program("scan", "--from", str(tmp_path), "-o", "json")
    assert (done.code, done.json["gaps"], done.json["summary"]["keys"]) == (0, [], 3)
    assert any("2 objects stand more than once in one file" in note for note in done.json["notes"])
