"""Stories on the watcher's page, where a history is at hand: at every width, of no Secret, and behind a token."""

from __future__ import annotations

import functools
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.model.refs import CONFIG_MAPS, ObjectRef
from ghostkey.store.history import History
from ghostkey.testing import ControlPlane
from ghostkey.watch.server import serve
from ghostkey.watch.stories import Stories
from ghostkey.watch.web import Web
from tests.helpers import Program, make_map, make_registry
from tests.report import browser
from tests.watch.helpers import Watching, watching
from tests.watch.pages import GONE, LIVE, ask, board_of, finding, spots, text, until


@pytest.fixture(scope="module")
def recorded(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watching, str, Path]]:
    """A watcher with a page that records; a key whose subject went while it did; and its store."""
    namespace, folder = "web-story", tmp_path_factory.mktemp("story")
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "tokens", {f"{namespace}.{name}": "eA==" for name in LIVE}, kind="secrets")
    program = Program(folder / "state", control_plane.kubeconfig)
    words = ("--web", "127.0.0.1:0", "-n", namespace, "--secrets", "--record", str(folder / "store"), "--record-every", "1s")
    with watching(program, control_plane, *words) as watcher:
        until(lambda: len(History(folder / "store").imports()) >= 2)
        control_plane.request("DELETE", f"/apis/demo.ghostkey.dev/v1/namespaces/{namespace}/tenants/live-0")
        story = f"/story?map={namespace}/configmaps/registry"
        until(lambda: b"live-0" in ask(watcher.page, story).body)  # type: ignore[attr-defined]
        yield watcher, namespace, folder / "store"
        assert watcher.end() == 0
    control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


def _is_told(opened: browser.Browser, address: str) -> bool:
    opened.go(address)
    return bool(opened.value("document.querySelectorAll('svg').length"))


@pytest.mark.whole
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_story_of_a_map_and_of_a_key_is_told_at_every_width(
    opened: browser.Browser, recorded: tuple[Watching, str, Path], width: int
) -> None:
    watcher, namespace, _ = recorded
    opened.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    opened.go(f"{watcher.page}/")
    until(lambda: f"{namespace}/configmaps/registry" in spots(opened))
    opened.value(
        f"[...document.querySelectorAll('td button')].find(one => one.textContent === '{namespace}/configmaps/registry').click()"
    )
    until(lambda: "The story of this map" in text(opened))
    assert opened.value("document.documentElement.scrollWidth") <= width
    links = dict(opened.value("[...document.querySelectorAll('.details a')].map(one => [one.textContent, one.href])"))
    assert set(links) == {"The story of this map", "The life of this key"}
    # a link has the focus of who goes by keyboard, also after the page has asked again
    opened.value("document.querySelector('.details a').focus()")
    asked = "performance.getEntriesByType('resource').length"
    before = int(opened.value(asked))
    until(lambda: opened.value(asked) >= before + 3)
    assert opened.value("document.activeElement.textContent") == "The story of this map"
    for words, address in links.items():
        # one story is told at a time, and who comes meanwhile is asked to come again
        until(functools.partial(_is_told, opened, address))
        assert opened.value("document.querySelector('h1').textContent") == f"configmaps/registry in {namespace}"
        assert opened.value("document.documentElement.scrollWidth") <= width
        assert opened.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
        assert opened.value("getComputedStyle(document.body).maxWidth") == "1000px", "its style is let, by the header, too"
        if "map" in words:
            assert f"{namespace}.live-0" in text(opened)
            assert f"{namespace}.live-1" in text(opened)


def test_of_a_secret_and_of_what_the_history_has_not_no_story_is_told(
    recorded: tuple[Watching, str, Path], control_plane: ControlPlane
) -> None:
    watcher, namespace, _ = recorded
    whole = json.loads(ask(watcher.page, f"/watch.json?map={namespace}/secrets/tokens").body)  # type: ignore[attr-defined]
    assert whole["story"] is None
    for spot, key in (
        (f"{namespace}/secrets/tokens", ""),
        (f"{namespace}/configmaps/else", ""),
        (f"{namespace}/configmaps/registry", "--help"),
    ):
        answer = ask(watcher.page, f"/story?{urllib.parse.urlencode({'map': spot, 'key': key})}")
        assert answer.status == 404
        assert b"live-0" not in answer.body  # type: ignore[attr-defined]
        assert b"Traceback" not in answer.body  # type: ignore[attr-defined]
    answer = ask(watcher.page, f"/story?map={namespace}/configmaps/registry&key=--help")
    assert b"the history has no key '--help'" in answer.body  # type: ignore[attr-defined]
    assert ask(watcher.page, f"/story?map={namespace}/configmaps/registry", Host="evil.example.com").status == 421


@pytest.mark.whole
def test_with_a_token_a_story_is_told_by_a_link_that_is_good_for_a_while(
    opened: browser.Browser, recorded: tuple[Watching, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of letters that headers do not have."""
    _, namespace, store = recorded
    token = "öffne-dich-сезам-0123456789"
    spot = f"{namespace}/configmaps/registry"
    holder = ObjectRef(CONFIG_MAPS, namespace, "registry", "u")
    board = board_of((holder, [finding(holder, f"{namespace}.gone-a")]), (ObjectRef(CONFIG_MAPS, namespace, "other", "u"), []))
    address, end = serve(("127.0.0.1", 0), Web(board, token, Stories(str(store), token)).answers)
    url = f"http://{address}"
    try:
        assert ask(url, f"/story?map={spot}").status == 401
        opened.go(f"{url}/")
        until(lambda: opened.value("!document.querySelector('#ask').hidden"))
        opened.value(
            f"document.querySelector('#token').value = {json.dumps(token)}; document.querySelector('#ask').requestSubmit()"
        )
        until(lambda: spot in spots(opened))
        opened.value("document.querySelector('td button').click()")
        until(lambda: "The story of this map" in text(opened))
        link = str(opened.value("document.querySelector('.details a').href"))
        assert token not in urllib.parse.unquote(link)
        opened.go(link)
        until(lambda: f"{namespace}.gone-a" in text(opened))
        asked = link.removeprefix(url)
        assert ask(url, asked.replace("registry", "other")).status == 401, "it is good for one map"
        assert ask(url, re.sub(r"until=\d", "until=9", asked)).status == 401
        assert ask(url, re.sub(r"until=\d+", "until=%D9%A3", asked)).status == 401
        monkeypatch.setattr("ghostkey.watch.stories.TICKET_SECONDS", -1.0)
        late = Stories(str(store), token).link(spot) or {}
        assert ask(url, f"/story?{urllib.parse.urlencode(late)}").status == 401
    finally:
        end()
