"""`ghostkey maps --ui`: the maps of a running process, live: sorted, filtered, with a line of each map's length, and a closer look."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Static

from ghostkey.census.errors import NoSuchProcess
from ghostkey.census.keys import Keys
from ghostkey.census.writers import Watched
from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError
from ghostkey.processes import SORTS, AnyProcess, Before, Row, Taken, Wanted, sample_keys, watch
from ghostkey.report import stacks
from ghostkey.report.maps import type_words
from ghostkey.report.visible import safe
from ghostkey.ui.cells import end_of, short, size, sparkline, start_of
from ghostkey.ui.looks import Looks
from ghostkey.ui.rows import Field, Rows
from ghostkey.ui.table import TableView

TOP = 200  # rows; the others are found by another order or a filter
KEYS = 20  # of a map that is looked at closely
WATCH_SECONDS = 5.0
WIDE = 110  # columns from which on there is room for types
_SPARK = 12
_FIELDS = (Field("LEN", 7, is_number=True), Field("SLOTS", 7, is_number=True), Field("GROWN", 7, is_number=True))
_LAST = (Field("BYTES", 8, is_number=True), Field("LEN, LATELY", _SPARK))


class MapsView(TableView):
    """The table. `interval`: seconds between two looks. What grew is told from `before`, or from the first look."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(sort[0], f"sort('{sort}')", sort) for sort in SORTS), Binding("space", "pause", "pause"),
    ]  # fmt: skip
    FILTER = "part of a holder or a type"
    HELP = "b l v g sort  / filter  ⏎ look closer  space pause  q quit"

    def __init__(self, process: AnyProcess, interval: float, before: Before | None = None, sort: str = "bytes") -> None:
        super().__init__("reading the process …")
        self.looks = Looks(process, before)
        self.interval, self.sort = interval, sort
        self.is_paused, self.is_looking, self.is_over = False, False, False
        self._began = self._last = time.monotonic()
        self._failures = 0
        self.is_holding = False
        self.rows: dict[str, Row] = {}

    def on_mount(self) -> None:
        """Begins to look."""
        self.query_one("#maps").focus()
        self.say()
        self.hand.start()
        self._look()
        self.set_interval(self.interval, self._look)

    @property
    def wanted(self) -> Wanted:
        """What the next look is for."""
        return Wanted(self.sort, TOP, text=self.text)

    def _look(self) -> None:
        if self.is_paused or self.is_looking or self.is_over:
            return  # a look that takes longer than the interval delays the next one
        self.is_looking = True
        wanted = self.wanted
        self.hand.do(lambda: self.looks.take(wanted), self._looked)

    def _choose(self) -> None:
        """Other rows of the same look: at once, and also while paused or when the process is over; then with their holders."""
        wanted = self.wanted
        self.hand.do(lambda: self.looks.choose(wanted), lambda taken: self._chosen(taken, is_other=True))

    def _looked(self, taken: Taken) -> None:
        self.is_looking, self._last = False, time.monotonic()
        self._failures = 0
        self._chosen(taken)

    def _chosen(self, taken: Taken, *, is_other: bool = False) -> None:
        self._show(taken, is_other=is_other)
        is_unheld = self.text or any(not row.map.holder for row in taken.rows)
        if is_unheld and not self.is_over and not self.is_holding and (is_other or self.looks.has_rested):
            self.is_holding = self.is_looking = True
            wanted = self.wanted
            self.said = "looking for holders …"
            self.say()
            self.hand.do(lambda: self.looks.choose(wanted, is_held=True), lambda taken: self._held(taken, wanted))

    def _held(self, taken: Taken, wanted: Wanted) -> None:
        self.is_holding = self.is_looking = False
        if wanted == self.wanted:
            self._show(taken)
        else:
            self._choose()  # something else was asked for meanwhile

    def _show(self, taken: Taken, *, is_other: bool = False) -> None:
        self.said = "; ".join(taken.notes)
        self.rows = {hex(row.map.address): row for row in taken.rows}
        self._draw(is_other=is_other)

    def failed(self, error: GhostkeyError) -> None:
        """Says what went wrong; a process that ended is not looked at any more, and its last rows stay."""
        self.is_looking = self.is_holding = False
        self._failures += 1
        if isinstance(error, NoSuchProcess):
            self.is_over = True
            self.said = f"{error}: it was seen {self._last - self._began:.0f} s; q leaves"
        else:
            self.said = f"{error}" + (f" (look failed {self._failures} times)" if self._failures > 1 else "")
        if isinstance(self.screen, Closer):
            self.screen.failed(error)
        self.say()

    # drawing

    def head(self) -> str:
        """The process, how it is looked at, and how much there is."""
        process, taken = self.looks.process, self.looks.taken
        state = "ENDED" if self.is_over else "PAUSED" if self.is_paused else f"every {self.interval:g} s"
        words = [f"{process.name} {process.pid or ''}".strip(), state, f"by {self.sort}"]
        words += [f"filter {self.text!r}"] if self.text else []
        if taken is not None:
            maps = taken.census.maps
            words.append(f"{len(taken.rows):,} of {counted(len(maps), 'map')}, {short(sum(m.length for m in maps))} entries")
            words.append(size(sum(m.bytes for m in maps)))
        words.append(process.version)
        return " · ".join(words)

    def draw(self) -> None:
        """The rows of the last look; before it there are none."""
        if self.rows:
            self._draw()

    def filtered(self) -> None:
        """Other rows of the same look."""
        self._choose()

    def _draw(self, *, is_other: bool = False) -> None:
        self.say()
        table = self.screen_stack[0].query_one("#maps", Rows)
        fields = [Field("HOLDER"), *([Field("TYPE")] if self.width >= WIDE else []), *_FIELDS, *_LAST]
        widths = table.widths(fields, self.width)
        table.show_rows(fields, widths, [(name, self._cells(row, widths)) for name, row in self.rows.items()], is_other=is_other)

    def _cells(self, row: Row, widths: list[int]) -> list[str]:
        found, growth = row.map, row.growth
        mark = "" if found.is_consistent else "~"
        grown = "" if growth is None else "new" if growth.is_new else f"{'+' if growth.len > 0 else ''}{short(growth.len)}"
        cells = [end_of(found.holder or "…", widths[0])]
        if self.width >= WIDE:
            cells.append(start_of(type_words(row), widths[1]))
        cells += [short(found.length), mark + short(found.slots), grown if grown != "0" else "·", mark + size(found.bytes)]
        return [*cells, sparkline(self.looks.lengths.of(found.address, _SPARK), _SPARK)]

    # keys

    def action_sort(self, sort: str) -> None:
        """Another order."""
        self.sort = sort
        self._choose()

    def action_pause(self) -> None:
        """Stops to look, or goes on."""
        self.is_paused = not self.is_paused
        self.say()
        self._look()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Looks closer at a map."""
        row = self.rows.get(str(event.row_key.value))
        if row is not None:
            self.push_screen(Closer(self, row))


class Closer(Screen[None]):
    """One map: the path to it, a sample of its keys, and on request who inserts and who deletes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace", "back", "back"), Binding("s", "stacks", "who writes it")]
    CSS = "#map { height: 1fr; } #about, #keys-of, #writers { height: auto; }"

    def __init__(self, view: MapsView, row: Row) -> None:
        super().__init__()
        self.view, self.row = view, row
        self.is_watching = False

    def compose(self) -> ComposeResult:
        """The map's numbers, its keys, its writers."""
        yield Static(Text(start_of(f"map {self.row.map.address:#x}", self.app.size.width)), id="head")
        with VerticalScroll(id="map"):
            yield Static(id="about")
            yield Static("keys: reading …", id="keys-of", markup=False)
            yield Static(id="writers")
        yield Static(f"s who inserts, who deletes ({WATCH_SECONDS:.0f} s)  esc back  q quit", id="keys", markup=False)

    def on_mount(self) -> None:
        """Shows what is known, and reads keys."""
        self.query_one("#map").focus()
        self._about()
        self.set_interval(self.view.interval, self._about)
        self.view.hand.do(lambda: sample_keys(self.view.looks.process, self.row.map, KEYS), self._keys)

    def _about(self) -> None:
        now = self.view.rows.get(hex(self.row.map.address))
        self.row = now or self.row
        found, growth = self.row.map, self.row.growth
        hops = safe(found.holder or "holder not known").split(" → ")
        lines = [("" if not i else "  " * i + "→ ") + hop for i, hop in enumerate(hops)]
        lines += ["", f"type   {safe(type_words(self.row))}"]
        lines.append(f"len    {found.length:,}   slots {found.slots:,}   bytes {found.bytes:,}   {found.design}")
        if growth is not None and not growth.is_new:
            lines.append(f"grown  {growth.len:+,} in {growth.seconds:.0f} s, {growth.len_per_minute:+,.0f} a minute")
        lengths = self.view.looks.lengths.of(found.address, self.app.size.width - 8)
        known = [length for length in lengths if length is not None]
        if known:
            lines.append(f"lately {sparkline(lengths, self.app.size.width - 8)}")
            lines.append(f"       {min(known):,} to {max(known):,} in {len(lengths)} looks" + _gaps(lengths))
        lines += [self.row.note] if self.row.note else []
        self.query_one("#about", Static).update(Text("\n".join(lines)))

    def _keys(self, keys: Keys) -> None:
        more = self.row.map.length - len(keys.texts)
        shown = ", ".join(map(safe, keys.texts)) + (f" … and {more:,} more" if more > 0 and keys.texts else "")
        self._show("#keys-of", f"\nkeys   {shown or keys.why or 'none'}")

    def _show(self, place: str, text: str) -> None:
        if self.is_mounted:
            self.query_one(place, Static).update(Text(text))

    def action_stacks(self) -> None:
        """Watches the map for a while; looks wait meanwhile."""
        if self.is_watching or self.view.is_over:
            return
        self.is_watching = True
        self._show("#writers", f"\nwatching who writes it, for {WATCH_SECONDS:.0f} s …")
        self.query_one("#map").scroll_end(animate=False)
        self.view.hand.do(lambda: watch(self.view.looks.process, [self.row.map], WATCH_SECONDS, tell=self._go_on), self._watched)

    def _go_on(self, _: float) -> None:
        if self.view.hand.is_ended.is_set():
            raise KeyboardInterrupt  # as Ctrl-C ends it on the command line: the breakpoints are taken away

    def _watched(self, seen: Watched) -> None:
        self.is_watching = False
        first, *lines = stacks.text(seen)
        ended = [f"{seen.ended} after {seen.seconds:.0f} s"] if seen.ended else []
        self._show("#writers", "\n" + "\n".join(map(safe, [first, *lines, *ended])))
        self.call_after_refresh(self.query_one("#map").scroll_end, animate=False)

    def failed(self, error: GhostkeyError) -> None:
        """Says why there is nothing to show."""
        said = safe(f"{error}" + (f"\nhint: {error.hint}" if error.hint else ""))
        self._show("#writers" if self.is_watching else "#keys-of", f"\n{said}")
        self.is_watching = False

    def action_back(self) -> None:
        """The table again."""
        self.dismiss()


def _gaps(lengths: list[int | None]) -> str:
    gaps = sum(length is None for length in lengths)
    return f", {gaps} of which saw nothing" if gaps else ""
