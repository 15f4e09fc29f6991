"""Every analysis has its page and its test file; every command has its help."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ghostkey.analyses import all_analyses, page
from ghostkey.cli import COMMANDS, program

HERE = Path(__file__).parent
SECTIONS = ("What it finds", "Why it matters", "When it is wrong", "Example", "Source")


@pytest.mark.parametrize("name", sorted(all_analyses()))
def test_analysis_has_page_and_test(name: str) -> None:
    text = page(name)
    places = [text.index(f"\n{section}\n    ") for section in SECTIONS]
    assert places == sorted(places)
    tests = HERE / "analyses" / f"test_{name.replace('-', '_')}.py"
    assert tests.is_file()


def test_no_test_is_of_nothing() -> None:
    names = {name.replace("-", "_") for name in all_analyses()}
    assert {path.stem.removeprefix("test_") for path in (HERE / "analyses").glob("test_*.py")} == names


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_help_for_everything(name: str) -> None:
    command = program.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.help
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, f"{name} {parameter.opts} has no help"
