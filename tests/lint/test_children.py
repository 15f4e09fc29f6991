"""Children: objects that nobody owns, and those that pile up under new names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lint.go import HEAD, check, unwanted

CHILD = (
    HEAD
    + """
type Reconciler struct {
\tclient.Client
}

func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\treturn ctrl.Result{}, r.writeChild(ctx, req.Name)
}

func (r *Reconciler) writeChild(ctx context.Context, name string) error {
\tchild := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-credentials"}}
\treturn r.Create(ctx, child) // want "a Secret is created without an owner"
}
"""
)


def test_child_that_nobody_owns() -> None:
    check(CHILD, level="B", rule="child-without-owner")
    owned = unwanted(CHILD).replace(
        "\treturn r.Create", "\tcontrollerutil.SetControllerReference(t, child, r.Scheme())\n\treturn r.Create"
    )
    check(owned, level="B")
    check(unwanted(CHILD).replace("corev1.Secret", "corev1.Event"), level="B")
    # one for all, by its name
    check(unwanted(CHILD).replace('name + "-credentials"', '"credentials"'), level="B", rule="child-without-owner")
    check(unwanted(CHILD).replace('name + "-credentials"', "r.options.SecretName"), level="B", rule="child-without-owner")
    # an older client has no context
    check(CHILD.replace("Create(ctx, child)", "Create(child)"), level="B", rule="child-without-owner")
    check(
        unwanted(CHILD) + "\nfunc (r *Reconciler) drop(ctx context.Context) error {\n\treturn r.Delete(ctx, child)\n}\n",
        level="B",
    )


PILE = (
    HEAD
    + """
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\treturn ctrl.Result{}, r.runJob(ctx, req.Name)
}

func (r *Reconciler) runJob(ctx context.Context, owner string) error {
\tname := fmt.Sprintf("%s-%s", owner, rand.String(5))
\tjob := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
\tjob, err := r.client.BatchV1().Jobs("jobs").Create(ctx, job, metav1.CreateOptions{}) // want "under a name that is new each time"
\treturn err
}
"""
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("rand.String(5)", "hashOf(t.Spec)"),
        lambda text: text.replace("rand.String(5)", "hashOf(t)").replace("owner string", "owner string, t *v1.Tenant"),
        lambda text: text.replace("rand.String(5)", "sum[:8]").replace("\tname :=", "\traw, _ := json.Marshal(t.Spec)\n\tsum := sha256.Sum256(raw)\n\tname :="),
        lambda text: text.replace("rand.String(5)", "id.String()").replace("\tname :=", "\tid := uuid.New()\n\tname :="),
        lambda text: text.replace("rand.String(5)", '"x"').replace("\tjob, err", '\tjob.GenerateName = owner + "-"\n\tjob, err'),
        lambda text: text.replace("rand.String(5)", '"x"').replace("\tjob, err", "\tjob.SetName(uuid.NewString())\n\tjob, err"),
        lambda text: text.replace("rand.String(5)", "time.Now().Unix()"),
        lambda text: text.replace("Name: name", 'GenerateName: owner + "-"').replace("rand.String(5)", '"x"'),
        lambda text: text.replace('r.client.BatchV1().Jobs("jobs").Create(ctx, job, metav1.CreateOptions{})', "ensureJob(ctx, &batchv1.Job{Name: name})"),
        lambda text: text.replace("&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}", "jobOf(name)").replace("rand.String(5)", '"x"')
        + "\nfunc jobOf(name string) *batchv1.Job {\n\treturn &batchv1.Job{ObjectMeta: metav1.ObjectMeta{GenerateName: name}}\n}\n",
    ],
    ids=["random", "hash", "hash of all", "sum", "identity", "generated after", "set after", "time", "generated", "by a helper", "made by a function"],
)  # fmt: skip
def test_children_under_new_names_that_nobody_deletes(change: Callable[[str], str]) -> None:
    check(change(PILE), level="B", rule="children-pile-up")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("rand.String(5)", '"job"'),
        lambda text: text.replace("rand.String(5)", "hashOf(owner)"),
        lambda text: text.replace("owner, rand.String(5)", "req.Name, hashOf(req.Namespace)"),
        lambda text: text.replace("rand.String(5)", "hashOf(t.GetName())").replace("owner string", "owner string, t *v1.Tenant"),
        lambda text: text.replace("rand.String(5)", '"job"').replace("\tname :=", '\thashName := "label"\n\tname :='),
        lambda text: text.replace("rand.String(5)", '"job"').replace("\tname :=", "\tuserName := rand.String(12)\n\tname :="),
        lambda text: text.replace("rand.String(5)", '"job"').replace(
            "Name: name}}",
            'Name: name}, Spec: v1.Spec{User: rand.String(9), Template: v1.Template{ObjectMeta: metav1.ObjectMeta{Name: "x" + rand.String(4)}}}}',
        ),
        lambda text: (
            text + '\nfunc (r *Reconciler) prune(name string) {\n\tr.client.BatchV1().Jobs("jobs").Delete(ctx, name)\n}\n'
        ),
        lambda text: text + "\nfunc (r *Reconciler) prune(job *batchv1.Job) error {\n\treturn r.Delete(ctx, job)\n}\n",
        lambda text: text + "\nfunc (r *Reconciler) prune(job *batchv1.Job) error {\n\treturn util.DeleteJob(job)\n}\n",
        lambda text: text.replace("job, err", "job.Spec.TTLSecondsAfterFinished = &ttl\n\tjob, err"),
        lambda text: text.replace("Job", "Lease"),
        lambda text: text.replace("runJob", "installJobs").replace("Reconcile(", "Setup("),
    ],
    ids=[
        "one name",
        "hash of a name",
        "hash of a namespace",
        "hash of its name",
        "a label",
        "a user",
        "within the spec",
        "deleted",
        "by any client",
        "by a helper",
        "ends itself",
        "one by its nature",
        "at the start",
    ],
)
def test_children_that_do_not_pile_up(change: Callable[[str], str]) -> None:
    check(change(unwanted(PILE)), level="B", rule="children-pile-up")
