"""Runs mutated inputs through readers, each within 2 seconds and 256 MB, and reports those that break out.

An input is told by its kind, its seed and its number: `python -m tests.fuzz --kind dumps --seed 7 --only 1234` runs it again.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ghostkey.model.errors import GhostkeyError
from tests.fuzz import inputs
from tests.fuzz.mutation import mutate

SECONDS, PEAK_BYTES = 2.0, 256 << 20
# the address space that a reader may have beyond what its libraries take: an input that wants more fails at once
ROOM_BYTES = 512 << 20


class Input(Protocol):
    """A file in `inputs/`: what to begin with, and the reader. It may raise GhostkeyError, and nothing else."""

    def seeds(self) -> list[bytes]:
        """Whole inputs as they should be."""
        ...

    def read(self, raw: bytes, folder: Path) -> None:
        """Reads one input; `folder` is for its file."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """One input that broke out."""

    kind: str
    seed: int
    number: int
    why: str


class TooSlowError(BaseException):
    """An input took too long. No Exception: readers that go on after any of those must not go on after this."""


def kinds() -> list[str]:
    """The kinds of input."""
    return sorted(found.name for found in pkgutil.iter_modules(inputs.__path__))


def made(kind: str, seed: int, number: int, begin: Sequence[bytes]) -> bytes:
    """The input of that number; the first ones are the seeds themselves."""
    if number < len(begin):
        return begin[number]
    rng = random.Random(f"{kind}/{seed}/{number}")
    return mutate(rng.choice(begin), begin, rng)


def run(kind: str, seed: int, numbers: Sequence[int], folder: Path) -> list[Failure]:
    """Reads the inputs of these numbers in this process, which should be one of its own."""
    found = cast(Input, importlib.import_module(f"{inputs.__name__}.{kind}"))
    begin = found.seeds()
    os.environ["GHOSTKEY_STATE"] = str(folder / "state")
    for raw in begin:
        # what is imported, compiled and kept at first use is no input's fault
        with contextlib.suppress(GhostkeyError):
            found.read(raw, folder)
    failures: list[Failure] = []
    with _limits():
        for number in numbers:
            raw = made(kind, seed, number, begin)
            before = _peak_bytes()
            if why := _broken(found.read, raw, folder):
                failures.append(Failure(kind, seed, number, why))
            if before <= PEAK_BYTES < _peak_bytes():
                failures.append(Failure(kind, seed, number, f"took {_peak_bytes() >> 20} MB"))
    return failures


def _broken(read: Callable[[bytes, Path], None], raw: bytes, folder: Path) -> str:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of a processor: others on this machine do not count
    try:
        read(raw, folder)
    except GhostkeyError:
        return ""
    except TooSlowError:
        return f"took more than {SECONDS:.0f} s\n" + "".join(traceback.format_exc(limit=-6))
    except Exception:  # noqa: BLE001 (that is what is looked for)
        return "".join(traceback.format_exc(limit=-6))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise TooSlowError

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    older = signal.signal(signal.SIGPROF, ring)
    if taken:
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, older)


def run_apart(kind: str, seed: int, numbers: Sequence[int]) -> list[Failure]:
    """As `run`, with a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="ghostkey-fuzz-") as folder:
        return run(kind, seed, numbers, Path(folder))


def no_bug(texts: Iterator[str]) -> None:
    """Raises when a reader noted a bug instead of raising it."""
    for text in texts:
        assert "bug in ghostkey" not in text, text
