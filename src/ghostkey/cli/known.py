"""Options that say what is known already and need not be told again."""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from ghostkey.model.silences import Heard, Silence

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Known:
    """The options as they were given."""

    config: str | None = None
    baseline: str | None = None
    excluded: tuple[str, ...] = ()
    write_baseline: str | None = None
    baseline_until: str | None = None

    def silences(self) -> list[Silence]:
        """Who is silenced, by files and options. Raises UsageError for what is wrong in them."""
        from ghostkey import silences

        if self.baseline_until is not None and self.write_baseline is None:
            raise UsageError("--baseline-until says when what --write-baseline writes expires", "add --write-baseline FILE")
        self.until()  # a day that is none is told before the scan
        path = Path(self.config) if self.config else silences.find_settings(Path.cwd())
        settings = silences.read_settings(path) if path else silences.Settings()
        found = list(settings.silences)
        baseline = Path(self.baseline) if self.baseline else settings.baseline
        # one that is about to be written need not be there yet
        if baseline is not None and (baseline.exists() or str(baseline) != self.write_baseline):
            found += silences.read_baseline(baseline)
        return found + silences.excluded(self.excluded, "--exclude-namespace")

    def until(self) -> str:
        """The day on which a new baseline expires."""
        from ghostkey.silences import BASELINE_DAYS, parse_until

        if self.baseline_until is not None:
            parse_until(self.baseline_until, "--baseline-until")
            return self.baseline_until
        return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=BASELINE_DAYS)).date().isoformat()

    def write(self, heard: Heard) -> Heard:
        """Writes the baseline, when one is to be written: everything that was spoken is known from then on."""
        from ghostkey.model.silences import Heard, Silence, Silenced
        from ghostkey.silences import baseline_bytes, of_baselines

        if self.write_baseline is None:
            return heard
        path = Path(self.write_baseline)
        text = baseline_bytes(heard.spoken, self.until(), of_baselines(heard))
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            new.write_bytes(text)
            new.replace(path)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise UsageError(f"cannot write baseline {path}: {error.strerror}") from None
        click.echo(f"wrote baseline {path}: {len(heard.spoken):,} findings are known until {self.until()}", err=True)
        silence = Silence(f"baseline {path.name}", until_text=self.until())
        return Heard([], [*heard.silenced, *(Silenced(finding, silence) for finding in heard.spoken)], [])


def known_options(function: F) -> F:
    """What scan and trim share; the command gets them as one `known`."""
    return _with(function, *_SHARED)


def baseline_options(function: F) -> F:
    """The same, with those that leave namespaces out and write a baseline."""
    return _with(function, *_SHARED, *_OF_SCANS)


_SHARED = (
    ("--config", {"metavar": "FILE", "help": "Settings, instead of the nearest .ghostkey.yaml from the current folder upwards."}),
    ("--baseline", {"metavar": "FILE", "help": "Findings that are known: silent until they expire."}),
)
_OF_SCANS = (
    ("--write-baseline", {"metavar": "FILE", "help": "Make all findings of this scan known, and keep them in this file."}),
    ("--baseline-until", {"metavar": "DAY", "help": "When what is written to the baseline expires (in 90 days)."}),
    (
        "--exclude-namespace",
        {"metavar": "NS", "multiple": True, "help": "Be silent about this namespace; a pattern such as 'test-*' too."},
    ),
)


def _with(function: F, *options: tuple[str, dict[str, Any]]) -> F:
    @functools.wraps(function)
    def command(*args: object, config: str | None, baseline: str | None, **rest: Any) -> object:
        excluded = rest.pop("exclude_namespace", ())
        known = Known(config, baseline, excluded, rest.pop("write_baseline", None), rest.pop("baseline_until", None))
        return function(*args, known=known, **rest)

    for name, settings in reversed(options):
        click.option(name, **settings)(command)
    return cast(F, command)
