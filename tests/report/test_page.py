"""The page of a story in a real headless Chromium: alone, light and dark, by keyboard and by screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey import story
from ghostkey.model.history import SET
from ghostkey.report.page import page
from ghostkey.store.engines import DuckEngine
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
    for _ in range(6):
        opened.press("Tab")
        reached.append(
            opened.value("document.activeElement.tagName + ' ' + (document.activeElement.getAttribute('aria-label') || '')")
        )
    assert "SUMMARY " in reached
    assert "DIV Lifetimes of keys and subjects" in reached
    assert "DIV Ghost keys" in reached
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
    keys, subjects = (opened.value(f"document.querySelectorAll('rect.{name}').length") for name in ("key", "subject"))
    assert keys == subjects == 5
    assert opened.value("document.querySelector('polyline.area').getAttribute('points').split(' ').length") >= 3
    widths = opened.value("[...document.querySelectorAll('rect.key')].every(r => r.getBoundingClientRect().width > 1)")
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
