"""The answer of a write against the plan: a policy that changes it is named, and after a conflict everything is checked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Answer, Relay, Request
from tests.actions.test_lost_answers import is_patch_of_the_map
from tests.actions.test_trim import key_reference, plan_file, pod, tenants
from tests.helpers import Program, make_map, merge, read_data

THREE = {"keep": "1", "old": "2", "older": "3"}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture
def policy(control_plane: ControlPlane, namespace: str) -> Iterator[Any]:
    """Has a mutating admission policy change every update of ConfigMaps in the namespace, by a CEL expression."""
    made: list[str] = []

    def make(expression: str, probe: str) -> None:
        name = f"{namespace}-policy"
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["UPDATE"]}
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        spec = {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        }
        control_plane.request("POST", f"{ADMISSION}/mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
        made.append(f"{ADMISSION}/mutatingadmissionpolicies/{name}")
        binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
        control_plane.request("POST", f"{ADMISSION}/mutatingadmissionpolicybindings", binding)
        made.append(f"{ADMISSION}/mutatingadmissionpolicybindings/{name}")
        make_map(control_plane, namespace, "probe", {"a": "1"})

        def is_in_force() -> bool:
            merge(control_plane, namespace, "probe", {"b": "2"})
            there = probe in read_data(control_plane, namespace, "probe")
            merge(control_plane, namespace, "probe", {"b": None})
            return there

        control_plane.wait_until(is_in_force, "the policy is in force")

    yield make
    for path in made:
        control_plane.request("DELETE", path)


PUT_BACK = 'Object{data: {"old": "back"}}'


@pytest.mark.whole
def test_policy_that_puts_one_key_back_is_named_and_the_rest_can_be_undone(
    control_plane: ControlPlane, namespace: str, program: Program, policy: Any
) -> None:
    policy(PUT_BACK, "old")
    make_map(control_plane, namespace, "registry", THREE)
    words = ("trim", "cm/registry", "-n", namespace, "--match", "old.*")
    dry = program(*words)
    assert dry.code == 4
    assert "the API server would not store" in dry.err
    assert "old is there again" in dry.err
    assert read_data(control_plane, namespace, "registry") == THREE
    done = program(*words, "--apply")
    assert done.code == 4
    assert "1 of 2 planned keys are gone: old is there again" in done.err
    assert "mutatingadmissionpolicies" in done.err
    assert "undo:    ghostkey undo " in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": "back"}


@pytest.mark.whole
def test_policy_that_puts_the_only_key_back_leaves_nothing_to_undo(
    control_plane: ControlPlane, namespace: str, program: Program, policy: Any
) -> None:
    policy(PUT_BACK, "old")
    make_map(control_plane, namespace, "registry", THREE)
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 4
    assert "0 of 1 planned keys are gone" in done.err
    assert program("undo", "--list", "-o", "json").json["receipts"][0]["state"] == "failed"


def test_policy_that_changes_another_key_is_named_where_the_write_went_by_version(
    control_plane: ControlPlane, namespace: str, program: Program, policy: Any
) -> None:
    policy('Object{data: {"injected": "x"}}', "injected")
    data = {f"gone-{n}": "x" for n in range(5100)} | {"keep": "1"}
    make_map(control_plane, namespace, "registry", data)
    done = program("trim", "cm/registry", "-n", namespace, "--match", "gone-.*", "--max-percent", "100", "--apply")
    assert done.code == 4
    assert "injected was put in" in done.err


def test_policy_that_takes_a_key_out_again_is_named_by_undo(
    control_plane: ControlPlane, namespace: str, program: Program, policy: Any
) -> None:
    make_map(control_plane, namespace, "registry", THREE)
    assert program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply").code == 0
    policy('Object{data: {"old": "otherwise"}}', "old")
    done = program("undo")
    assert done.code == 4
    assert "old is not there as it was" in done.err


class Meddling:
    """Does something between our reading and our writing, so that the API server answers with a conflict."""

    def __init__(self, action: Any) -> None:
        self.action, self.times = action, 0

    def exchange(self, request: Request, forward: Any) -> Answer:
        self.times += 1
        self.action()
        return forward()  # type: ignore[no-any-return]


def mass(control_plane: ControlPlane, namespace: str) -> dict[str, str]:
    """More keys than a JSON patch may name: the trim goes by version, and meets conflicts."""
    data = {f"{namespace}.shop-{n}": "x" for n in range(5200)} | {"keep": "1"}
    make_map(control_plane, namespace, "registry", data)
    return data


def test_pod_that_comes_during_a_conflict_stops_the_trim(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    data = mass(control_plane, namespace)

    def meddle() -> None:
        merge(control_plane, namespace, "registry", {"keep": "changed"})
        body = pod("late", **key_reference(f"{namespace}.shop-7"))
        control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)

    with Relay(control_plane) as relay:
        relay.spoil(Meddling(meddle), when=is_patch_of_the_map, times=1)
        through = program.as_user(relay.kubeconfig)
        done = through("trim", "cm/registry", "-n", namespace, "--match", ".*shop.*", "--max-percent", "100", "--apply")
    assert done.code == 4
    assert f"{namespace}.shop-7 is used by Pod {namespace}/late" in done.err
    assert read_data(control_plane, namespace, "registry") == data | {"keep": "changed"}


@pytest.mark.whole
def test_subject_that_comes_back_during_a_conflict_stops_the_trim(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Any
) -> None:
    tenants(control_plane, namespace, ["alive-1", "alive-2", "alive-3"])
    data = mass(control_plane, namespace)
    merge(control_plane, namespace, "registry", {f"{namespace}.alive-{n}": "x" for n in (1, 2, 3)})
    data = read_data(control_plane, namespace, "registry")
    words = ("--ghosts", "--subject", "tenants.demo={namespace}.{name}")
    plan = plan_file(program, namespace, tmp_path, *words)
    assert len(json.loads(Path(plan).read_text())["plan"]["changes"]) == 5200

    def meddle() -> None:
        merge(control_plane, namespace, "registry", {"keep": "changed"})
        tenants(control_plane, namespace, ["shop-9"])

    with Relay(control_plane) as relay:
        relay.spoil(Meddling(meddle), when=is_patch_of_the_map, times=1)
        done = program.as_user(relay.kubeconfig)("trim", "--plan", plan, "--apply")
    assert done.code == 4, done.err
    assert f"{namespace}.shop-9 has its subject back" in done.err
    assert read_data(control_plane, namespace, "registry") == data | {"keep": "changed"}


@pytest.mark.whole
def test_conflict_without_news_is_tried_again(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    mass(control_plane, namespace)
    meddling = Meddling(lambda: merge(control_plane, namespace, "registry", {"keep": f"changed {meddling.times}"}))
    with Relay(control_plane) as relay:
        relay.spoil(meddling, when=is_patch_of_the_map, times=3)
        through = program.as_user(relay.kubeconfig)
        done = through("trim", "cm/registry", "-n", namespace, "--match", ".*shop.*", "--max-percent", "100", "--apply")
    assert done.code == 0, done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "changed 3"}


# sizes


@pytest.mark.whole(but=['"'])
@pytest.mark.parametrize("character", ["<", "&", "\u2028", "ü", '"', "\\"])
def test_value_that_grows_on_its_way_goes_and_comes_back(
    control_plane: ControlPlane, namespace: str, program: Program, character: str
) -> None:
    """1 MB of a character that Go's JSON writes with six bytes: a JSON patch would have 6 MB, and be refused with 413."""
    value = character * (1_000_000 // len(character.encode()))
    make_map(control_plane, namespace, "registry", {"keep": "1", "old": value})
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 0, done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": value}


def test_value_that_no_request_could_put_back_is_not_taken(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    value = "\x01" * 700_000  # six bytes each in JSON; YAML, which says it with four, gets it in
    text = f'metadata: {{name: registry}}\ndata:\n  keep: "1"\n  old: "{value}"\n'.replace("\x01", "\\x01")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert control_plane.raw("POST", path, text.encode(), "application/yaml")[0] == 201
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert done.code == 5
    assert "could not be put back" in done.err
    assert "nothing was changed" in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": value}


def test_large_document_loses_an_entry_and_gets_it_back(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    document = json.dumps({"a": "<" * 300_000, "b": "&" * 300_000}, ensure_ascii=False)
    make_map(control_plane, namespace, "registry", {"doc": document})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "doc/a", "--apply").code == 0
    assert json.loads(read_data(control_plane, namespace, "registry")["doc"]) == {"b": "&" * 300_000}
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry")["doc"] == document


# what is counted


SHARDS = "shards:\n" + "".join(f"  s-{n}: {{n: {n}}}\n" for n in range(50))


def test_entries_of_a_document_are_counted_as_such(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"shards.yaml": SHARDS})
    ten = [word for n in range(10) for word in ("--key", f"shards.yaml/shards/s-{n}")]
    refused = program("trim", "cm/registry", "-n", namespace, *ten, "--max-percent", "10")
    assert refused.code == 5
    assert "removes 20% of the entries of shards.yaml/shards in" in refused.err
    planned = program("trim", "cm/registry", "-n", namespace, *ten, "--max-percent", "20")
    assert planned.code == 0, planned.err
    assert "remove 10 of 50 entries of shards.yaml/shards by" in planned.out
    assert "40 entries of shards.yaml/shards would be left" in planned.err
    done = program("trim", "cm/registry", "-n", namespace, *ten, "--apply")
    assert "removed 10 entries of shards.yaml/shards from" in done.err
    assert "40 entries of shards.yaml/shards are left" in done.err
    undone = program("undo")
    assert undone.code == 0
    assert "put 10 entries of " in undone.err
    assert read_data(control_plane, namespace, "registry") == {"shards.yaml": SHARDS}


def test_one_is_one_and_many_are_many(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"old": "1", "only": "2"})
    done = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply")
    assert "remove 1 of 2 keys" in done.out
    assert "removed 1 key from" in done.err
    assert "it has 1 key left" in done.err
    done = program("trim", "cm/registry", "-n", namespace, "--key", "only", "--apply")
    assert "remove 1 of 1 key by" in done.out
    assert "it has 0 keys left" in done.err
    assert "put 1 key of" in program("undo").err
