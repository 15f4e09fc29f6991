"""The regression test: a pytest and a churn scenario that fail on the leaking operator, and pass on one that is right. Both are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ghostkey.churn.operator import command_line
from ghostkey.churn.plan import read_plan, round_of
from ghostkey.churn.subjects import read_documents
from ghostkey.learn.incident import Incident
from ghostkey.learn.parts import FAILED, HELD, NONE, UNTRIED, Part
from ghostkey.model.errors import GhostkeyError

NAME = "test"
SUBJECTS = 4  # half of them with a long name, half of them deleted in reverse
PATIENCE = 10.0
SECONDS = 240.0  # for one run of the test
EXPLORE_SECONDS = 60.0
Progress = Callable[[str], None]
_CREDENTIAL = re.compile(r"(?i)pass|secret|token|credential|auth|key(?!s)")

PYTEST = '''"""{title}

Written by `ghostkey learn` for incident {id}. It fails while the operator leaks, and passes when it does not. OPERATOR is the command
line of the build to test; {{kubeconfig}} in it stands for its kubeconfig.
"""

import os
import pathlib

import pytest

from ghostkey.churn.testing import assert_no_ghosts

HERE = pathlib.Path(__file__).parent
OPERATOR = os.environ.get("OPERATOR", {operator})
ENVIRONMENT: dict[str, str] = {environment}


@pytest.mark.churn(
    OPERATOR,
    crds=[HERE / "crds.yaml"],
    setup=[HERE / "setup.yaml"],
    samples=[HERE / "sample.yaml"],
    environment=ENVIRONMENT,
    {how},
    patience={patience},
)
def test_nothing_outlives_its_subject(churned) -> None:
    assert_no_ghosts(churned)
'''


@dataclass(frozen=True, slots=True)
class Build:
    """The operator to test: how it is started, with which CRDs, samples and setup; `fixed` starts one that does not leak."""

    operator: str
    crds: Sequence[str] = ()
    samples: Sequence[str] = ()
    setup: Sequence[str] = ()
    fixed: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def private(self) -> dict[str, str]:
        """What of the environment is called as credentials are: that is in no file."""
        return {name: value for name, value in self.environment.items() if _CREDENTIAL.search(name)}


def part(incident: Incident, build: Build | None, progress: Progress = lambda _: None) -> Part:
    """The test, run against the operator where one is given."""
    if build is None:
        return Part(NAME, NONE, "no operator was named: --operator 'PROGRAM …' --crds DIR --sample FILE")
    if incident.signature.startswith("memory:"):
        candidates = [""]  # a map in memory shows over rounds alone
    else:
        candidates = list(dict.fromkeys(filter(None, [incident.plan, round_of(SUBJECTS).as_yaml()])))
    said = ""
    for plan in candidates:
        files = _files(incident, build, plan)
        progress("running the test on the operator that leaks")
        said = _on_the_leaking(incident, build, files)
        if not said:
            return _on_the_fixed(files, build, progress)
        if said.startswith("not tried"):
            return Part(NAME, UNTRIED, said.removeprefix("not tried: "), files)
    progress("looking for a fault that brings it about")
    plan, why = _explored(incident, build)
    if not plan:
        return Part(NAME, FAILED, f"{said}; and {why}")
    files = _files(incident, build, plan)
    said = _on_the_leaking(incident, build, files)
    return Part(NAME, FAILED, said) if said else _on_the_fixed(files, build, progress)


def _files(incident: Incident, build: Build, plan: str) -> dict[str, str]:
    """The test's folder."""
    documents = {"crds": build.crds, "setup": build.setup, "sample": build.samples}
    how = 'plan=HERE / "plan.yaml"' if plan else f"faults=None,\n    subjects={SUBJECTS}"
    text = PYTEST.format(
        title=incident.title.replace("\\", "/").replace('"""', "'''"), id=incident.id,
        operator=json.dumps(shlex.join(command_line(build.operator))), how=how, patience=PATIENCE,
        environment=_environment(build),
    )  # fmt: skip
    files = {f"test/{name}.yaml": yaml.safe_dump_all(read_documents(paths), sort_keys=False) for name, paths in documents.items()}
    files[f"test/test_incident_{incident.id.replace('-', '_')}.py"] = text
    if plan:
        read_plan(plan, "the plan of the incident")
        files["test/plan.yaml"] = plan
    return files


def _environment(build: Build) -> str:
    """The operator's environment, as Python has it; credentials are those of whoever runs the test."""
    rows = [
        f"    {json.dumps(name)}: {f'os.environ[{json.dumps(name)}]' if name in build.private else json.dumps(value)},\n"
        for name, value in build.environment.items()
    ]
    return "{\n" + "".join(rows) + "}" if rows else "{}"


def _on_the_leaking(incident: Incident, build: Build, files: dict[str, str]) -> str:
    """Empty where the test fails, and by what the incident is about; else why not."""
    code, out = _run(files, build.private)
    if code < 0 or code > 1:
        return f"not tried: {out}"
    if code == 0:
        return "the test passes on the operator that leaks"
    wanted = incident.signature or (f"{incident.resource} {incident.namespace}/{incident.name} " if incident.name else "")
    leaks = [line for line in out.splitlines() if line.startswith(("LEAK ", "PARTIAL ", "STUCK "))]
    if not leaks:
        return f"the test fails, and by nothing that leaks: {out[-300:]}"
    if wanted and not any(wanted in line for line in leaks):
        return f"the test fails by another leak alone: {leaks[0][:300]}"
    return ""


def _on_the_fixed(files: dict[str, str], build: Build, progress: Progress) -> Part:
    if not build.fixed:
        return Part(NAME, HELD, "it fails on the operator; not tried on one that does not leak: --fixed 'PROGRAM …'", files)
    progress("running the test on the operator that is right")
    code, out = _run(files, {**build.private, "OPERATOR": build.fixed})
    if code == 0:
        return Part(NAME, HELD, "it fails on the operator that leaks, and passes on the one that does not", files)
    return Part(NAME, FAILED, f"the test does not pass on the operator that is said not to leak: {out[-400:]}")


def _run(files: dict[str, str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code of pytest over the files (0 passed, 1 failed), and what it said of failures; -1 and why it could not be run."""
    with tempfile.TemporaryDirectory() as place:
        for name, text in files.items():
            path = Path(place) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", "--no-header", "test"]
        surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
        surroundings.pop("PYTEST_ADDOPTS", None)
        try:
            done = subprocess.run(
                words, cwd=place, env=surroundings, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return -1, f"the test had not ended after {SECONDS:.0f} s"
    out = done.stdout + done.stderr
    if done.returncode not in {0, 1} or " error" in out.rstrip().rpartition("\n")[2]:
        return -1, f"pytest could not run it: {out.strip()[-300:]}"
    return done.returncode, out


def _explored(incident: Incident, build: Build) -> tuple[str, str]:
    """A plan with a fault under which the incident shows; or "" and why there is none."""
    from ghostkey.churn.run import Request, run

    request = Request(
        build.operator, build.crds, build.samples, build.setup, build.environment, 3, SUBJECTS, (), 2.0, EXPLORE_SECONDS
    )
    try:
        outcome = run(request)
    except GhostkeyError as error:
        return "", f"churn could not look for one: {error}"
    wanted = incident.signature or f"api: {incident.resource} {incident.namespace}/{incident.name} "
    for verdict in outcome.findings:
        plan: Any = outcome.plans.get(verdict.signature)
        if plan is not None and str(verdict.signature).startswith(wanted):
            return plan.as_yaml(), ""
    return "", f"churn with faults does not bring it about within {EXPLORE_SECONDS:.0f} s"


__all__ = ["Build", "part"]
