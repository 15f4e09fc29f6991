"""Each mistake of the tenant operator becomes a test that fails on it and passes on the operator that is right."""

from __future__ import annotations

import time

import pytest

from ghostkey.testing.binaries import cache_directory
from tests.churn.test_mistakes import EXPECTED
from tests.learn.conftest import Case

# of these only a fault shows the leak: mistake → (fault, flags of the operator)
BY_FAULT = {
    "error-branch": ("server-error", ""),
    "early-return": ("answer-lost", ""),
    "cleanup-lost-on-restart": ("restarted-after-delete", " --cleanup-delay=1s"),
}
SLICE = ["shortened-key"]


def check(case: Case, mistake: str) -> None:
    fault, flags = BY_FAULT.get(mistake, ("", ""))
    build = case.build(mistake)
    build[1] += flags
    tests = [word for word in build if word not in {"--fixed", case.operator()}]
    how = ["--fault", fault] if fault else ["--no-faults"]
    built = {"GHOSTKEY_CACHE": str(cache_directory())}
    churned = case.program("churn", *tests, *how, "--subjects", "4", "--patience", "3s", "-o", "json", env=built)
    assert churned.code == 1, churned.out[-2000:] + churned.err
    (case.folder / "churn.json").write_text(churned.out)
    verdicts = sorted(
        (one for one in churned.json["verdicts"] if one["verdict"] in ("LEAK", "PARTIAL", "STUCK")),
        key=lambda one: one["source"] != "api",
    )
    began = time.monotonic()
    done = case.learn(
        str(case.folder / "churn.json"),
        "--pick",
        verdicts[0]["fingerprint"],
        "--cap",
        "10",
        *build,
        "-o",
        "json",
        out=case.folder / "lesson",
    )
    seconds = time.monotonic() - began
    (test,) = [one for one in done.json["parts"] if one["part"] == "test"]
    assert test["state"] == "held", test
    assert test["said"] == "it fails on the operator that leaks, and passes on the one that does not"
    print(f"{mistake}: {seconds:.0f} s")


@pytest.mark.whole
@pytest.mark.parametrize("mistake", SLICE)
def test_mistake_becomes_a_test(case: Case, mistake: str) -> None:
    check(case, mistake)


@pytest.mark.whole
@pytest.mark.parametrize("mistake", sorted({*(name for name, found in EXPECTED.items() if found), *BY_FAULT} - set(SLICE)))
def test_every_mistake_becomes_a_test(case: Case, mistake: str) -> None:
    check(case, mistake)
