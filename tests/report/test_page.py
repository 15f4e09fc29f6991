"""The page of a story in a real headless Chromium: alone, light and dark, by keyboard and by screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.model.history import SET
from ghostkey.report.charts import chosen_keys, ticks
from ghostkey.report.page import page
from ghostkey.store.engines import DuckEngine
from ghostkey.story import DAY
from tests.history.stories import MAP, StoryTeller, stored, wrong_key_name
from tests.report import browser


def told(folder: Path, events: list[object]) -> story.Story:
    engine = DuckEngine(stored(folder, events))  # type: ignore[arg-type]
    story.prepare(engine)
    return story.story_of(engine, *MAP)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "story.html"
    path.write_text(page(told(folder / "store", wrong_key_name())), encoding="utf-8")  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def opened(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    program = browser.find()
    if program is None:
        pytest.skip("chromium is not on this machine")
    running = browser.Browser(program, tmp_path_factory.mktemp("profile"))
    running.open(file)
    yield running
    running.close()


def test_page_needs_nothing_but_itself(opened: browser.Browser, file: Path) -> None:
    assert [url for url in opened.requests if url != "about:blank"] == [file.as_uri()]
    text = file.read_text()
    assert "<script" not in text
    assert not re.search(r"(?:src|href)\s*=\s*['\"]?https?:", text)


def test_policy_lets_the_style_and_nothing_else(opened: browser.Browser) -> None:
    policy = str(opened.value("document.querySelector('meta[http-equiv=Content-Security-Policy]').content"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert opened.value("getComputedStyle(document.body).maxWidth") == "1000px"


def test_script_style_or_picture_that_got_in_all_the_same_does_nothing(file: Path, tmp_path: Path) -> None:
    """As if a name had not been escaped: the browser itself refuses what the policy does not name."""
    program = browser.find()
    if program is None:
        pytest.skip("chromium is not on this machine")
    hostile = tmp_path / "hostile.html"
    evil = (
        "<script>document.title = 'taken over'</script><img src='http://127.0.0.1:9/x.png' onerror=\"document.title = 'taken over'\">"
        "<style>body { max-width: 7px }</style><iframe src='http://127.0.0.1:9/frame'></iframe>"
        "<link rel=stylesheet href='http://127.0.0.1:9/x.css'><p style='color: red' id=styled>x</p></main>"
    )
    hostile.write_text(file.read_text(encoding="utf-8").replace("</main>", evil), encoding="utf-8")
    running = browser.Browser(program, tmp_path / "profile")
    try:
        running.open(hostile)
        assert "taken over" not in str(running.value("document.title"))
        assert running.value("getComputedStyle(document.body).maxWidth") == "1000px"
        assert running.value("getComputedStyle(document.querySelector('#styled')).color") != "rgb(255, 0, 0)"
    finally:
        running.close()


def test_screen_reader_hears_headings_pictures_and_tables(opened: browser.Browser) -> None:
    headings = opened.names("heading")
    assert headings[0] == "configmaps/registry in system"
    assert {
        "Why they are still there",
        "Keys and their subjects",
        "Growth",
        "Ghost keys",
        "Who writes it",
        "What is not known",
    } <= set(headings)
    assert all(opened.names("image"))
    assert {"Key", "Why", "Gone", "Asked by"} <= set(opened.names("columnheader"))
    assert "prod.onyx-9" in opened.names("rowheader")


def test_keyboard_reaches_and_opens_everything(opened: browser.Browser) -> None:
    reached = []
    for _ in range(9):
        opened.press("Tab")
        reached.append(
            opened.value("document.activeElement.tagName + ' ' + (document.activeElement.getAttribute('aria-label') || '')")
        )
    assert "SUMMARY " in reached
    assert not any("DIV" in name for name in reached), "nothing has to be scrolled"
    opened.value("document.querySelector('summary').focus()")
    before = opened.value("document.querySelector('details').open")
    opened.press("Enter")
    assert opened.value("document.querySelector('details').open") == (not before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened: browser.Browser, scheme: str) -> None:
    opened.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    colors = [opened.value(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")]
    assert contrast(*colors) >= 7
    assert (luminance(colors[1]) > 0.5) == (scheme == "light")
    dim = opened.value("getComputedStyle(document.querySelector('.dim')).color")
    assert contrast(dim, colors[1]) >= 4.5


def test_lifelines_and_growth_are_drawn(opened: browser.Browser) -> None:
    keys, subjects = (
        opened.value(f"document.querySelectorAll('svg[role=img] rect.{name}').length") for name in ("key", "subject")
    )
    assert keys == subjects == 5
    assert opened.value("document.querySelector('.chart path.area').getAttribute('d').split('V').length") >= 4
    widths = opened.value(
        "[...document.querySelectorAll('svg[role=img] rect.key')].every(r => r.getBoundingClientRect().width > 1)"
    )
    assert widths is True


def test_hostile_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    teller = StoryTeller()
    teller.live("acorn-1", "birch-2", "cedar-3")
    teller.key("<script>alert(1)</script>", SET, by='"><img src=x>')
    text = page(told(tmp_path, teller.done()))  # type: ignore[arg-type]
    assert "<script>alert" not in text
    assert "<img" not in text


def luminance(color: str) -> float:
    """Relative luminance of `rgb(r, g, b)`; Source: WCAG 2.2."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_nothing_is_wider_than_the_screen(opened: browser.Browser, width: int) -> None:
    opened.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    assert opened.value("document.documentElement.scrollWidth") <= width
    # nor is anything that would have to be scrolled, and letters are as large as on a desk
    assert opened.value(
        "[...document.querySelectorAll('main *')].every(d => d.scrollWidth <= Math.max(d.clientWidth, innerWidth))"
    )
    assert opened.value("[...document.querySelectorAll('pre, table')].every(d => d.scrollWidth <= d.clientWidth + 1)")
    least = opened.value(
        """Math.min(...[...document.querySelectorAll('svg[role=img] text')].map(t => t.getBoundingClientRect().height)
            .filter(height => height > 0))"""
    )
    assert least >= 10
    bars = opened.value("[...document.querySelectorAll('svg[role=img]')].map(s => s.getBoundingClientRect().width)")
    assert all(0.8 * min(width, 1000) <= bar <= width for bar in bars)
    overlaps = opened.value(
        """[...document.querySelectorAll('svg[role=img]')].some(svg => {
            const boxes = [...svg.querySelectorAll('.tick')].map(t => t.getBoundingClientRect()).filter(b => b.width > 0);
            if (!boxes.length || boxes.some(b => b.left < 0 || b.right > innerWidth)) return true;
            return boxes.some((a, i) => boxes.slice(i + 1).some(b => a.left < b.right && b.left < a.right));
        })"""
    )
    assert overlaps is False


def test_rows_of_tables_are_cards_on_a_telephone_and_tables_for_a_screen_reader(opened: browser.Browser) -> None:
    opened.ask("Emulation.setDeviceMetricsOverride", width=390, height=900, deviceScaleFactor=1, mobile=True)
    try:
        assert opened.value("getComputedStyle(document.querySelector('.cards td'), '::before').content") == '"Why: "'
        assert {"Key", "Why", "Gone", "Asked by"} <= set(opened.names("columnheader"))
        assert "prod.onyx-9" in opened.names("rowheader")
    finally:
        opened.ask("Emulation.clearDeviceMetricsOverride")


def test_on_paper_all_is_there_in_black_on_white(opened: browser.Browser) -> None:
    opened.ask("Emulation.setEmulatedMedia", media="print")
    opened.ask("Emulation.setDeviceMetricsOverride", width=700, height=1000, deviceScaleFactor=1, mobile=False)  # A4 at 96 dpi
    try:
        colors = [opened.value(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")]
        assert colors == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        assert opened.value("document.documentElement.scrollWidth") <= 700
        assert opened.value("[...document.querySelectorAll('pre, table')].every(d => d.scrollWidth <= d.clientWidth + 1)")
        assert opened.ask("Page.printToPDF")["data"]
    finally:
        opened.ask("Emulation.clearDeviceMetricsOverride")
        opened.ask("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("span", [1, 900, 3_000_000, 40_000_000, 5_400_000_000, 86_400_000_000, 40 * DAY, 900 * DAY])
def test_ticks_differ_at_any_span(span: int) -> None:
    found = ticks(1_795_000_000_123_456, 1_795_000_000_123_456 + span)
    labels = [label for _, label in found]
    assert len(set(labels)) == len(labels)
    assert 1 <= len(labels) <= 7
    assert [at for at, _ in found] == sorted({at for at, _ in found})


def test_one_bar_of_each_class_comes_before_many_of_one(tmp_path: Path) -> None:
    made = story.Story(*MAP)
    made.ghosts = [{"key": f"a-{n}", "class": "no-delete"} for n in range(100)] + [{"key": "b", "class": "tombstone"}]
    assert chosen_keys(made)[:3] == ["a-0", "b", "a-1"]


def test_page_says_what_it_was_made_from_what_is_unknown_and_what_to_run(tmp_path: Path) -> None:
    teller = StoryTeller()
    teller.live("acorn-1", "birch-2", "cedar-3", "dune-4", "onyx-9")
    teller.key("settings", SET)
    teller.subject("prod/onyx-9", "deleted")
    text = page(told(tmp_path, teller.done()), made_at=1_795_000_100_000_000, sources=["audit.log"], options=" --from audit.log")  # type: ignore[arg-type]
    assert "Read from audit.log. Made 2026-11-18T" in text
    assert "All times are UTC." in text
    assert "<h2 id=unknown>" in text
    assert "<li><code>settings</code></li>" in text
    assert "ghostkey trim cm/registry -n system --ghosts" in text
    assert "ghostkey explain cm/registry -n system prod.onyx-9 --from audit.log" in text
