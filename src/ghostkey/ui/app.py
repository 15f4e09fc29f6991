"""What every live view has: its looks, its keys, and one thread that does the slow work, so that the screen never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from textual.app import App
from textual.binding import Binding, BindingType

from ghostkey.model.errors import GhostkeyError, place_of

T = TypeVar("T")
_Failed = Callable[[GhostkeyError], None]
END_SECONDS = 2.0  # that the thread has to notice that the view was closed


class View(App[int]):
    """A full-screen program; `return_value` is its exit code.

    Colours are the terminal's own sixteen, and only repeat what words say; NO_COLOR is obeyed by textual.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #head { height: 1; text-style: reverse; }
    #says { height: 1; }
    #keys { height: 1; text-style: dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "leave", "quit"), Binding("ctrl+c", "leave", "quit", priority=True)]

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.hand = Hand(self)

    def action_leave(self) -> None:
        """Ends the program."""
        self.hand.end()
        self.exit(0)

    def failed(self, error: GhostkeyError) -> None:
        """Tells of work that failed; each view says where."""
        raise NotImplementedError


class Hand:
    """One thread that carries out orders one after another: what is asked over one pipe, or of one process, must not overlap.

    An order's result goes to `then`, in the thread of the screen; an error to `failed`, which is the view's where none is named.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None], _Failed] | None] = queue.SimpleQueue()
        self.is_ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ghostkey-hand", daemon=True)

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    def do(self, order: Callable[[], T], then: Callable[[T], None], failed: _Failed | None = None) -> None:
        """Has an order carried out after those that wait."""
        self._orders.put((order, then, failed or self._view.failed))

    def end(self) -> None:
        """Begins nothing more. What is being done sees `is_ended`."""
        self.is_ended.set()
        self._orders.put(None)

    def join(self) -> None:
        """Waits a little until what was being done is over."""
        if self._thread.is_alive():
            self._thread.join(END_SECONDS)

    def _work(self) -> None:
        while (work := self._orders.get()) is not None and not self.is_ended.is_set():
            order, then, failed = work
            try:
                result = order()
            except GhostkeyError as error:
                self._tell(failed, error)
            except Exception as error:  # noqa: BLE001 (a view must not vanish with a traceback, and it must not quote a stranger)
                self._tell(failed, GhostkeyError(f"this is a bug in ghostkey: {place_of(error)}"))
            else:
                self._tell(then, result)

    def _tell(self, then: Callable[[Any], None], result: Any) -> None:
        if not self.is_ended.is_set():
            self._view.call_later(then, result)
