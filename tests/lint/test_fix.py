"""`ghostkey lint --fix`: what is written makes the finding go and brings no other; all else stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import Program
from tests.lint.go import HEAD, found

_STRUCT = "type C struct {\n\tmu sync.Mutex\n\ta, b map[string]string\n\tn map[string]map[string]bool\n\tt map[string]int\n}\n"
_START = "func NewC() *C { return &C{a: map[string]string{}} }\n\nvar c = NewC()\n"

# rule → (what is wrong, the line that mends it and the one behind or before it)
SHAPES = {
    "value-emptied-not-deleted": (
        "func (c *C) removeKey(ctx context.Context, cm *corev1.ConfigMap, name string) error {\n"
        "\tif cm.Data != nil {\n"
        '\t\tcm.Data["tenant-"+key(name, "]")] = ""\n'
        "\t}\n\treturn nil\n}\n",
        '\t\tdelete(cm.Data, "tenant-"+key(name, "]"))\n',
    ),
    "nested-map-left-empty": (
        "func (c *C) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n"
        "\tif c.n[req.Namespace] == nil {\n\t\tc.n[req.Namespace] = map[string]bool{}\n\t}\n"
        "\tc.n[req.Namespace][req.Name] = true\n\treturn ctrl.Result{}, nil\n}\n\n"
        "func (c *C) onDelete(pod *corev1.Pod) {\n\tc.Forget(pod.Namespace, pod.Name)\n}\n\n"
        "func (c *C) Forget(ns, name string) {\n\tdelete(c.n[ns], name)\n}\n",
        "\tdelete(c.n[ns], name)\n\tif len(c.n[ns]) == 0 {\n\t\tdelete(c.n, ns)\n\t}\n",
    ),
    "parallel-map-forgotten": (
        "func (c *C) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n"
        "\tc.a[req.Name] = req.Namespace\n\tc.b[req.Name] = req.Namespace\n\treturn ctrl.Result{}, nil\n}\n\n"
        "func (c *C) Forget(name string) {\n\tdelete(c.a, name)\n}\n\n"
        "func (c *C) Other(name string) {\n\tdelete(c.b, name)\n}\n",
        "",
    ),
    "gone-without-release": (
        "func (c *C) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n"
        "\tvar tenant Tenant\n"
        "\tif err := c.Get(ctx, req.NamespacedName, &tenant); apierrors.IsNotFound(err) {\n"
        "\t\treturn ctrl.Result{}, nil\n\t}\n"
        "\tc.t[req.Name]++\n"
        "\tif tenant.Ready {\n\t\tdelete(c.t, req.Name)\n\t}\n"
        "\treturn ctrl.Result{}, nil\n}\n",
        "\t\tdelete(c.t, req.Name)\n\t\treturn ctrl.Result{}, nil\n\t}\n\tc.t[req.Name]++\n",
    ),
    "map-never-deleted": (
        "func (c *C) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n"
        "\tvar tenant Tenant\n"
        "\tif err := c.Get(ctx, req.NamespacedName, &tenant); apierrors.IsNotFound(err) {\n"
        "\t\treturn ctrl.Result{}, nil\n\t}\n"
        "\tc.a[req.Name] = tenant.Name\n"
        "\treturn ctrl.Result{}, nil\n}\n",
        "\t\tdelete(c.a, req.Name)\n\t\treturn ctrl.Result{}, nil\n",
    ),
    "updated-by-new-alone": (
        "func (c *C) onUpdate(oldPod, newPod *corev1.Pod) {\n\tc.a[newPod.Status.PodIP] = newPod.Name\n}\n\n"
        "func (c *C) onDelete(pod *corev1.Pod) {\n\tdelete(c.a, pod.Status.PodIP)\n}\n",
        "\tdelete(c.a, oldPod.Status.PodIP)\n\tc.a[newPod.Status.PodIP] = newPod.Name\n",
    ),
    "key-field-unvalidated": (
        'type TenantSpec struct {\n\tRegion string `json:"region"`\n}\n\n'
        "func (c *C) Reconcile(ctx context.Context, t *Tenant, cm *corev1.ConfigMap) {\n"
        "\tcm.Data[t.Spec.Region] = t.Name\n\tdelete(cm.Data, t.Spec.Region)\n}\n",
        '\t// +kubebuilder:validation:MinLength=1\n\tRegion string `json:"region"`\n',
    ),
}  # fmt: skip


def _text(rule: str) -> str:
    return HEAD + _STRUCT + _START + SHAPES[rule][0]


@pytest.mark.parametrize("rule", SHAPES)
def test_simple_shape_is_mended_and_nothing_else_changes(files_program: Program, tmp_path: Path, rule: str) -> None:
    text, wanted = _text(rule), SHAPES[rule][1]
    told = found(text, level="B", rule=rule)
    assert told
    (tmp_path / "a.go").write_text(text)
    (tmp_path / "a.go").chmod(0o640)
    said = files_program("lint", str(tmp_path), "--level", "B", "--rule", rule)
    assert said.code == 1
    assert "(--fix writes it)" in said.out
    done = files_program("lint", str(tmp_path), "--level", "B", "--rule", rule, "--fix")
    mended = (tmp_path / "a.go").read_text()
    assert f"fixed a.go:{told[0].line} [{rule}]" in done.err
    assert done.code == 0
    assert wanted in mended
    assert not found(mended, level="B", rule=rule)
    assert (tmp_path / "a.go").stat().st_mode & 0o777 == 0o640
    kept = [line for line in text.split("\n") if line.strip() and line not in mended]
    assert len(kept) <= 1  # the line that was mended
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".c")] == ["a.go"]


def test_several_findings_of_a_file_are_mended_together_and_a_lock_is_never_left_out(
    files_program: Program, tmp_path: Path
) -> None:
    rules = ("value-emptied-not-deleted", "updated-by-new-alone", "nested-map-left-empty")
    text = HEAD + _STRUCT + _START + "\n".join(SHAPES[rule][0] for rule in rules)
    locked = (
        HEAD + "type L struct {\n\tmu sync.Mutex\n\tm map[string]string\n}\n\nvar l = &L{m: map[string]string{}}\n\n"
        "func (l *L) size() int {\n\tl.mu.Lock()\n\tdefer l.mu.Unlock()\n\treturn len(l.m)\n}\n\n"
        "func (l *L) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {\n"
        "\tif err := l.Get(ctx, req.NamespacedName); apierrors.IsNotFound(err) {\n\t\treturn ctrl.Result{}, nil\n\t}\n"
        "\tl.mu.Lock()\n\tl.m[req.Name] = req.Namespace\n\tl.mu.Unlock()\n\treturn ctrl.Result{}, nil\n}\n"
    )
    (tmp_path / "a.go").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "l").mkdir()
    (tmp_path / "l/l.go").write_text(locked)
    done = files_program("lint", str(tmp_path), "--level", "B", "--fix", "-o", "json")
    left = json.loads(done.out)["findings"]
    mended = (tmp_path / "a.go").read_bytes()
    assert mended.count(b"\r\n") == mended.count(b"\n")
    for rule in rules:
        assert SHAPES[rule][1].replace("\n", "\r\n").encode() in mended
    assert (tmp_path / "l/l.go").read_text() == locked
    assert [(one["rule"], one["path"]) for one in left] == [("map-never-deleted", "l/l.go")]
    assert not left[0]["edits"]


def test_edit_that_would_bring_another_finding_is_left_out(files_program: Program, tmp_path: Path) -> None:
    text = _text("nested-map-left-empty").replace("c.Forget(pod.Namespace, pod.Name)", "")
    (tmp_path / "a.go").write_text(text)
    done = files_program("lint", str(tmp_path), "--fix")
    assert done.code == 1
    assert "1 suggested edits were left out" in done.err
    assert (tmp_path / "a.go").read_text() == text


def test_what_cannot_be_fixed_is_said_and_nothing_is_written(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text(_text("map-never-deleted"))
    for wrong in (["--rev", "HEAD"], ["--write-baseline", str(tmp_path / "b")]):
        done = files_program("lint", str(tmp_path), "--fix", *wrong)
        assert done.code == 2
        assert "--fix changes the files of a folder" in done.err
    assert (tmp_path / "a.go").read_text() == _text("map-never-deleted")


def test_sarif_has_the_edit_as_a_fix(files_program: Program, tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text(_text("updated-by-new-alone"))
    done = files_program("lint", str(tmp_path), "--level", "B", "-o", "sarif")
    (result,) = json.loads(done.out)["runs"][0]["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    (replaced,) = change["replacements"]
    assert change["artifactLocation"]["uri"] == "a.go"
    assert replaced["deletedRegion"]["startColumn"] == 2
    assert replaced["insertedContent"]["text"] == SHAPES["updated-by-new-alone"][1].strip()
