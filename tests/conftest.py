"""Fixtures of all tests: the program as a subprocess, and control planes of one's own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.testing import ControlPlane
from tests.helpers import Program


def pytest_configure(config: pytest.Config) -> None:
    """Gives the programs under test the signals of a terminal: what runs in the background, or under nohup, ignores some of them.

    And tests of properties the same examples in every run, others with `--all`; how long one takes is no matter on a busy machine.
    """
    is_all = config.getoption("--all")
    hypothesis.settings.register_profile("ours", deadline=None, derandomize=not is_all, print_blob=is_all)
    hypothesis.settings.load_profile("ours")
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture
def program(control_plane: ControlPlane, tmp_path: Path) -> Program:
    """`ghostkey` against the shared control plane, with a state folder of its own."""
    return Program(tmp_path / "state", control_plane.kubeconfig)


@pytest.fixture
def files_program(tmp_path: Path) -> Program:
    """`ghostkey` without any cluster."""
    return Program(tmp_path / "state", None)


@pytest.fixture
def own_control_plane() -> Iterator[ControlPlane]:
    """A control plane for one test alone, for those that watch all namespaces."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def client(control_plane: ControlPlane) -> ApiClient:
    """The program's own client, as the administrator."""
    return ApiClient(load_config(str(control_plane.kubeconfig)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was skipped, also when it is nothing."""
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.write_line(f"skipped: {len(skipped) or 'nothing'}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all` runs the proofs at full length, as `make test-all` does."""
    parser.addoption("--all", action="store_true", help="Run the long proofs at full length.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves what is marked `whole` to `--all`: more of what a slice of it shows in every run."""
    rows: dict[str, set[str]] = {}  # of each test that is marked: those that `but` names, and that are not there
    for item in items:
        if (mark := item.get_closest_marker("whole")) is not None:
            rows.setdefault(item.nodeid.partition("[")[0], set(mark.kwargs.get("but", ()))).discard(_row_of(item))
    gone = {test: names for test, names in rows.items() if names}
    if gone and not any("::" in one for one in config.args):
        raise pytest.UsageError(f"`but` names rows that are not there: {gone}")
    if not config.getoption("--all"):
        config.hook.pytest_deselected(items=[item for item in items if _is_for_all(item)])
        items[:] = [item for item in items if not _is_for_all(item)]


def _row_of(item: pytest.Item) -> str:
    return item.callspec.id if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""


def _is_for_all(item: pytest.Item) -> bool:
    """Whether a test is for `--all`: marked `whole`, and none of the rows that its `but` names."""
    mark = item.get_closest_marker("whole")
    return mark is not None and _row_of(item) not in mark.kwargs.get("but", ())


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> int:
    """1 for the slice that every run takes, more for the whole proof."""
    return 10 if request.config.getoption("--all") else 1
