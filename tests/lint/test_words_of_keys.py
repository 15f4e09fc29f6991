"""Words of keys that say less than they seem to: of resources, of contexts, of a type that is called a name."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, found

KEPT = (
    HEAD
    + """
type Cache struct {
\tby map[KEYS]VALUES
}

func (c *Cache) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
\tc.keep(WORD)
\treturn ctrl.Result{}, nil
}

func (c *Cache) keep(name string) { c.by[KEY] = 1 }
"""
)


def _told(keys: str, key: str, word: str = "c.next()", more: str = "") -> list[str]:
    text = KEPT.replace("KEYS", keys).replace("KEY", key).replace("WORD", word).replace("VALUES", "int")
    if key != "name" and "(" not in key:
        text = text.replace("keep(name string)", f"keep({key} string)")
    return [one.level for one in found(text + more, level="B", rule="map-never-deleted")]


def test_resource_in_a_text_is_any() -> None:
    assert _told("string", "resourceName") == ["B"]
    assert _told("string", "resourceName", "req.Name") == ["A"]
    # those of Kubernetes are few
    assert _told("corev1.ResourceName", "resourceName") == []


def test_type_of_texts_that_is_called_a_name_is_any() -> None:
    assert _told("ResourceName", "ResourceName(name)", "req.Name", more="\ntype ResourceName string\n") == ["A"]
    # of this one the code has the values
    few = '\ntype ResourceName string\n\nconst (\n\tCores ResourceName = "cores"\n\tBytes ResourceName = "bytes"\n)\n'
    assert _told("ResourceName", "ResourceName(name)", "req.Name", more=few) == []
    assert _told("other.ResourceName", "other.ResourceName(name)", "req.Name") == []


def test_type_of_uids_is_no_kind() -> None:
    assert _told("UIDType", "UIDType(name)", "req.Name", more="\ntype UIDType string\n") == ["A"]
    assert _told("UnitType", "UnitType(name)", "req.Name", more="\ntype UnitType string\n") == []


@pytest.mark.parametrize(("kind", "levels"), [("context.Context", []), ("string", ["B"]), ("tenantKey", ["A"])])
def test_key_that_is_called_a_context_is_one_by_its_type(kind: str, levels: list[str]) -> None:
    text = KEPT.replace("map[KEYS]VALUES", "sync.Map").replace("c.by[KEY] = 1", "c.by.Store(ctx, 1)")
    text = text.replace("c.keep(WORD)", "c.keep(c.next())").replace("keep(name string)", f"keep(ctx {kind})")
    assert [one.level for one in found(text, level="B", rule="map-never-deleted")] == levels
