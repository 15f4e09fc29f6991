"""When the proxy asks for other credentials, and what ends its waiting for them."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostkey.churn.proxy import renewal as renewals
from ghostkey.churn.proxy.renewal import Renewal
from ghostkey.churn.proxy.server import Upstream


class Asks:
    """The other end of the pipe, and a clock that is set."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.now = 0.0
        self.renewal = Renewal(self.write_end, lambda: self.now)

    def count(self) -> int:
        try:
            return len(os.read(self.read_end, 100))
        except BlockingIOError:
            return 0

    async def begun(self) -> asyncio.Task[bool]:
        task = asyncio.ensure_future(self.renewal.other_than(self.renewal.number))
        await asyncio.sleep(0)
        return task


@pytest.fixture
def asks() -> Iterator[Asks]:
    made = Asks()
    yield made
    os.close(made.read_end)
    os.close(made.write_end)


def test_asks_in_vain_grow_rarer_until_there_are_others_that_are_taken(asks: Asks) -> None:
    async def run() -> None:
        for wait in (30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0):
            task = await asks.begun()
            assert asks.count() == 1
            asks.renewal.given(are_others=False, is_answer=True)
            assert not await task
            asks.renewal.are_taken()  # one call in between, by the same credentials
            asks.now += wait - 1
            assert not await asks.renewal.other_than(asks.renewal.number)
            assert asks.count() == 0
            asks.now += 1
        task = await asks.begun()
        asks.renewal.given(are_others=True, is_answer=True)
        assert await task
        assert asks.count() == 1
        # others each time, of which none is taken, are in vain as well
        assert not await asks.renewal.other_than(asks.renewal.number)
        asks.renewal.are_taken()
        task = await asks.begun()
        assert asks.count() == 1
        task.cancel()

    asyncio.run(run())


def test_ask_that_nobody_answers_is_followed_by_another(asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        for _ in range(2):
            assert not await asks.renewal.other_than(0)
            assert asks.count() == 1
            asks.now += 600

    monkeypatch.setattr(renewals, "RENEWED_SECONDS", 0.0)
    asyncio.run(run())


def test_only_the_answer_says_that_there_are_no_others(asks: Asks) -> None:
    async def run() -> None:
        task = await asks.begun()
        asks.renewal.given(are_others=False, is_answer=False)
        await asyncio.sleep(0)
        assert not task.done()
        asks.renewal.given(are_others=True, is_answer=False)
        assert await task, "others are others, whoever has brought them"

    asyncio.run(run())


def test_credentials_that_cannot_be_taken_are_an_answer_too(asks: Asks, tmp_path: Path) -> None:
    async def run() -> None:
        upstream = Upstream("localhost", 1, ssl.create_default_context(), token="a", renewal=asks.renewal)
        task = await asks.begun()
        with pytest.raises(OSError, match="No such file"):
            upstream.take("b", "", str(tmp_path / "none.pem"), is_answer=True)
        assert not await task
        assert upstream.token == "a"

    asyncio.run(run())
