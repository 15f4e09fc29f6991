"""Draws the README's pictures: a real scan of a real control plane whose operator leaks, and a live look into the operator's memory.

    python -m demo.picture

Writes docs/scan.svg from what the program prints on a terminal, colours and all, and docs/maps.svg from what it shows on one.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.terminal import Terminal

from demo.__main__ import KEPT, TENANTS, Demo
from ghostkey.testing import ControlPlane

SIZE, WIDTH, LINE, MARGIN = 13, 7.83, 19, 18  # pixels: font size, advance of one character of it, line height, margin
NO_BREAK = "\u00a0"  # browsers make one space of several
COLORS = {"31": "#ff7b72", "33": "#e3b341", "36": "#56d4dd", "1": "#ffffff"}
ROWS, COLUMNS = 9, 78  # of the live view that are shown: its last columns are a scroll bar
_STYLED = re.compile(r"\x1b\[([0-9;]*)m")


def draw(text: str, label: str) -> str:
    """The SVG of a terminal that shows this text; only the colours that ghostkey uses are known."""
    lines = text.rstrip("\n").split("\n")
    columns = max(len(_STYLED.sub("", line)) for line in lines)
    width, height = round(columns * WIDTH + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        parts, color, column = _STYLED.split(line), "", 0
        for place, part in enumerate(parts):
            if place % 2:
                color = next((COLORS[code] for code in part.split(";") if code in COLORS), "")
            elif part:
                fill = f' fill="{color}"' if color else ""
                x, y = round(MARGIN + column * WIDTH, 1), MARGIN + number * LINE + SIZE
                rows.append(
                    f'<text x="{x}" y="{y}" textLength="{len(part) * WIDTH:.1f}"{fill}>{html.escape(part.replace(" ", NO_BREAK))}</text>'
                )
                column += len(part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>'
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="{SIZE}" fill="#c9d1d9">'
        f"{''.join(rows)}</g></svg>\n"
    )


def live(story: Demo, pid: int) -> str:
    """What `ghostkey maps --ui` shows of the operator while new Tenants come: the table, and a close look at what grows."""
    terminal = Terminal([sys.executable, "-m", "ghostkey", "maps", str(pid), "--ui", "--every", "500ms"], story.environment)
    try:
        terminal.wait_for("LEN, LATELY")
        terminal.press("/")
        terminal.wait_for("part of a holder or a type")
        terminal.press("main.", "enter")
        terminal.wait_for("filter 'main.'")
        terminal.press("g")
        for _ in range(8):
            story.create(8)
            terminal.read(1.0)
        table = terminal.wait_for("by growth", first_row=r"reconciler\)\.memory .*\+.*[▁▂▃▄▅▆▇█]{6}")
        rows = [*table[:ROWS], table[-1]]
        terminal.press("enter")
        terminal.wait_for("keys   ")
        terminal.press("s")
        terminal.wait_for("watching who writes it")
        terminal.read(1.0)
        story.create(30)
        closer = terminal.wait_for("deletes: none seen")
        terminal.press("q")
        story.check(terminal.ended() == 0, "the live view did not end")
    finally:
        terminal.close()
    rows[0] = f"\x1b[1m{rows[0][:COLUMNS]}\x1b[0m"
    # without the scroll bar, which only colours make one
    return (
        rows[0]
        + "\n"
        + "\n".join(line[:COLUMNS].rstrip() for line in [*rows[1:], "", *[line for line in closer if line.strip()]])
    )


def main() -> int:
    """Runs the leaking operator, scans, looks into it, draws."""
    with ControlPlane(controller_manager=True) as control_plane:
        story = Demo(control_plane)
        leaking = story.leak("no-delete-on-notfound", "double-encoding")
        environment = {**os.environ, **story.environment}
        command = [sys.executable, "-m", "ghostkey", "scan", "--color", "always"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        story.check(done.returncode == 1, f"scan ended with {done.returncode}")
        shown = live(story, leaking.pid)
    Path("docs/scan.svg").write_text(
        draw(f"\x1b[1m$ ghostkey scan\x1b[0m\n{done.stdout}{done.stderr}", "Output of ghostkey scan")
    )
    Path("docs/maps.svg").write_text(draw(f"\x1b[1m$ ghostkey maps PID --ui\x1b[0m\n{shown}", "A live view of ghostkey maps"))
    print(f"docs/scan.svg: {TENANTS} tenants, {TENANTS - KEPT} gone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
