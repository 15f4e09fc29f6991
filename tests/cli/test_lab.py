"""The lab shows on a real Go what is true of its maps, and its page says the same."""

from __future__ import annotations

import pytest

from tests.census.truth import MODULES
from tests.helpers import Program

ALL = ("", "1.21.13", "1.24.11", "1.27.3")  # classic maps, the first Swiss ones, the newest
PAGE = MODULES.parent / "docs" / "go-maps.md"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "version" in metafunc.fixturenames:
        metafunc.parametrize("version", ALL if metafunc.config.getoption("--all") else ALL[:1])


def test_every_sentence_is_borne_out(files_program: Program, version: str) -> None:
    # the Go toolchain keeps its modules at home
    import os

    kept = {
        name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME", "GHOSTKEY_CACHE", "GOPATH", "GOCACHE") if name in os.environ
    }
    done = files_program("lab", "-o", "json", *(("--go", version) if version else ()), env=kept)
    assert done.code == 0, done.err
    (run,) = done.json["runs"]
    assert [claim["name"] for claim in run["claims"] if not claim["holds"]] == []
    assert len(run["claims"]) == 10
    page = PAGE.read_text()
    for claim in run["claims"]:
        assert f"## {claim['name']}\n" in page
        assert claim["lesson"][1:] in page
        assert not claim["wrong"] or claim["wrong"] in page


def test_go_that_does_not_exist_is_said_so(files_program: Program) -> None:
    done = files_program("lab", "--go", "1.99.99", env={"GOPROXY": "off", "GOFLAGS": "-mod=mod"})
    assert done.code == 5
    assert "1.99.99" in done.err
