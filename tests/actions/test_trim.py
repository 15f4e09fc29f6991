"""Trim on a real API server: all planned keys or none, and nothing that should not go."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, bind, make_map, make_tenants_kind, merge, read_data

TWO = {"keep": "1", "old": "2"}


def tenants(control_plane: ControlPlane, namespace: str, names: list[str]) -> None:
    make_tenants_kind(control_plane)
    for name in names:
        control_plane.request(
            "POST", f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants",
            {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"plan": "gold"}},
        )  # fmt: skip


def test_plan_changes_nothing_without_apply(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    before = make_map(control_plane, namespace, "registry", TWO)
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old")
    assert done.code == 0
    assert "- old" in done.out
    assert "server dry run: accepted, the map would have 1 key left; nothing was changed" in done.err
    after = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/registry")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not list(program.state.glob("receipts/*"))


def test_apply_removes_the_named_keys_and_leaves_a_private_receipt(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", {**TWO, "older": "3"})
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--key", "older", "--apply")
    assert done.code == 0
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    (receipt,) = program.state.glob("receipts/*.receipt")
    assert receipt.stat().st_mode & 0o777 == 0o600
    assert receipt.parent.stat().st_mode & 0o777 == 0o700


def test_ghosts_are_trimmed_and_live_keys_stay(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    live, gone = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]
    tenants(control_plane, namespace, live)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in live + gone})
    done = program("trim", "cm/registry", "-n", namespace, "--ghosts", "--apply")
    assert done.code == 0, done.err
    assert read_data(control_plane, namespace, "registry") == {f"{namespace}.{name}": "{}" for name in live}


def test_match_takes_whole_keys_and_refuses_to_empty_a_map(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"tmp-1": "a", "tmp-2": "b", "not-tmp-1": "c", "tmp-1-kept": "d"})
    everything = program("trim", "cm/registry", "-n", namespace, "--match", ".*", "--apply")
    assert everything.code == 5
    assert "100% of the keys" in everything.err
    assert program("trim", "cm/registry", "-n", namespace, "--match", r"tmp-\d", "--apply").code == 0
    assert set(read_data(control_plane, namespace, "registry")) == {"not-tmp-1", "tmp-1-kept"}


@pytest.mark.parametrize(("limit", "said"), [("--max-keys=2", "--max-keys 2"), ("--max-percent=50", "--max-percent 50")])
def test_limits_stop_a_runaway(control_plane: ControlPlane, namespace: str, program: Program, limit: str, said: str) -> None:
    data = {f"key-{n}": "x" for n in range(5)}
    make_map(control_plane, namespace, "registry", data)
    done = program("trim", "cm/registry", "-n", namespace, "--match", "key-[012]", limit, "--apply")
    assert done.code == 5
    assert said in done.err
    assert read_data(control_plane, namespace, "registry") == data


def plan_file(program: Program, namespace: str, tmp_path: Path, *words: str, kind: str = "cm") -> str:
    done = program("trim", f"{kind}/registry", "-n", namespace, *words, "-o", "json")
    assert done.code == 0, done.err
    (tmp_path / "plan.json").write_text(done.out)
    return str(tmp_path / "plan.json")


def test_plan_file_is_applied_as_it_was_printed(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    plan = plan_file(program, namespace, tmp_path, "--key", "old")
    assert read_data(control_plane, namespace, "registry") == TWO
    done = program("trim", "--plan", plan, "--apply", "-o", "json")
    assert done.code == 0
    assert done.json["removed"] == ["old"]
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}


def test_changed_value_stops_the_whole_plan(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    make_map(control_plane, namespace, "registry", {**TWO, "older": "3"})
    plan = plan_file(program, namespace, tmp_path, "--match", "old.*")
    merge(control_plane, namespace, "registry", {"old": "written again"})
    done = program("trim", "--plan", plan, "--apply")
    assert done.code == 4
    assert "old has another value than when the plan was made" in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": "written again", "older": "3"}


def test_change_of_another_key_does_not_stop_the_plan(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    plan = plan_file(program, namespace, tmp_path, "--key", "old")
    merge(control_plane, namespace, "registry", {"keep": "changed", "new": "x"})
    assert program("trim", "--plan", plan, "--apply").code == 0
    assert read_data(control_plane, namespace, "registry") == {"keep": "changed", "new": "x"}


def test_subject_that_came_back_stops_the_plan(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    live, gone = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]
    tenants(control_plane, namespace, live)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in live + gone})
    plan = plan_file(program, namespace, tmp_path, "--ghosts")
    tenants(control_plane, namespace, ["shop-9"])
    done = program("trim", "--plan", plan, "--apply")
    assert done.code == 4
    assert f"{namespace}.shop-9 has its subject back: Tenant {namespace}/shop-9" in done.err
    assert len(read_data(control_plane, namespace, "registry")) == 15


def test_map_made_again_stops_the_plan(control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    plan = plan_file(program, namespace, tmp_path, "--key", "old")
    control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/registry")
    make_map(control_plane, namespace, "registry", TWO)
    done = program("trim", "--plan", plan, "--apply")
    assert done.code == 4
    assert "was deleted and made again" in done.err
    assert read_data(control_plane, namespace, "registry") == TWO


def pod(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", **spec}]}}


def key_reference(key: str, kind: str = "configMapKeyRef") -> dict[str, object]:
    return {"env": [{"name": "V", "valueFrom": {kind: {"name": "registry", "key": key}}}]}


@pytest.mark.whole(but=["env", "projected"])
@pytest.mark.parametrize("how", ["env", "items", "projected", "deployment"])
def test_key_that_a_pod_names_stops_the_plan(control_plane: ControlPlane, namespace: str, program: Program, how: str) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    item = [{"key": "old", "path": "p"}]
    body = pod("user", **(key_reference("old") if how in {"env", "deployment"} else {}))
    if how == "items":
        body["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "registry", "items": item}}]  # type: ignore[index]
    if how == "projected":
        sources = [{"configMap": {"name": "registry", "items": item}}]
        body["spec"]["volumes"] = [{"name": "v", "projected": {"sources": sources}}]  # type: ignore[index]
    if how == "deployment":
        template = {"metadata": {"labels": {"app": "a"}}, "spec": body["spec"]}
        spec = {"selector": {"matchLabels": {"app": "a"}}, "template": template}
        deployment = {"metadata": {"name": "user"}, "spec": spec}
        control_plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment)
    else:
        control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 4
    assert "old is used by" in done.err
    assert read_data(control_plane, namespace, "registry") == TWO
    # a Secret of the same name is another map
    make_map(control_plane, namespace, "registry", {k: base64.b64encode(b"x").decode() for k in TWO}, "secrets")
    assert program("trim", "secret/registry", "-n", namespace, "--key", "old", "--apply").code == 0


def test_immutable_map_is_refused_with_advice(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO, immutable=True)
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 5
    assert "is immutable" in done.err
    assert "hint: make a new one" in done.err


@pytest.mark.whole
def test_six_thousand_keys_go_in_one_write(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    data = {f"gone-{n}": "x" for n in range(6000)} | {"keep": "1"}
    made = make_map(control_plane, namespace, "registry", data)
    done = program("trim", "cm/registry", "-n", namespace, "--match", "gone-.*", "--max-percent", "100", "--apply")
    assert done.code == 0, done.err
    assert "by merge-patch" in done.out
    after = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/registry")
    assert after["data"] == {"keep": "1"}
    assert after["metadata"]["uid"] == made["metadata"]["uid"]
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == data


def test_binary_values_come_back_byte_for_byte(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    raw = base64.b64encode(bytes(range(256))).decode()
    make_map(control_plane, namespace, "registry", {"keep": "1"}, binaryData={"blob": raw})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "blob", "--apply").code == 0
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    assert "binaryData" not in control_plane.request("GET", path)
    assert program("undo").code == 0
    assert control_plane.request("GET", path)["binaryData"] == {"blob": raw}


SECRET = "hunter2-the-value-nobody-may-see"


def test_secret_values_travel_nowhere(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Nothing of a Secret's value in requests (a hostile audit policy keeps bodies), output, plan or command line."""
    encoded = base64.b64encode(SECRET.encode()).decode()
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Request"}]}
    with ControlPlane(audit_policy=policy) as watched:
        program = Program(tmp_path / "state", watched.kubeconfig)
        watched.request("POST", "/api/v1/namespaces", {"metadata": {"name": "own"}})
        make_map(watched, "own", "registry", {"keep": encoded, "old": encoded}, "secrets")
        begin = watched.audit_log.stat().st_size
        plan = plan_file(program, "own", tmp_path, "--key", "old", kind="secret")
        applied = program("trim", "--plan", plan, "--apply")
        assert applied.code == 0
        scanned = program("scan", "-o", "json", "--severity", "info")
        text = watched.audit_log.read_text()[begin:]
        writes = [json.loads(line) for line in text.splitlines() if '"verb":"patch"' in line]
        assert any(write["requestObject"]["data"] == {"old": None} for write in writes if write.get("requestObject"))
        for where in (text, Path(plan).read_text(), applied.out + applied.err, scanned.out + scanned.err):
            assert SECRET not in where
            assert encoded not in where
        (receipt,) = program.state.glob("receipts/*.receipt")
        assert encoded in receipt.read_text()
        assert not any(encoded in path.read_text() for path in (program.state / "findings").glob("*"))
        assert program("undo").code == 0
        assert read_data(watched, "own", "registry", "secrets") == {"keep": encoded, "old": encoded}


JSON_DOCUMENT = '{"tenants": {"a": {"n": 1.50}, "b":{"n":2},\n  "c": [1, 2]}, "version":  3}'
YAML_DOCUMENT = "# who is served\ntenants:\n  a: {n: 1}\n  b:   # the second\n    n: 2\n  c: x\nversion: 3\n"


@pytest.mark.parametrize(("document", "left"), [
    (JSON_DOCUMENT, '{"tenants": {"a": {"n": 1.50}, "c": [1, 2]}, "version":  3}'),
    (YAML_DOCUMENT, "# who is served\ntenants:\n  a: {n: 1}\n  c: x\nversion: 3\n"),
])  # fmt: skip
def test_entry_of_a_document_goes_and_comes_back_to_the_byte(
    control_plane: ControlPlane, namespace: str, program: Program, document: str, left: str
) -> None:
    make_map(control_plane, namespace, "registry", {"doc": document, "other": "1"})
    done = program("trim", "cm/registry", "-n", namespace, "--key", "doc/tenants/b", "--apply")
    assert done.code == 0, done.err
    assert read_data(control_plane, namespace, "registry") == {"doc": left, "other": "1"}
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == {"doc": document, "other": "1"}


def test_entries_of_a_secret_document_are_refused(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"doc": base64.b64encode(b'{"a": {"b": 1}}').decode()}, "secrets")
    done = program("trim", "secret/registry", "-n", namespace, "--key", "doc/a/b", "--apply")
    assert done.code == 5
    assert "audit logs" in done.err


def test_unknown_key_map_and_kind_are_named(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    absent = program("trim", "cm/registry", "-n", namespace, "--key", "nope")
    assert absent.code == 2
    assert "has no key 'nope'" in absent.err
    missing = program("trim", "cm/other", "-n", namespace, "--key", "nope")
    assert missing.code == 2
    assert f"ConfigMap other not found in namespace '{namespace}'" in missing.err
    assert program("trim", "deploy/x", "-n", namespace, "--key", "a").code == 2
    assert program("trim", "cm/registry", "-n", namespace).code == 2
    assert program("trim", "cm/registry", "-n", namespace, "--match", "(").code == 2


def test_plan_of_another_machine_needs_an_unchanged_map(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    plan = plan_file(program, namespace, tmp_path, "--key", "old")
    elsewhere = Program(tmp_path / "elsewhere", control_plane.kubeconfig)
    merge(control_plane, namespace, "registry", {"keep": "changed"})
    refused = elsewhere("trim", "--plan", plan, "--apply")
    assert refused.code == 4
    assert "made on another machine" in refused.err
    plan = plan_file(program, namespace, tmp_path, "--key", "old")
    assert elsewhere("trim", "--plan", plan, "--apply").code == 0
    assert read_data(control_plane, namespace, "registry") == {"keep": "changed"}


def test_denied_write_changes_nothing_and_says_who(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    reader = {"apiGroups": [""], "resources": ["*"], "verbs": ["get", "list"]}
    apps = {"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["list"]}
    bind(control_plane, "reader", [reader, apps])
    done = program.as_user(control_plane.kubeconfig_for("reader"))(
        "trim", "cm/registry", "-n", namespace, "--key", "old", "--apply"
    )
    assert done.code == 3
    assert 'User "reader" cannot patch resource "configmaps"' in done.err
    assert read_data(control_plane, namespace, "registry") == TWO
