"""Deletes that are hidden by an embedding struct, and maps that are written outside of their lock."""

from __future__ import annotations

from tests.lint.go import HEAD, check, unwanted

SHADOW = (
    HEAD
    + """
type store struct {
\tobjects map[string]int
}

func (s *store) Forget(name string) {
\tdelete(s.objects, name)
}

type Cache struct {
\tstore
}

var cache = &Cache{}

func (c *Cache) handleAdd(name string) {
\tc.objects[name] = 1
}

func (c *Cache) Forget(name string) { // want "hides (store).Forget"
\tc.log(name)
}
"""
)


def test_embedded_delete_that_is_hidden() -> None:
    check(SHADOW, level="B", rule="embedded-delete-shadowed")
    check(unwanted(SHADOW).replace("\tc.log(name)", "\tc.store.Forget(name)"), level="B", rule="embedded-delete-shadowed")


LOCK = (
    HEAD
    + """
type Cache struct {
\tmu      sync.Mutex
\tobjects map[string]int
}

var cache = &Cache{}

func (c *Cache) HandleAdd(name string) {
\tc.mu.Lock()
\tdefer c.mu.Unlock()
\tc.objects[name] = 1
}

func (c *Cache) HandleUpdate(name string) {
\tc.mu.Lock()
\tdefer c.mu.Unlock()
\tc.objects[name] = 2
}

func (c *Cache) HandleDelete(name string) {
\tdelete(c.objects, name) // want "without mu"
}
"""
)


def test_map_that_is_written_outside_its_lock() -> None:
    check(LOCK, level="B", rule="map-outside-lock")
    silent = unwanted(LOCK)
    check(silent.replace("HandleDelete", "deleteLocked"), level="B", rule="map-outside-lock")
    check(silent.replace("\tdelete(c", "\tc.mu.Lock()\n\tdelete(c"), level="B", rule="map-outside-lock")
    called = silent.replace("HandleDelete", "drop").replace("objects[name] = 2", "objects[name] = 2\n\tc.drop(name)")
    check(called, level="B", rule="map-outside-lock")
