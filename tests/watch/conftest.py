"""A real browser for the tests of the watcher's page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.report import browser


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    program = browser.find()
    if program is None:
        pytest.skip("chromium is not on this machine")
    running = browser.Browser(program, tmp_path_factory.mktemp("profile"))
    yield running
    running.close()
