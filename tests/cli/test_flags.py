"""kubectl's global flags do what they do there, on a real API server."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path

import pytest

from ghostkey.cli.where import Where
from ghostkey.kube.flags import Flags
from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map

MAP = {"a": "1"}


def test_server_and_token_and_authority_need_no_kubeconfig(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "m", MAP)
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    control_plane.request("POST", accounts, {"metadata": {"name": "reader"}})
    token = control_plane.request("POST", f"{accounts}/reader/token", {"spec": {}})["status"]["token"]
    ca = tmp_path / "ca.crt"
    ca.write_bytes((control_plane.directory / "ca.crt").read_bytes())
    nowhere = Program(tmp_path / "state", None)
    words = ("--server", control_plane.url, "--token", token)
    untrusted = nowhere("blame", "cm/m", "-n", namespace, *words)
    assert untrusted.code == 5
    assert "certificate" in untrusted.err
    for trust in (("--certificate-authority", str(ca)), ("--insecure-skip-tls-verify",)):
        done = nowhere("blame", "cm/m", "-n", namespace, *words, *trust)
        assert f'"system:serviceaccount:{namespace}:reader"' in done.err, "the server knows who asks"
        assert token not in done.out + done.err


def test_cluster_and_user_are_chosen_from_the_kubeconfig(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "m", MAP)
    config = json.loads(control_plane.kubeconfig.read_text())
    other = json.loads(control_plane.kubeconfig_for(f"other-{namespace}").read_text())
    config["users"].append({**other["users"][0], "name": "other"})
    config["clusters"].insert(0, {"name": "elsewhere", "cluster": {"server": "https://127.0.0.1:1"}})
    config["contexts"][0]["context"]["cluster"] = "elsewhere"
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    program = Program(tmp_path / "state", path)
    assert program("blame", "cm/m", "-n", namespace, "--cluster", "testbed").code == 0
    denied = program("blame", "cm/m", "-n", namespace, "--cluster", "testbed", "--user", "other")
    assert f'"other-{namespace}"' in denied.err
    unknown = program("blame", "cm/m", "-n", namespace, "--cluster", "none")
    assert (unknown.code, "no cluster 'none'" in unknown.err) == (2, True)


def test_client_certificate_and_uid(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    make_map(control_plane, namespace, "m", MAP)
    user = json.loads(control_plane.kubeconfig.read_text())["users"][0]["user"]
    for name in ("client-certificate", "client-key"):
        (tmp_path / name).write_bytes(base64.b64decode(user[f"{name}-data"]))
    shown = ("--client-certificate", str(tmp_path / "client-certificate"), "--client-key", str(tmp_path / "client-key"))
    to = ("-s", control_plane.url, "--certificate-authority", str(control_plane.directory / "ca.crt"))
    nowhere = Program(tmp_path / "state", None)
    assert nowhere("blame", "cm/m", "-n", namespace, *to, *shown).code == 0
    assert (
        nowhere(
            "blame",
            "cm/m",
            "-n",
            namespace,
            *to,
            *shown,
            "--as",
            "ghostkey-admin",
            "--as-group",
            "system:masters",
            "--as-uid",
            "7",
        ).code
        == 0
    )
    alone = nowhere("blame", "cm/m", "-n", namespace, *to, *shown, "--as-uid", "7")
    assert (alone.code, "--as-uid needs --as" in alone.err) == (2, True)


@pytest.mark.parametrize("hidden", ["s3cret"])
def test_a_token_is_repeated_nowhere(hidden: str) -> None:
    where = Where(flags=Flags(cluster="c", server="https://x y", token=hidden, insecure_skip_tls_verify=True))
    assert shlex.split(where.words()) == ["--insecure-skip-tls-verify", "--cluster", "c", "--server", "https://x y"]
    assert hidden not in repr(where)
