"""Makes the parts of a lesson, tries each on the real thing, and writes what held."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ghostkey.guard.caps import Cap
from ghostkey.learn import folder
from ghostkey.learn.incident import Incident
from ghostkey.learn.kept import Kept
from ghostkey.learn.parts import NONE, Part, alert, guard, lint, post_mortem, regression
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is at hand: the map's cap (or why there is none), the operator, its source, an incident that it is like, and what the
    cluster's own dry run said of the guard."""

    cap: Cap | str
    build: regression.Build | None = None
    source: Path | None = None
    like: Kept | None = None
    in_cluster: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learnt: the parts, in order; `files` is everything that is to be written."""

    incident: Incident
    parts: tuple[Part, ...]
    files: dict[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether every part was tried, and held."""
        return all(part.state == "held" for part in self.parts)


def learn(incident: Incident, wanted: Wanted, progress: Progress = lambda _: None) -> Lesson:
    """The lesson of an incident; nothing is written yet. Guard and test are tried side by side."""
    if wanted.source is not None and not incident.causes:
        with contextlib.suppress(GhostkeyError):
            incident = dataclasses.replace(incident, causes=tuple(lint.causes_in(wanted.source, incident.resource)[:20]))
    if wanted.like is not None:
        incident = dataclasses.replace(incident, proof=(*incident.proof, f"like {wanted.like}: {wanted.like.pattern}"))
    with ThreadPoolExecutor(1) as pool:
        tested = pool.submit(regression.part, incident, wanted.build, progress)
        progress("trying the guard")
        guarded, told = _guarded(incident, wanted)
        alerted = alert.part(incident, wanted.cap, told)
        linted = lint.part(incident, wanted.source)
        parts = [guarded, alerted, linted, tested.result()]
    parts.append(post_mortem.part(incident, parts))
    files = {name: text for part in parts if part.is_written for name, text in part.files.items()}
    files["README.md"] = _readme(incident, parts)
    files["incident.json"] = msgspec.json.format(msgspec.json.encode(incident), indent=2).decode() + "\n"
    return Lesson(incident, tuple(parts), files)


def write(lesson: Lesson, target: Path, *, is_forced: bool) -> None:
    """Writes the lesson's folder, as a whole or not at all."""
    folder.write(target, lesson.files, is_forced=is_forced)


def _guarded(incident: Incident, wanted: Wanted) -> tuple[Part, str]:
    """The guard's part, and what the API server that tried it tells of itself."""
    if isinstance(wanted.cap, str):
        return Part(guard.NAME, NONE, wanted.cap), ""
    try:
        with _plane() as plane:
            part = guard.part(incident, wanted.cap, plane)
            told = plane.raw("GET", "/metrics")[1].decode("utf-8", "replace")
    except (ImportError, OSError, RuntimeError) as error:
        return guard.part(
            incident, wanted.cap, f"no API server of its own could be started: {str(error).splitlines()[0][:200]}"
        ), ""
    if wanted.in_cluster:
        part = dataclasses.replace(part, said=f"{part.said}; {wanted.in_cluster}")
    return part, told


@contextlib.contextmanager
def _plane() -> Iterator[ControlPlane]:
    from ghostkey.testing import ControlPlane

    with ControlPlane() as running:
        yield running


_WORDS = {
    guard.NAME: f"`{guard.FILE}`: the admission policy; it begins as audit",
    alert.NAME: f"`{alert.RULES}` and its test `{alert.TESTS}`: `promtool test rules {alert.TESTS}`; scrape with honor_labels",
    lint.NAME: f"`{lint.FILE}`: `ghostkey lint --config {lint.FILE} ./...`",
    regression.NAME: "`test/`: `OPERATOR='./manager' pytest test`, or `ghostkey churn --operator ./manager --crds test/crds.yaml --setup "
    "test/setup.yaml --sample test/sample.yaml --plan test/plan.yaml`",
    post_mortem.NAME: f"`{post_mortem.MARKDOWN}` and `{post_mortem.PAGE}`",
}  # fmt: skip


def _readme(incident: Incident, parts: list[Part]) -> str:
    lines = [f"# What was learnt from incident {incident.id}", ""]
    for part in parts:
        what = _WORDS[part.name] if part.is_written else f"{part.name}: not written"
        lines.append(f"- {what}. {part.state}: {post_mortem.plain(part.said)}")
    return "\n".join(lines) + "\n"
