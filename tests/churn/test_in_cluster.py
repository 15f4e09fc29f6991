"""A Pod's files for operators that insist on them: seen by the operator alone, as root or as anybody else, or the reason why not."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ghostkey.churn import in_cluster
from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_text("PEM")
    return in_cluster.write_files(tmp_path / "pod", tmp_path / "ca.crt", "apps", "t0ken")


def test_operator_without_a_kubeconfig_is_tested_and_convicted(tenants: TenantBed) -> None:
    inside = dataclasses.replace(tenants, pod_namespace="apps")
    # one round: what it leaves is then PARTIAL, and that it was at work is what is shown here
    with inside.campaign("wrong-delete-key", subjects=2, rounds=1) as (campaign, lane, registry):
        told = Path(f"/proc/{lane.operator.pid}/environ").read_bytes().split(b"\0")
        assert not any(line.startswith(b"KUBECONFIG=") for line in told)
        inside_of = Path(f"/proc/{lane.operator.pid}/root{in_cluster.SERVICE_ACCOUNT.resolve()}")
        assert (inside_of / "namespace").read_text() == "apps"
        campaign.rounds(lane)
        lane.restart()
        assert lane.operator.is_running()
        outcome = campaign.finish()
    assert [str(verdict.signature).replace(registry, "registry") for verdict in outcome.findings] == [KEY]
    assert not outcome.inconclusive


def shown(files: Path, *front: str) -> str:
    asks = f"cd {in_cluster.SERVICE_ACCOUNT} && cat namespace token && echo .$KUBECONFIG. && id -u"
    words = [*front, *in_cluster.argv_with(files, ["sh", "-c", asks])]
    environment = {**os.environ, "KUBECONFIG": "/somewhere"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_are_shown_to_the_program_and_to_nobody_else(files: Path) -> None:
    before = in_cluster.SERVICE_ACCOUNT.exists()
    assert not in_cluster.why_not(files)
    assert shown(files) == f"appst0ken..\n{os.getuid()}\n"
    assert in_cluster.SERVICE_ACCOUNT.exists() == before
    assert (files / "token").stat().st_mode & 0o777 == 0o600


def test_kubeconfig_of_the_home_is_not_shown(files: Path, tmp_path: Path) -> None:
    """kubectl, and what loads as it does, goes by it before it looks for a Pod's files: it leads to another cluster."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("the user's own")
    words = in_cluster.argv_with(files, ["sh", "-c", "ls -a ~/.kube | wc -l; touch ~/.kube/cache"])
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path)})
    assert done.stdout.split() == ["2"]
    assert [path.name for path in (tmp_path / ".kube").iterdir()] == ["config"]


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_who_may_not_mount_has_a_user_namespace_for_it(files: Path) -> None:
    less = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin") if os.getuid() == 0 else ()
    assert shown(files, *less) == f"appst0ken..\n{os.getuid()}\n"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_where_the_kernel_forbids_it_the_reason_is_told(files: Path) -> None:
    words = ["unshare", "-rm", "sh", "-c", 'echo 0 > /proc/sys/user/max_mnt_namespaces; exec "$@"', "sh"]
    done = subprocess.run([*words, *in_cluster.argv_with(files, ["true"])], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a Pod's files cannot be shown to the operator: unshare: No space left on device" in done.stderr
