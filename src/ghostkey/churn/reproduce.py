"""The least steps, written down: a plan, a pytest, a Go test and a paragraph, each of which runs from an empty folder."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ghostkey.churn.judge import Verdict
from ghostkey.churn.lane import steps_of
from ghostkey.churn.operator import command_line
from ghostkey.churn.plan import Plan
from ghostkey.churn.subjects import is_long_named
from ghostkey.churn.tokens import LONG_TAIL

Document = dict[str, Any]

PYTEST = '''"""{story}

Written by `ghostkey churn`. It fails while the operator leaks, and passes when it does not. OPERATOR names another build,
PATIENCE how many seconds a cleanup may take after the deletion.
"""

import os
import pathlib

from ghostkey.churn.testing import churn

HERE = pathlib.Path(__file__).parent
OPERATOR = os.environ.get("OPERATOR", {operator!r})


def test_nothing_outlives_its_subject() -> None:
    outcome = churn(
        OPERATOR, crds=[HERE / "crds.yaml"], setup=[HERE / "setup.yaml"], samples=[HERE / "sample.yaml"],
        environment={environment!r}, plan=HERE / "plan.yaml", patience=float(os.environ.get("PATIENCE", "{patience}")),{in_cluster}
    )
    assert not outcome.inconclusive, outcome.inconclusive
    left = [str(verdict.signature) for verdict in outcome.findings if str(verdict.signature) == {signature!r}]
    assert not left, left
'''

GO_SUBJECT = "gkchurn2x"
GO_TEST = """// Written by `ghostkey churn`. {story}
//
// It needs KUBEBUILDER_ASSETS, as every test with envtest does, and OPERATOR: the command line of the build to test, as a
// shell reads it. PATIENCE is how long a cleanup may take after the deletion, 60s without it.
package churn

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

const subject = {subject:json}

func TestNothingOutlivesItsSubject(t *testing.T) {{
	ctx := context.Background()
	if strings.TrimSpace(os.Getenv("OPERATOR")) == "" {{
		t.Fatal("OPERATOR does not say how to start the operator")
	}}
	patience := time.Minute
	if given := os.Getenv("PATIENCE"); given != "" {{
		var err error
		if patience, err = time.ParseDuration(given); err != nil {{
			t.Fatal(err)
		}}
	}}
	environment := &envtest.Environment{{CRDDirectoryPaths: []string{{"crds.yaml"}}, ErrorIfCRDPathMissing: true}}
	config, err := environment.Start()
	if err != nil {{
		t.Fatal(err)
	}}
	t.Cleanup(func() {{ _ = environment.Stop() }})
	c, err := client.New(config, client.Options{{}})
	if err != nil {{
		t.Fatal(err)
	}}
	user, err := environment.AddUser(envtest.User{{Name: "operator", Groups: []string{{"system:masters"}}}}, config)
	if err != nil {{
		t.Fatal(err)
	}}
	kubeconfig, err := user.KubeConfig()
	if err != nil {{
		t.Fatal(err)
	}}
	path := t.TempDir() + "/kubeconfig"
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {{
		t.Fatal(err)
	}}
	for _, object := range read(t, "setup.yaml") {{
		if err := c.Create(ctx, object); err != nil {{
			t.Fatal(err)
		}}
	}}
	command := strings.ReplaceAll(os.Getenv("OPERATOR"), "{{kubeconfig}}", "'"+path+"'")
	operator := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	operator.Env = append(os.Environ(), "KUBECONFIG="+path)
	if err := operator.Start(); err != nil {{
		t.Fatal(err)
	}}
	t.Cleanup(func() {{ _ = operator.Process.Kill(); _ = operator.Wait() }})

	for _, object := range read(t, "sample.yaml") {{
		object.SetName(subject)
		if object.GetNamespace() == "" {{
			object.SetNamespace("default")
		}}
		if err := c.Create(ctx, object); err != nil {{
			t.Fatal(err)
		}}
		// the operator has to have done something for the subject before it goes
		wait(t, time.Minute, "the operator writes something about the subject", func() bool {{ return traces(ctx, t, c) != "" }})
		if err := c.Delete(ctx, object); err != nil {{
			t.Fatal(err)
		}}
	}}
	wait(t, patience, "nothing names the subject any more", func() bool {{ return traces(ctx, t, c) == "" }})
}}

// traces looks where this leak was found: {place}
func traces(ctx context.Context, t *testing.T, c client.Client) string {{
	list := &unstructured.UnstructuredList{{}}
	list.SetGroupVersionKind(schema.GroupVersionKind{{Group: {group:json}, Version: {version:json}, Kind: {kind:json}}})
	if err := c.List(ctx, list); err != nil {{
		t.Fatal(err)
	}}
	for _, item := range list.Items {{
		// the garbage collector, which envtest has none of, removes what has an owner
		if len(item.GetOwnerReferences()) > 0 {{
			continue
		}}
		item.SetManagedFields(nil)
		text, err := item.MarshalJSON()
		if err != nil {{
			t.Fatal(err)
		}}
		if strings.Contains(string(text), subject) {{
			return item.GetNamespace() + "/" + item.GetName()
		}}
	}}
	return ""
}}

func wait(t *testing.T, patience time.Duration, what string, holds func() bool) {{
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {{
		if holds() {{
			return
		}}
	}}
	t.Fatalf("not within %s: %s", patience, what)
}}

func read(t *testing.T, path string) (objects []*unstructured.Unstructured) {{
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {{
		t.Fatal(err)
	}}
	for _, piece := range strings.Split(string(text), "\\n---\\n") {{
		object := &unstructured.Unstructured{{}}
		if err := yaml.Unmarshal([]byte(piece), &object.Object); err != nil {{
			t.Fatal(err)
		}}
		if object.Object != nil {{
			objects = append(objects, object)
		}}
	}}
	return objects
}}
"""

# pinned: the test is a module of its own, whatever the operator is built with. Source: testbed/tenant-operator/go.mod
GO_MOD = """module ghostkey.dev/churn/reproduction

go 1.26.0

require (
	k8s.io/apimachinery v0.37.2
	sigs.k8s.io/controller-runtime v0.25.2
	sigs.k8s.io/yaml v1.6.0
)
"""


class _Json(str):
    """Text that a template can ask for as a JSON string, which is a Go string too."""

    __slots__ = ()

    def __format__(self, how: str) -> str:
        return json.dumps(str(self)) if how == "json" else str(self)


@dataclass(frozen=True, slots=True)
class Case:
    """What the operator was tested with."""

    operator: str
    environment: dict[str, str]
    crds: Sequence[Document]
    setup: Sequence[Document]
    samples: Sequence[Document]
    is_in_cluster: bool = False


def story(verdict: Verdict, plan: Plan) -> str:
    """The least reproduction in words."""
    steps = ", ".join(_in_words(str(step)) for step in steps_of(plan))
    faults = f" Meanwhile {'; '.join(map(str, plan.faults))}." if plan.faults else ""
    patience = f", {verdict.curve[-1][0]:.0f} s later" if verdict.curve else ""
    return f"Steps: {steps}.{faults} Then{patience} there still is {verdict.signature.place}."


def _in_words(step: str) -> str:
    do, _, number = step.partition(" ")
    words = {"add-replica": "start a second replica", "change-leader": "kill the leader, and the other replica leads"}
    return (
        f"{do} subject {number}"
        if number
        else f"{do} the operator"
        if do in {"stop", "start", "kill", "restart"}
        else words.get(do, do)
    )


def write(folder: Path, case: Case, verdict: Verdict, plan: Plan) -> Path:
    """A folder of its own for a finding, which it gives back. Without faults, where the API shows it, there is a Go test too."""
    name = hashlib.sha256(str(verdict.signature).encode()).hexdigest()[:12]
    place = folder / f"churn-{name}"
    place.mkdir(parents=True, exist_ok=True)
    argv = command_line(case.operator)
    # the environment may hold secrets: its names alone are written
    environment = dict.fromkeys(case.environment, "")
    told = story(verdict, plan)
    (place / "plan.yaml").write_text(plan.as_yaml())
    for file, documents in (("crds.yaml", case.crds), ("setup.yaml", case.setup), ("sample.yaml", case.samples)):
        (place / file).write_text(yaml.safe_dump_all(documents, sort_keys=False))
    (place / f"test_churn_{name}.py").write_text(
        PYTEST.format(
            story=told,
            operator=shlex.join(argv),
            environment=environment,
            signature=str(verdict.signature),
            patience=10,
            in_cluster=" in_cluster=True," if case.is_in_cluster else "",
        )
    )
    # envtest has no Pod's files to give
    go = _go_test(verdict, plan, told) if not case.is_in_cluster else {}
    for file, content in go.items():
        (place / file).write_text(content)
    how = f"    OPERATOR={shlex.quote(shlex.join(argv))} sh -c 'go mod tidy && go test .'  # in this folder\n" if go else ""
    (place / "README.md").write_text(
        f"# {verdict.signature}\n\n{told}\n\n    pytest {place.name}\n{how}    ghostkey churn --operator "
        f"{shlex.quote(shlex.join(argv))} --crds crds.yaml --setup setup.yaml --sample sample.yaml --plan plan.yaml{' --in-cluster' * case.is_in_cluster}\n"
    )
    return place


def _go_test(verdict: Verdict, plan: Plan, told: str) -> dict[str, str]:
    """File → content. It makes one subject come and go: of what takes more than that it would say nothing, and there is none."""
    is_plain = len(plan.subjects) == 1 and not plan.faults and all(step.do in {"create", "delete"} for step in plan.steps)
    group, version, kind = _kind_of(verdict.signature.place)
    if verdict.signature.source != "api" or not is_plain or not kind:
        return {}
    test = GO_TEST.format(
        subject=_Json(GO_SUBJECT + (LONG_TAIL if is_long_named(plan.subjects[0]) else "")), story=told,
        place=verdict.signature.place, group=_Json(group), version=_Json(version), kind=_Json(kind),
    )  # fmt: skip
    return {"go.mod": GO_MOD, "churn_test.go": test}


def _kind_of(place: str) -> tuple[str, str, str]:
    """Group, version and kind of a list of what a signature is in; "" for a kind that this table does not know."""
    known = {
        "configmaps": "ConfigMapList",
        "secrets": "SecretList",
        "services": "ServiceList",
        "serviceaccounts": "ServiceAccountList",
    }
    return "", "v1", known.get(place.partition(" ")[0], "")
