"""The page of the watcher, in a real browser, before a real cluster; and what it never does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from ghostkey.model.errors import UsageError
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, ObjectRef
from ghostkey.report.findings import encoded
from ghostkey.testing import ControlPlane
from ghostkey.watch.board import FINDINGS_MOST, Board
from ghostkey.watch.look import Look, MapFindings
from ghostkey.watch.server import serve
from ghostkey.watch.web import Web, parse_web, policy
from tests.helpers import Program, check_schema, make_map, make_registry, merge
from tests.report import browser
from tests.report.test_page import contrast, luminance
from tests.watch.helpers import Watching, watching
from tests.watch.pages import GONE, LIVE, ask, board_of, finding, spots, text, until

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture
def hostile() -> Iterator[str]:
    """A page whose names are of a stranger."""
    holder = ObjectRef(CONFIG_MAPS, "prod", "registry", "u")
    board = board_of((holder, [finding(holder, f"{HOSTILE}</script><script>alert(1)</script>\u202eevil", HOSTILE)]))
    address, end = serve(("127.0.0.1", 0), Web(board).answers)
    yield f"http://{address}"
    end()


@pytest.fixture(scope="module")
def watched(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watching, str]]:
    """A watcher with a page before a cluster with ghosts, and the namespace that they are in."""
    namespace = "web-page"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    make_registry(control_plane, namespace, LIVE, GONE)
    make_map(control_plane, namespace, "settings", {"color": "blue"})
    # a Secret whose keys are a registry, too
    make_map(control_plane, namespace, "tokens", {f"{namespace}.{name}": "eA==" for name in LIVE + GONE}, kind="secrets")
    program = Program(tmp_path_factory.mktemp("web") / "state", control_plane.kubeconfig)
    with watching(program, control_plane, "--web", "127.0.0.1:0", "--secrets") as watcher:
        yield watcher, namespace
        assert watcher.end() == 0
    control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.mark.whole
def test_maps_by_urgency_findings_with_evidence_and_nothing_from_elsewhere(
    opened: browser.Browser, watched: tuple[Watching, str], control_plane: ControlPlane
) -> None:
    watcher, namespace = watched
    opened.requests.clear()
    opened.go(f"{watcher.page}/")
    until(lambda: f"{namespace}/configmaps/registry" in spots(opened))
    # others' maps may be so many that settings are not among those shown: asked for by name, they come after
    told = json.loads(ask(watcher.page, f"/watch.json?q={namespace}/configmaps").body)  # type: ignore[attr-defined]
    rows = [f"{row['namespace']}/{row['map']}" for row in told["maps"]]
    assert rows.index(f"{namespace}/configmaps/registry") < rows.index(f"{namespace}/configmaps/settings")
    # by keyboard alone: search, first map, open
    opened.press("/")
    opened.type(f"{namespace}.gone-b")
    until(lambda: spots(opened) == [f"{namespace}/configmaps/registry"])
    opened.press("Tab")
    opened.press("Tab")
    opened.press("Enter")
    until(lambda: f"{namespace}.gone-a" in text(opened))
    assert f"Tenant {namespace}/gone-a is gone" in text(opened)
    assert f"ghostkey explain cm/registry -n {namespace}" in text(opened)
    opened.value("document.querySelector('.details summary').click()")
    assert "template {namespace}.{name}" in text(opened)
    # it follows the cluster, and what was open stays open
    merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": "{}"})
    until(lambda: f"{namespace}.gone-c" in text(opened))
    assert "template {namespace}.{name}" in text(opened)
    opened.press("Escape")
    until(lambda: f"{namespace}.gone-c" not in text(opened))
    merge(control_plane, namespace, "registry", {f"{namespace}.gone-c": None})
    assert {re.sub(r"\?.*", "", url) for url in opened.requests} <= {f"{watcher.page}/", f"{watcher.page}/watch.json", "data:,"}


def test_nothing_that_is_called_anything_in_a_secret_is_served(watched: tuple[Watching, str]) -> None:
    watcher, namespace = watched
    whole = ask(watcher.page, f"/watch.json?map={namespace}/secrets/tokens").body  # type: ignore[attr-defined]
    assert json.loads(whole)["findings"] == [{"analysis": "ghost-key", "state": "found", "severity": "warning", "count": 2}]
    assert b"gone-a" not in whole
    found = json.loads(ask(watcher.page, f"/watch.json?q={namespace}.gone-a").body)  # type: ignore[attr-defined]
    assert [row["map"] for row in found["maps"]] == ["configmaps/registry"]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_is_readable_at_every_width(opened: browser.Browser, watched: tuple[Watching, str], width: int) -> None:
    watcher, namespace = watched
    opened.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    opened.go(f"{watcher.page}/")
    until(lambda: f"{namespace}/configmaps/registry" in spots(opened))
    opened.value("document.querySelector('td button').click()")
    until(lambda: opened.value("document.querySelectorAll('.details').length"))
    assert opened.value("document.documentElement.scrollWidth") <= width
    assert opened.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    assert opened.value("document.querySelector('h1').getBoundingClientRect().height") < 80
    outside = "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1).length"
    assert opened.value(outside) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened: browser.Browser, watched: tuple[Watching, str], scheme: str) -> None:
    watcher, namespace = watched
    opened.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    opened.go(f"{watcher.page}/")
    until(lambda: f"{namespace}/configmaps/registry" in spots(opened))

    def color(selector: str, name: str) -> str:
        return str(opened.value(f"getComputedStyle(document.querySelector('{selector}')).{name}"))

    for _ in range(2):
        paper = color("body", "backgroundColor")
        assert (luminance(paper) > 0.5) == (scheme == "light")
        assert contrast(color("body", "color"), paper) >= 7
        assert all(contrast(color(one, "color"), paper) >= 4.5 for one in (".dim", ".loud", "td button"))
        scheme = "dark" if scheme == "light" else "light"
        opened.press("t")  # the other one, by keyboard


def test_screen_reader_hears_a_table(opened: browser.Browser, watched: tuple[Watching, str]) -> None:
    watcher, namespace = watched
    opened.ask("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    opened.go(f"{watcher.page}/")
    until(lambda: f"{namespace}/configmaps/registry" in spots(opened))
    assert {"Urgency", "Map", "Ghosts", "Full"} <= set(opened.names("columnheader"))
    assert f"{namespace}/configmaps/registry" in opened.names("button")
    assert "Search maps, keys, subjects" in opened.names("searchbox")


def test_names_of_strangers_are_text_and_nothing_else(opened: browser.Browser, hostile: str) -> None:
    opened.go(f"{hostile}/")
    until(lambda: spots(opened))
    opened.value("document.querySelector('td button').click()")
    until(lambda: "onerror" in text(opened))
    assert opened.value("document.title") == "ghostkey watch"
    assert opened.value("document.querySelectorAll('main img, main script').length") == 0
    assert "\u202e" not in text(opened), "nothing turns other text"
    # as if a name had not been escaped: the browser itself refuses
    assert (
        opened.value(f"try {{ document.body.innerHTML = {json.dumps(HOSTILE)}; 'taken' }} catch (error) {{ error.name }}")
        == "TypeError"
    )


def test_a_page_of_elsewhere_cannot_read_by_another_name(hostile: str) -> None:
    for path in ("/", "/watch.json"):
        assert ask(hostile, path, Host="evil.example.com").status == 421
        assert ask(hostile, path, Host="localhost:1").status == 200
        assert ask(hostile, path, Host="[::1]:1").status == 200
    answer = ask(hostile, "/")
    found = str(answer.getheader("Content-Security-Policy"))
    assert "default-src 'none'" in found
    assert "unsafe" not in found
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(hostile: str, method: str) -> None:
    answer = ask(hostile, "/watch.json", method=method)
    assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")


def test_head_is_answered_as_get_is_without_the_body(hostile: str) -> None:
    head, whole = (ask(hostile, "/watch.json", method=method) for method in ("HEAD", "GET"))
    assert (head.status, head.getheader("Content-Type")) == (whole.status, whole.getheader("Content-Type"))
    assert head.body == b""  # type: ignore[attr-defined]
    assert int(head.getheader("Content-Length") or 0) > 0


@pytest.mark.parametrize(
    "query", ["map=", "map=%ff", "map=a/b/c", "q=" + "x" * 5000, "&&&", "q=%00", "map=prod/configmaps/registry&map=x"]
)
def test_odd_questions_have_an_answer(hostile: str, query: str) -> None:
    assert ask(hostile, f"/watch.json?{query}").status in {200, 404, 414}


def test_open_to_a_network_it_asks_for_a_token(opened: browser.Browser) -> None:
    holder = ObjectRef(CONFIG_MAPS, "prod", "registry", "u")
    address, end = serve(
        ("127.0.0.1", 0), Web(board_of((holder, [finding(holder, "prod.gone")])), "open-sesame-0123456789").answers
    )
    url = f"http://{address}"
    try:
        assert ask(url, "/watch.json").status == 401
        assert ask(url, "/watch.json", Authorization="Bearer open-sesame").status == 401
        assert ask(url, "/watch.json", Authorization="Bearer open-sesame-0123456789", Host="watch.example.com").status == 200
        assert b"registry" not in ask(url, "/").body  # type: ignore[attr-defined]
        opened.go(f"{url}/")
        until(lambda: opened.value("!document.querySelector('#ask').hidden"))
        opened.value("document.querySelector('#token').focus()")
        opened.type("open-sesame-0123456789")
        opened.press("Enter")
        until(lambda: spots(opened) == ["prod/configmaps/registry"])
    finally:
        end()


@pytest.mark.parametrize(
    ("address", "token"), [("0.0.0.0:9465", ""), ("[::]:9465", ""), ("10.0.0.1:9465", ""), ("127.0.0.1:9465", "short")]
)
def test_open_to_a_network_without_a_token_is_refused(address: str, token: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_web(address, token)
    assert token == "" or token not in str(caught.value)
    assert parse_web("[::1]:9465", "") == ("::1", 9465)
    assert parse_web("0.0.0.0:9465", "0123456789abcdef") == ("0.0.0.0", 9465)


def test_what_is_kept_of_a_map_is_bounded_and_what_is_left_out_is_said() -> None:
    holder = ObjectRef(CONFIG_MAPS, "prod", "registry", "u")
    board = board_of((holder, [finding(holder, f"key-{number}") for number in range(FINDINGS_MOST + 7)]))
    whole = json.loads(board.findings("prod/configmaps/registry") or b"")
    assert (len(whole["findings"]), whole["findings_left_out"], whole["ghosts"]) == (FINDINGS_MOST, 7, FINDINGS_MOST + 7)
    assert board.findings("prod/configmaps/else") is None


def test_a_map_that_will_be_full_soon_comes_before_one_with_ghosts() -> None:
    holder, other = (ObjectRef(CONFIG_MAPS, "prod", name, "u") for name in ("a", "b"))
    board = board_of(
        (holder, [finding(holder, "x")]), (ObjectRef(SECRETS, "prod", "s", "u"), [finding(holder, "y")]), (other, [])
    )
    board.set_map("prod/configmaps/b", 5, 100, 1000)
    board.set_forecast("prod/configmaps/b", 3600)
    board.set_map("prod/configmaps/c", 5, 900, 1000)
    rows = json.loads(board.overview())["maps"]
    assert [(row["map"], row["urgency"]) for row in rows] == [
        ("configmaps/b", "full soon"), ("configmaps/c", "nearly full"), ("configmaps/a", "ghosts"), ("secrets/s", "ghosts"),
    ]  # fmt: skip


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    page = (Path(__file__).parents[2] / "src/ghostkey/watch/page.html").read_bytes()
    assert not re.search(rb"https?://", page)
    assert policy(page).count("sha256-") == 2


def test_room_for_findings_goes_to_the_maps_there_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (ObjectRef(CONFIG_MAPS, "prod", name, "u") for name in ("a", "b", "c"))
    many = [finding(first, f"key-{number}") for number in range(50)]
    board = Board("https://cluster", encoded)

    def take(*maps: tuple[ObjectRef, list[Finding]]) -> list[tuple[int, int]]:
        """(findings shown, left out) of each map, after two looks that found the same."""
        for holder, findings in maps:
            board.set_map(f"prod/configmaps/{holder.name}", len(findings), 1000, 1_048_576)
        found = {f"prod/configmaps/{one.name}": MapFindings(one, ghosts=len(of), findings=of) for one, of in maps}
        for _ in range(2):
            board.take(Look(dict(found), [], 0.1, time.time(), 0.0, 0.1))
        wholes = [json.loads(board.findings(spot) or b"") for spot in found]
        return [(len(whole["findings"]), whole["findings_left_out"]) for whole in wholes]

    few = [finding(second, "x")]
    assert take((first, many), (second, few)) == [(50, 0), (1, 0)]
    monkeypatch.setattr("ghostkey.watch.board.PACKED_BYTES", 100)  # the first alone takes more
    assert take((first, many), (second, few), (third, few)) == [(50, 0), (0, 1), (0, 1)]
    # its ghosts are trimmed: there is room for the next, though nothing has changed about that
    assert take((first, []), (second, few), (third, few)) == [(0, 0), (1, 0), (0, 1)]
    # and it is taken back, so that what is kept stays bounded
    assert take((first, many), (second, few), (third, few)) == [(50, 0), (0, 1), (0, 1)]
    rows = json.loads(board.overview())["maps"]
    assert [row["ghosts"] for row in rows] == [50, 1, 1], "what is left out is counted all the same"


@pytest.mark.parametrize(
    "query", ["", "?q=gone", "?q=nothing-has-this", "?map=web-page/configmaps/registry", "?map=web-page/secrets/tokens"]
)
def test_what_it_answers_is_as_its_schema_says(watched: tuple[Watching, str], query: str) -> None:
    watcher, _ = watched
    document = json.loads(ask(watcher.page, f"/watch.json{query}").body)  # type: ignore[attr-defined]
    assert check_schema(document) == "watch"
    for name in set(document) - {"kind"}:
        with pytest.raises(jsonschema.ValidationError):
            check_schema({key: value for key, value in document.items() if key != name})
        with pytest.raises(jsonschema.ValidationError):
            check_schema({**document, name: {"odd": [1]}})


def test_a_board_that_has_not_looked_and_one_with_gaps_are_as_the_schema_says() -> None:
    board = Board("https://cluster", encoded)
    assert check_schema(json.loads(board.overview())) == "watch"
    board.set_map("prod/configmaps/a", 1, 10, 100)
    board.set_forecast("prod/configmaps/a", 10)
    board.take(Look({}, [Gap("pods were not listed", "403")], 0.1, time.time(), 0.0, 0.1))
    assert check_schema(json.loads(board.overview())) == "watch"
    assert check_schema(json.loads(board.findings("prod/configmaps/a") or b"")) == "watch"
