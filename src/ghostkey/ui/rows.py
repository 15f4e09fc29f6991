"""A table of rows that come anew again and again: the cursor stays on its row, wherever that goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.widgets import DataTable

PADDING = 1  # columns on each side of a cell


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its title, how wide, and whether numbers stand in it. Width 0: what the others leave, shared equally."""

    title: str
    width: int = 0
    is_number: bool = False


class Rows(DataTable[Text]):
    """The rows; each has a name by which it is known when it comes again."""

    def __init__(self, identity: str) -> None:
        super().__init__(id=identity, cursor_type="row", cell_padding=PADDING, zebra_stripes=False)

    def widths(self, fields: Sequence[Field], total: int) -> list[int]:
        """How wide each column becomes on a screen of so many columns."""
        room = total - sum(field.width for field in fields) - 2 * PADDING * len(fields) - 1
        free = sum(not field.width for field in fields)
        return [field.width or max(8, room // max(1, free)) for field in fields]

    def show_rows(
        self, fields: Sequence[Field], widths: Sequence[int], rows: Sequence[tuple[str, Sequence[str]]], *, is_other: bool = False
    ) -> None:
        """Puts these rows in place of those there are; `is_other`: they were asked for otherwise, and the cursor goes to the first."""
        # a cursor on the first row stays there: nobody moved it
        chosen, top = "" if is_other or not self.cursor_row else self.chosen, self.scroll_offset.y
        self.clear(columns=True)
        for field, width in zip(fields, widths, strict=True):
            self.add_column(Text(field.title, justify="right" if field.is_number else "left"), width=width)
        for name, cells in rows:
            texts = [Text(c, justify="right" if f.is_number else "left") for f, c in zip(fields, cells, strict=True)]
            self.add_row(*texts, key=name)
        names = [name for name, _ in rows]
        if chosen in names:
            self.move_cursor(row=names.index(chosen), scroll=False)
            self.scroll_to(y=top, animate=False)

    @property
    def chosen(self) -> str:
        """The name of the row that the cursor is on; empty when there is none."""
        if not self.row_count:
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or "")
