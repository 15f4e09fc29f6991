"""A map that is left out where one thing is removed from all of a struct's maps."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

STATE = (
    HEAD
    + """
type Cluster struct {
\tpods map[types.NamespacedName]string
\tacks map[types.NamespacedName]time.Time
\ttimes map[types.NamespacedName]time.Time
}

func New() *Cluster {
\treturn &Cluster{pods: map[types.NamespacedName]string{}, acks: map[types.NamespacedName]time.Time{}, times: map[types.NamespacedName]time.Time{}}
}

func (c *Cluster) Update(pod *corev1.Pod) {
\tc.pods[client.ObjectKeyFromObject(pod)] = pod.Spec.NodeName
}

func (c *Cluster) Ack(key types.NamespacedName) {
\tc.acks[key] = time.Now()
}

func (c *Cluster) Scheduled(key types.NamespacedName) {
\tc.times[key] = time.Now() // want "takes key out of acks, pods, and not out of times"
}

func (c *Cluster) Bound(key types.NamespacedName) {
\tdelete(c.times, key)
}

func (c *Cluster) DeletePod(key types.NamespacedName) {
\tdelete(c.pods, key)
\tdelete(c.acks, key)
}
"""
)


def test_map_that_is_left_out_where_one_thing_is_removed_from_all() -> None:
    check(STATE, level="B", rule="parallel-map-forgotten")
    helper = STATE.replace(
        "\tdelete(c.acks, key)\n}",
        "\tdelete(c.acks, key)\n\tc.notify(key)\n}\n\nfunc (c *Cluster) notify(key types.NamespacedName) {\n}",
    )
    check(helper, level="B", rule="parallel-map-forgotten")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\tdelete(c.acks, key)\n", "\tdelete(c.acks, key)\n\tc.Bound(key)\n"),
        lambda text: text.replace("\tdelete(c.acks, key)\n", ""),
        lambda text: text.replace("Bound(key", "forget(key"),
        lambda text: text.replace("times map[types.NamespacedName]", "times map[types.UID]").replace("Scheduled(key types.NamespacedName)", "Scheduled(key types.UID)").replace("Bound(key types.NamespacedName)", "Bound(key types.UID)"),
        lambda text: text + "\nfunc (c *Cluster) gone(key types.NamespacedName) {\n\tc.DeletePod(key)\n\tc.Bound(key)\n}\n",
        lambda text: text.replace("DeletePod(", "Rename("),
    ],
    ids=["called", "of one map", "has its own", "other keys", "by the caller", "no remover"],
)  # fmt: skip
def test_map_that_is_cleaned_otherwise_is_not_left_out(change) -> None:
    assert not found(unwanted(change(STATE)), level="B", rule="parallel-map-forgotten")


def test_texts_are_alike_by_their_word_alone() -> None:
    texts = STATE.replace("types.NamespacedName", "string").replace("client.ObjectKeyFromObject(pod)", "pod.Name")
    check(texts, level="B", rule="parallel-map-forgotten")
    others = texts.replace("Scheduled(key string) {\n\tc.times[key]", "Scheduled(node string) {\n\tc.times[node]").replace(
        "Bound(key string) {\n\tdelete(c.times, key)", "Bound(node string) {\n\tdelete(c.times, node)"
    )
    assert not found(unwanted(others), level="B", rule="parallel-map-forgotten")
