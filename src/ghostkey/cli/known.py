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

from ghostkey.model.counts import counted
from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ghostkey.model.findings import Finding
    from ghostkey.model.silences import Heard, Silence
    from ghostkey.store.snapshot import Snapshot

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Known:
    """The options as they were given."""

    config: str | None = None
    baseline: str | None = None
    excluded: tuple[str, ...] = ()
    write_baseline: str | None = None
    baseline_until: str | None = None
    is_ratchet: bool = False

    def silences(self) -> list[Silence]:
        """Who is silenced, by files and options. Raises UsageError for what is wrong in them."""
        from ghostkey import silences

        if self.baseline_until is not None and self.write_baseline is None:
            raise UsageError("--baseline-until says when what --write-baseline writes expires", "add --write-baseline FILE")
        if self.is_ratchet and self.write_baseline is not None:
            raise UsageError("--ratchet never adds to a baseline, and --write-baseline does", "leave out one of them")
        if self.is_ratchet and self.path() is None:
            raise UsageError(
                "--ratchet needs a baseline to tighten", "add --baseline FILE; --write-baseline FILE writes the first one"
            )
        self.until()  # a day that is none is told before the scan
        path = Path(self.config) if self.config else silences.nearest_settings()
        settings = silences.read_settings(path) if path else silences.Settings()
        found = list(settings.silences)
        baseline = Path(self.baseline) if self.baseline else settings.baseline
        # one that is about to be written need not be there yet
        if baseline is not None and (baseline.exists() or str(baseline) != self.write_baseline):
            found += silences.read_baseline(baseline)
        return found + silences.excluded(self.excluded, "--exclude-namespace")

    def path(self) -> Path | None:
        """The baseline that is read, by option or settings."""
        from ghostkey import silences

        if self.baseline:
            return Path(self.baseline)
        found = Path(self.config) if self.config else silences.nearest_settings()
        return silences.read_settings(found).baseline if found else None

    def tighten(self, snapshot: Snapshot, findings: Sequence[Finding], *, is_narrowed: bool) -> None:
        """A baseline only gets better: what is gone leaves it for good with --ratchet, and else it is said that it could.

        Nothing is gone that this scan could not have seen: with a gap, or not over everything, the file stays as it is.
        """
        from ghostkey import silences

        path = self.path()
        if path is None or self.write_baseline is not None or not path.exists():
            return
        gone = silences.gone_from(path, {finding.fingerprint for finding in findings})
        if not gone:
            return
        if snapshot.gaps or is_narrowed:
            why = "not everything was seen" if snapshot.gaps else "the scan was of a part"
            if self.is_ratchet:
                click.echo(f"baseline {path} stays as it is: {why}", err=True)
            return
        if not self.is_ratchet:
            click.echo(
                f"{counted(len(gone), 'finding')} of baseline {path} {'is' if len(gone) == 1 else 'are'} gone: "
                "--ratchet takes what is gone out of it, so that none comes back",
                err=True,
            )
            return
        _replaced(path, silences.baseline_without(path, gone))
        click.echo(
            f"baseline {path} is better: {counted(len(gone), 'finding is', 'findings are')} gone from it for good", err=True
        )

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
        _replaced(path, baseline_bytes(heard.spoken, self.until(), of_baselines(heard)))
        click.echo(
            f"wrote baseline {path}: {counted(len(heard.spoken), 'finding is', 'findings are')} known until {self.until()}",
            err=True,
        )
        silence = Silence(f"baseline {path.name}", until_text=self.until())
        return Heard([], [*heard.silenced, *(Silenced(finding, silence) for finding in heard.spoken)], [])


def _replaced(path: Path, text: bytes) -> None:
    """Writes a baseline whole, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(text)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"cannot write baseline {path}: {error.strerror}") from None


def known_options(function: F) -> F:
    """What scan and trim share; the command gets them as one `known`."""
    return _with(function, *_SHARED)


def baseline_options(function: F) -> F:
    """The same, with those that leave namespaces out and write a baseline."""
    return _with(function, *_SHARED, *_OF_SCANS)


def watch_options(function: F) -> F:
    """The same, with namespaces that are left out."""
    return _with(function, *_SHARED, _OF_SCANS[-1])


_SHARED = (
    ("--config", {"metavar": "FILE", "help": "Settings, instead of the nearest .ghostkey.yaml from the current folder upwards."}),
    ("--baseline", {"metavar": "FILE", "help": "Findings that are known: silent until they expire."}),
)
_OF_SCANS = (
    ("--write-baseline", {"metavar": "FILE", "help": "Make all findings of this scan known, and keep them in this file."}),
    ("--ratchet", {"is_flag": True, "help": "Take what is gone out of the baseline for good: it only gets better. For CI."}),
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
        known = Known(
            config,
            baseline,
            excluded,
            rest.pop("write_baseline", None),
            rest.pop("baseline_until", None),
            rest.pop("ratchet", False),
        )
        return function(*args, known=known, **rest)

    for name, settings in reversed(options):
        click.option(name, **settings)(command)
    return cast(F, command)
