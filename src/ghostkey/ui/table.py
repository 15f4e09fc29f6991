"""A view whose first screen is a table of maps: a line about it, the table, a line that says what is wrong, a filter, the keys."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from ghostkey.ui.app import View
from ghostkey.ui.cells import start_of
from ghostkey.ui.rows import Rows


class TableView(View):
    """`text` is the filter, `said` what stands below the table, `width` that of the screen."""

    CSS = (
        View.CSS
        + """
    #maps { height: 1fr; background: ansi_default; }
    Input { height: 1; border: none; padding: 0; display: none; background: ansi_default; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("slash", "filter", "filter"), Binding("escape", "no_filter", "all")]
    FILTER: ClassVar[str]  # what may be filtered by
    HELP: ClassVar[str]

    def __init__(self, said: str = "") -> None:
        super().__init__()
        self.said, self.text, self.width = said, "", 80

    def compose(self) -> ComposeResult:
        """The first screen."""
        yield Static(id="head")
        yield Rows("maps")
        yield Static(id="says")
        yield Input(placeholder=f"{self.FILTER}; Enter keeps it, Esc shows all", id="filter")
        yield Static(self.HELP, id="keys", markup=False)

    # what each view has of its own

    def head(self) -> str:
        """The line above the table."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draws the table anew: the screen is of another width."""
        raise NotImplementedError

    def filtered(self) -> None:
        """Shows other rows: the filter is another one."""
        raise NotImplementedError

    # what all have

    def say(self) -> None:
        """Draws the lines around the table."""
        base = self.screen_stack[0]
        base.query_one("#head", Static).update(Text(start_of(self.head(), self.width)))
        base.query_one("#says", Static).update(Text(start_of(self.said, self.width)))

    def on_resize(self, event: events.Resize) -> None:
        """The table is as wide as the screen, whose own `size` is new only some time after this."""
        self.width = event.size.width
        self.draw()

    def action_filter(self) -> None:
        """Asks for a part of what the rows are called by."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_no_filter(self) -> None:
        """Shows all maps again."""
        self.query_one("#filter", Input).clear()
        self._filter("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keeps the filter."""
        if event.input.id == "filter":
            self._filter(event.value)

    def _filter(self, text: str) -> None:
        self.query_one("#filter", Input).display = False
        self.query_one("#maps").focus()
        if text != self.text:
            self.text = text
            self.filtered()
