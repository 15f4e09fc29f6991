"""`ghostkey ui`: a cluster's maps with findings; a closer look, the evidence, a trim that is planned and confirmed, and undo."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static

from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.findings import Finding
from ghostkey.report.findings import named, short_kind
from ghostkey.report.visible import safe
from ghostkey.ui.cells import end_of, short, start_of
from ghostkey.ui.rows import Field, Rows
from ghostkey.ui.table import TableView
from ghostkey.ui.work import Asked, MapRow, Scanned, Spot, Work, chain, failure

ROWS = 1000  # of a table; a filter finds the others
_FIELDS = (
    Field("NAMESPACE", 16), Field("MAP"), Field("GHOSTS", 6, is_number=True), Field("MAYBE", 5, is_number=True), Field("KEYS", 7, is_number=True),
    Field("FULL", 4, is_number=True),
)  # fmt: skip


class ClusterView(TableView):
    """The table of maps."""

    CSS = TableView.CSS + "#findings, #text { height: 1fr; background: ansi_default; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "scan", "scan"), Binding("u", "undo", "undo")]
    FILTER = "part of a namespace, a map or a key"
    HELP = "⏎ findings  / filter  r scan again  u undo  q quit"

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.scanned: Scanned | None = None
        self.is_scanning = self.is_writing = False
        self.rows: dict[str, MapRow] = {}

    def on_mount(self) -> None:
        """Begins to scan."""
        self.query_one("#maps").focus()
        self.hand.start()
        self.action_scan()
        self.set_interval(1.0, self.say)

    def action_scan(self) -> None:
        """Looks at the cluster again."""
        if self.is_scanning:
            return
        self.is_scanning, self.said = True, "scanning …"
        self.say()

        def tell(text: str) -> None:
            self.call_later(self._progress, text)

        self.hand.do(lambda: self.work.scan(tell), self._scanned)

    def _progress(self, text: str) -> None:
        if self.is_scanning:
            self.said = f"scanning: {text} …"
            self.say()

    def _scanned(self, scanned: Scanned) -> None:
        self.is_scanning, self.scanned = False, scanned
        gaps = f"{len(scanned.gaps)} not seen, beside which a ghost is unknown: {scanned.gaps[0]}" if scanned.gaps else ""
        self.said = gaps or ("" if scanned.maps else "nothing was found")
        self._draw()
        for screen in self.screen_stack:
            if isinstance(screen, MapScreen):
                screen.renew()

    def failed(self, error: GhostkeyError) -> None:
        """Says that a scan has failed; what the one before has found stays."""
        self.is_scanning = False
        self.said = " ".join(failure(error))
        self.say()

    def row_of(self, spot: Spot) -> MapRow | None:
        """The map as the last scan has it."""
        return next((row for row in self.scanned.maps if row.spot == spot), None) if self.scanned else None

    # drawing

    def head(self) -> str:
        """The server, what is found, and when."""
        words = [self.work.client.config.server]
        if self.scanned is not None:
            ghosts = sum(row.count("found") for row in self.scanned.maps)
            words.append(f"{counted(ghosts, 'ghost')} in {len(self.scanned.maps):,} of {counted(self.scanned.maps_count, 'map')}")
            words.append(f"{time.monotonic() - self.scanned.at:.0f} s ago")
            words += [f"{self.scanned.silenced:,} silenced"] if self.scanned.silenced else []
        words += [f"filter {self.text!r}"] if self.text else []
        return " · ".join(words)

    def draw(self) -> None:
        """The maps that pass the filter."""
        self._draw()

    def filtered(self) -> None:
        """Other rows of the same scan."""
        self._draw(is_other=True)

    def _draw(self, *, is_other: bool = False) -> None:
        self.say()
        chosen = [row for row in self.scanned.maps if self._is_shown(row)][:ROWS] if self.scanned else []
        self.rows = {str(row.holder): row for row in chosen}
        table = self.screen_stack[0].query_one("#maps", Rows)
        widths = table.widths(_FIELDS, self.width)
        table.show_rows(_FIELDS, widths, [(name, _cells(row, widths)) for name, row in self.rows.items()], is_other=is_other)

    def _is_shown(self, row: MapRow) -> bool:
        return self.text in f"{row.holder.namespace}/{row.holder.name}" or any(self.text in str(one.key) for one in row.findings)

    # keys

    def action_leave(self) -> None:
        """Ends the program; not while something is being written, whose end is told in a moment."""
        if not self.is_writing:
            super().action_leave()

    def action_undo(self) -> None:
        """Asks whether the latest trim is to be put back."""
        self.ask("undo the latest trim", lambda: self.work.undo(None))

    def ask(self, title: str, prepare: Callable[[], Asked]) -> None:
        """Shows what is about to be done, and has it done when that is confirmed."""
        self.push_screen(Asking(self, title, prepare))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Looks closer at a map."""
        if event.data_table.id == "maps" and (row := self.rows.get(str(event.row_key.value))) is not None:
            self.push_screen(MapScreen(self, row))


def _cells(row: MapRow, widths: list[int]) -> list[str]:
    found, maybe = row.count("found"), row.count("suspect") + row.count("unknown")
    name = end_of(f"{short_kind(row.holder)}", widths[1])
    return [end_of(row.holder.namespace, widths[0]), name, short(found), short(maybe), short(row.keys), f"{100 * row.share:.0f}%"]


class MapScreen(Screen[None]):
    """The findings of one map."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "back"), Binding("p", "plan", "plan trim"), Binding("u", "undo", "undo"),
    ]  # fmt: skip

    def __init__(self, view: ClusterView, row: MapRow) -> None:
        super().__init__()
        self.view, self.row = view, row
        self.findings: dict[str, Finding] = {}

    def compose(self) -> ComposeResult:
        """A line about the map, its findings, the keys."""
        yield Static(id="head")
        yield Rows("findings")
        yield Static("⏎ evidence  p plan a trim of its ghosts  u undo  esc back  q quit", id="keys", markup=False)

    def on_mount(self) -> None:
        """Shows what the last scan has found."""
        self.query_one("#findings").focus()
        self._draw()

    def on_resize(self) -> None:
        """The table is as wide as the screen."""
        self._draw()

    def renew(self) -> None:
        """Shows what a new scan has found of it; nothing, when it is clean."""
        self.row = self.view.row_of(self.row.spot) or MapRow(self.row.holder, self.row.keys, self.row.share)
        self._draw()

    def _draw(self) -> None:
        width = self.view.width
        shown = self.row.findings[:ROWS]
        more = f", the first {ROWS:,}" if len(self.row.findings) > ROWS else ""
        about = f"{self.row.holder}: {counted(len(self.row.findings), 'finding')}{more}, {counted(self.row.keys, 'key')}"
        self.query_one("#head", Static).update(Text(start_of(about, width)))
        self.findings = {finding.fingerprint: finding for finding in shown}
        table = self.query_one("#findings", Rows)
        fields = (Field("KEY"), Field("WHAT", 18), Field("WHY"))
        widths = table.widths(fields, width)
        rows = [
            (name, [end_of(str(one.key) or "(the map)", widths[0]), start_of(named(one), 18), start_of(one.message, widths[2])])
            for name, one in self.findings.items()
        ]
        table.show_rows(fields, widths, rows)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Shows why one of them is believed."""
        event.stop()
        if (finding := self.findings.get(str(event.row_key.value))) is not None:
            lines = chain(finding)
            self.view.ask("evidence", lambda: Asked(lines, "", list))

    def action_plan(self) -> None:
        """Plans a trim of its ghosts, from what is there now."""
        self.view.ask(f"trim {self.row.holder}", lambda: self.view.work.plan(self.row.spot))

    def action_undo(self) -> None:
        """Asks whether the latest trim of this map is to be put back."""
        self.view.ask(f"undo the latest trim of {self.row.holder}", lambda: self.view.work.undo(self.row.spot))

    def action_back(self) -> None:
        """The maps again."""
        self.dismiss()


class Asking(Screen[None]):
    """Lines to be read; and where something would be done, a word to be typed before it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "back")]

    def __init__(self, view: ClusterView, title: str, prepare: Callable[[], Asked]) -> None:
        super().__init__()
        self.view, self.heading, self.prepare = view, title, prepare
        self.asked: Asked | None = None

    def compose(self) -> ComposeResult:
        """A title, the lines, the word, the keys."""
        yield Static(Text(start_of(self.heading, self.view.width)), id="head")
        with VerticalScroll(id="text"):
            yield Static("asking the API server …", id="lines", markup=False)
        yield Input(id="word")
        yield Static("esc back, nothing is changed", id="keys", markup=False)

    def on_mount(self) -> None:
        """Has it prepared."""
        self.query_one("#text").focus()
        self.view.hand.do(self.prepare, self._prepared, self._refused)

    def _refused(self, error: GhostkeyError) -> None:
        self._show(failure(error))

    def _prepared(self, asked: Asked) -> None:
        self._show(asked.lines)
        if asked.word and self.is_mounted:
            self.asked = asked
            box = self.query_one("#word", Input)
            box.placeholder = f"type {asked.word} and Enter to do it"
            box.display = True
            box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Has it done, once, when the word is right."""
        event.stop()
        if self.asked is None:
            return
        if event.value.strip() != self.asked.word:
            self.query_one("#keys", Static).update(f"that is not {self.asked.word}: nothing is changed  esc back")
            return
        act, self.asked = self.asked.act, None
        self.query_one("#word", Input).display = False
        self.query_one("#text").focus()
        self.query_one("#keys", Static).update("at work …")
        self.view.is_writing = True
        self.view.hand.do(act, self._done, lambda error: self._done(failure(error)))

    def _done(self, lines: list[str]) -> None:
        self.view.is_writing = False
        self._show(lines)
        self.query_one("#keys", Static).update("esc back")
        self.view.action_scan()

    def _show(self, lines: list[str]) -> None:
        if self.is_mounted:
            self.query_one("#lines", Static).update(Text("\n".join(map(safe, lines))))

    def action_back(self) -> None:
        """Back, unless something is being written."""
        if not self.view.is_writing:
            self.dismiss()
