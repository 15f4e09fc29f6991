"""Which cluster, as whom: the options become one object, and the words to repeat in the next command."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from ghostkey.cli.options import cluster_options, parse_duration, parse_holder
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError


def test_only_the_options_that_were_given_are_repeated() -> None:
    assert Where().words() == ""
    assert Where(context="prod", namespace="shop").words() == " --context prod -n shop"
    assert Where(context="prod", namespace="shop").words(namespace=False) == " --context prod"


def test_repeated_words_survive_the_shell() -> None:
    where = Where("/home/me/my config", "admin@prod; rm -rf", "shop", "o'brien", ("ops", "on call"))
    given = ["--context", "admin@prod; rm -rf", "--kubeconfig", "/home/me/my config", "--as", "o'brien"]
    given += ["--as-group", "ops", "--as-group", "on call", "-n", "shop"]
    assert shlex.split(where.words()) == given
    assert where.words().startswith(" ")


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("7", 7.0), ("2m", 120.0), ("1h30m", 5400.0), ("500ms", 0.5)])
def test_request_timeout_reads_durations_as_kubectl(text: str, seconds: float) -> None:
    seen: list[Where] = []

    @click.command()
    @cluster_options
    def command(where: Where) -> None:
        seen.append(where)

    done = CliRunner().invoke(command, ["--request-timeout", text, "-n", "shop", "--as-group", "a", "--as-group", "b"])
    assert done.exit_code == 0, done.output
    assert seen == [Where(namespace="shop", as_group=("a", "b"), request_timeout=seconds)]


@pytest.mark.parametrize("text", ["99999999999999d", "9" * 400, "36501d", "9" * 300 + "h"])
def test_time_beyond_every_clock_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is too long") as told:
        parse_duration(text)
    assert "36,500d is the most" in told.value.hint
    assert parse_duration("36500d") == 36_500 * 86_400


@pytest.mark.parametrize("name", ["..", "../x", "m?x=1", "m/", "a b", "%6d", "caf\u00e9", "m#", "m\n"])
def test_name_that_would_be_another_address_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name that an object can have"):
        parse_holder((f"cm/{name}",))

    @click.command()
    @cluster_options
    def command(where: Where) -> None:
        raise AssertionError

    done = CliRunner().invoke(command, ["-n", name])
    assert isinstance(done.exception, UsageError)
