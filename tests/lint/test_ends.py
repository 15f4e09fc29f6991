"""Methods that give up all that an object has: the end of it, or the end of something that comes again."""

from __future__ import annotations

import pytest

from tests.lint.go import found
from tests.lint.test_forgotten_deletes import reconciler

ENDED = """
func (r *Reconciler) NAME() {
\tclear(r.seen)
}

func CALLER {
\tCALL
}
"""


@pytest.mark.parametrize(
    ("name", "caller", "call", "is_told"),
    [
        ("StopPeriod", "(r *Reconciler) Handle(name string)", "r.StopPeriod()", False),
        ("CloseWindow", "(r *Reconciler) HandleTick()", "r.CloseWindow()", False),
        (
            "CloseAll",
            "(r *Reconciler) Start(ctx context.Context)",
            "for range time.Tick(time.Hour) {\n\t\tr.CloseAll()\n\t}",
            False,
        ),
        ("CloseAll", "(r *Reconciler) Close()", "r.CloseAll()", True),
        ("CloseAll", "(r *Reconciler) Start(ctx context.Context)", "<-ctx.Done()\n\tr.CloseAll()", True),
        ("StopAll", "main()", "defer reconciler.StopAll()", True),
        ("StopAll", "other()", "work()", True),
        ("Stop", "(r *Reconciler) Handle(name string)", "r.Stop()", True),
        ("Shutdown", "other()", "work()", True),
    ],
)
def test_end_is_what_nothing_calls_that_runs_for_long(name: str, caller: str, call: str, *, is_told: bool) -> None:
    text = reconciler("seen map[string]int", "r.seen[req.Name] = 1")
    ended = ENDED.replace("NAME", name).replace("CALLER", caller).replace("CALL", call)
    assert [one.rule for one in found(text + ended)] == ["map-never-deleted"] * is_told
