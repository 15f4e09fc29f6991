"""Zero values: what a key is given that should have gone, and deletes that a zero value never comes to."""

from __future__ import annotations

import pytest

from tests.lint.go import HEAD, check, found, unwanted

ZEROED = (
    HEAD
    + """
type Cache struct {
\tby map[string]VALUES
}

var cache = &Cache{}

func (c *Cache) handle(name string) {
\tc.by[name] = given
}

func (c *Cache) forget(name string) {
\tc.by[name] = EMPTY
}
"""
)


@pytest.mark.parametrize(
    ("values", "empty", "is_told"),
    [
        ("bool", "false", True),
        ("int", "0", True),
        ("Entry", "Entry{}", True),
        ("[]string", "[]string{}", True),
        ("map[string]int", "map[string]int{}", True),
        ("*Entry", "nil", True),
        ("*Entry", "(*Entry)(nil)", True),
        ("Entry", "*new(Entry)", True),
        ("Pair[string, int]", "Pair[string, int]{}", True),
        ("time.Time", "time.Time{}", True),
        ("types.UID", 'types.UID("")', True),
        ("time.Duration", "time.Duration(0)", True),
        ("float64", "0.0", True),
        ("float64", ".0", True),
        ("[]byte", "[]byte(nil)", True),
        ("uint64", "uint64(0)", True),
        ("string", 'string("")', True),
        ("Phase", 'Phase("")', True),
        ("corev1.PodPhase", 'corev1.PodPhase("")', True),
        ("string", "checksum(nil)", False),  # a call, that makes something of nothing
        ("string", 'render("")', False),
        ("string", 'strings.Repeat("")', False),
        ("uint64", "Sum64(nil)", False),
        ("string", 'phase("")', False),
        ("string", "``", True),
        ("string", '"null"', True),
        ("json.RawMessage", "json.RawMessage(nil)", True),
        ("map[string]int", "make(map[string]int)", True),
        ("*Entry", "&Entry{}", False),  # another one
        ("*Entry", "new(Entry)", False),
        ("*Entry", "newEntry(nil)", False),
        ("chan int", "make(chan int)", False),
        ("string", "fmt.Sprint(0)", False),
        ("string", '"gone"', False),
        ("int", "1", False),
        ("sets.Empty", "sets.Empty{}", False),  # what every member of a set has
        ("struct{}", "struct{}{}", False),
        ("bool", "true", False),
    ],
)
def test_zero_value_in_the_place_of_a_delete(values: str, empty: str, *, is_told: bool) -> None:
    told = found(ZEROED.replace("VALUES", values).replace("EMPTY", empty), level="B", rule="value-emptied-not-deleted")
    assert [one.key for one in told] == ["name"] * is_told


VALUE = (
    HEAD
    + """
func (r *Reconciler) forget(cm *corev1.ConfigMap, name string) {
\tif cm.Data[name] != "" {
\t\tdelete(cm.Data, name) // want "only where its value"
\t}
}
"""
)


def test_delete_that_leaves_keys_with_empty_values() -> None:
    check(VALUE, level="B", rule="deleted-by-value-test")
    check(VALUE.replace('cm.Data[name] != ""', "v := cm.Data[name]; len(v) > 0"), level="B")
    check(unwanted(VALUE).replace('cm.Data[name] != ""', "_, ok := cm.Data[name]; ok"), level="B")
    check(unwanted(VALUE).replace('cm.Data[name] != ""', 'cm.Data[name] == ""'), level="B")


@pytest.mark.parametrize(
    ("condition", "is_told"),
    [
        ('"" != cm.Data[name]', True),
        ("cm.Data[name] != ``", True),
        ("len(cm.Data[name]) != 0", True),
        ('strings.TrimSpace(cm.Data[name]) != ""', True),
        ('v := cm.Data[name]; v != "" && r.isLeader()', True),
        ('v, ok := cm.Data[name]; ok && v == "x"', False),
        ('cm.Data[name] != "" || r.isLeader()', False),
        ('cm.Data[other] != ""', False),
        ('cm.Data[name] != "x"', False),
    ],
)
def test_tests_of_a_value_before_a_delete(condition: str, *, is_told: bool) -> None:
    text = VALUE if is_told else unwanted(VALUE)
    check(text.replace('cm.Data[name] != ""', condition), level="B", rule="deleted-by-value-test")


def test_delete_behind_a_return_for_empty_values() -> None:
    text = HEAD + (
        "\nfunc (r *Reconciler) forget(cm *corev1.ConfigMap, name string) {\n\tif len(cm.Data[name]) == 0 {\n\t\treturn\n\t}\n"
        '\tdelete(cm.Data, name) // want "only where its value"\n}\n'
    )
    check(text, level="B", rule="deleted-by-value-test")
    check(text.replace("len(cm.Data[name])", "v, ok := cm.Data[name]; !ok || len(v)"), level="B", rule="deleted-by-value-test")
    check(unwanted(text).replace("len(cm.Data[name]) == 0", "name == cm.Name"), level="B", rule="deleted-by-value-test")


HELD_VALUE = (
    HEAD
    + """
type Cache struct {
\tby map[string]VALUES
}

var cache = &Cache{}

func (c *Cache) handle(name string) {
\tc.by[name] = EMPTY
}

func (c *Cache) onDelete(name string) {
\tif CONDITION {
\t\tdelete(c.by, name) // want "only where its value"
\t}
}
"""
)


@pytest.mark.parametrize(
    ("values", "empty", "condition", "is_told"),
    [
        ("int", "0", "c.by[name] > 0", True),
        ("int", "0", "n := c.by[name]; n != 0", True),
        ("bool", "false", "c.by[name]", True),
        ("bool", "false", "v, ok := c.by[name]; ok && v", True),
        ("int", "0", "v, ok := c.by[name]; ok && v > 0", True),
        ("bool", "false", "v, ok := c.by[name]; ok || v", False),
        ("bool", "false", "v, ok := c.by[name]; ok && !v", False),
        ("bool", "false", "v, ok := c.by[name]; ok && c.knows(v)", False),
        ("*Entry", "nil", "c.by[name] != nil", True),
        ("time.Time", "time.Time{}", "!c.by[name].IsZero()", True),
        ("*Entry", "newEntry(name)", "c.by[name] != nil", False),  # it never has an empty one
        ("int", "0", "_, ok := c.by[name]; ok", False),
        ("int", "0", "c.by[name] == 0", False),
    ],
)
def test_delete_from_a_map_in_memory_that_leaves_zero_values(values: str, empty: str, condition: str, *, is_told: bool) -> None:
    text = HELD_VALUE.replace("VALUES", values).replace("EMPTY", empty).replace("CONDITION", condition)
    check(text if is_told else unwanted(text), level="B", rule="deleted-by-value-test")
