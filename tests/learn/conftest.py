"""An incident as it happens: an operator that leaks, Tenants that came and went, and what scan found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane, binary, testbed_directory
from ghostkey.testing.binaries import cache_directory
from tests.churn.helpers import SAMPLE, SETUP
from tests.helpers import Done, Program

SOURCE = str(testbed_directory() / "tenant-operator")
MISTAKE = "no-delete-on-notfound"
TENANTS, KEPT = 40, 12
REGISTRY = "/api/v1/namespaces/tenant-system/configmaps/tenant-registry"


@dataclass(frozen=True)
class Case:
    """The cluster with the incident in it, the program, and how the operator is named on a command line."""

    plane: ControlPlane
    program: Program
    folder: Path

    def operator(self, mistake: str = "") -> str:
        return f"{binary('tenant-operator')}" + (f" --mistake={mistake}" if mistake else "")

    def build(self, mistake: str, *, fixed: bool = True) -> list[str]:
        """Options of `learn` that say how the operator is started."""
        words = ["--operator", self.operator(mistake), "--crds", f"{SOURCE}/crd.yaml"]
        for name, documents in (("sample", [SAMPLE]), ("setup", SETUP)):
            path = self.folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump_all(documents))
            words += [f"--{name}", str(path)]
        return [*words, "--fixed", self.operator()] if fixed else words

    def learn(self, *words: str, out: Path, offline: bool = False) -> Done:
        program = Program(self.program.state, None) if offline else self.program
        # away from home, programs would be built anew
        return program("learn", *words, "--out", str(out), env={"GHOSTKEY_CACHE": str(cache_directory())})

    def finding(self) -> dict[str, Any]:
        """The first ghost key of the registry."""
        report = self.program.scan()
        return next(one for one in report["findings"] if one["analysis"] == "ghost-key" and one["name"] == "tenant-registry")


@pytest.fixture(scope="package")
def leaking() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        operator = plane.start_operator(MISTAKE)
        tenants = "/apis/demo.ghostkey.dev/v1/namespaces/default/tenants"
        body = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "spec": {"plan": "gold"}}
        plane.create_many([(tenants, {**body, "metadata": {"name": f"tenant-{number:03d}"}}) for number in range(TENANTS)])

        def keys() -> int:
            status, answer = plane.raw("GET", REGISTRY)
            return len(yaml.safe_load(answer).get("data") or {}) if status == 200 else 0

        plane.wait_until(lambda: keys() >= TENANTS, "a key for each Tenant")
        for number in range(KEPT, TENANTS):
            plane.request("DELETE", f"{tenants}/tenant-{number:03d}")
        plane.wait_until(lambda: len(plane.request("GET", tenants)["items"]) == KEPT, "they are gone")
        operator.stop()
        yield plane


@pytest.fixture
def case(leaking: ControlPlane, tmp_path: Path) -> Case:
    return Case(leaking, Program(tmp_path / "state", leaking.kubeconfig), tmp_path)
